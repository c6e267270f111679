#!/bin/sh
# The gaps of a subtitle file filled by a masked language model: each [MASK] becomes the byte that the model thinks likeliest there.
#
#   MODEL=language-perceiver INPUT=gaps.srt OUTPUT=filled.vtt pipelines/fill-subtitles.sh
#
# INPUT may be any subtitles that subparse reads (SubRip, WebVTT, MicroDVD, …). With a PerceiverForSequenceClassification as MODEL and
# OPTIONS='output=labels' the file says what each sentence is about instead.
set -eu
# shellcheck disable=SC2086
exec gst-launch-1.0 -e filesrc location="${INPUT:?a subtitle file}" ! subparse \
    ! perceivertext model="${MODEL:?a folder with a language model}" ${OPTIONS:-} \
    ! webvttenc ! filesink location="${OUTPUT:?the WebVTT file to write}"
