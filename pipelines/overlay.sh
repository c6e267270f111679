#!/bin/sh
# Optical flow drawn over any video file, without its sound: the bin does the whole job.
#
#   INPUT=clip.mp4 OUTPUT=flow.mp4 pipelines/overlay.sh
#
# MODE is wheel, arrows or blend.
set -eu
# shellcheck disable=SC2086
exec gst-launch-1.0 -e filesrc location="${INPUT:?a video file}" ! decodebin ! queue ! videoconvert \
    ! perceiverflow task=optical-flow model="${MODEL:-builtin:flow}" mode="${MODE:-blend}" ${OPTIONS:-} \
    ! queue ! videoconvert ! x264enc ! h264parse ! mp4mux ! filesink location="${OUTPUT:?the mp4 file to write}"
