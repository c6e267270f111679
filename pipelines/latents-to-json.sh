#!/bin/sh
# The labels of recorded latents as JSON lines. The video and its sound are not needed any more; another model's latents are refused.
#
#   INPUT=clip.latents OUTPUT=labels.jsonl pipelines/latents-to-json.sh
#
# MODEL is the model that made them.
set -eu
# shellcheck disable=SC2086
exec gst-launch-1.0 -q filesrc location="${INPUT:?a file of latents-record.sh}" ! gdpdepay ! queue \
    ! perceiverdecode head=labels model="${MODEL:-builtin:av}" ${OPTIONS:-} \
    ! application/x-json ! filesink location="${OUTPUT:?the file to write}"
