#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""docs/graph-ir.md and docs/loop-ir.md are true: check_docs.py AOTC DOCS [--bless]

The operator table is what `aotc --list-graph-ops` prints (--bless writes it); each ```gir and ```lir block is read by
`aotc ir` and prints as itself; each ```refused block is refused.
"""
import os
import re
import subprocess
import sys
import tempfile

BEGIN, END = "<!-- aotc --list-graph-ops -->\n", "<!-- end -->\n"


def ir(aotc, text):
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "text"), "w") as f:
            f.write(text)
        flags = ["--lower"] if "program" in text.split("\n", 1)[0] else []
        return subprocess.run([aotc, "ir", "text"] + flags, cwd=folder, capture_output=True, text=True, timeout=60)


def main():
    aotc, docs = os.path.abspath(sys.argv[1]), sys.argv[2]
    failed = count = 0
    table = subprocess.run([aotc, "--list-graph-ops"], capture_output=True, text=True, check=True).stdout
    path = os.path.join(docs, "graph-ir.md")
    with open(path) as f:
        text = f.read()
    head, rest = text.split(BEGIN)
    found, tail = rest.split(END)
    if found != table and "--bless" in sys.argv:
        with open(path, "w") as f:
            f.write(head + BEGIN + table + END + tail)
    elif found != table:
        print("docs/graph-ir.md: the operator table is not what aotc --list-graph-ops prints")
        failed += 1
    for name in ("graph-ir.md", "loop-ir.md"):
        with open(os.path.join(docs, name)) as f:
            blocks = re.findall(r"^```(gir|lir|refused)\n(.*?)^```$", f.read(), re.M | re.S)
        for kind, block in blocks:
            count += 1
            done = ir(aotc, block)
            ok = done.returncode == 1 if kind == "refused" else done.returncode == 0 and done.stdout == block
            if not ok:
                failed += 1
                print("docs/%s: a %s block gives exit code %d" % (name, kind, done.returncode))
                print(done.stdout + done.stderr)
    print("%d examples, %d failures" % (count, failed))
    return 1 if failed or not count else 0


if __name__ == "__main__":
    sys.exit(main())
