#!/bin/sh
# Flow and labels on one picture: the elements of both jobs in a row, drawn by one overlay.
#
#   INPUT=clip.mp4 OUTPUT=both.mp4 pipelines/flow-and-labels.sh
#
# FLOW is the flow model.
set -eu
# shellcheck disable=SC2086
exec gst-launch-1.0 -e filesrc location="${INPUT:?a video file}" ! decodebin ! queue ! videoconvert \
    ! perceiveropticalflow scale=fit model="${FLOW:-builtin:flow}" ${OPTIONS:-} ! queue \
    ! perceiverclassify model="${MODEL:-builtin:av}" ${OPTIONS:-} \
    ! perceiveroverlay mode=arrows ! queue ! videoconvert ! x264enc ! h264parse ! mp4mux \
    ! filesink location="${OUTPUT:?the mp4 file to write}"
