# SPDX-License-Identifier: MIT
"""A process of bench.py's.

    worker.py export NAME DIR
    worker.py build CONTENDER MODEL AT THREADS
    worker.py run CONTENDER MODEL AT THREADS       then a line with seconds on stdin for each round

Answers are lines of JSON on stdout; what libraries print goes to stderr."""
import json
import os
import sys
import time
import warnings
from pathlib import Path

import numpy as np

clock = time.perf_counter


def memory(key):
    """MB of VmRSS (now) or VmHWM (the peak)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) / 1024
    return 0.0


def export(name, folder):
    import torch

    import models

    folder = Path(folder)
    module, inputs = models.make(name)
    with torch.no_grad():
        torch.export.save(torch.export.export(module, inputs), folder / "model.pt2")
        outputs = torch.utils._pytree.tree_leaves(module(*inputs))
    torch.save(module, folder / "module.pt")
    for prefix, tensors in (("in", inputs), ("out", outputs)):
        for i, t in enumerate(tensors):
            np.save(folder / f"{prefix}{i:02}.npy", t.contiguous().numpy())
    return {"parameters": sum(p.numel() for p in module.parameters())}


def load(folder, prefix):
    return [np.load(f) for f in sorted(Path(folder).glob(f"{prefix}*.npy"))]


def difference(found, expected):
    """The largest one, in parts of the largest expected magnitude."""
    worst = 0.0 if len(found) == len(expected) else float("inf")
    for got, want in zip(found, expected):
        if got.shape != want.shape:
            return float("inf")
        off = float(np.abs(got.astype(np.float64) - want).max()) / max(float(np.abs(want).max()), 1e-30)
        worst = max(worst, off if off == off else float("inf"))
    return worst


def build(contender):
    contender.start()
    begun = clock()
    contender.build()
    return {"build_s": clock() - begun}


def opened(contender):
    asked = clock()
    contender.start()
    base = memory("VmRSS")
    begun = clock()
    contender.open()
    ready = clock()
    inputs = contender.prepare(load(contender.model, "in"))
    before = clock()
    result = contender.run(inputs)
    after = clock()
    off = difference(contender.arrays(result), load(contender.model, "out"))
    return inputs, {"import_s": begun - asked, "open_s": ready - begun, "first_s": after - before, "difference": off,
                    "base_mb": base}


def timed(contender, inputs, seconds):
    run, taken, end = contender.run, [], clock() + seconds
    while not taken or clock() < end:
        begun = clock()
        run(inputs)
        taken.append(clock() - begun)
    taken.sort()
    return {"calls": len(taken), "min_s": taken[0], "median_s": taken[len(taken) // 2], "peak_mb": memory("VmHWM")}


def main():
    mode, *words = sys.argv[1:]
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    warnings.filterwarnings("ignore")

    def answer(values):
        print(json.dumps(values), file=out, flush=True)

    try:
        if mode == "export":
            answer(export(*words))
        else:
            from contenders import CONTENDERS

            name, model, at, threads = words
            contender = CONTENDERS[name](model, at, int(threads))
            if mode == "build":
                answer(build(contender))
            else:
                inputs, values = opened(contender)
                answer(values)
                for line in sys.stdin:
                    answer(timed(contender, inputs, float(line)))
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        kind = "missing" if isinstance(error, ImportError) else "failed"
        answer({"error": f"{kind}: {type(error).__name__}: {lines[0] if lines else ''}"[:200]})
    os._exit(0)     # some libraries hang or crash at exit


if __name__ == "__main__":
    main()
