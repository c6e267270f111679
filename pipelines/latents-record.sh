#!/bin/sh
# The latents of a video file and its sound, to ask any head about them later: a small array for each window, with its time and
# the model's hash.
#
#   INPUT=clip.mp4 OUTPUT=clip.latents pipelines/latents-record.sh
set -eu
model=${MODEL:-builtin:av}
# shellcheck disable=SC2086
exec gst-launch-1.0 -q filesrc location="${INPUT:?a video file with sound}" ! decodebin name=clip \
    clip. ! queue ! videoconvert ! windows.video_sink \
    clip. ! queue ! audioconvert ! audioresample ! windows.audio_sink \
    perceiverpreprocess name=windows model="$model" ! queue \
        ! perceiverencode model="$model" ${OPTIONS:-} ! gdppay ! filesink location="${OUTPUT:?the file to write}"
