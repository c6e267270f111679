#!/usr/bin/env python3
"""Two nodes on this machine, one of them killed midway: the results are those of one undisturbed run.

    pip install -r requirements.txt
    python test_cluster.py [PROGRAM]

PROGRAM is `perceiverflow` unless given. Says that it is skipped where there is no Ray.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

try:
    import ray
    from ray.cluster_utils import Cluster
except ImportError:
    print("skipped: there is no Ray; pip install -r requirements.txt")
    sys.exit(0)

HERE = os.path.dirname(os.path.abspath(__file__))
MEMORY = 80 * 1024 * 1024  # The least object store that Ray takes; nothing large goes through it.
CLIPS, SHARDS = 8, 4
SOME_FAILED = 3


class Archive:
    """A folder with clips, one of them damaged, and the program."""

    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        os.mkdir(self.path("in"))
        for number in range(CLIPS):
            clip = [self.path(f"in/{number}.mp4"), "--size", "160x120", "--frames", str(10 + 5 * number)]
            subprocess.run([program, "scene", *clip, "-q"], check=True)
        with open(self.path("in/damaged.mp4"), "w") as file:
            file.write("no video")
        self.task = ["--task", "flow", "--flo", self.path("in")]

    def path(self, name):
        return os.path.join(self.folder, name)

    def alone(self, out):
        run = subprocess.run([self.program, "batch", *self.task, "--out", self.path(out), "-q"], stdout=subprocess.DEVNULL)
        assert run.returncode == SOME_FAILED, run.returncode

    def on_cluster(self, address, out):
        """The driver at work, its lines to be read."""
        options = ["--address", address, "--program", self.program, "--out", self.path(out), "--cpus", "1", "--gpus", "1"]
        command = [sys.executable, os.path.join(HERE, "batch_on_ray.py"), *options, "--shards", str(SHARDS), "--", *self.task]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def results(self, out):
        """Rows, sorted, and every flow field."""
        with open(self.path(f"{out}/results.jsonl")) as file:
            rows = sorted(file)
        assert os.path.getsize(self.path(f"{out}/results.parquet")) > 0
        fields = {}
        for folder, _, names in os.walk(self.path(f"{out}/flow")):
            for name in names:
                with open(os.path.join(folder, name), "rb") as file:
                    fields[os.path.relpath(file.name, self.path(out))] = file.read()
        return rows, fields

    def report(self, out):
        with open(self.path(f"{out}/report.json")) as file:
            return json.load(file)


def two_nodes():
    """A head that works on nothing, and two nodes with a processor and, so they say, a GPU each."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": MEMORY})
    nodes = [cluster.add_node(num_cpus=1, num_gpus=1, object_store_memory=MEMORY) for _ in range(2)]
    cluster.wait_for_nodes()
    return cluster, {node.node_id: node for node in nodes}


def follow(driver, at_windows=lambda node: None):
    """Reads the driver's lines to the end; tells `at_windows` the node that is first heard to have made some."""
    lines, nodes, told = [], {}, False
    for line in driver.stdout:
        print("   ", line, end="", flush=True)
        lines.append(line)
        if begun := re.match(r"shard (\S+): begins on node (\w+)", line):
            nodes[begun[1]] = begun[2]
        elif (windows := re.match(r"shard (\S+): \d+ windows", line)) and not told:
            told = True
            at_windows(nodes[windows[1]])
    assert driver.wait() == SOME_FAILED, driver.returncode
    return "".join(lines)


def check(archive, out, whole):
    assert archive.results(f"{out}/merged") == whole, f"{out} differs from the undisturbed run"
    report = archive.report(f"{out}/merged")
    assert (report["files"]["done"], report["files"]["failed"]) == (CLIPS, 1), report["files"]


def main():
    program = shutil.which(sys.argv[1] if len(sys.argv) > 1 else "perceiverflow")
    assert program, "no such program; give its path"
    program = os.path.abspath(program)
    with tempfile.TemporaryDirectory() as folder:
        archive = Archive(program, folder)
        archive.alone("whole")
        whole = archive.results("whole")
        assert len(whole[0]) == len(whole[1]) > 0
        cluster, nodes = two_nodes()
        try:
            said = follow(archive.on_cluster(cluster.address, "both"))
            check(archive, "both", whole)
            assert all(f"on node {node}" in said for node in nodes), "a node had nothing to do"
            print("two nodes: same results")
            said = follow(
                archive.on_cluster(cluster.address, "killed"),
                lambda node: cluster.remove_node(nodes.pop(node), allow_graceful=False),
            )
            check(archive, "killed", whole)
            assert "tried again on another node" in said, "nothing was lost with the node"
            print("a node killed midway: same results")
        finally:
            cluster.shutdown()


if __name__ == "__main__":
    main()
