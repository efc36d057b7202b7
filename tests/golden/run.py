#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Golden tests: run.py AOTC [--bless] [folder...]

Every FOLDER/CASE.gir (or .lir) is read by `aotc ir`; what it prints stands beside it in CASE.out (.c in emit/), or in
CASE.err when the text is refused.  The flags are those of the folder: a pass's own folder runs that pass alone.  A
first line `; flags: ...` in a case gives others.  --bless writes what is printed now: the difference is then
reviewed, not typed.  Each printed text of an IR is read and printed again, and must not change.
"""
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
FLAGS = {"lower": ["--lower"], "plan_memory": ["--plan"], "emit": ["--emit=c"], "parse": []}


def flags_of(folder, text):
    first = text.split("\n", 1)[0]
    if first.startswith("; flags:"):
        return first[len("; flags:"):].split()
    return FLAGS.get(folder, ["--pass", folder])


def kernels(text):
    """The kernels of a C text, without the tables around them."""
    start, end = text.find("/* k0:"), text.find("static const aot_dim")
    end = min(end if end >= 0 else len(text), text.find("static const aot_port"))
    return text[start:end].rstrip("\n") + "\n"


def run(aotc, folder, name, flags):
    return subprocess.run([aotc, "ir", name] + flags, cwd=folder, capture_output=True, text=True, timeout=60)


def stable(aotc, text):
    """None, or what reading and printing the text again gives instead of it."""
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "again"), "w") as f:
            f.write(text)
        again = run(aotc, folder, "again", ["--lower"] if text.startswith("program") else [])
    return None if again.stdout == text and again.returncode == 0 else again.stdout + again.stderr


def check(aotc, folder, name, bless):
    path = os.path.join(HERE, folder)
    stem = name.rsplit(".", 1)[0]
    with open(os.path.join(path, name)) as f:
        flags = flags_of(folder, f.read())
    done = run(aotc, path, name, flags)
    if done.returncode not in (0, 1, 2, 3):
        return "exit code %d\n%s" % (done.returncode, done.stderr)
    refused = done.returncode != 0
    found = done.stderr if refused else kernels(done.stdout) if "--emit=c" in flags else done.stdout
    suffixes = [".err", ".c" if "--emit=c" in flags else ".out"]
    wanted = os.path.join(path, stem + suffixes[0 if refused else 1])
    other = os.path.join(path, stem + suffixes[1 if refused else 0])
    if bless:
        with open(wanted, "w") as f:
            f.write(found)
        if os.path.exists(other):
            os.remove(other)
    if not os.path.exists(wanted):
        return "no %s beside it; found\n%s" % (os.path.basename(wanted), found)
    with open(wanted) as f:
        expected = f.read()
    if found != expected:
        return "expected\n%s\nfound\n%s" % (expected, found)
    if not refused and "--emit=c" not in flags:
        again = stable(aotc, found)
        if again is not None:
            return "reading it again gives\n%s" % again
    return None


def main():
    args = [a for a in sys.argv[1:] if a != "--bless"]
    bless = "--bless" in sys.argv[1:]
    aotc = os.path.abspath(args[0])
    folders = args[1:] or sorted(d for d in os.listdir(HERE) if os.path.isdir(os.path.join(HERE, d)))
    failed = count = 0
    for folder in folders:
        for name in sorted(os.listdir(os.path.join(HERE, folder))):
            if not name.endswith((".gir", ".lir")):
                continue
            count += 1
            bad = check(aotc, folder, name, bless)
            if bad:
                failed += 1
                print("%s/%s: %s" % (folder, name, bad))
    print("%d golden tests, %d failed" % (count, failed))
    return 1 if failed or not count else 0


if __name__ == "__main__":
    sys.exit(main())
