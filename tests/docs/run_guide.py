#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Follows a guide: run_guide.py GUIDE.md [--build DIR] [--all]

The blocks of the page are done in order in an empty folder:

    <!-- uses: NAME PATH -->   the folder holds that file of this repository

    <!-- file: NAME -->     the next block is that file
    ```sh                   run by bash; $BUILD is the folder aotc was built in, and its programs are on the path
    ```python               run by this Python; what a block defines, later ones see
    ```text                 each line must have been printed by the block that was run last
    <!-- needs: WORD ... -->   the next block is left out, with the texts behind it, where a program or a Python
                               module is missing; with --all that is a failure

A block without a language is no code, and left alone; any other language needs a file.
"""
import argparse
import contextlib
import importlib.util
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

BLOCK = re.compile(r"((?:^<!-- (?:file|needs): [^\n]* -->\n)*)^```(\w*)\n(.*?)^```$", re.M | re.S)


class Problem(Exception):
    """What is wrong; ends the page."""


def missing(word):
    try:
        return not shutil.which(word) and importlib.util.find_spec(word) is None
    except (ImportError, ValueError):
        return True


def run_shell(text):
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", text], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", timeout=900)
    if done.returncode:
        raise Problem(f"status {done.returncode}\n{done.stdout[-3000:]}")
    return done.stdout


def run_python(text, names):
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            exec(compile(text, "guide", "exec"), names)
    except Exception:
        raise Problem(out.getvalue()[-2000:] + traceback.format_exc(limit=-4)) from None
    return out.getvalue()


def follow(page, every):
    names, said, skipped = {"__name__": "guide"}, "", False
    for match in BLOCK.finditer(page):
        marks, language, text = match.groups()
        line = page[:match.start(2)].count("\n") + 1
        needs = " ".join(re.findall(r"needs: (.*?) -->", marks)).split()
        file = re.search(r"file: (.*?) -->", marks)
        if language and language != "text":
            absent = [word for word in needs if missing(word)]
            skipped = bool(absent)
            if absent and every:
                raise Problem(f"line {line}: {', '.join(absent)} is not here")
            if absent:
                print(f"line {line}: left out, there is no {', '.join(absent)}")
        if skipped or not language:
            continue
        try:
            if file:
                Path(file[1]).parent.mkdir(parents=True, exist_ok=True)
                Path(file[1]).write_text(text)
            elif language == "sh":
                said = run_shell(text)
            elif language == "python":
                said = run_python(text, names)
            elif language == "text":
                absent = [word for word in text.splitlines() if word.strip() not in said]
                if absent:
                    raise Problem(f"{absent[0]!r} was not printed, but\n{said[-3000:]}")
            else:
                raise Problem(f"{language}: neither run nor a file")
        except Problem as problem:
            raise Problem(f"line {line}: {problem}") from None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("guide", type=Path)
    parser.add_argument("--build", type=Path, default=Path("build/release"))
    parser.add_argument("--all", action="store_true")
    args = parser.parse_args()
    page = args.guide.read_text()
    root = Path(__file__).resolve().parents[2]
    files = [(name, root / path) for name, path in re.findall(r"^<!-- uses: (\S+) (\S+) -->$", page, re.M)]
    build = args.build.resolve()
    os.environ["BUILD"] = str(build)
    os.environ["PATH"] = f"{build / 'bin'}:{os.environ['PATH']}"
    with tempfile.TemporaryDirectory(prefix="aotc-guide-") as scratch:
        os.chdir(scratch)
        for name, path in files:
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, name)
        try:
            follow(page, args.all)
        except Problem as problem:
            print(f"{args.guide.name}: {problem}")
            return 1
        finally:
            os.chdir("/")
    print(f"{args.guide.name}: followed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
