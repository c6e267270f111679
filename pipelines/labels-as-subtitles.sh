#!/bin/sh
# A video file with its sound and its labels as subtitles, in one Matroska file. Video and sound wait without limit for the labels, which
# are a window behind.
#
#   INPUT=clip.mp4 OUTPUT=clip.mkv pipelines/labels-as-subtitles.sh
set -eu
patient='queue max-size-buffers=0 max-size-bytes=0 max-size-time=0'
# shellcheck disable=SC2086
exec gst-launch-1.0 -e filesrc location="${INPUT:?a video file with sound}" ! decodebin name=clip \
    clip. ! queue ! videoconvert \
        ! perceiverclassify name=labels top-k=1 model="${MODEL:-builtin:av}" ${OPTIONS:-} \
        ! $patient ! videoconvert ! x264enc ! h264parse ! file. \
    clip. ! tee name=sound \
    sound. ! queue ! audioconvert ! audioresample ! labels.audio_sink \
    sound. ! $patient ! audioconvert ! audioresample ! voaacenc ! aacparse ! file. \
    labels.text_src ! $patient ! text/x-raw ! file. \
    matroskamux name=file ! filesink location="${OUTPUT:?the mkv file to write}"
