#!/bin/sh
# The raw flow of a video file: one Middlebury .flo file for each pair of frames. Nothing need take the video itself.
#
#   INPUT=clip.mp4 OUTPUT=folder pipelines/field-to-flo.sh
set -eu
mkdir -p "${OUTPUT:?the folder to write to}"
# shellcheck disable=SC2086
exec gst-launch-1.0 -e filesrc location="${INPUT:?a video file}" ! decodebin ! queue ! videoconvert \
    ! perceiveropticalflow name=flow model="${MODEL:-builtin:flow}" ${OPTIONS:-} \
    flow.flow_src ! queue ! image/x-flo ! multifilesink location="$OUTPUT/%05d.flo"
