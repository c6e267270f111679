#!/bin/sh
# The labels of a video file, and of its sound if it has any, as JSON lines, one for each window.
#
#   INPUT=clip.mp4 OUTPUT=labels.jsonl pipelines/labels-to-json.sh
set -eu
sound=
if gst-discoverer-1.0 "${INPUT:?a video file}" | grep -q 'audio #\|audio:'; then
    sound='clip. ! queue ! audioconvert ! audioresample ! labels.audio_sink'
fi
# shellcheck disable=SC2086
exec gst-launch-1.0 -q filesrc location="$INPUT" ! decodebin name=clip \
    clip. ! queue ! videoconvert \
        ! perceiverclassify name=labels model="${MODEL:-builtin:av}" ${OPTIONS:-} ! queue ! fakesink \
    $sound \
    labels.text_src ! queue ! application/x-json ! filesink location="${OUTPUT:?the file to write}"
