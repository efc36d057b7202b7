#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compiles fixtures, runs their cases, compares with what PyTorch computed.

    run_fixtures.py --aotc BIN [--backend gcc|tcc] [--cpu LEVEL] [--only NAME,…] FOLDER…

A FOLDER is a fixture (it holds manifest.json) or holds fixtures at any depth. For each one:

  * it compiles, with the archives under `methods` as further methods; a second compile gives the
    same bytes; with binutils at hand the artifact is checked: no NEEDED, no TEXTREL, no segment
    both writable and executable, exactly one symbol, aot_entry;
  * every case runs; an output may be off by atol + rtol * the largest magnitude of the output,
    integers and booleans not at all; NaN and infinities are where they belong;
  * inputs out of range end with status 1 and a message that has all the given parts;
  * a manifest with `refuse` must be refused with status 1 or 3 and leave no file.

One line per problem, then `N passed, N failed`. Status 0 when nothing failed and something passed.
Needs Python 3.9 and NumPy.
"""
import argparse
import concurrent.futures
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

COMPILE_SECONDS, RUN_SECONDS = 900, 300
SANITIZER = ("AddressSanitizer", "runtime error:", "LeakSanitizer", "UndefinedBehaviorSanitizer")
TOLERANCE = {"float16": 2e-3, "bfloat16": 1e-2, "float64": 1e-9}


class Problem(Exception):
    """What is wrong with a fixture; ends its judgement."""


# ---- Running the compiler ------------------------------------------------------------------------

def first_line(text):
    return text.strip().splitlines()[0][:240] if text.strip() else "(no message)"


def call(command, seconds):
    """(status, stderr) of a command that must end by itself and on its own feet."""
    try:
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True, errors="replace",
                              timeout=seconds)
    except subprocess.TimeoutExpired:
        raise Problem(f"no end within {seconds} s: {command[1]}") from None
    if done.returncode < 0 or done.returncode > 5 or any(word in done.stderr for word in SANITIZER):
        raise Problem(f"crashed with status {done.returncode}: {first_line(done.stderr)}")
    return done.returncode, done.stderr


def compile_command(folder, manifest, so, args):
    command = [args.aotc, folder / manifest["archive"], "-o", so, f"--backend={args.backend}"]
    for name, file in manifest.get("methods", {}).items():
        command += ["--method", f"{name}={folder / file}"]
    return command + ([f"--cpu={args.cpu}"] if args.cpu else [])


def compile_twice(folder, manifest, scratch, args):
    """The artifact, compiled again under the same name to see that its bytes are the same."""
    made = []
    for name in ("first", "again"):
        so = scratch / name / "model.so"
        so.parent.mkdir()
        status, said = call(compile_command(folder, manifest, so, args), COMPILE_SECONDS)
        if status:
            raise Problem(f"not compiled, status {status}: {first_line(said)}")
        if not so.is_file():
            raise Problem("compiled with status 0, but wrote no file")
        made.append(so)
    if made[0].read_bytes() != made[1].read_bytes():
        raise Problem("a second compile gave other bytes")
    return made[0]


def run_command(so, inputs, out, args, method=None, state=None):
    command = [args.aotc, "run", so]
    if inputs:
        command += ["--inputs", *inputs]
    command += ["--outputs", out]
    command += ["--method", method] if method else []
    return command + (["--state", state] if state else [])


# ---- The artifact --------------------------------------------------------------------------------

def elf_problem(so):
    """What readelf and nm have against the artifact; None when it is fine or they are missing."""
    if not shutil.which("readelf") or not shutil.which("nm"):
        return None
    tool = lambda *words: subprocess.run([*words, str(so)], capture_output=True, text=True).stdout
    dynamic = tool("readelf", "-dW")
    for word in ("(NEEDED)", "TEXTREL"):
        if word in dynamic:
            return f"the artifact has {word.strip('()')}"
    if re.search(r"^\s+[A-Z_]+ .* RWE ", tool("readelf", "-lW"), re.MULTILINE):
        return "the artifact has a segment both writable and executable"
    symbols = [line.split()[-1] for line in tool("nm", "-D", "--defined-only").splitlines() if line.strip()]
    return None if symbols == ["aot_entry"] else f"the artifact exports {symbols or 'nothing'}, not aot_entry alone"


# ---- Values --------------------------------------------------------------------------------------

def numbers(array, dtype):
    """Values as float64; bfloat16 travels as its bits in uint16."""
    if dtype.startswith("bfloat16"):
        array = (array.astype(np.uint32) << 16).view(np.float32)
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)


def allowed(dtype, scale, manifest):
    rtol = max(manifest.get("rtol", 1e-4), TOLERANCE.get(dtype.split()[0], 0))
    return manifest.get("atol", 1e-6) + rtol * scale


def difference(got, want, dtype, manifest):
    """Words for what differs, None when nothing does."""
    if got.shape != want.shape or got.dtype != want.dtype:
        return f"is {got.dtype}{list(got.shape)}, expected {want.dtype}{list(want.shape)}"
    if want.dtype.kind not in "fc" and not dtype.startswith("bfloat16"):
        return None if np.array_equal(got, want) else f"differs in {np.count_nonzero(got != want)} of {want.size}"
    got, want = numbers(got, dtype), numbers(want, dtype)
    finite = np.isfinite(want)
    same = (got == want) | (np.isnan(got) & np.isnan(want))
    if not same[~finite].all() or not np.isfinite(got[finite]).all():
        return "has NaN or infinity in other places"
    if not finite.any():
        return None
    off = float(np.abs(got[finite] - want[finite]).max())
    limit = allowed(dtype, float(np.abs(want[finite]).max()), manifest)
    return None if off <= limit else f"is off by {off:.3g}, allowed {limit:.3g}"


def read(file):
    """A written array; what is none is a problem, not a traceback."""
    try:
        return np.load(file)
    except (ValueError, EOFError, OSError) as error:
        raise Problem(f"{file.name} cannot be read: {error}") from None


def judge_leaf(folder, leaf, file, manifest):
    """One output: a tensor, a number as a 0-d array, or nothing at all."""
    value = leaf.get("value")
    if "file" not in leaf and not isinstance(value, (bool, int, float)):
        return
    if not file.exists():
        raise Problem(f"{leaf['name']}: {file.name} was not written")
    got = read(file)
    if "file" in leaf:
        said = difference(got, np.load(folder / leaf["file"]), leaf["dtype"], manifest)
    else:
        said = None if got.shape == () and got == value else f"is {got}, expected {value}"
    if said:
        raise Problem(f"{leaf['name']}: {said}")


def judge_inputs_after(folder, case, out, manifest):
    """Inputs that the model writes to; one left as it was need not be written out."""
    for i, leaf in enumerate(case.get("inputs_after", [])):
        if "file" not in leaf:
            continue
        before, after = np.load(folder / case["inputs"][i]["file"]), np.load(folder / leaf["file"])
        file = out / f"in-{i:03d}.npy"
        if file.exists() or before.tobytes() != after.tobytes():
            judge_leaf(folder, leaf, file, manifest)


# ---- Judging a fixture ---------------------------------------------------------------------------

def judge_refusal(folder, manifest, scratch, args):
    so = scratch / "model.so"
    status, said = call(compile_command(folder, manifest, so, args), COMPILE_SECONDS)
    if status not in (1, 3):
        raise Problem(f"must be refused, ended with status {status}")
    if not said.startswith("aotc: "):
        raise Problem(f"refused without a proper message: {first_line(said)}")
    if so.exists():
        raise Problem("refused, but an output file was left")


def judge_case(folder, case, so, scratch, manifest, args):
    out = Path(tempfile.mkdtemp(dir=scratch)) / "out"
    inputs = [folder / leaf["file"] for leaf in case["inputs"] if "file" in leaf]
    state = scratch / "state" if manifest.get("stateful") else None
    status, said = call(run_command(so, inputs, out, args, case.get("model"), state), RUN_SECONDS)
    if status:
        raise Problem(f"status {status}: {first_line(said)}")
    for i, leaf in enumerate(case["outputs"]):
        judge_leaf(folder, leaf, out / f"{i:03d}.npy", manifest)
    judge_inputs_after(folder, case, out, manifest)


def says(message, part):
    """Whether the message has this part as a word of its own."""
    return re.search(rf"(?<!\w){re.escape(part)}(?!\w)", message) is not None


def judge_out_of_range(bad, so, scratch, args):
    place = Path(tempfile.mkdtemp(dir=scratch))
    inputs = []
    for i, given in enumerate(bad["inputs"]):
        inputs.append(place / f"{i}.npy")
        np.save(inputs[-1], np.zeros(given["shape"], given["dtype"]))
    status, said = call(run_command(so, inputs, place / "out", args, bad.get("model")), RUN_SECONDS)
    if status != 1:
        raise Problem(f"out of range must end with status 1, ended with {status}: {first_line(said)}")
    missing = [part for part in bad["message"] if not says(first_line(said), part)]
    if missing:
        raise Problem(f"the message lacks {', '.join(missing)}: {first_line(said)}")


def judge_runs(folder, manifest, so, scratch, args):
    """Every problem of the cases, each with the case it belongs to."""
    tests = [(f"case {i}", judge_case, (folder, case, so, scratch, manifest, args))
             for i, case in enumerate(manifest.get("cases", []))]
    tests += [(f"out of range {i}", judge_out_of_range, (bad, so, scratch, args))
              for i, bad in enumerate(manifest.get("out_of_range", []))]
    problems = []
    for name, test, arguments in tests:
        try:
            test(*arguments)
        except Problem as problem:
            problems.append(f"{name}: {problem}")
    return problems


def judge(folder, args):
    """The problems of one fixture, as lines."""
    manifest = json.loads((folder / "manifest.json").read_text())
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        try:
            if manifest.get("refuse"):
                judge_refusal(folder, manifest, scratch, args)
                return []
            so = compile_twice(folder, manifest, scratch, args)
        except Problem as problem:
            return [str(problem)]
        said = elf_problem(so)
        return ([said] if said else []) + judge_runs(folder, manifest, so, scratch, args)


def find(folders, only):
    """The fixtures under the folders, in order, each once."""
    found = {}
    for folder in folders:
        if not folder.is_dir():
            raise SystemExit(f"run_fixtures.py: {folder} is no folder")
        for manifest in sorted(folder.rglob("manifest.json")):
            if not only or manifest.parent.name in only:
                found[manifest.parent.resolve()] = manifest.parent
    return list(found.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--aotc", required=True)
    parser.add_argument("--backend", default="gcc", choices=("gcc", "tcc"))
    parser.add_argument("--cpu", help="passed on to the compiler")
    parser.add_argument("--only", default="", help="names of fixtures, with commas between")
    parser.add_argument("-j", "--jobs", type=int, default=1)
    parser.add_argument("-v", "--verbose", action="store_true", help="a line for what passed, too")
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    args = parser.parse_args()
    fixtures = find(args.folders, set(filter(None, args.only.split(","))))
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for folder, problems in zip(fixtures, pool.map(lambda f: judge(f, args), fixtures)):
            name = f"{folder.parent.name}/{folder.name}"
            failed += bool(problems)
            for line in problems or (["passed"] if args.verbose else []):
                print(f"{name}: {line}", flush=True)
    print(f"{len(fixtures) - failed} passed, {failed} failed")
    return int(failed > 0 or not fixtures)


if __name__ == "__main__":
    sys.exit(main())
