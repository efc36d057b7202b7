#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Races compiled models against other compilers and runtimes on this machine.

    bench.py --aotc build/release/bin/aotc --out DIR [NAME ...]

NAME is a model of models.py or one that torchvision has; by default a list of both. Each model is exported once with
torch.export. NAME may also be a folder with what was exported elsewhere: one .pt2, its inputs in0.npy, in1.npy … and
PyTorch's outputs out0.npy … Each contender builds from the archive in a process of its own, then opens and runs in
another one, and then all take turns: in each round every contender runs for some seconds, one at a time, so that a slow
spell of the machine slows all alike. DIR/results.json gets everything, DIR/table.md a table for each model,
DIR/plot.svg a picture. A contender whose library is not installed is listed as missing (requirements.txt has them all).
Contenders whose answer differs from PyTorch's by more than 1e-3 of the largest magnitude are shown, and take no part in
ratios.

What is there in DIR is used again, so that a second call goes on; --fresh builds anew. On a machine that does other
work trust the minimum. `--report DIR` writes table and picture again.
"""
import argparse
import json
import math
import os
import select
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
CONTENDERS = "aotc eager compile aoti aoti-freezing torchscript onnxruntime openvino executorch".split()
MODELS = ("add mlp conv_classifier lstm encoder decoder unet resnet18 resnet50 mobilenet_v2 efficientnet_b0 "
          "convnext_tiny vit_b_16").split()
FIXED_THREADS = ("compile", "aoti", "aoti-freezing")    # built anew for each number of threads
AGREE = 1e-3
TINY = 20e-6        # what the best peer does faster is a matter of calls, and stays out of the mean


# ---- processes -----------------------------------------------------------------------------------

class Worker:
    """A worker.py; asked by lines, answers by lines of JSON."""

    def __init__(self, args, words, threads, log):
        count = str(threads)
        environment = dict(os.environ, OMP_NUM_THREADS=count, MKL_NUM_THREADS=count, OPENBLAS_NUM_THREADS=count,
                           AOTC=str(args.aotc))
        library = args.aotc.parents[1] / "lib" / "libaotrt.so"
        if library.exists():
            environment.setdefault("AOTRT_LIBRARY", str(library))
        elif threads > 1 and "AOTRT_LIBRARY" not in environment:
            sys.exit(f"bench: {library} is missing, so that aotc would run on one thread; set AOTRT_LIBRARY")
        cores = set(sorted(os.sched_getaffinity(0))[:threads])
        self.process = subprocess.Popen([sys.executable, HERE / "worker.py", *map(str, words)], text=True, bufsize=1,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=open(log, "w"),
                                        env=environment, preexec_fn=lambda: os.sched_setaffinity(0, cores))

    def answer(self, limit, line=""):
        try:
            self.process.stdin.write(line)
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        if not select.select([self.process.stdout], [], [], limit)[0]:
            self.end()
            return {"error": f"failed: over {limit:.0f} s"}
        line = self.process.stdout.readline()
        return json.loads(line) if line else {"error": f"failed: the process ended with {self.process.wait()}"}

    def end(self):
        self.process.kill()
        self.process.wait()


def adopt(source, folder):
    """Links a folder of an exported model under the names that worker.py expects."""
    archives = list(source.glob("*.pt2"))
    if len(archives) != 1:
        return f"{source}: {len(archives)} archives (*.pt2) where one is wanted"
    (folder / "model.pt2").symlink_to(archives[0].resolve())
    for prefix in ("in", "out"):
        for file in source.glob(f"{prefix}[0-9]*.npy"):
            (folder / f"{prefix}{int(file.stem[len(prefix):]):02}.npy").symlink_to(file.resolve())
    return None


def export(args, name, folder):
    if (folder / "model.pt2").exists() and not args.fresh:
        return None
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if Path(name).is_dir():
        error = adopt(Path(name), folder)
        if error:
            shutil.rmtree(folder)
        return error
    worker = Worker(args, ["export", name, folder], len(os.sched_getaffinity(0)), folder / "export.log")
    answer = worker.answer(args.build_limit)
    worker.end()
    if "error" in answer:
        shutil.rmtree(folder)
    return answer.get("error")


def write(file, text):
    """All of it or nothing: a full disk leaves what was there."""
    beside = file.with_name(file.name + ".new")
    beside.write_text(text)
    beside.replace(file)


def size_of(folder):
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file() and f.suffix not in (".log", ".json")) / 1e6


def build(args, name, folder, threads):
    """Returns the folder of the artifact and what building took; an earlier one is used again."""
    at = folder / (f"{name}-{threads}" if name in FIXED_THREADS else name)
    kept = at / "build.json"
    if kept.exists() and not args.fresh:
        return at, json.loads(kept.read_text())
    shutil.rmtree(at, ignore_errors=True)
    at.mkdir()
    cores = threads if name in FIXED_THREADS else args.build_cores
    worker = Worker(args, ["build", name, folder, at, threads], cores, at / "build.log")
    values = worker.answer(args.build_limit)
    worker.end()
    values["artifact_mb"] = size_of(at)
    write(kept, json.dumps(values))
    return at, values


def race(args, folder, threads):
    """All contenders on one model: {contender: figures}."""
    rows, racing = {}, {}
    for name in args.contenders:
        at, values = build(args, name, folder, threads)
        rows[name] = dict(values, mins=[], medians=[])
        if "error" in values:
            continue
        racing[name] = Worker(args, ["run", name, folder, at, threads], threads, at / f"run-{threads}.log")
        rows[name].update(racing[name].answer(args.run_limit))
    for turn in range(args.rounds):
        names = [n for n in racing if "error" not in rows[n]]
        for name in names[turn % max(len(names), 1):] + names[:turn % max(len(names), 1)]:
            values = racing[name].answer(args.run_limit, f"{args.seconds}\n")
            if "error" in values:
                rows[name]["error"] = values["error"]
                continue
            rows[name]["mins"].append(values["min_s"])
            rows[name]["medians"].append(values["median_s"])
            rows[name]["peak_mb"] = values["peak_mb"]
    for worker in racing.values():
        worker.end()
    for row in rows.values():
        if row["mins"]:
            row["min_s"], row["median_s"] = min(row["mins"]), sorted(row["medians"])[len(row["medians"]) // 2]
    return rows


# ---- the report ----------------------------------------------------------------------------------

def is_right(row):
    return "error" not in row and "min_s" in row and row["difference"] <= AGREE


def ratio(rows):
    """The fastest peer's minimum in parts of aotc's; None: there is none."""
    peers = {n: r["min_s"] for n, r in rows.items() if n != "aotc" and is_right(r)}
    if not peers or "aotc" not in rows or not is_right(rows["aotc"]):
        return None
    best = min(peers, key=peers.get)
    return peers[best] / rows["aotc"]["min_s"], best, peers[best] < TINY


def minimum(row):
    if "min_s" not in row:
        return "–"
    return f"{row['min_s'] * 1e3:.3g}" + ("" if is_right(row) else " (wrong)")


def row_text(name, row, reference):
    def cell(key, scale, digits):
        return f"{row[key] * scale:.{digits}f}" if key in row else "–"

    if "error" in row and "difference" not in row:
        return f"| {name} | {cell('build_s', 1, 1)} | {row['error']} ||||||||"
    wrong = "" if is_right(row) else " (wrong)"
    return (f"| {name} | {cell('build_s', 1, 1)} | {cell('open_s', 1e3, 1)} | {cell('first_s', 1e3, 2)} "
            f"| {cell('min_s', 1e3, 3)} | {cell('median_s', 1e3, 3)} | {cell('min_s', 1 / reference, 2)} "
            f"| {cell('peak_mb', 1, 0)} ({cell('base_mb', 1, 0)}) | {cell('artifact_mb', 1, 1)} | {row['difference']:.0e}{wrong} |")


HEADING = ("| contender | build s | open ms | first run ms | min ms | median ms | min / aotc | peak RSS MB (before open) "
           "| artifact MB | off by |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|")


def table(results):
    lines = ["# Measured here", "", results["machine"], ""]
    for threads in sorted({r["threads"] for r in results["races"]}):
        races = [r for r in results["races"] if r["threads"] == threads]
        found = {r["model"]: ratio(r["rows"]) for r in races}
        lines += [f"## {threads} thread{'s' if threads > 1 else ''}", "",
                  "Minima in ms; then the fastest peer's in parts of aotc's: above 1 aotc is faster. Models whose best "
                  "peer takes less than 20 us are not in the mean.", ""]
        names = [n for n in CONTENDERS if any(n in r["rows"] for r in races)]
        lines += ["| model | " + " | ".join(names) + " | best peer | ratio |", "|---|" + "--:|" * len(names) + "---|--:|"]
        for r in races:
            cells = [minimum(r["rows"].get(n, {})) for n in names]
            best = [found[r["model"]][1], f"{found[r['model']][0]:.2f}"] if found[r["model"]] else ["–", "–"]
            lines.append("| " + " | ".join([r["model"], *cells, *best]) + " |")
        logs = [math.log(f[0]) for f in found.values() if f and not f[2]]
        if logs:
            lines += ["| geometric mean |" + " |" * (len(names) + 1) + f" {math.exp(sum(logs) / len(logs)):.2f} |"]
        for r in races:
            reference = r["rows"].get("aotc", {}).get("min_s") or min(
                [row["min_s"] for row in r["rows"].values() if "min_s" in row], default=1)
            lines += ["", f"### {r['model']}, {threads} thread{'s' if threads > 1 else ''}", "", HEADING]
            lines += [row_text(n, row, reference) for n, row in r["rows"].items()]
        lines.append("")
    return "\n".join(lines)


def plot(results, file):
    """Bars: the minimum of each contender in parts of aotc's, a panel for each number of threads."""
    try:
        import matplotlib
    except ImportError:
        print("no picture: matplotlib is not installed", file=sys.stderr)
        return
    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "bench"
    from matplotlib import pyplot

    counts = sorted({r["threads"] for r in results["races"]})
    names = [n for n in CONTENDERS if n != "aotc"]
    figure, panels = pyplot.subplots(len(counts), 1, figsize=(12, 4 * len(counts)), squeeze=False)
    for panel, threads in zip(panels[:, 0], counts):
        races = [r for r in results["races"] if r["threads"] == threads and is_right(r["rows"].get("aotc", {}))]
        for k, name in enumerate(names):
            bars = [(i + (k - len(names) / 2) * 0.11, r["rows"][name]["min_s"] / r["rows"]["aotc"]["min_s"])
                    for i, r in enumerate(races) if is_right(r["rows"].get(name, {}))]
            panel.bar([x for x, _ in bars], [y for _, y in bars], 0.11, label=name, color=f"C{k}")
        panel.axhline(1, color="black", linewidth=1)
        panel.set_yscale("log")
        panel.set_xticks(range(len(races)), [r["model"] for r in races], rotation=30, ha="right")
        panel.set_ylabel("time / aotc's")
        panel.set_title(f"{threads} thread{'s' if threads > 1 else ''}: above the line aotc is faster")
        panel.legend(fontsize="small", ncols=4)
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})


def report(folder):
    results = json.loads((folder / "results.json").read_text())
    write(folder / "table.md", table(results))
    plot(results, folder / "plot.svg")


# ---- main ----------------------------------------------------------------------------------------

def machine(args):
    cpu = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")), "unknown processor")
    code = ("import importlib.metadata as m\nfor n in 'torch onnxruntime openvino executorch'.split():\n"
            "    try: print(n, m.version(n), end=', ')\n    except Exception: pass")
    versions = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.rstrip(", ")
    own = subprocess.run([args.aotc, "--version"], capture_output=True, text=True).stdout.strip()
    return (f"{cpu}, {len(os.sched_getaffinity(0))} cores; {own}; {versions}; {args.rounds} rounds of {args.seconds} s, "
            f"load {os.getloadavg()[0]:.1f} at the start")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=MODELS, metavar="NAME")
    parser.add_argument("--aotc", type=Path, help="the program")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--contenders", default=",".join(CONTENDERS))
    parser.add_argument("--threads", default="1,2", help="numbers of threads")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of a contender's turn")
    parser.add_argument("--build-limit", type=float, default=600, help="seconds")
    parser.add_argument("--run-limit", type=float, default=120, help="seconds for opening, and for a turn")
    parser.add_argument("--fresh", action="store_true", help="export and build anew")
    parser.add_argument("--report", type=Path, metavar="DIR", help="only write the report of DIR again")
    args = parser.parse_args()
    if not args.report and not (args.aotc and args.out):
        parser.error("--aotc and --out are needed")
    args.contenders = args.contenders.split(",")
    unknown = set(args.contenders) - set(CONTENDERS)
    if unknown:
        parser.error(f"unknown contenders: {', '.join(sorted(unknown))}")
    args.build_cores = len(os.sched_getaffinity(0))
    return args


def main():
    args = arguments()
    if args.report:
        return report(args.report)
    args.aotc, args.out = args.aotc.resolve(), args.out.resolve()
    args.out.mkdir(parents=True, exist_ok=True)
    file = args.out / "results.json"
    old = json.loads(file.read_text())["races"] if file.exists() else []
    results = {"machine": machine(args), "races": old}
    for threads in map(int, args.threads.split(",")):
        for name in args.names:
            given, name = name, Path(name).resolve().name if Path(name).is_dir() else name
            folder = args.out / "models" / name
            error = export(args, given, folder)
            rows = {} if error else race(args, folder, threads)
            if error:
                print(f"{name}: {error}", file=sys.stderr)
                continue
            results["races"] = [r for r in results["races"] if (r["model"], r["threads"]) != (name, threads)]
            results["races"].append({"model": name, "threads": threads, "rows": rows})
            write(file, json.dumps(results, indent=1) + "\n")
            said = ratio(rows)
            print(f"{name}, {threads}: " + (f"{said[0]:.2f} times {said[1]}" if said else "no ratio"), flush=True)
    report(args.out)
    return None


if __name__ == "__main__":
    sys.exit(main())
