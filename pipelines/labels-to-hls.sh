#!/bin/sh
# A video file with its labels written on it as HTTP live streaming: a playlist and its segments in one folder, which any web server
# hands out.
#
#   INPUT=clip.mp4 OUTPUT=folder pipelines/labels-to-hls.sh
#
# SECONDS_EACH is how long a segment lasts.
set -eu
mkdir -p "${OUTPUT:?the folder to write to}"
# shellcheck disable=SC2086
exec gst-launch-1.0 -e filesrc location="${INPUT:?a video file}" ! decodebin ! queue ! videoconvert \
    ! perceiverflow task=classify result-policy=aligned model="${MODEL:-builtin:av}" ${OPTIONS:-} \
    ! queue ! videoconvert ! x264enc tune=zerolatency key-int-max=25 ! h264parse \
    ! hlssink2 target-duration="${SECONDS_EACH:-2}" playlist-length=0 max-files=0 \
        location="$OUTPUT/segment-%05d.ts" playlist-location="$OUTPUT/playlist.m3u8"
