# SPDX-License-Identifier: MIT
"""The program aotc: $AOTC, or the one inside this package, or the one on the path."""
import os
import shutil
import sys
from pathlib import Path


def find() -> str:
    inside = Path(__file__).resolve().parent / "bin" / "aotc"
    found = os.environ.get("AOTC") or (str(inside) if inside.exists() else shutil.which("aotc"))
    if not found:
        raise FileNotFoundError("the program aotc is neither in this package nor on the path; $AOTC may name it")
    return found


def main() -> None:
    """The command aotc of an installed package."""
    program = find()
    os.execv(program, [program, *sys.argv[1:]])
