# SPDX-License-Identifier: MIT
"""aotc.compile: an exported program, or an archive of one, becomes an artifact."""
from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from . import _program


class CompileError(RuntimeError):
    """The compiler refused or failed. `status` is its exit code: 1 a broken archive, 2 usage, 4 the C compiler,
    5 memory or files."""

    def __init__(self, status: int, text: str):
        self.status = status
        super().__init__(text)


class UnsupportedError(CompileError):
    """Status 3: the model needs something that aotc does not have. The text names the operator, the reason and the line
    of the model."""


def run(*words: str) -> str:
    """One command of the program; what it printed."""
    done = subprocess.run([_program.find(), *words], capture_output=True, text=True, errors="replace")
    if done.returncode:
        kind = UnsupportedError if done.returncode == 3 else CompileError
        lines = done.stderr.strip().splitlines() or [f"aotc ended with status {done.returncode}"]
        raise kind(done.returncode, "\n".join(lines).removeprefix("aotc: "))
    return done.stdout


def version() -> str:
    """The version of the program, or "" where there is none: artifacts run without it."""
    try:
        return run("--version").split()[1]
    except (OSError, CompileError):
        return ""


def _archive(program: Any, folder: str, name: str) -> str:
    """The path of an archive, which is written first when an exported program is given."""
    if isinstance(program, (str, os.PathLike)):
        return os.fspath(program)
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(program, torch.export.ExportedProgram):
        raise TypeError(f"expected a torch.export.ExportedProgram or the path of a .pt2 file, given {type(program).__name__}")
    path = os.path.join(folder, f"{name}.pt2")
    torch.export.save(program, path)
    return path


def _range(value: int | tuple[int, int]) -> str:
    return f"{value[0]}..{value[1]}" if isinstance(value, tuple) else str(value)


def compile(program: Any, path: str | os.PathLike[str], *, methods: Mapping[str, Any] | None = None,
            dims: Mapping[str, int | tuple[int, int]] | None = None,
            custom_ops: Mapping[str, str | os.PathLike[str]] | None = None, flags: Sequence[str] = (),
            **options: str | int | bool | os.PathLike[str]) -> Path:
    """Compiles a program into the file `path` and returns that.

    program     a torch.export.ExportedProgram, or the path of a .pt2 file
    methods     further methods by name, given like `program`; weights are shared
    dims        dynamic sizes to specialise (8) or to narrow ((1, 64))
    custom_ops  C files with operators of one's own
    options     any flag of the program: backend="tcc", cpu="v3,v4", emit="c", target="aarch64", jobs=4 for -j, ...;
                True gives the flag alone, False leaves it out
    flags       further words of the command line

    Raises UnsupportedError for what aotc does not support, else CompileError.
    """
    path = Path(path)
    with tempfile.TemporaryDirectory(prefix="aotc-") as folder:
        words = [_archive(program, folder, path.stem), "-o", os.fspath(path)]
        for name, more in (methods or {}).items():
            words += ["--method", f"{name}={_archive(more, folder, f'{path.stem}-{name}')}"]
        for name, size in (dims or {}).items():
            words += ["--dim", f"{name}={_range(size)}"]
        for name, file in (custom_ops or {}).items():
            words += ["--custom-op", f"{name}={os.fspath(file)}"]
        for name, value in options.items():
            flag = "-j" if name == "jobs" else "--" + name.replace("_", "-")
            if value is True:
                words.append(flag)
            elif value is not False:
                words += [flag, os.fspath(value) if isinstance(value, os.PathLike) else str(value)]
        run(*words, *flags)
    return path
