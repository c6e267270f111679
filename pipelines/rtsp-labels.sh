#!/bin/sh
# The picture of an RTSP camera in, its labels as JSON lines out, for as long as it runs; an interrupt ends the file as it should be.
#
#   INPUT=rtsp://camera/stream OUTPUT=labels.jsonl pipelines/rtsp-labels.sh
#
# The stream comes over UDP, or over TCP where that does not get through; rtspt:// asks for TCP at once. LATENCY is how many milliseconds
# late packets are waited for.
set -eu
# shellcheck disable=SC2086
exec gst-launch-1.0 -e rtspsrc location="${INPUT:?the address of a camera}" latency="${LATENCY:-200}" \
    ! application/x-rtp,media=video ! decodebin ! videoconvert ! queue \
    ! perceiverclassify name=labels leaky=downstream model="${MODEL:-builtin:av}" ${OPTIONS:-} \
    ! queue ! fakesink \
    labels.text_src ! queue ! application/x-json ! filesink buffer-mode=unbuffered location="${OUTPUT:?the file to write}"
