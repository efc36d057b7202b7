#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a new process waits for: cold.py --aotc BIN --out DIR [--rounds N] NAME ...

Opens what bench.py has built in DIR, in N new processes for each contender, in turns, each pinned to the first core: the
least time of importing the contender's library (NumPy is there already), of opening the model, of its first run, and of
the three together in one process. Files are in the page cache. Prefix the command with `chrt -f 1` where that is
permitted and the machine does other work."""
import argparse
import json
import sys
from pathlib import Path

import bench

PARTS = ("import_s", "open_s", "first_s")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", metavar="NAME")
    parser.add_argument("--aotc", type=Path, required=True, help="the program")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    args.aotc = args.aotc.resolve()
    for name in args.names:
        folder = args.out.resolve() / "models" / name
        built = {c: next((at for at in (folder / c, folder / f"{c}-1") if (at / "build.json").exists()), None)
                 for c in bench.CONTENDERS}
        built = {c: at for c, at in built.items() if at and "error" not in json.loads((at / "build.json").read_text())}
        seen = {c: [] for c in built}
        for _ in range(args.rounds):
            for contender, at in built.items():
                worker = bench.Worker(args, ["run", contender, folder, at, 1], 1, at / "cold.log")
                seen[contender].append(worker.answer(120))
                worker.end()
        print(f"| {name} | import ms | open ms | first run ms | together ms |\n|---|--:|--:|--:|--:|")
        for contender, answers in seen.items():
            errors = [a["error"] for a in answers if "error" in a]
            if errors:
                print(f"| {contender} | {errors[0]} ||||")
                continue
            least = [min(a[part] for a in answers) for part in PARTS] + [min(sum(a[p] for p in PARTS) for a in answers)]
            print(f"| {contender} | " + " | ".join(f"{1e3 * s:.2f}" for s in least) + " |", flush=True)
    return None


if __name__ == "__main__":
    sys.exit(main())
