# SPDX-License-Identifier: MIT
"""Emits committed fixtures as C and as objects, compiles, inspects and runs them: check_emit_c.py --aotc AOTC PART

PART is generic, x86-64-v3 or aarch64 (a --target), object, together, large, calls or usage. What this machine lacks
(clang, a cross compiler, qemu, a processor of that level) is left out. Needs Python 3.9, nothing else.
"""
import argparse
import json
import platform
import re
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


# ---- Typed calls ---------------------------------------------------------------------------------------

NPY = {"<f4": "f", "<f8": "d", "<i8": "q", "<i4": "i", "|b1": "?", "|u1": "B", "|i1": "b", "<i2": "h", "<f2": "e"}


def read_npy(path):
    """(shape, values, raw bytes)"""
    data = path.read_bytes()
    end = 10 + struct.unpack("<H", data[8:10])[0]
    header = eval(data[10:end], {"__builtins__": {}})
    code = NPY[header["descr"]]
    return header["shape"], struct.unpack(f"<{(len(data) - end) // struct.calcsize(code)}{code}", data[end:]), data[end:]


def members(header, name):
    """[(type, member, comment)] of the struct of a call."""
    body = header.split(f"typedef struct {name}_forward_call {{\n")[1].split(f"}} {name}_forward_call;")[0]
    return re.findall(r"^    (.*?) \*?(\w+)(?:\[\d+\])?; +/\* (.*) \*/$", body, re.M)


def typed_main(name, header, folder, case, place):
    """A program that makes the call with constant inputs and writes what comes out."""
    found = members(header, name)
    inputs = [m for m in found if re.match(r"[a-z]+\d*\[", m[2]) and (m[0].startswith("const ") or "written" in m[2])]
    outputs = [m for m in found if re.match(r"[a-z]+\d*\[", m[2]) and m not in inputs]
    given = [leaf for leaf in case["inputs"] if "file" in leaf]
    expected = [leaf for leaf in case["outputs"] if "file" in leaf]
    numbers = [m for m in outputs if m[2].endswith("a number")]
    outputs = [m for m in outputs if m not in numbers]
    if len(inputs) != len(given) or len(outputs) != len(expected):
        raise Problem(f"{name}: {len(inputs)} inputs and {len(outputs)} outputs in the struct, {len(given)} and {len(expected)} "
                      "in the case")
    lines, sets = [f'#include "{name}.h"', "#include <stdio.h>", "#include <stdlib.h>", "#include <string.h>"], []
    for i, ((_, member, comment), leaf) in enumerate(zip(inputs, given)):
        shape, _, raw = read_npy(folder / leaf["file"])
        lines.append(f"static _Alignas(64) unsigned char in{i}[] = {{ {', '.join(map(str, raw)) or '0'} }};")
        sets.append(f"call.{member} = (void *)in{i};")
        for symbol, size in zip(re.search(r"\[(.*)\]", comment)[1].split(", "), shape):
            if any(m[1] == symbol and m[2].startswith("a size") for m in found):
                sets.append(f"call.{symbol} = {size};")
    for i, ((_, member, _), leaf) in enumerate(zip(outputs, expected)):
        size = len(read_npy(folder / leaf["file"])[2])
        lines.append(f"static _Alignas(64) unsigned char out{i}[{size or 1}];")
        sets.append(f"call.{member} = (void *)out{i};")
        if any(m[1] == f"{member}_bytes" for m in found):
            sets.append(f"call.{member}_bytes = {size};")
    for i, (_, member, _) in enumerate(numbers):
        lines.append(f"static int64_t number{i};")
        sets.append(f"call.{member} = (void *)&number{i};")
    planned = f"{name}_forward_plan(model, &call)" if f" {name}_forward_plan(" in header else "AOT_OK"
    work = f"{name}_forward_WORKSPACE_BYTES" if f"#define {name}_forward_WORKSPACE_BYTES " in header else "1 << 20"
    lines += ["int main(void)", "{", "    char text[200] = \"\";", "    aot_status status;",
              f"    const aot_model *model = {name}_entry(AOT_ABI, NULL, &status);",
              f"    {name}_forward_call call = {{ .error = text, .error_bytes = sizeof text }};",
              f"    size_t bytes = ((size_t)({work}) + 63) / 64 * 64 + 64;", *(f"    {s}" for s in sets),
              f"    if ({planned}) return puts(text), 1;",
              "    call.workspace = aligned_alloc(64, bytes);", "    call.workspace_bytes = bytes;",
              "    if (model->state_bytes) {", "        call.state = calloc(1, model->state_bytes + 64);",
              "        model->init_state(call.state, NULL);", "    }",
              f"    if ({name}_forward_run(model, &call)) return puts(text), 1;",
              *(f'    fwrite(out{i}, 1, {len(read_npy(folder / leaf["file"])[2])}, stdout);' for i, leaf in enumerate(expected)),
              "    return 0;", "}"]
    (place / "main.c").write_text("\n".join(lines) + "\n")
    return [read_npy(folder / leaf["file"]) + (NPY[eval_descr(folder / leaf["file"])],) for leaf in expected]


def eval_descr(path):
    return eval(path.read_bytes()[10:].split(b"\n")[0], {"__builtins__": {}})["descr"]


def check_calls(args, scratch):
    """The inline calls of the header, on recorded cases."""
    machine = Machine("generic", args.cc)
    for model in MODELS + ["2.13.0/nested", "2.13.0/specials", "2.13.0/tied_strided", "seeds/add_dynamic"]:
        name, folder = Path(model).name, FIXTURES / model
        place = scratch / name
        place.mkdir()
        manifest = emit(args.aotc, folder, place / f"{name}.c", "c", "generic")
        header = (place / f"{name}.h").read_text()
        call(machine.cc, *machine.flags, *WARNINGS, "-Wcast-qual", "-O1", "-c", f"{name}.c", cwd=place)
        for case in manifest["cases"]:
            if case.get("model", "forward") not in ("forward", "model", None):
                continue
            expected = typed_main(name, header, folder, case, place)
            call(machine.cc, "-std=c11", *WARNINGS, "-Wcast-qual", "-O1", "main.c", f"{name}.o", "-lm", "-o", "main", cwd=place)
            done = subprocess.run([place / "main"], capture_output=True)
            if done.returncode:
                raise Problem(f"{model}: {done.stdout.decode(errors='replace')}")
            at = 0
            for _, values, raw, code in expected:
                found = struct.unpack(f"<{len(values)}{code}", done.stdout[at:at + len(raw)])
                at += len(raw)
                scale = max((abs(v) for v in values if v == v and abs(v) != float("inf")), default=1) or 1
                if any(abs(a - b) > 1e-4 * scale for a, b in zip(found, values) if a != b and (a == a or b == b)):
                    raise Problem(f"{model}: other results than recorded")
        print(f"{model}: typed call: passed", flush=True)


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
    parts = {"object": check_object, "together": check_together, "large": check_large, "calls": check_calls, "usage": check_usage}
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
