#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Times compiled models against ONNX Runtime on the same machine, in turns.

    bench_peers.py --aotc BIN --models DIR [--model resnet50 …] [--peers aotc,onnxruntime]
                   [--backend gcc|tcc] [--cpu LEVEL] [--rounds N] [--seconds S] [--core N] [--out FILE.md]

DIR holds what tests/models/make_models.py --full wrote. Every contender lives in a process of its own, on
one thread, all pinned to the same core; in each round they run for S seconds one after the other, so a
machine that slows down slows all of them. The order turns from round to round. The ONNX file comes from
the same archive, hence has the same weights; each contender's output is compared with PyTorch's. Written
are the fastest call and the median of each contender and their ratios to aotc, as markdown.

Needs NumPy, onnxruntime, and to write the ONNX file torch with onnx and onnxscript. On a shared machine
trust the minimum.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
SAMPLES = HERE.parents[2] / "samples" / "python"
AGREE = 1e-3                # of the output's largest magnitude
REFERENCE = "aotc"


# ---- Contenders: what happens in a worker --------------------------------------------------------

def load_aotc(artifact):
    sys.path.insert(0, str(SAMPLES))
    import aotc_model

    return aotc_model.load(artifact, 1)


def load_onnxruntime(artifact):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(artifact, options, providers=["CPUExecutionProvider"])
    names = [port.name for port in session.get_inputs()]
    return lambda arrays: session.run(None, dict(zip(names, arrays)))


LOADERS = {"aotc": load_aotc, "onnxruntime": load_onnxruntime}


def error(found, expected):
    """The largest difference in parts of the largest magnitude."""
    import numpy as np

    worst = 0.0
    for got, want in zip(found, expected, strict=True):
        if got.shape != want.shape:
            return float("inf")
        worst = max(worst, float(np.abs(got - want).max()) / max(float(np.abs(want).max()), 1e-30))
    return worst


def timed(call, arrays, seconds):
    """Seconds of each call, back to back, at least one."""
    clock, taken = time.perf_counter, []
    end = clock() + seconds
    while not taken or clock() < end:
        begun = clock()
        call(arrays)
        taken.append(clock() - begun)
    return taken


def worker(name, artifact, folder, case):
    """Serves on stdin and stdout: first the load, then a round for each line with seconds."""
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    import numpy as np

    row = json.loads((Path(folder) / "manifest.json").read_text())["cases"][int(case)]
    arrays, expected = ([np.load(Path(folder) / leaf["file"]) for leaf in row[key]] for key in ("inputs", "outputs"))
    begun = time.perf_counter()
    call = LOADERS[name](artifact)
    loaded = time.perf_counter() - begun
    print(json.dumps({"load": loaded, "error": error(call(arrays), expected)}), file=out)
    for line in sys.stdin:
        print(json.dumps(timed(call, arrays, float(line))), file=out)


class Contender:
    """The parent's side of a worker."""

    def __init__(self, name, artifact, folder, case, core):
        environment = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")
        self.name, self.taken = name, []
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--worker", name, str(artifact), str(folder), str(case)], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}))
        first = self.answer()
        self.load, self.error = first["load"], first["error"]

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"bench_peers.py: the worker of {self.name} ended with {self.process.wait()}")
        return json.loads(line)

    def round(self, seconds):
        print(seconds, file=self.process.stdin, flush=True)
        self.taken += self.answer()

    def close(self):
        self.process.stdin.close()
        self.process.wait()

    @property
    def least(self):
        return min(self.taken)

    @property
    def median(self):
        return sorted(self.taken)[len(self.taken) // 2]


# ---- Artifacts -----------------------------------------------------------------------------------

def build_aotc(folder, manifest, work, args):
    so = work / f"{folder.name}.so"
    command = [args.aotc, folder / manifest["archive"], "-o", so, f"--backend={args.backend}"]
    subprocess.run([str(c) for c in command] + ([f"--cpu={args.cpu}"] if args.cpu else []), check=True)
    return so


def build_onnxruntime(folder, manifest, work, args):
    """The archive's program as ONNX; kept beside the archive, since its export takes long."""
    file = folder / "model.onnx"
    archive = folder / manifest["archive"]
    if not file.exists() or file.stat().st_mtime < archive.stat().st_mtime:
        subprocess.run([sys.executable, __file__, "--export", str(archive), str(file)], check=True)
    return file


BUILDERS = {"aotc": build_aotc, "onnxruntime": build_onnxruntime}


def export_onnx(archive, file):
    """In a process of its own: torch need not be in the others."""
    import warnings

    import torch

    warnings.simplefilter("ignore")
    program = torch.onnx.export(torch.export.load(archive), dynamo=True, optimize=True, verbose=False)
    program.save(file, external_data=False)


# ---- A race --------------------------------------------------------------------------------------

def race(folder, args, work):
    manifest = json.loads((folder / "manifest.json").read_text())
    names = args.peers.split(",")
    artifacts = {name: BUILDERS[name](folder, manifest, work, args) for name in names}
    contenders = [Contender(name, artifacts[name], folder, args.case, args.core) for name in names]
    for i in range(args.rounds):
        for contender in contenders[i % len(contenders):] + contenders[:i % len(contenders)]:
            contender.round(args.seconds)
    for contender in contenders:
        contender.close()
    return contenders


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown processor"


def table(name, contenders, args):
    """Markdown; ratios are a contender's time in parts of aotc's, above 1: aotc is faster."""
    reference = next((c for c in contenders if c.name == REFERENCE), contenders[0])
    lines = [f"## {name}", "",
             f"{processor()}, one thread, {args.rounds} rounds of {args.seconds} s, case {args.case}, "
             f"backend {args.backend}{', ' + args.cpu if args.cpu else ''}", "",
             "| contender | min ms | median ms | calls | load ms | difference from PyTorch "
             f"| min / {reference.name} | median / {reference.name} |", "|---|--:|--:|--:|--:|--:|--:|--:|"]
    for c in contenders:
        lines.append(f"| {c.name} | {c.least * 1e3:.3f} | {c.median * 1e3:.3f} | {len(c.taken)} | {c.load * 1e3:.1f} "
                     f"| {c.error:.1e} | {c.least / reference.least:.2f} | {c.median / reference.median:.2f} |")
    return "\n".join(lines) + "\n"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--aotc", help="needed when aotc is among the peers")
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--model", nargs="*", default=["resnet50"])
    parser.add_argument("--peers", default="aotc,onnxruntime")
    parser.add_argument("--backend", default="gcc", choices=("gcc", "tcc"))
    parser.add_argument("--cpu", default="")
    parser.add_argument("--case", type=int, default=0, help="which case of the manifest gives the inputs")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--out", type=Path, help="where the markdown goes, besides stdout")
    args = parser.parse_args()
    unknown = set(args.peers.split(",")) - set(LOADERS)
    if unknown or ("aotc" in args.peers.split(",") and not args.aotc):
        parser.error(f"unknown peers: {', '.join(unknown)}" if unknown else "--aotc is missing")
    return args


def main():
    if sys.argv[1:2] == ["--worker"]:
        return worker(*sys.argv[2:])
    if sys.argv[1:2] == ["--export"]:
        return export_onnx(*sys.argv[2:])
    args, pages, apart = arguments(), [], []
    for name in args.model:
        with tempfile.TemporaryDirectory() as work:
            contenders = race(args.models / name, args, Path(work))
        pages.append(table(name, contenders, args))
        print(pages[-1], flush=True)
        apart += [f"{name}: {c.name} differs by {c.error:.1e}" for c in contenders if not c.error <= AGREE]
    if args.out:
        args.out.write_text("\n".join(pages))
    print("\n".join(apart), end="\n" if apart else "")
    return int(bool(apart))


if __name__ == "__main__":
    sys.exit(main())
