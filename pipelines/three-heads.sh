#!/bin/sh
# Three heads about one video file and its sound: what the model sees, what it hears, and what it calls that, in one Matroska file with
# subtitles. Each window is encoded once, whatever number of heads is behind the tee.
#
#   INPUT=clip.mp4 OUTPUT=heads.mkv pipelines/three-heads.sh
set -eu
model=${MODEL:-builtin:av}
patient='queue max-size-buffers=0 max-size-bytes=0 max-size-time=0'
# shellcheck disable=SC2086
exec gst-launch-1.0 -e filesrc location="${INPUT:?a video file with sound}" ! decodebin name=clip \
    clip. ! queue ! videoconvert ! windows.video_sink \
    clip. ! queue ! audioconvert ! audioresample ! windows.audio_sink \
    perceiverpreprocess name=windows model="$model" ! queue \
        ! perceiverencode model="$model" ${OPTIONS:-} ! tee name=latents \
    latents. ! $patient ! perceiverdecode head=video model="$model" ${OPTIONS:-} ! queue ! videoconvert ! x264enc ! h264parse ! file. \
    latents. ! $patient ! perceiverdecode head=audio model="$model" ${OPTIONS:-} \
        ! $patient ! audioconvert ! audioresample ! voaacenc ! aacparse ! file. \
    latents. ! $patient ! perceiverdecode head=labels top-k=1 model="$model" ${OPTIONS:-} ! $patient ! text/x-raw ! file. \
    matroskamux name=file ! filesink location="${OUTPUT:?the mkv file to write}"
