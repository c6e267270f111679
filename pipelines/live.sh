#!/bin/sh
# A live source on the screen, on time whatever the model takes: leaky=downstream drops windows, never frames, and the element warns
# of it on the bus. A moving test picture stands in for a camera.
#
#   SOURCE='v4l2src device=/dev/video0' pipelines/live.sh
#
# SINK is where the picture goes.
set -eu
# shellcheck disable=SC2086
exec gst-launch-1.0 -e ${SOURCE:-videotestsrc is-live=true pattern=ball} ! videoconvert ! queue \
    ! perceiveropticalflow leaky=downstream model="${MODEL:-builtin:flow}" ${OPTIONS:-} ! perceiveroverlay mode="${MODE:-arrows}" \
    ! queue ! videoconvert ! ${SINK:-autovideosink}
