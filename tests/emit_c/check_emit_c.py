# SPDX-License-Identifier: MIT
"""Emits committed fixtures as C and as objects, compiles, inspects and runs them: check_emit_c.py --aotc AOTC PART

PART is generic, x86-64-v3 or aarch64 (a --target), object, together, large or usage. What this machine lacks
(clang, a cross compiler, qemu, a processor of that level) is left out. Needs Python 3.9, nothing else.
"""
import argparse
import json
import platform
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
FIXTURES = HERE.parent / "fixtures"
MODELS = ["2.13.0/add_broadcast", "2.13.0/cond_tensor", "2.13.0/encoder", "2.13.0/dyn_image",
          "seeds/conv_classifier_b", "seeds/hybrid_model"]
WARNINGS = ["-Wall", "-Wextra", "-Wdouble-promotion", "-Werror"]
HELPERS = {"memcpy", "memmove", "memset", "_GLOBAL_OFFSET_TABLE_"}
CROSS, QEMU = "aarch64-linux-gnu-gcc", ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"]


class Problem(Exception):
    """What is wrong; ends the part."""


def call(*command, cwd=None, status=0):
    done = subprocess.run([str(c) for c in command], cwd=cwd, capture_output=True, text=True, errors="replace")
    if done.returncode != status:
        said = f"{' '.join(str(c) for c in command)}\n{done.stderr[:4000]}"
        raise Problem(f"status {done.returncode}, not {status}: {said}")
    return done.stdout


def runs_here(target):
    if target == "generic":
        return True
    if target == "aarch64":
        return platform.machine() == "aarch64" or bool(shutil.which(CROSS) and shutil.which(QEMU[0]))
    flags = Path("/proc/cpuinfo").read_text().split() if Path("/proc/cpuinfo").exists() else []
    return platform.machine() == "x86_64" and all(f in flags for f in ("avx2", "fma", "f16c", "bmi2", "movbe", "abm"))


class Machine:
    """How to compile for a target and how to run what comes out."""

    def __init__(self, target, cc):
        cross = target == "aarch64" and platform.machine() != "aarch64"
        self.target, self.cc = target, CROSS if cross else cc
        self.run = QEMU if cross else []
        self.flags = ["-std=c11", "-Wpedantic"] if target == "generic" else ["-std=gnu11"]
        self.flags += ["-march=x86-64-v3"] if target == "x86-64-v3" else []
        self.clang = ["clang", "--target=aarch64-linux-gnu", "-ffreestanding"] if cross else ["clang"]
        self.there = bool(shutil.which(self.cc))


# ---- Making and inspecting -------------------------------------------------------------------------

def emit(aotc, folder, out, kind, target, more=()):
    manifest = json.loads((folder / "manifest.json").read_text())
    extra = manifest.get("methods", {}).items()
    methods = [w for name, file in extra for w in ("--method", f"{name}={folder / file}")]
    call(aotc, folder / manifest["archive"], f"--emit={kind}", f"--target={target}", "-o", out, *methods, *more)
    return manifest


def inspect(obj, name):
    """One symbol is exported, and nothing is called but what compilers put in themselves."""
    rows = [line.split() for line in call("nm", obj).splitlines()]
    exported = [r[-1] for r in rows if r[-2].isupper() and r[-2] != "U"]
    wanted = {r[-1] for r in rows if r[-2] == "U"}
    if exported != [f"{name}_entry"] or not wanted <= HELPERS:
        raise Problem(f"{obj.name}: exports {exported}, wants {sorted(wanted)}")


def under_test(place, name):
    """The header through which drive.c sees the model."""
    (place / "model_under_test.h").write_text(
        f'#include "{name}.h"\n#define ENTRY {name}_entry\n#define WEIGHTS_BYTES {name}_WEIGHTS_BYTES\n'
        f"#ifdef {name}_WORKSPACE_BYTES\n#define WORKSPACE_BYTES {name}_WORKSPACE_BYTES\n#endif\n")


def compile_c(machine, place, name):
    """The object of NAME.c, without a warning; its header stands alone, in C++ too."""
    call(machine.cc, *machine.flags, *WARNINGS, "-O2", "-c", f"{name}.c", "-o", f"{name}.o", cwd=place)
    if shutil.which("clang"):
        call(*machine.clang, *machine.flags, *WARNINGS, "-fsyntax-only", f"{name}.c", cwd=place)
    twice = f'#include "{name}.h"\n' * 2
    (place / "alone.c").write_text(f"{twice}int alone = {name}_WEIGHTS_BYTES == 0;\n")
    call(machine.cc, "-std=c11", "-Wpedantic", *WARNINGS, "-c", "alone.c", "-o", "alone.o", cwd=place)
    if shutil.which("g++"):
        call("g++", "-std=c++17", "-x", "c++", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "alone.c", cwd=place)
    inspect(place / f"{name}.o", name)


def link(machine, place, objects):
    under = place / objects[0].replace(".o", "")
    under_test(place, under.name)
    call(machine.cc, "-std=c11", *WARNINGS, "-O1", "-I", ".", HERE / "drive.c", *objects, "-lm", "-o", "drive",
         cwd=place)


def arguments(folder, case):
    files = lambda leaves: [str(folder / leaf["file"]) if "file" in leaf else "-" for leaf in leaves]
    return [case.get("model") or "forward", *files(case["inputs"]), "=", *files(case["outputs"])]


def run_cases(machine, folder, manifest, program):
    for case in manifest["cases"]:
        call(*machine.run, program, *arguments(folder, case))


def same_again(args, folder, place, name, kind, target, more=()):
    again = place / "again"
    again.mkdir()
    emit(args.aotc, folder, again / f"{name}.{'c' if kind == 'c' else 'o'}", kind, target, more)
    for file in again.iterdir():
        if file.read_bytes() != (place / file.name).read_bytes():
            raise Problem(f"{file.name}: a second compile gave other bytes")


# ---- The parts ---------------------------------------------------------------------------------------

def check_target(args, scratch, target):
    machine = Machine(target, args.cc)
    for model in MODELS:
        name, folder = Path(model).name, FIXTURES / model
        place = scratch / name
        place.mkdir()
        manifest = emit(args.aotc, folder, place / f"{name}.c", "c", target)
        same_again(args, folder, place, name, "c", target)
        if machine.there:
            compile_c(machine, place, name)
        if machine.there and runs_here(target):
            link(machine, place, [f"{name}.o"])
            run_cases(machine, folder, manifest, place / "drive")
        print(f"{model}: {target}: passed", flush=True)


def check_object(args, scratch):
    for target in ("generic", "x86-64-v3", "aarch64"):
        machine = Machine(target, args.cc)
        if not machine.there or not runs_here(target):
            continue
        for model in ("2.13.0/cond_tensor", "seeds/hybrid_model"):
            name, folder = Path(model).name, FIXTURES / model
            place = scratch / f"{name}_{target}"
            place.mkdir()
            manifest = emit(args.aotc, folder, place / f"{name}.o", "obj", target, ["--cc", machine.cc])
            same_again(args, folder, place, name, "obj", target, ["--cc", machine.cc])
            inspect(place / f"{name}.o", name)
            link(machine, place, [f"{name}.o"])
            run_cases(machine, folder, manifest, place / "drive")
            print(f"{model}: object for {target}: passed", flush=True)


def check_together(args, scratch):
    """Two models, of which one is emitted as C and one as an object, in one program."""
    machine, parts, objects = Machine("generic", args.cc), [], []
    for letter, model, kind in (("a", "2.13.0/encoder", "c"), ("b", "2.13.0/cond_tensor", "obj")):
        name, folder, place = f"net-{letter}", FIXTURES / model, scratch / letter
        place.mkdir()
        out = place / (f"{name}.c" if kind == "c" else f"{name}.o")
        manifest = emit(args.aotc, folder, out, kind, "generic")
        if kind == "c":
            call(machine.cc, *machine.flags, *WARNINGS, "-O1", "-c", f"{name}.c", "-o", f"{name}.o", cwd=place)
        inspect(place / f"{name}.o", f"net_{letter}")
        under_test(place, f"net_{letter}")
        shim = place / "model_under_test.h"
        shim.write_text(shim.read_text().replace(f'"net_{letter}.h"', f'"{name}.h"'))
        call(machine.cc, "-std=c11", *WARNINGS, f"-DDRIVE=drive_{letter}", "-I", place, "-c", HERE / "drive.c",
             "-o", place / "drive.o")
        objects += [place / f"{name}.o", place / "drive.o"]
        parts.append(arguments(folder, manifest["cases"][0]))
    call(machine.cc, "-std=c11", *WARNINGS, HERE / "two.c", *objects, "-lm", "-o", scratch / "two")
    call(scratch / "two", *parts[0], "+", *parts[1])


def write_npy(path, shape, values):
    head = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({', '.join(map(str, shape))}), }}"
    head += " " * (-(len(head) + 11) % 64) + "\n"
    start = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head))
    path.write_bytes(start + head.encode() + struct.pack(f"<{len(values)}f", *values))


def large_model(folder):
    """784 -> 512 -> 10, made of the 784 -> 128 -> 10 that is committed, with a case computed here."""
    hidden, ins, outs = 512, 784, 10
    wave = lambda n, a: [((i * a) % 113 - 56) / 1024 for i in range(n)]
    w1, b1, w2, b2 = wave(hidden * ins, 37), wave(hidden, 11), wave(outs * hidden, 53), wave(outs, 7)
    committed = FIXTURES / "seeds/simple_model/model.pt2"
    with zipfile.ZipFile(committed) as old, zipfile.ZipFile(folder / "model.pt2", "w") as new:
        for info in old.infolist():
            data = old.read(info)
            for i, w in enumerate((w1, b1, w2, b2)):
                if info.filename.endswith(f"/weight_{i}"):
                    data = struct.pack(f"<{len(w)}f", *w)
            if info.filename.endswith(".json"):
                data = data.replace(b'"as_int": 128}', b'"as_int": 512}')
            new.writestr(zipfile.ZipInfo(info.filename), data)
    x = wave(ins, 29)
    mid = [max(0.0, b1[j] + sum(a * b for a, b in zip(x, w1[j * ins:(j + 1) * ins]))) for j in range(hidden)]
    y = [b2[j] + sum(a * b for a, b in zip(mid, w2[j * hidden:(j + 1) * hidden])) for j in range(outs)]
    write_npy(folder / "x.npy", [1, ins], x)
    write_npy(folder / "y.npy", [1, outs], y)
    case = {"inputs": [{"file": "x.npy"}], "outputs": [{"file": "y.npy"}]}
    (folder / "manifest.json").write_text(json.dumps({"archive": "model.pt2", "cases": [case]}))


def check_large(args, scratch):
    """Constants above 1 MiB: a file, taken by .incbin in GNU C, by an assembler file in strict C, inside an object."""
    source = scratch / "source"
    source.mkdir()
    large_model(source)
    for target in ("generic", "x86-64-v3", "aarch64"):
        machine, place = Machine(target, args.cc), scratch / target
        place.mkdir()
        manifest = emit(args.aotc, source, place / "large.c", "c", target)
        same_again(args, source, place, "large", "c", target)
        size = (place / "large.weights.bin").stat().st_size
        if size <= 1 << 20 or f"#define large_WEIGHTS_BYTES {size}\n" not in (place / "large.h").read_text():
            raise Problem(f"large.weights.bin has {size} bytes, the header says something else")
        if not machine.there or not runs_here(target):
            continue
        objects = ["large.o"]
        if target == "generic":
            call(machine.cc, *machine.flags, *WARNINGS, "-O1", "-c", "large.c", cwd=place)
            call(machine.cc, "-c", "large.weights.s", "-o", "large.weights.o", cwd=place)
            objects.append("large.weights.o")
        else:
            compile_c(machine, place, "large")
        link(machine, place, objects)
        run_cases(machine, source, manifest, place / "drive")
        emit(args.aotc, source, place / "large.o", "obj", target, ["--cc", machine.cc])
        inspect(place / "large.o", "large")
        link(machine, place, ["large.o"])
        run_cases(machine, source, manifest, place / "drive")
        print(f"large: {target}: passed", flush=True)


def check_usage(args, scratch):
    """What is wrong is said, and no file is left."""
    model = FIXTURES / "2.13.0/add/model.pt2"
    for flags in (["-o", "out.txt"], ["-o", "out"], ["-o", "out.c", "--cpu=v3"], ["-o", "out.c", "--target=vax"],
                  ["-o", "out.c", "--sysroot=/"], ["-o", "out.c", "--backend=tcc"], ["-o", 'o"t.c']):
        call(args.aotc, model, "--emit=c", *flags, cwd=scratch, status=2)
    call(args.aotc, model, "--emit=obj", "-o", "out.o", "--backend=tcc", cwd=scratch, status=2)
    call(args.aotc, model, "--emit=obj", "-o", "out.h", cwd=scratch, status=2)
    call(args.aotc, model, "--emit=obj", "-o", "-", cwd=scratch, status=2)
    call(args.aotc, model, "--emit=obj", "-o", "out.o", "--cc", "/no/such/compiler", cwd=scratch, status=4)
    left = [p.name for p in scratch.iterdir()]
    if left:
        raise Problem(f"refused, but {left} was written")
    call(args.aotc, model, "--emit=c", "--dim", "q=3", "-o", "out.c", cwd=scratch, status=2)
    call(args.aotc, model, "--emit=c", cwd=scratch)
    if sorted(p.name for p in scratch.iterdir()) != ["model.c", "model.h"]:
        raise Problem("the default names are not model.c and model.h")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--aotc", required=True)
    parser.add_argument("--cc", default="gcc")
    parser.add_argument("part")
    args = parser.parse_args()
    parts = {"object": check_object, "together": check_together, "large": check_large, "usage": check_usage}
    with tempfile.TemporaryDirectory() as scratch:
        try:
            if args.part in parts:
                parts[args.part](args, Path(scratch))
            else:
                check_target(args, Path(scratch), args.part)
        except Problem as problem:
            print(f"{args.part}: {problem}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
