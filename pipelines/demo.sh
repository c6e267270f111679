#!/usr/bin/env bash
# What `make demo` shows: our elements on a clip, in one pipeline.
#
#   pipelines/demo.sh FOLDER [CLIP]
#
# Without CLIP it renders one whose flow is known exactly, and measures ours against it. Into FOLDER go overlay.mp4 (the flow drawn over
# the clip, with its sound), flow/*.flo (the field of each pair of frames), picture-*.png (one picture of each second), labels.vtt (what
# builtin:av says of each window) and reconstruction.mp4 (the clip beside what its latents still know of it, with that sound).
# PERCEIVERFLOW names the program, GST_PLUGIN_PATH the folder of the plugin.
set -euo pipefail
folder=${1:?the folder to write to} clip=${2:-}
program=${PERCEIVERFLOW:-perceiverflow}
mkdir -p "$folder/flow"
rm -f "$folder"/picture-*.png "$folder"/flow/*.flo

rendered=
if [ -z "$clip" ]; then
    rendered=$folder/pairs
    clip=$folder/clip.mp4
    rm -rf "$rendered"
    echo "== A clip whose flow is known exactly: $clip"
    "$program" scene "$clip" --frames 75 --pairs "$rendered" --overwrite --quiet
fi

# The encoder looks many frames ahead before the first file can begin: what leads to the other files waits without limit meanwhile.
patient='queue max-size-buffers=0 max-size-bytes=0 max-size-time=0'
sound=()
if gst-discoverer-1.0 "$clip" | grep -q 'audio #\|audio:'; then
    # shellcheck disable=SC2206 # the words of the queue are meant apart
    sound=(clip. '!' $patient '!' audioconvert '!' audioresample '!' voaacenc '!' aacparse '!' file.)
fi
echo "== Its flow, by pipeline: $folder/overlay.mp4"
(
    set -x
    # shellcheck disable=SC2086
    gst-launch-1.0 -q -e filesrc location="$clip" ! decodebin name=clip \
        clip. ! queue ! videoconvert ! perceiverflow name=flow task=optical-flow result-policy=aligned mode=blend ! tee name=drawn \
        drawn. ! $patient ! videoconvert ! x264enc ! h264parse ! mp4mux name=file \
            ! filesink location="$folder/overlay.mp4" \
        drawn. ! $patient ! videorate ! video/x-raw,framerate=1/1 ! videoconvert ! pngenc \
            ! multifilesink location="$folder/picture-%d.png" \
        flow.flow_src ! $patient ! image/x-flo ! multifilesink location="$folder/flow/%06d.flo" \
        "${sound[@]}"
)
if [ -n "$rendered" ]; then
    echo "== How far it is from the truth, in pixels (EPE), beside an answer of no motion at all"
    "$program" evaluate flow --pairs "$rendered" | sed -n '1p; /^mean/,$p'
fi
echo "== What is wrong with its picture and sound, and what the camera does: $folder/labels.vtt"
"$program" classify "$clip" --vtt "$folder/labels.vtt" --overwrite --quiet
sed -n '3,14p' "$folder/labels.vtt"
echo "== The clip beside what the latents of builtin:av know of it, at the model's own size: $folder/reconstruction.mp4"
rebuilt=$(mktemp --suffix=.mkv)
trap 'rm -f "$rebuilt"' EXIT
"$program" reconstruct "$clip" -o "$rebuilt" --overwrite --quiet
heard=()
if gst-discoverer-1.0 "$rebuilt" | grep -q 'audio #\|audio:'; then
    # shellcheck disable=SC2206 # as above
    heard=(rebuilt. '!' $patient '!' audioconvert '!' audioresample '!' voaacenc '!' aacparse '!' file.)
fi
side='videoconvertscale ! video/x-raw,width=320,height=320,pixel-aspect-ratio=1/1'
(
    set -x
    # shellcheck disable=SC2086
    gst-launch-1.0 -q -e compositor name=sides sink_1::xpos=320 ! videoconvert ! x264enc ! h264parse ! mp4mux name=file \
            ! filesink location="$folder/reconstruction.mp4" \
        filesrc location="$clip" ! decodebin name=clip clip. ! queue ! $side ! sides.sink_0 \
        filesrc location="$rebuilt" ! decodebin name=rebuilt rebuilt. ! queue ! $side ! sides.sink_1 \
        "${heard[@]}"
)
echo "== Look at $folder/overlay.mp4, $folder/reconstruction.mp4 and $folder/picture-1.png; the fields are in $folder/flow"
