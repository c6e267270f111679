#!/bin/sh
# A video file and its sound through the model's few numbers and back. STRIDE asks for every n-th pixel of every n-th row only, which
# costs that much less.
#
#   MODEL=folder INPUT=clip.mp4 OUTPUT=reconstruction.mkv pipelines/reconstruct.sh
set -eu
patient='queue max-size-buffers=0 max-size-bytes=0 max-size-time=0'
# shellcheck disable=SC2086
exec gst-launch-1.0 -e filesrc location="${INPUT:?a video file with sound}" ! decodebin name=clip \
    clip. ! queue ! videoconvert ! windows.video_sink \
    clip. ! queue ! audioconvert ! audioresample ! windows.audio_sink \
    perceiverpreprocess name=windows model="${MODEL:?a folder with a multimodal model}" ! queue \
        ! perceiverencode model="$MODEL" ${OPTIONS:-} ! tee name=latents \
    latents. ! $patient ! perceiverdecode head=video query-stride="${STRIDE:-1}" model="$MODEL" ${OPTIONS:-} \
        ! queue ! videoconvert ! x264enc ! h264parse ! file. \
    latents. ! $patient ! perceiverdecode head=audio model="$MODEL" ${OPTIONS:-} \
        ! $patient ! audioconvert ! audioresample ! voaacenc ! aacparse ! file. \
    matroskamux name=file ! filesink location="${OUTPUT:?the mkv file to write}"
