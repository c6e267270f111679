#!/bin/sh
# The labels of sound alone as JSON lines: a multimodal model hears without seeing.
#
#   INPUT=sound.wav OUTPUT=labels.jsonl pipelines/labels-of-sound.sh
set -eu
# shellcheck disable=SC2086
exec gst-launch-1.0 -q filesrc location="${INPUT:?a file with sound}" ! decodebin ! audioconvert ! audioresample ! queue \
    ! perceiverclassify name=labels model="${MODEL:-builtin:av}" ${OPTIONS:-} ! queue ! fakesink \
    labels.text_src ! queue ! application/x-json ! filesink location="${OUTPUT:?the file to write}"
