#!/usr/bin/env python3
"""Reads the results of any pipeline from its bus: one line for each message `perceiver-result`.

    GST_PLUGIN_PATH=… examples/gstreamer/read_messages.py \\
        'filesrc location=clip.mp4 ! decodebin ! videoconvert ! perceiveropticalflow ! fakesink'

Needs gst-python's bindings (Debian: python3-gst-1.0, gir1.2-gstreamer-1.0).
"""

import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst


def main(line):
    Gst.init(None)
    pipeline = Gst.parse_launch(line)
    pipeline.set_state(Gst.State.PLAYING)
    wanted = Gst.MessageType.ELEMENT | Gst.MessageType.EOS | Gst.MessageType.ERROR
    try:
        while True:
            message = pipeline.get_bus().timed_pop_filtered(Gst.CLOCK_TIME_NONE, wanted)
            if message.type == Gst.MessageType.EOS:
                return 0
            if message.type == Gst.MessageType.ERROR:
                error, details = message.parse_error()
                print(f"{error.message}: {details}", file=sys.stderr)
                return 1
            result = message.get_structure()
            if result.get_name() == "perceiver-result":
                print(f"{message.src.get_name()} {describe(result)}", flush=True)
    finally:
        pipeline.set_state(Gst.State.NULL)


def describe(result):
    """When the window begins, and what of it: every result has its times, flow its motion, a classifier its labels."""
    begins = result.get_uint64("stream-time").value / Gst.SECOND
    if result.has_field("labels"):
        said = ", ".join(f"{name} {sure:.0%}" for name, sure in zip(result.get_value("labels"), result.get_value("confidences")))
    elif result.has_field("mean-magnitude"):
        said = f"mean motion {result.get_double('mean-magnitude').value:.2f} pixels"
    else:
        said = result.get_string("text") or result.to_string()
    return f"{begins:.3f} s: {said}"


if __name__ == "__main__":
    sys.exit(main(" ".join(sys.argv[1:]) or sys.exit(__doc__)))
