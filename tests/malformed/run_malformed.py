#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Gives the compiler what make_malformed.py wrote: run_malformed.py --aotc BIN [--only PART] FOLDER

Each archive must end within 20 s with one of the codes of list.tsv. A refusal says exactly one line on
stderr, which begins with "aotc: ", and leaves no output file; no sanitizer may speak. Prints a line per
problem and `N passed, N failed`; status 0 when all is well. Standard library only.
"""
import argparse
import concurrent.futures
import subprocess
import sys
import tempfile
from pathlib import Path

SECONDS = 20
SANITIZER = ("Sanitizer", "runtime error:")


def problem(args, archive, codes):
    """Words for what is wrong with the compiler's answer, None when nothing is."""
    with tempfile.TemporaryDirectory() as scratch:
        so = Path(scratch) / "model.so"
        command = [args.aotc, str(archive), "-o", str(so), f"--backend={args.backend}"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=SECONDS)
        except subprocess.TimeoutExpired:
            return f"no end within {SECONDS} s"
        left = [p.name for p in Path(scratch).iterdir()]
    lines = done.stderr.splitlines()
    said = lines[0][:200] if lines else "(nothing)"
    if any(word in done.stderr for word in SANITIZER):
        return f"sanitizer: {next(l for l in lines if any(w in l for w in SANITIZER))[:200]}"
    if done.returncode not in codes:
        return f"status {done.returncode}, expected {' or '.join(map(str, codes))}: {said}"
    if done.returncode == 0:
        return None
    if len(lines) != 1 or not said.startswith("aotc: "):
        return f"{len(lines)} lines on stderr, expected one that begins with \"aotc: \": {said}"
    return f"left {', '.join(left)}" if left else None


def listed(folder, only):
    """(archive, codes, about) of each line of list.tsv."""
    rows = []
    for line in (folder / "list.tsv").read_text().splitlines():
        file, codes, about = line.split("\t", 2)
        if only in file:
            rows.append((folder / file, tuple(map(int, codes.split(","))), about))
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--aotc", required=True)
    parser.add_argument("--backend", default="tcc", choices=("gcc", "tcc"))
    parser.add_argument("--only", default="", help="a part of the names to try")
    parser.add_argument("-j", "--jobs", type=int, default=2)
    parser.add_argument("folder", type=Path)
    args = parser.parse_args()
    rows, failed = listed(args.folder, args.only), 0
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for row, said in zip(rows, pool.map(lambda r: problem(args, *r[:2]), rows)):
            if said:
                failed += 1
                print(f"{row[0].name} ({row[2]}): {said}", flush=True)
    print(f"{len(rows) - failed} passed, {failed} failed")
    return int(failed > 0 or not rows)


if __name__ == "__main__":
    sys.exit(main())
