# demo · test · bench · lint · install · cuda
#
# `make demo` and `make test` do all the set-up on a fresh Debian 12 or Ubuntu 24.04 that has Rust and a C compiler. What is installed
# already is found, and the second time is quick.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:

# GStreamer to build against and to run pipelines with, FFmpeg's libraries, and what reads their headers; ffmpeg itself for the tests that cut
# and damage clips, and for the detectors that `evaluate av` has beside the model; the bindings of Python for the example that reads messages.
PACKAGES := pkg-config clang libclang-dev ffmpeg \
	libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev \
	gstreamer1.0-tools gstreamer1.0-plugins-base-apps \
	gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad \
	gstreamer1.0-plugins-ugly gstreamer1.0-libav \
	python3-gi python3-gst-1.0 gir1.2-gstreamer-1.0 \
	libavcodec-dev libavformat-dev libavutil-dev libswscale-dev libswresample-dev

PLUGIN := gst-plugin-perceiverflow
# Where an installed plugin is found without any setting.
PLUGIN_DIR ?= $(shell pkg-config --variable=pluginsdir gstreamer-1.0 2>/dev/null)
PREFIX ?= /usr/local

.PHONY: help packages demo test lint bench install cuda

help:
	@echo 'make demo                  render a clip, run our elements on it, show what comes out in demo/'
	@echo 'make demo INPUT=clip.mp4   the same with a clip of yours'
	@echo 'make test                  every test'
	@echo 'make lint                  format, clippy and documentation, warnings as errors'
	@echo 'make bench                 speed, side by side'
	@echo 'make install               the program to $$PREFIX/bin, the plugin to where GStreamer finds it'
	@echo 'make cuda                  program and plugin for NVIDIA GPUs; needs the CUDA toolkit'

packages:
	@missing=$$(for package in $(PACKAGES); do \
		dpkg-query -W -f='$${db:Status-Status}' "$$package" 2>/dev/null | grep -qx installed || echo "$$package"; done); \
	if [ -z "$$missing" ]; then exit 0; fi; \
	echo "Installing with apt-get:" $$missing; \
	root=; if [ "$$(id -u)" != 0 ]; then root=sudo; fi; \
	export DEBIAN_FRONTEND=noninteractive; \
	$$root apt-get update -q; \
	$$root apt-get install -y -q --no-install-recommends $$missing

demo: packages
	cargo build --release -p perceiverflow
	cargo build --release -p $(PLUGIN)
	GST_PLUGIN_PATH="$(CURDIR)/target/release" PERCEIVERFLOW="$(CURDIR)/target/release/perceiverflow" \
		pipelines/demo.sh demo $(INPUT)

# The two crates are tested apart: together, cargo would build the plugin with the program's features.
test: packages
	cargo test -p perceiverflow
	cargo build -p $(PLUGIN)
	GST_PLUGIN_PATH="$(CURDIR)/target/debug" G_DEBUG=fatal_warnings cargo test -p $(PLUGIN)

lint: packages
	cargo fmt --all --check
	cargo clippy -p perceiverflow --all-targets -- -D warnings
	cargo clippy -p $(PLUGIN) --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --no-deps -p perceiverflow -p $(PLUGIN)

bench: packages
	cargo bench -p perceiverflow

install: packages
	cargo build --release -p perceiverflow
	cargo build --release -p $(PLUGIN)
	install -D -m 755 target/release/perceiverflow $(DESTDIR)$(PREFIX)/bin/perceiverflow
	install -D -m 644 target/release/libgstperceiverflow.so $(DESTDIR)$(PLUGIN_DIR)/libgstperceiverflow.so

cuda: packages
	@if ! command -v nvcc >/dev/null; then \
		echo 'make cuda: nvcc is not on the PATH; install the CUDA toolkit 12 or 13 and add its bin directory' >&2; exit 1; fi
	@if [ -z "$${CUDA_COMPUTE_CAP:-}" ] && ! nvidia-smi >/dev/null 2>&1; then \
		echo 'make cuda: no GPU here to ask; say for which, such as CUDA_COMPUTE_CAP=80 make cuda' >&2; exit 1; fi
	cargo build --release -p perceiverflow --features cuda
	cargo build --release -p $(PLUGIN) --features cuda
