#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests of what aotc made, alone and inside hosts. Run as harness.py says."""
import functools
import re
import struct
import sys

import elf
import harness
from harness import ARGS, BACKENDS, Case, artifact, fixture, npy


KERNEL = re.compile(r"\baotk_igemm_f32_v[34]\b")


def each_artifact(test):
    """A test of one path, made a test of all artifacts."""
    @functools.wraps(test)
    def run(self):
        for name in ("conv", "encoder", "hybrid"):
            for backend in BACKENDS:
                path = artifact(name, backend)
                with self.subTest(artifact=path.name):
                    test(self, path)
    return run


class Artifact(Case):
    """What is in the file."""

    @each_artifact
    def test_dynamic_section(self, path):
        tags = elf.Elf(path).dynamic()
        for tag in (elf.DT_NEEDED, elf.DT_TEXTREL, elf.DT_INIT, elf.DT_FINI, elf.DT_INIT_ARRAY):
            self.assertNotIn(tag, tags)
        self.assertFalse(tags.get(elf.DT_FLAGS, [0])[0] & elf.DF_TEXTREL)

    @each_artifact
    def test_segments(self, path):
        file = elf.Elf(path)
        stack, = file.of_type(elf.PT_GNU_STACK)
        relro, = file.of_type(elf.PT_GNU_RELRO)
        self.assertFalse(stack.flags & elf.PF_X, "executable stack")
        loads = file.of_type(elf.PT_LOAD)
        for load in loads:
            self.assertNotEqual(load.flags & (elf.PF_X | elf.PF_W), elf.PF_X | elf.PF_W)
            self.assertEqual(load.filesz, load.memsz, "memory beyond the file: .bss")
            self.assertLessEqual(load.offset + load.filesz, len(file.data))
        for load in (load for load in loads if load.flags & elf.PF_W):
            self.assertLessEqual(relro.vaddr, load.vaddr)
            self.assertGreaterEqual(relro.vaddr + relro.memsz, load.vaddr + load.memsz, "stays writable")

    @each_artifact
    def test_weights(self, path):
        file = elf.Elf(path)
        weights = file.sections[".aotc.weights"]
        inside, = [s for s in file.of_type(elf.PT_LOAD) if s.vaddr <= weights.addr < s.vaddr + s.memsz]
        self.assertEqual((weights.addr % 4096, weights.flags & elf.SHF_WRITE), (0, 0))
        self.assertFalse(inside.flags & (elf.PF_W | elf.PF_X))

    @each_artifact
    def test_symbols(self, path):
        file = elf.Elf(path)
        self.assertEqual([symbol.name for symbol in file.symbols(".dynsym")], ["aot_entry"])
        symbols = file.symbols(".symtab")
        self.assertTrue(any(KERNEL.fullmatch(symbol.name) for symbol in symbols))
        self.assertEqual([s.name for s in symbols if s.section == elf.SHN_UNDEF], [])
        self.assertGreater(file.sections[".eh_frame"].size, 4)

    @each_artifact
    def test_unwind_table(self, path):
        """Without it, gdb and perf find no callers."""
        file = elf.Elf(path)
        table, frames = file.sections[".eh_frame_hdr"], file.sections[".eh_frame"]
        segment, = file.of_type(elf.PT_GNU_EH_FRAME)
        self.assertEqual((segment.vaddr, segment.memsz), (table.addr, table.size))
        rows = file.unwind_rows(table)
        self.assertEqual(rows, sorted(rows))
        self.assertTrue(all(frames.addr <= record < frames.addr + frames.size for _, record in rows))
        kernels = {symbol.value for symbol in file.symbols(".symtab") if KERNEL.fullmatch(symbol.name)}
        self.assertLessEqual(kernels, {address for address, _ in rows})

    @each_artifact
    def test_elflint(self, path):
        lint = self.tool("eu-elflint")
        said = [line for line in self.call(lint, path).stdout.splitlines() if line != "No errors"]
        self.assertEqual([line for line in said if "note type 1 with owner name 'aotc'" not in line], [])

    def test_stripped(self):
        strip = self.tool("strip")
        case = fixture("seeds/conv_classifier_b")
        for backend in BACKENDS:
            self.assertEqual(self.call(strip, "-o", "s.so", artifact("conv", backend)).returncode, 0)
            self.assertNotIn(".symtab", elf.Elf(self.folder / "s.so").sections)
            for path, out in ((artifact("conv", backend), "whole"), (self.folder / "s.so", "stripped")):
                self.aotc("run", path, "--inputs", case / "case1_in_0.npy", "--outputs", out)
            whole, stripped = ((self.folder / out / "000.npy").read_bytes() for out in ("whole", "stripped"))
            self.assertEqual(whole, stripped)
            self.assertEqual(self.inspect(self.folder / "s.so")["isa"], ["x86-64-v4", "x86-64-v3"])

    def test_debugger(self):
        """A backtrace from inside a kernel reads the model's functions, with names, down to the host."""
        gdb = self.tool("gdb")
        for backend in BACKENDS:
            words = [gdb, "-nx", "-batch", "-iex", "set debuginfod enabled off", "-ex", "set breakpoint pending on"]
            for command in ("break aotk_igemm_f32_v4", "break aotk_igemm_f32_v3", "run", "bt"):
                words += ["-ex", command]
            done = self.call(*words, "--args", ARGS.host[0], "digest", artifact("conv", backend), "-", "1",
                             env=self.environment(ASAN_OPTIONS="detect_leaks=0"))
            if "Breakpoint" not in done.stdout.replace("Breakpoint 1 (", "").replace("Breakpoint 2 (", ""):
                self.skipTest(f"gdb cannot debug here: {done.stderr[-200:]}")
            frames = re.findall(r"^#\d+ +(?:0x[0-9a-f]+ in )?(\S+) \(", done.stdout, re.MULTILINE)
            self.assertRegex(frames[0], KERNEL)
            self.assertTrue(frames[1].startswith("forward_"), frames)
            self.assertIn("forward_run", frames)
            self.assertEqual(("aot_run" in frames, "??" in frames), (True, False), frames)


class Errors(Case):
    """Wrong inputs are a status and a text, and the session goes on. For every host."""

    def probe(self, name, backend, *words):
        for host in ARGS.host:
            done = self.call(host, "probe", artifact(name, backend), *words)
            self.assertEqual(done.returncode, 0, f"{words}: {done.stdout}{done.stderr}")
            yield re.fullmatch(r"status (\d+): (.*)\n", done.stdout).groups()

    def refused(self, name, status, parts, *words):
        for backend in BACKENDS:
            for got, text in self.probe(name, backend, *words):
                self.assertEqual(int(got), status, text)
                for part in parts:
                    self.assertRegex(text, rf"(?<![\w.]){re.escape(part)}(?![\w])", f"{words}")

    def test_size(self):
        self.refused("conv", 3, ("x", "0", "1..512", "s77"), 0, "shape", "0,3,32,32")
        self.refused("conv", 3, ("x", "513", "1..512", "s77"), 0, "shape", "513,3,32,32")
        self.refused("conv", 3, ("x", "31", "32"), 0, "shape", "2,3,31,32")
        self.refused("conv", 3, ("x", "-1"), 0, "shape", "-1,3,32,32")
        self.refused("encoder", 3, ("ids", "1", "2..128", "s27"), 0, "shape", "2,1")
        self.refused("encoder", 3, ("ids", "129", "2..128", "s27"), 0, "shape", "2,129")

    def test_rank(self):
        self.refused("conv", 3, ("x", "4", "3"), 0, "shape", "3,32,32")
        self.refused("encoder", 3, ("ids", "2", "3"), 0, "shape", "2,3,1")

    def test_dtype(self):
        self.refused("conv", 2, ("x",), 0, "dtype", "2", "64")
        self.refused("encoder", 2, ("ids",), 0, "dtype", "0", "32")

    def test_index(self):
        for value in ("50", "-1", "-50", "9223372036854775807", "-9223372036854775808"):
            for place in ("0", "3"):
                self.refused("encoder", 5, ("ids", value, "0..49"), 0, "value", place, value)
        self.refused("encoder", 0, (), 0, "value", "3", "49")

    def test_command_line(self):
        (self.folder / "ids.npy").write_bytes(npy((2, 3), struct.pack("<6q", 1, 2, 3, 4, 50, 6), "<i8"))
        for backend in BACKENDS:
            self.aotc("run", artifact("encoder", backend), "--inputs", "ids.npy", status=1, says=("ids", "50", "0..49"))


class Hosts(Case):
    """Hosts of several kinds see the same bits."""

    def digest(self, host, *words):
        done = self.call(host, "digest", *words)
        self.assertEqual(done.returncode, 0, f"{words}: {done.stderr}")
        return done.stdout

    def test_same_results(self):
        for name, methods in (("conv", ["-"]), ("encoder", ["-"]), ("hybrid", ["forward", "encode", "decode"])):
            for backend in BACKENDS:
                for method in methods:
                    for isa in ((), ("x86-64-v3",)):
                        words = (artifact(name, backend), method, 3, *isa)
                        self.assertEqual(len({self.digest(host, *words) for host in ARGS.host}), 1, words)

    def test_memory_around_tensors(self):
        """Every fixture, with inputs and outputs at odd addresses and against pages that fault."""
        skipped = set()
        for path in sorted(ARGS.fixtures.glob("*/*/model.pt2")):
            done = self.call(ARGS.aotc, path, "-o", "m.so", "--backend=tcc")
            if done.returncode:
                skipped.add(path.parent.name)
                continue
            if path.parent.name == "op_index": # its indices are out of range but in its own cases
                continue
            for method in self.inspect(self.folder / "m.so")["methods"]:
                for size in (1, 3):
                    with self.subTest(fixture=path.parent, method=method["name"], size=size):
                        self.digest(ARGS.host[0], "m.so", method["name"], size)
        self.assertLessEqual(skipped, {"aoti_only"})


if __name__ == "__main__":
    sys.exit(harness.main(sys.modules[__name__]))
