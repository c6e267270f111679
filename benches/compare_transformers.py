#!/usr/bin/env python3
"""Times the same weights in PyTorch (transformers) and in perceiverflow, in turn, on one machine, and prints ratios.

    python benches/compare_transformers.py FOLDER... [--program target/release/perceiverflow] [--device cpu] [--runs 5] [--threads 2]
        [--without COLUMN]...

FOLDER holds config.json and model.safetensors. torch, transformers and safetensors are installed by whoever runs this; nothing is
fetched. A ratio is transformers' time over ours, each the median of the runs; the multimodal model is encoded once on both sides and
decoded in 128 parts by transformers, whole by ours. Nothing else should run meanwhile. Columns that say nothing on a machine can be left
out: bf16 where the processor has no such products, forced where float32 takes AVX-512 by itself. On a GPU (--device cuda) there is no
such column, and memory is not compared.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time

# What PyTorch and its libraries are told about the processor's instructions.
AVX512 = {"ATEN_CPU_CAPABILITY": "avx512", "MKL_ENABLE_INSTRUCTIONS": "AVX512", "ONEDNN_MAX_CPU_ISA": "AVX512_CORE"}
COLUMNS = [("f32", "float32", {}), ("forced", "float32", AVX512), ("bf16", "bfloat16", {})]
DECODER_PARTS = 128


def reference(folder, dtype, options):
    """Answers each line on standard input with the seconds of one call and the peak memory in bytes."""
    import safetensors.torch
    import torch
    import transformers

    torch.set_num_threads(options.threads)
    # A call ends when the device has done its work.
    wait = torch.cuda.synchronize if options.device.startswith("cuda") else lambda: None
    dtype = getattr(torch, dtype)
    config = transformers.PerceiverConfig.from_pretrained(folder)
    model = getattr(transformers, config.architectures[0])(config).eval()
    model.load_state_dict(safetensors.torch.load_file(os.path.join(folder, "model.safetensors")))
    model.to(device=options.device, dtype=dtype)
    # Only while inputs are made: a default device would slow every call of PyTorch down.
    with torch.device(options.device):
        call = prepared_call(model, config, dtype)
    with torch.no_grad():
        call()
        wait()
        print("ready", flush=True)
        for _ in sys.stdin:
            start = time.perf_counter()
            call()
            wait()
            seconds = time.perf_counter() - start
            with open("/proc/self/status") as status:
                peak = int(re.search(r"VmHWM:\s+(\d+)", status.read())[1]) * 1024
            print(json.dumps([seconds, peak]), flush=True)


def prepared_call(model, config, dtype):
    import torch

    name = type(model).__name__
    if name == "PerceiverForMultimodalAutoencoding":
        side = config.image_size * 4
        samples = config.num_frames * config.audio_samples_per_frame
        inputs = {
            "image": torch.rand(1, config.num_frames, 3, side, side, dtype=dtype),
            "audio": torch.rand(1, samples, 1, dtype=dtype),
            "label": torch.zeros(1, config.num_labels, dtype=dtype),
        }
        return lambda: multimodal(model.perceiver, config, inputs)
    if name == "PerceiverForOpticalFlow":
        inputs = torch.rand(1, 2, 27, *config.train_size, dtype=dtype)
    elif name.startswith("PerceiverForImageClassification"):
        inputs = torch.rand(1, 3, 224, 224, dtype=dtype)
    else:
        inputs = torch.ones(1, config.max_position_embeddings, dtype=torch.long)
    return lambda: model(inputs=inputs)


def multimodal(perceiver, config, inputs):
    """The example of the model's documentation, but with the inputs encoded once and not for each part of the outputs."""
    import torch

    tokens, sizes, without_positions = perceiver.input_preprocessor(inputs)
    latents = perceiver.embeddings(batch_size=1)
    dtype, device = inputs["image"].dtype, inputs["image"].device
    z = perceiver.encoder(latents, inputs=tokens.to(dtype))[0]
    pixels = config.num_frames * config.image_size**2 * 16
    patches = config.num_frames * config.audio_samples_per_frame // config.samples_per_patch
    for part in range(DECODER_PARTS):
        points = {
            "image": torch.arange(pixels * part // DECODER_PARTS, pixels * (part + 1) // DECODER_PARTS, device=device),
            "audio": torch.arange(patches * part // DECODER_PARTS, patches * (part + 1) // DECODER_PARTS, device=device),
            "label": None,
        }
        query = perceiver.decoder.decoder_query(tokens, sizes, without_positions, subsampled_points=points)
        answers = perceiver.decoder(query.to(dtype), z=z, query_mask=None).logits
        of_modalities = {"audio": points["audio"].numel(), "image": points["image"].numel(), "label": 1}
        perceiver.output_postprocessor(answers, modality_sizes=of_modalities)


def ours(folder, precision, options):
    command = [options.program, "bench", "--model", folder, "--precision", precision, "--device", options.device]
    command += ["--threads", str(options.threads), "--runs", "1", "--json"]
    report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return report["median_seconds"], report["peak_memory_bytes"]


def compare(folder, options):
    """Medians of seconds and largest peaks by column, of the reference and of ours."""
    theirs, own = {}, {}
    for column, dtype, environment in COLUMNS:
        if column in options.without:
            continue
        command = [sys.executable, __file__, "--reference", dtype, "--device", options.device, "--threads", str(options.threads)]
        command += [folder]
        environment = {**os.environ, **environment, "OMP_NUM_THREADS": str(options.threads)}
        child = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        try:
            if child.stdout.readline().strip() != "ready":
                raise SystemExit(f"{folder}: transformers could not run it in {dtype}")
            for _ in range(options.runs):
                print("call", file=child.stdin, flush=True)
                theirs.setdefault(column, []).append(json.loads(child.stdout.readline()))
                precision = "bf16" if dtype == "bfloat16" else "f32"
                own.setdefault(precision, []).append(ours(folder, precision, options))
        finally:
            child.kill()
            child.wait()
    summary = lambda runs: (statistics.median(run[0] for run in runs), max(run[1] for run in runs))
    return {name: summary(runs) for name, runs in theirs.items()}, {name: summary(runs) for name, runs in own.items()}


def row(folder, theirs, own, has_memory):
    def seconds(runs, *columns):
        return " / ".join(f"{runs[column][0]:.2f}" if column in runs else "-" for column in columns)

    def ratio(column):
        return f"{theirs[column][0] / own['f32'][0]:.2f}" if column in theirs and "f32" in own else "-"

    def gib(runs):
        there = lambda column: has_memory and column in runs
        return " / ".join(f"{runs[column][1] / 2**30:.2f}" if there(column) else "-" for column in ("f32", "bf16"))

    best = min(seconds for seconds, _ in theirs.values()) / min(seconds for seconds, _ in own.values())
    cells = [
        os.path.basename(os.path.normpath(folder)),
        seconds(theirs, "f32", "forced", "bf16"),
        seconds(own, "f32", "bf16"),
        ratio("f32"),
        ratio("forced"),
        f"{best:.2f}",
        gib(theirs),
        gib(own),
    ]
    return "| " + " | ".join(cells) + " |"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", metavar="FOLDER")
    parser.add_argument("--program", default="target/release/perceiverflow")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    columns = [column for column, _, _ in COLUMNS]
    parser.add_argument("--without", action="append", default=[], choices=columns, metavar="COLUMN", help=", ".join(columns))
    parser.add_argument("--reference", metavar="DTYPE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    on_processor = options.device == "cpu"
    if not on_processor:
        options.without.append("forced")
    if set(columns) == set(options.without):
        parser.error("--without: at least one column has to stay")
    if options.reference:
        reference(options.folders[0], options.reference, options)
        return
    print("| model | transformers, seconds: f32 / f32 with AVX-512 forced / bf16 | ours: f32 / bf16 | f32 over f32 "
          "| f32 over f32 with AVX-512 forced | best over best | peak GiB of transformers: f32 / bf16 | ours: f32 / bf16 |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for folder in options.folders:
        print(row(folder, *compare(folder, options), has_memory=on_processor), flush=True)


if __name__ == "__main__":
    main()
