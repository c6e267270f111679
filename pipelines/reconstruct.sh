#!/bin/sh
# A video file and its sound, or one of them alone, through the model's few numbers and back. STRIDE asks for every n-th pixel of every
# n-th row only, which costs that much less.
#
#   INPUT=clip.mp4 OUTPUT=reconstruction.mkv pipelines/reconstruct.sh
set -eu
model=${MODEL:-builtin:av}
patient='queue max-size-buffers=0 max-size-bytes=0 max-size-time=0'
streams=$(gst-discoverer-1.0 "${INPUT:?a file with video or sound}")
set --
# shellcheck disable=SC2086
case $streams in *'video #'* | *'video:'*)
    set -- "$@" clip. ! queue ! videoconvert ! windows.video_sink \
        latents. ! $patient ! perceiverdecode head=video query-stride="${STRIDE:-1}" model="$model" ${OPTIONS:-} \
        ! queue ! videoconvert ! x264enc ! h264parse ! file. ;;
esac
# shellcheck disable=SC2086
case $streams in *'audio #'* | *'audio:'*)
    set -- "$@" clip. ! queue ! audioconvert ! audioresample ! windows.audio_sink \
        latents. ! $patient ! perceiverdecode head=audio model="$model" ${OPTIONS:-} \
        ! $patient ! audioconvert ! audioresample ! voaacenc ! aacparse ! file. ;;
esac
# shellcheck disable=SC2086
exec gst-launch-1.0 -e filesrc location="$INPUT" ! decodebin name=clip \
    perceiverpreprocess name=windows model="$model" ! queue \
        ! perceiverencode model="$model" ${OPTIONS:-} ! tee name=latents \
    matroskamux name=file ! filesink location="${OUTPUT:?the mkv file to write}" "$@"
