#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How long artifacts take to open, and archives to compile.

    open_time.py [--libaotrt libaotrt.so] [--processes 20] MODEL.so …
    open_time.py --aotc BIN [--rounds 5] [--cpu LEVEL] MODEL.pt2 …

Opening is measured in fresh processes, page cache warm: dlopen and aot_entry by hand, and with --libaotrt
also aot_open with all its checks and a first session. Compiling is measured with both backends in turns,
as wall clock and as CPU time of the compiler and what it starts. Printed are minimum and median in ms.
Standard library only.
"""
import argparse
import ctypes
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ABI = 1
BACKENDS = ("gcc", "tcc")


# ---- In a fresh process --------------------------------------------------------------------------

def open_by_hand(path):
    """Milliseconds of dlopen, the look-up and the call of aot_entry."""
    clock, status = time.perf_counter, ctypes.c_int32()
    prototype = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_uint32, ctypes.c_char_p, ctypes.POINTER(ctypes.c_int32))
    begun = clock()
    library = ctypes.CDLL(path)
    table = prototype(("aot_entry", library))(ABI, None, ctypes.byref(status))
    taken = clock() - begun
    if not table:
        raise SystemExit(f"{path}: aot_entry says {status.value}")
    return taken * 1e3


def open_by_library(path, libaotrt):
    """Milliseconds of aot_open and aot_session_new."""
    library = ctypes.CDLL(libaotrt)
    file, session, text = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.create_string_buffer(512)
    library.aot_open.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.POINTER(ctypes.c_void_p), ctypes.c_char_p,
                                 ctypes.c_uint64]
    library.aot_session_new.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint64,
                                        ctypes.POINTER(ctypes.c_void_p)]
    clock = time.perf_counter
    begun = clock()
    status = library.aot_open(path.encode(), None, ctypes.byref(file), text, 512)
    status = status or library.aot_session_new(file, None, 1, ctypes.byref(session))
    taken = clock() - begun
    if status:
        raise SystemExit(f"{path}: status {status}: {text.value.decode(errors='replace')}")
    return taken * 1e3


# ---- Measuring -----------------------------------------------------------------------------------

def say(subject, what, values):
    print(f"{subject}: {what}: min {min(values):.3f} ms, median {statistics.median(values):.3f} ms", flush=True)


def fresh(*words):
    """What a process of its own measured."""
    done = subprocess.run([sys.executable, "-S", __file__, "--child", *words], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr.strip() or f"open_time.py: a child ended with {done.returncode}")
    return float(done.stdout)


def measure_open(so, args):
    path = str(so.absolute())
    say(so.name, "dlopen and aot_entry", [fresh(path) for _ in range(args.processes)])
    if args.libaotrt:
        library = str(args.libaotrt.absolute())
        say(so.name, "aot_open and aot_session_new", [fresh(path, library) for _ in range(args.processes)])


def children_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def compile_once(archive, backend, args):
    """(wall clock, CPU time) in ms."""
    with tempfile.TemporaryDirectory() as work:
        command = [args.aotc, str(archive), "-o", f"{work}/model.so", f"--backend={backend}", "--no-cache"]
        before, begun = children_seconds(), time.perf_counter()
        subprocess.run(command + ([f"--cpu={args.cpu}"] if args.cpu else []), check=True)
        return (time.perf_counter() - begun) * 1e3, (children_seconds() - before) * 1e3


def measure_compile(archive, args):
    taken = {backend: [] for backend in BACKENDS}
    for _ in range(args.rounds):
        for backend in BACKENDS:
            taken[backend].append(compile_once(archive, backend, args))
    for backend, pairs in taken.items():
        walls, cpus = zip(*pairs)
        say(f"{archive.parent.name}/{archive.name}", f"compile with {backend}, wall", walls)
        say(f"{archive.parent.name}/{archive.name}", f"compile with {backend}, CPU", cpus)


def main():
    if sys.argv[1:2] == ["--child"]:
        return print(open_by_hand(sys.argv[2]) if len(sys.argv) == 3 else open_by_library(*sys.argv[2:]))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--aotc", help="needed for archives")
    parser.add_argument("--cpu", default="")
    parser.add_argument("--libaotrt", type=Path)
    parser.add_argument("--processes", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("files", nargs="+", type=Path)
    args = parser.parse_args()
    for file in args.files:
        if file.suffix == ".pt2" and not args.aotc:
            parser.error("archives need --aotc")
        (measure_compile if file.suffix == ".pt2" else measure_open)(file, args)


if __name__ == "__main__":
    sys.exit(main())
