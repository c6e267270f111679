#!/bin/sh
# Optical flow drawn over a video file, with its sound. The queues let decoder, model and encoder work at the same time; the
# one for the sound has no limit, as it waits for as many frames as the encoder looks ahead.
#
#   INPUT=clip.mp4 OUTPUT=flow.mp4 pipelines/overlay-with-sound.sh
#
# MODE is wheel, arrows or blend.
set -eu
# shellcheck disable=SC2086
exec gst-launch-1.0 -e filesrc location="${INPUT:?a video file with sound}" ! decodebin name=clip \
    clip. ! queue ! videoconvert \
        ! perceiveropticalflow model="${MODEL:-builtin:flow}" ${OPTIONS:-} ! perceiveroverlay mode="${MODE:-blend}" \
        ! queue ! videoconvert ! x264enc ! h264parse ! file. \
    clip. ! queue max-size-buffers=0 max-size-bytes=0 max-size-time=0 ! audioconvert ! audioresample ! voaacenc ! aacparse ! file. \
    mp4mux name=file ! filesink location="${OUTPUT:?the mp4 file to write}"
