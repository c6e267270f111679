#!/bin/sh
# A camera and a microphone on the screen with their labels, on time whatever the model takes: leaky=downstream drops windows, never
# frames. Test sources stand in for both.
#
#   SOURCE='v4l2src' SOUND='pulsesrc' pipelines/labels-live.sh
#
# SINK is where the picture goes.
set -eu
# shellcheck disable=SC2086
exec gst-launch-1.0 -e ${SOURCE:-videotestsrc is-live=true pattern=ball} ! videoconvert ! queue \
    ! perceiverclassify name=labels leaky=downstream model="${MODEL:-builtin:av}" ${OPTIONS:-} \
    ! perceiveroverlay ! queue ! videoconvert ! ${SINK:-autovideosink} \
    ${SOUND:-audiotestsrc is-live=true} ! audioconvert ! audioresample ! queue ! labels.audio_sink
