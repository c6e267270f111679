#!/bin/sh
# The labels of a video file and its sound as JSON lines, one for each window.
#
#   MODEL=folder INPUT=clip.mp4 OUTPUT=labels.jsonl pipelines/labels-to-json.sh
set -eu
# shellcheck disable=SC2086
exec gst-launch-1.0 -q filesrc location="${INPUT:?a video file with sound}" ! decodebin name=clip \
    clip. ! queue ! videoconvert \
        ! perceiverclassify name=labels model="${MODEL:?a folder with a multimodal model}" ${OPTIONS:-} ! queue ! fakesink \
    clip. ! queue ! audioconvert ! audioresample ! labels.audio_sink \
    labels.text_src ! queue ! application/x-json ! filesink location="${OUTPUT:?the file to write}"
