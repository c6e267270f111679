#!/bin/sh
# H.264 over RTP in, its labels as JSON lines out, for as long as it runs; an interrupt ends the file as it should be. Of an RTSP camera
# rtsp-labels.sh asks the same stream.
#
#   gst-launch-1.0 videotestsrc is-live=true ! x264enc tune=zerolatency ! rtph264pay config-interval=1 ! udpsink host=127.0.0.1 port=5004 &
#   OUTPUT=labels.jsonl pipelines/rtp-labels.sh
#
# PORT is where it listens.
set -eu
# shellcheck disable=SC2086
exec gst-launch-1.0 -e udpsrc port="${PORT:-5004}" caps='application/x-rtp,media=video,encoding-name=H264,clock-rate=90000,payload=96' \
    ! rtpjitterbuffer ! rtph264depay \
    ! h264parse ! avdec_h264 ! videoconvert ! queue \
    ! perceiverclassify name=labels leaky=downstream model="${MODEL:-builtin:av}" ${OPTIONS:-} \
    ! queue ! fakesink \
    labels.text_src ! queue ! application/x-json ! filesink buffer-mode=unbuffered location="${OUTPUT:?the file to write}"
