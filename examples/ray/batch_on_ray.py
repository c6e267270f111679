#!/usr/bin/env python3
"""An archive on a Ray cluster: `perceiverflow batch` on all nodes, one actor for each share of processors or GPUs.

    python batch_on_ray.py --out OUT [--cpus 4] [--gpus 1] [--shards 32] -- --task flow archive/

What follows `--` goes to `perceiverflow batch`. Inputs, OUT and the program lie where every node finds them under the same path. The list
is cut into shards; an actor runs one after the other. A shard whose node is lost, or whose run ends in an error, goes to another node, which
goes on with the window after the last one written. At the end all shards are merged: rows, Parquet and what the task makes in OUT/merged.
Exit codes are those of `perceiverflow batch merge`: 3 when some files failed, 4 when some are missing.
"""

import argparse
import collections
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time

import ray

# Seconds for which an actor listens to its run before it tells how far that is.
LISTEN = 1.0
# Seconds between two lines on how far a shard is.
TELL = 10.0
# Seconds before a shard is tried again; twice as many each time. A lost node's run may hold the shard's folder a moment longer.
PAUSE = 2.0
PR_SET_PDEATHSIG = 1


def end_with_parent():
    """Asks Linux to kill the process being started when its actor goes: nobody else would end the run of a lost node."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Runner:
    """Runs shards on the node it lives on, one after the other, and knows how far the present one is."""

    def __init__(self, program, folder):
        self.program, self.folder = program, folder

    def node(self):
        return ray.get_runtime_context().get_node_id()

    def start(self, arguments):
        """Begins a run."""
        self.counts, self.report, self.rest = collections.Counter(), None, b""
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [self.program, *arguments, "--json"],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            preexec_fn=end_with_parent,
        )
        return self.state()

    def listen(self):
        """How far the run is after a moment."""
        stdout = self.process.stdout.fileno()
        until = time.monotonic() + LISTEN
        while select.select([stdout], [], [], max(0.0, until - time.monotonic()))[0]:
            read = os.read(stdout, 1 << 16)
            *lines, self.rest = (self.rest + read).split(b"\n")
            for line in lines:
                self.take(json.loads(line))
            if not read:
                self.process.wait()
                break
        return self.state()

    def take(self, event):
        self.counts[event["event"]] += 1
        self.report = event.get("report")

    def state(self):
        state = {"windows": self.counts["window"], "files": self.counts["done"], "over": self.process.poll() is not None}
        if state["over"]:
            # Whatever the exit code: a report of a run that nobody stopped says that every file had its turn.
            state["whole"] = self.report is not None and "stopped" not in self.report
            self.errors.seek(0)
            state["said"] = f"exit code {self.process.returncode} {self.errors.read().decode(errors='replace').strip()}"
        return state


class Shard:
    """A part of the list, until it is done."""

    def __init__(self, index, count):
        self.name = f"{index}/{count}"
        self.attempts = 0
        self.not_before = 0.0
        self.failed_on = set()


class Place:
    """An actor: where it is, once it is there, and the shard it is at."""

    def __init__(self, options):
        actor = ray.remote(Runner).options(num_cpus=options.cpus, num_gpus=options.gpus, max_restarts=0)
        self.runner = actor.remote(options.program, os.getcwd())
        self.answer = self.runner.node.remote()
        self.node, self.shard = None, None
        self.tell_at = 0.0


class Driver:
    """Hands shards to actors until all are done."""

    def __init__(self, options, arguments):
        self.options, self.arguments = options, arguments
        self.waiting = [Shard(index, options.shards) for index in range(options.shards)]
        self.places = [Place(options) for _ in range(options.actors)]

    def run(self):
        while self.waiting or any(place.shard for place in self.places):
            self.hand_out()
            answers = {place.answer: place for place in self.places if place.answer}
            if not answers:
                time.sleep(LISTEN)
                continue
            for answer in ray.wait(list(answers), timeout=LISTEN)[0]:
                self.hear(answers[answer])

    def hand_out(self):
        for place in self.places:
            if place.node and not place.shard and (shard := self.next_for(place.node)):
                self.waiting.remove(shard)
                shard.attempts += 1
                place.shard, place.tell_at = shard, 0.0
                tell(shard, f"begins on node {place.node}")
                run = ["batch", *self.arguments, "--out", self.options.out, "--shard", shard.name, "--resume"]
                place.answer = place.runner.start.remote([*run, *limits(self.options.cpus)])

    def next_for(self, node):
        """A shard that is due, and has not failed on this node unless it has on all there are."""
        nodes = {place.node for place in self.places if place.node}
        due = (shard for shard in self.waiting if shard.not_before <= time.monotonic())
        return next((shard for shard in due if node not in shard.failed_on or nodes <= shard.failed_on), None)

    def hear(self, place):
        try:
            state = ray.get(place.answer)
        except ray.exceptions.RayError as error:
            return self.replace(place, error)
        if place.node is None:
            place.node, place.answer = state, None
            return
        if not state["over"]:
            place.answer = place.runner.listen.remote()
            if state["windows"] and time.monotonic() >= place.tell_at:
                place.tell_at = time.monotonic() + TELL
                tell(place.shard, f"{state['windows']} windows, {state['files']} files done")
            return
        shard, place.shard, place.answer = place.shard, None, None
        if state["whole"]:
            tell(shard, "done")
        else:
            self.give_back(shard, place.node, state["said"])

    def replace(self, place, error):
        """Asks for another actor in the place of one that is lost. It comes as soon as some node has room for it."""
        ray.kill(place.runner)
        self.places[self.places.index(place)] = Place(self.options)
        if place.shard:
            self.give_back(place.shard, place.node, f"lost ({type(error).__name__})")

    def give_back(self, shard, node, reason):
        if shard.attempts > self.options.retries:
            sys.exit(f"shard {shard.name} failed {shard.attempts} times, at last: {reason}")
        tell(shard, f"{reason}; it is tried again on another node")
        shard.failed_on.add(node)
        shard.not_before = time.monotonic() + PAUSE * 2 ** (shard.attempts - 1)
        self.waiting.insert(0, shard)


def limits(cpus):
    """The part of a node that an actor has."""
    processors = str(max(1, int(cpus)))
    return ["--threads", processors, "--workers", processors]


def tell(shard, what):
    print(f"shard {shard.name}: {what}", flush=True)


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--address", default="auto", help="the cluster, as ray.init takes it; default: the one this machine is in")
    parser.add_argument("--program", default="perceiverflow", help="the program, on every node")
    parser.add_argument("--out", required=True, help="folder for the shards and what is merged, on every node")
    parser.add_argument("--cpus", type=float, default=2, help="processors of an actor; default 2")
    parser.add_argument("--gpus", type=float, default=0, help="GPUs of an actor, parts of one too; default 0")
    parser.add_argument("--actors", type=int, help="default: as many as the cluster has room for now")
    parser.add_argument("--shards", type=int, help="default: four for each actor")
    parser.add_argument("--retries", type=int, default=4, help="of each shard; default 4")
    parser.add_argument("arguments", nargs="+", help="of perceiverflow batch: the task, its options and the inputs")
    return parser.parse_args()


def room(options):
    """How many actors the cluster has room for."""
    there = ray.cluster_resources()
    needs = {"CPU": options.cpus, "GPU": options.gpus}
    return max(1, min(int(there.get(name, 0) / count) for name, count in needs.items() if count > 0))


def main():
    options = parse()
    ray.init(address=options.address, log_to_driver=False)
    options.actors = options.actors or room(options)
    options.shards = options.shards or 4 * options.actors
    options.out = os.path.abspath(options.out)
    Driver(options, options.arguments).run()
    merged = os.path.join(options.out, "merged")
    return subprocess.run([options.program, "batch", "merge", options.out, "--out", merged, "-y"]).returncode


if __name__ == "__main__":
    sys.exit(main())
