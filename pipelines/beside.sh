#!/bin/sh
# The original on the left, its flow on the colour wheel on the right. Each result sits on its own frame (aligned), which delays
# the right branch by a few frames; the queue on the left makes up for that.
#
#   INPUT=clip.mp4 OUTPUT=beside.mp4 pipelines/beside.sh
#
# WIDTH and HEIGHT are those of one half.
set -eu
WIDTH=${WIDTH:-640} HEIGHT=${HEIGHT:-360}
# shellcheck disable=SC2086
exec gst-launch-1.0 -e filesrc location="${INPUT:?a video file}" ! decodebin ! queue ! videoconvertscale \
    ! video/x-raw,width="$WIDTH",height="$HEIGHT",pixel-aspect-ratio=1/1 ! tee name=clip \
    clip. ! queue ! sides.sink_0 \
    clip. ! queue ! perceiveropticalflow result-policy=aligned model="${MODEL:-builtin:flow}" ${OPTIONS:-} \
        ! perceiveroverlay mode=wheel ! queue ! sides.sink_1 \
    compositor name=sides sink_1::xpos="$WIDTH" \
        ! queue ! videoconvert ! x264enc ! h264parse ! mp4mux ! filesink location="${OUTPUT:?the mp4 file to write}"
