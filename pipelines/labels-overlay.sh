#!/bin/sh
# The labels of picture and sound written on a video file, with its sound. Each result sits on the frames it was made of (aligned); the
# queue for the sound that is kept waits without limit, as the encoder looks many frames ahead.
#
#   INPUT=clip.mp4 OUTPUT=labels.mp4 pipelines/labels-overlay.sh
#
# FONT is the height of the text in pixels.
set -eu
# shellcheck disable=SC2086
exec gst-launch-1.0 -e filesrc location="${INPUT:?a video file with sound}" ! decodebin name=clip \
    clip. ! queue ! videoconvert \
        ! perceiverflow name=labels task=classify result-policy=aligned model="${MODEL:-builtin:av}" \
            font-size="${FONT:-0}" ${OPTIONS:-} \
        ! queue ! videoconvert ! x264enc ! h264parse ! file. \
    clip. ! tee name=sound \
    sound. ! queue ! audioconvert ! audioresample ! labels.audio_sink \
    sound. ! queue max-size-buffers=0 max-size-bytes=0 max-size-time=0 ! audioconvert ! audioresample ! voaacenc ! aacparse ! file. \
    mp4mux name=file ! filesink location="${OUTPUT:?the mp4 file to write}"
