#!/bin/sh
# The labels of a video file and its sound as WebVTT, which players show as subtitles.
#
#   INPUT=clip.mp4 OUTPUT=clip.vtt pipelines/labels-to-vtt.sh
set -eu
# shellcheck disable=SC2086
exec gst-launch-1.0 -q filesrc location="${INPUT:?a video file with sound}" ! decodebin name=clip \
    clip. ! queue ! videoconvert \
        ! perceiverclassify name=labels top-k=3 model="${MODEL:-builtin:av}" ${OPTIONS:-} ! queue ! fakesink \
    clip. ! queue ! audioconvert ! audioresample ! labels.audio_sink \
    labels.text_src ! queue ! text/x-raw ! webvttenc ! filesink location="${OUTPUT:?the vtt file to write}"
