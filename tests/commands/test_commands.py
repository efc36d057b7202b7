#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests of aotc run, inspect, bench and verify.

    test_commands.py --aotc BIN --toy toy.so --ports ports.so [--fixtures DIR] [--mutations N] [-k WORD]

toy.so is tests/runtime/toy_model.c, ports.so is ports_model.c. With --fixtures the commands also get archives, which
they compile on the way. Standard library only: .npy files are put together here, byte by byte.
"""
import argparse
import json
import os
import random
import re
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import zipfile
from pathlib import Path

ARGS = None
SANITIZER = ("Sanitizer", "runtime error:")


def npy(descr, shape, data, version=1, fortran=False, header=None):
    """The bytes of a .npy file."""
    text = header or f"{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}"
    text = text.encode("utf-8" if version == 3 else "latin1") + b"\n"
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + length + text + data


def floats(*values):
    return struct.pack(f"<{len(values)}f", *values)


def unpack(path):
    """(descr, shape, data) of a file that aotc wrote."""
    data = Path(path).read_bytes()
    assert data[:8] == b"\x93NUMPY\1\0", data[:8]
    length = struct.unpack("<H", data[8:10])[0]
    assert (10 + length) % 64 == 0 and data[9 + length:10 + length] == b"\n"
    header = eval(data[10:10 + length], {"__builtins__": {}})
    assert sorted(header) == ["descr", "fortran_order", "shape"] and header["fortran_order"] is False
    return header["descr"], header["shape"], data[10 + length:]


def values(path):
    descr, shape, data = unpack(path)
    code = {"<f4": "f", "<f8": "d", "<i8": "q"}[descr]
    return shape, list(struct.unpack(f"<{len(data) // struct.calcsize(code)}{code}", data))


class Commands(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="aotc-commands-"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.file("x.npy", npy("<f4", (2, 4), floats(*range(8))))
        self.out = self.folder / "out"

    def file(self, name, data):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def aotc(self, *words, status=0, says=()):
        """Runs it; returns stdout. A refusal is one line on stderr that holds all of `says`."""
        temporary = self.folder / "tmp"
        temporary.mkdir(exist_ok=True)
        done = subprocess.run([ARGS.aotc, *map(str, words)], capture_output=True, text=True, cwd=self.folder,
                              timeout=300, env=dict(os.environ, TMPDIR=str(temporary)))
        self.assertFalse(any(word in done.stderr for word in SANITIZER), done.stderr)
        self.assertEqual(done.returncode, status, f"{words}: {done.stderr}")
        if status:
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
            self.assertTrue(done.stderr.startswith("aotc: "), done.stderr)
        else:
            self.assertEqual(done.stderr, "")
        for part in [says] if isinstance(says, str) else says:
            self.assertIn(part, done.stderr)
        self.assertEqual([p.name for p in temporary.iterdir()], [], "left in the temporary folder")
        return done.stdout


class Run(Commands):
    def test_writes_outputs_and_says_nothing(self):
        said = self.aotc("run", ARGS.toy, "--inputs", "x.npy", "--outputs", "new/folder")
        self.assertEqual(said, "")
        self.assertEqual(values(self.folder / "new/folder/000.npy"), ((2, 4), [1, 3, 5, 7, 9, 11, 13, 15]))
        self.assertEqual(values(self.folder / "new/folder/001.npy"), ((2,), [16, 48]))

    def test_summary(self):
        said = self.aotc("run", ARGS.toy, "--inputs=x.npy", "--threads", "2", "--isa", "baseline")
        for part in ("method forward", "output 0  y  float32 [2, 4]", " 15\n", "output 1  scores  float32 [2]",
                     "open ", " us, run "):
            self.assertIn(part, said)

    def test_folder_of_inputs(self):
        self.file("in/000.npy", (self.folder / "x.npy").read_bytes())
        self.aotc("run", ARGS.toy, "--inputs", "in", "--outputs", self.out)
        self.assertEqual(values(self.out / "001.npy"), ((2,), [16, 48]))
        self.file("in/001.npy", b"")
        self.aotc("run", ARGS.toy, "--inputs", "in", status=1, says=("2 input files", "x float32[batch in 1..64, 4]"))

    def test_expect(self):
        self.aotc("run", ARGS.toy, "--inputs", "x.npy", "--outputs", self.out)
        said = self.aotc("run", ARGS.toy, "--inputs", "x.npy", "--expect", self.out)
        self.assertIn("largest difference 0,", said)
        self.assertIn("expected", said)
        self.file("out/001.npy", npy("<f4", (2,), floats(16, 48.1)))
        said = self.aotc("run", ARGS.toy, "--inputs", "x.npy", "--expect", self.out, status=1,
                         says=("scores", "001.npy"))
        self.assertIn("largest difference 0.1,", said)
        self.file("out/001.npy", npy("<f4", (3,), floats(16, 48, 0)))
        self.aotc("run", ARGS.toy, "--inputs", "x.npy", "--expect", self.out, status=1, says="float32[3]")
        (self.out / "001.npy").unlink()
        self.aotc("run", ARGS.toy, "--inputs", "x.npy", "--expect", self.out, status=1, says="001.npy: cannot be read")
        nan = float("nan")
        self.file("out/001.npy", npy("<f4", (2,), floats(16, nan)))
        self.aotc("run", ARGS.toy, "--inputs", "x.npy", "--expect", self.out, status=1, says="inf")

    def test_state(self):
        self.file("v.npy", npy("<f4", "(4,)", floats(0, 1, 2, 3)))
        command = ["run", ARGS.toy, "--method", "accumulate", "--inputs", "v.npy", "--outputs", self.out,
                   "--state", "st"]
        for expected in ([100, 101, 102, 103], [100, 102, 104, 106]):
            self.aotc(*command)
            self.assertEqual(values(self.out / "000.npy"), ((4,), expected))
        self.file("n.npy", npy("<f4", "(4,)", floats(-1, 1, 2, 3)))
        before = (self.folder / "st").read_bytes()
        self.aotc(*["n.npy" if w == "v.npy" else w for w in command], status=1, says="x[0] is -1")
        self.assertEqual((self.folder / "st").read_bytes(), before)
        for wrong in (b"", before[:-1], before + b"1"):
            self.file("st", wrong)
            self.aotc(*command, status=1, says=f"st: holds {len(wrong)} bytes")

    def test_sizes_known_after_the_run(self):
        self.file("v.npy", npy("<f4", "(5,)", floats(0, 1, 0, 2, 3)))
        self.aotc("run", ARGS.toy, "--method", "nonzero", "--inputs", "v.npy", "--outputs", self.out)
        self.assertEqual(values(self.out / "000.npy"), ((3,), [1, 3, 4]))
        self.file("v.npy", npy("<f4", "(0,)", b""))
        self.aotc("run", ARGS.toy, "--method", "nonzero", "--inputs", "v.npy", "--outputs", self.out)
        self.assertEqual(values(self.out / "000.npy"), ((0,), []))

    def test_every_kind_of_port(self):
        self.file("x2.npy", npy("<f4", (2, 3), floats(1, 2, 3, 4, 5, 6)))
        self.file("t.npy", npy("<i8", "()", struct.pack("<q", 10)))
        self.file("m.npy", npy("<f4", "(3,)", floats(1, 2, 3)))
        command = ["run", ARGS.ports, "--inputs", "x2.npy", "t.npy", "m.npy"]
        self.aotc(*command, "--outputs", self.out)
        self.assertEqual(sorted(p.name for p in self.out.iterdir()), ["000.npy", "001.npy", "003.npy", "in-004.npy"])
        self.assertEqual(values(self.out / "000.npy"), ((2, 3), [10, 20, 30, 40, 50, 60]))
        self.assertEqual(values(self.out / "001.npy"), ((), [7]))
        self.assertEqual(values(self.out / "003.npy"), ((), [6]))
        self.assertEqual(values(self.out / "in-004.npy"), ((3,), [2, 3, 4]))
        self.assertIn("output 2  opt  None", self.aotc(*command))
        self.aotc(*command[:-1], status=1, says=("2 input files", "x float32[2, 3]", "times int64[]", "m float32[3]"))
        self.aotc("run", ARGS.ports, status=1, says="0 input files")

    def test_every_dtype(self):
        types = ["<f2", "<f4", "<f8", "|i1", "<i2", "<i4", "<i8", "|u1", "<u2", "<u4", "<u8", "|b1", "<c8", "<c16",
                 "<u2"]
        some = random.Random(1)
        data = []
        for i, descr in enumerate(types):
            size = 6 * int(descr[2:])
            data.append(bytes(some.randrange(2 if descr == "|b1" else 256) for _ in range(size)))
            self.file(f"in/{i:03d}.npy", npy(descr, (2, 3), data[i], version=1 + i % 3))
        self.aotc("run", ARGS.ports, "--method", "copy", "--inputs", "in", "--outputs", self.out)
        for i, descr in enumerate(types):
            self.assertEqual(unpack(self.out / f"{i:03d}.npy"), (descr, (2, 3), data[i]))
        self.aotc("run", ARGS.ports, "--method", "copy", "--inputs", "in", "--expect", self.out)
        for i, descr in enumerate(types): # the same in Fortran order
            n = int(descr[2:])
            parts = [data[i][k * n:k * n + n] for k in range(6)]
            turned = b"".join(parts[k] for k in (0, 3, 1, 4, 2, 5))
            self.file(f"in/{i:03d}.npy", npy(descr, (2, 3), turned, fortran=True))
        self.aotc("run", ARGS.ports, "--method", "copy", "--inputs", "in", "--outputs", self.out)
        for i, descr in enumerate(types):
            self.assertEqual(unpack(self.out / f"{i:03d}.npy"), (descr, (2, 3), data[i]))

    def test_refused_inputs(self):
        good = floats(*range(8))
        for data, part in [
            (npy("<f8", (2, 4), good * 2), "is float64"),
            (npy("<f4", "(8,)", good), "has 1 dimensions"),
            (npy("<f4", (4, 2), good), "dimension 1 of x is 2"),
            (npy("<f4", (65, 4), bytes(65 * 16)), "batch"),
            (npy("<f4", (0, 4), b""), "batch"),
            (npy("<f4", (2, 4), good[:-1]), "31 bytes"),
            (npy("<f4", (2, 4), good + b"x"), "33 bytes"),
            (npy(">f4", (2, 4), good), "big-endian"),
            (npy("|O", (2, 4), good), "Python objects"),
            (npy("<U4", (2, 4), good), "no type"),
            (npy("|f4", (2, 4), good), "no type"),
            (npy("", "", good, header="{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2, 4), }"),
             "structured"),
            (npy("<f4", (2, 2**62), good), "too large"),
            (npy("<f4", (2, 2**70), good), "too large"),
            (npy("<f4", "(2, -4)", good), "not of numbers"),
            (npy("<f4", "(2 4)", good), "shape"),
            (npy("<f4", "(8)", good), "tuple"),
            (npy("<f4", "(" + "1," * 65 + ")", good), "shape"),
            (npy("<f4", (2, 4), good, header="{'descr': '<f4', 'shape': (2, 4)}"), "lacks"),
            (npy("<f4", (2, 4), good, header="{'descr': '<f4', 'descr': '<f4', 'shape': (2, 4)}"), "twice"),
            (npy("<f4", (2, 4), good, header="{'descr': '<f4', 'shape': (2, 4), 'x': 1}"), "no .npy has"),
            (npy("", "", good, header="{'descr': '<f4', 'fortran_order': False, 'shape': (2, 4)} 1"), "behind its end"),
            (npy("<f4", (2, 4), good, header="'" * 70000, version=2), "too long"),
            (npy("<f4", (2, 4), good, header="{'descr': '<f4"), "no end"),
            (npy("<f4", (2, 4), good, version=4), "version 4.0"),
            (npy("<f4", (2, 4), good)[:40], "cut off"),
            (b"\x93NUMPY", "too short"), (b"", "too short"), (b"PK\3\4" + bytes(20), "is no .npy"),
        ]:
            with self.subTest(part):
                self.file("bad.npy", data)
                self.aotc("run", ARGS.toy, "--inputs", "bad.npy", "--outputs", self.out, status=1,
                          says=("bad.npy: ", part))
                self.assertFalse(self.out.exists())
        self.aotc("run", ARGS.toy, "--inputs", "/dev/null", status=1, says="regular")
        self.aotc("run", ARGS.toy, "--inputs", "none.npy", status=1, says="none.npy: cannot be read")
        self.file("v.npy", npy("<f4", "(3,)", floats(1, 2, 3)))
        self.aotc("run", ARGS.toy, "--method", "halves", "--inputs", "v.npy", status=1, says="even")

    def test_bool_values(self):
        self.file("b.npy", npy("|b1", (2, 4), bytes([0, 1, 2, 1, 1, 1, 1, 1])))
        self.aotc("run", ARGS.toy, "--inputs", "b.npy", status=1, says="bool number 2")

    def test_mutated_headers(self):
        whole, some = npy("<f4", (2, 4), floats(*range(8))), random.Random(2)
        for _ in range(ARGS.mutations):
            data = bytearray(whole)
            for _ in range(some.randrange(1, 4)):
                data[some.randrange(len(data) - 32)] = some.choice(b"(),:'{}0129L<>|fiub \x00\x7f\xff")
            self.file("bad.npy", bytes(data))
            done = subprocess.run([ARGS.aotc, "run", ARGS.toy, "--inputs", "bad.npy"], capture_output=True,
                                  cwd=self.folder, timeout=60)
            self.assertIn(done.returncode, (0, 1), (bytes(data), done.stderr))

    def test_usage(self):
        for words, part in [
            (["run"], "no model"), (["run", ARGS.toy, "again.so"], "a second file"),
            (["run", ARGS.toy, "--bogus"], "--bogus"), (["run", ARGS.toy, "--method"], "needs a value"),
            (["run", ARGS.toy, "--method", "zz", "--inputs", "x.npy"], "forward, accumulate"),
            (["run", ARGS.toy, "--threads", "none"], "--threads"),
            (["run", ARGS.toy, "--backend=gcc"], "compiled already"),
            (["bench", ARGS.toy, "--dim", "zz=4"], "it has batch"), (["bench", ARGS.toy, "--dim", "batch"], "NAME=8"),
            (["bench", ARGS.toy, "--seconds", "x"], "--seconds"), (["verify", ARGS.toy], "--against"),
            (["verify", ARGS.toy, "--against", ".", "--rtol", "-1"], "--rtol"), (["inspect"], "no file"),
            (["inspect", ARGS.toy, "--yaml"], "--yaml"),
        ]:
            with self.subTest(words):
                self.aotc(*words, status=2, says=part)
        for command in ("run", "inspect", "bench", "profile", "verify"):
            self.assertIn(f"usage: aotc {command}", self.aotc(command, "--help"))

    def test_models_that_are_none(self):
        self.aotc("run", "none.so", status=1, says="none.so: cannot be read")
        self.file("cut.so", Path(ARGS.toy).read_bytes()[:5000])
        self.aotc("run", "cut.so", "--inputs", "x.npy", status=1, says="cut.so")
        self.aotc("inspect", "cut.so", status=1, says="cut.so")
        self.aotc("run", ARGS.toy, "--inputs", "x.npy", "--isa", "v9", status=3, says="v9")

    def test_unwritable(self):
        self.file("plain", b"")
        self.aotc("run", ARGS.toy, "--inputs", "x.npy", "--outputs", "plain", status=5, says="plain")
        self.aotc("run", ARGS.toy, "--inputs", "x.npy", "--outputs", "plain/below", status=5, says="plain/below")


class Usage(Commands):
    """options.def is the only list of flags: what it has is read, and stands in every text made of it."""

    def rows(self):
        """[(command, [spelling], value)]; a group's flags come with each command that takes the group."""
        text = (Path(__file__).parents[2] / "compiler/driver/options.def").read_text().split("*/", 1)[1]
        words = r'"([^"]*)"'
        sections, groups = {}, {}
        for kind, rest in re.findall(r"^(COMMAND|GROUP|FLAG)\((.*)\)$", text, re.M):
            found = re.match(rf'{words}, (?:{words}|NULL)(?:, {words})?', rest).groups()
            if kind == "FLAG":
                flags.append((found[0].split(", "), found[1]))
            else:
                flags = sections[found[0]] = []
                groups[found[0]] = found[2] if kind == "COMMAND" else None
        for command, letters in groups.items():
            if letters is not None:
                yield command, sections[command] + [f for g in letters for f in sections["" if g == "c" else g]]

    def test_rows_are_read(self):
        for command, flags in self.rows():
            for names, value in flags:
                for name in names:
                    words = [name, value.split("|")[0]] if value else [name]
                    done = subprocess.run([ARGS.aotc, *([command] if command else []), *words, "none.pt2"],
                                          capture_output=True, text=True, cwd=self.folder)
                    self.assertNotIn(f"{name}: is not known", done.stderr)
                    self.assertIn(done.returncode, (1, 2), (command, words, done.stderr))

    def test_texts(self):
        manual, bash = self.aotc("--man"), self.aotc("--completion=bash")
        zsh = self.aotc("--completion", "zsh")
        for command, flags in self.rows():
            text = self.aotc(command, "--help") if command else self.aotc("--help")
            self.assertEqual(text, self.aotc(*([command] if command else []), "-h"))
            for name in (name for names, _ in flags for name in names):
                self.assertTrue(name in text or command and name in self.aotc("--help"), name)
                for made in (manual.replace("\\-", "-"), bash, zsh):
                    self.assertIn(name, made)
        self.assertEqual(self.aotc(), self.aotc("--help"))
        self.aotc("--completion=fish", status=2, says="fish")
        self.aotc("--man", "more", status=2, says="nothing else")

    @unittest.skipUnless(shutil.which("groff"), "no groff")
    def test_manual(self):
        said = subprocess.run(["groff", "-man", "-Tutf8", "-ww"], input=self.aotc("--man"), capture_output=True, text=True)
        self.assertEqual((said.returncode, said.stderr), (0, ""))
        self.assertIn("EXIT STATUS", re.sub(".\b", "", said.stdout))

    def complete(self, *words):
        script = self.aotc("--completion=bash") + f"COMP_WORDS=({shlex.join(words)})\nCOMP_CWORD={len(words) - 1}\n" \
            "_aotc\necho ${COMPREPLY[@]}\n"
        return subprocess.run(["bash", "-euc", script], capture_output=True, text=True, check=True,
                              cwd=self.folder).stdout.split()

    @unittest.skipUnless(shutil.which("bash"), "no bash")
    def test_bash(self):
        self.assertIn("inspect", self.complete("aotc", ""))
        self.assertEqual(self.complete("aotc", "ver"), ["verify"])
        self.assertEqual(self.complete("aotc", "m.pt2", "--backend", "=", "t"), ["tcc"])
        self.assertEqual(self.complete("aotc", "m.pt2", "--emit", "="), "so jar obj c graph loops".split())
        self.assertEqual(self.complete("aotc", "ir", "m.gir", "--emit", "=", ""), "graph loops c".split())
        self.assertEqual(self.complete("aotc", "verify", "m.so", "--ag"), ["--against"])
        self.assertEqual(self.complete("aotc", "inspect", "m.so", "--js"), ["--json"])
        (self.folder / "folder").mkdir()
        self.assertEqual(self.complete("aotc", "run", "m.so", "--outputs", "f"), ["folder"])

    @unittest.skipUnless(shutil.which("zsh"), "no zsh")
    def test_zsh(self):
        self.file("_aotc", self.aotc("--completion=zsh").encode())
        subprocess.run(["zsh", "-n", "_aotc"], check=True, cwd=self.folder)


class Inspect(Commands):
    def test_text(self):
        said = self.aotc("inspect", ARGS.ports)
        for part in ("name       ports", "isa        baseline", "exports    aot_entry", "needs      nothing",
                     "method forward, 1 kernel\n", "f32    [2, 3]", "= 7", "None", "a number", "f16    [n in 0..8, 3]",
                     "method copy?,"):
            self.assertIn(part, said)

    def test_json(self):
        facts = json.loads(self.aotc("inspect", ARGS.ports, "--json"))
        self.assertEqual(facts["name"], "ports")
        self.assertEqual(facts["methods"][1]["name"], "copy\7")
        self.assertEqual(facts["artifact"]["exports"], ["aot_entry"])
        self.assertEqual(facts["artifact"]["needs"], [])
        self.assertEqual(facts["artifact"]["file_bytes"], Path(ARGS.ports).stat().st_size)
        self.assertRegex(facts["artifact"]["build_id"], "^[0-9a-f]{40}$")


class Bench(Commands):
    def test_figures(self):
        said = self.aotc("bench", ARGS.toy, "--seconds", "0.05", "--dim", "batch=5")
        for part in ("[5, 4]", "open ", "plan ", "first run", "min ", "median", "mean", "p99", "runs", "workspace",
                     "peak RSS"):
            self.assertIn(part, said)
        self.assertIn("80 bytes", said)

    def test_sizes(self):
        self.assertIn("[1, 4]", self.aotc("bench", ARGS.toy, "--seconds", "0"))
        self.assertIn("[2]", self.aotc("bench", ARGS.toy, "--seconds", "0", "--method", "halves"))
        self.assertIn("[14]", self.aotc("bench", ARGS.toy, "--seconds", "0", "--method", "halves", "--dim", "h=7"))
        self.assertIn("[2, 4]", self.aotc("bench", ARGS.toy, "--seconds", "0", "--inputs", "x.npy"))
        self.assertIn("complex128 [3, 3]", self.aotc("bench", ARGS.ports, "--seconds=0", "--method=copy", "--dim=n=3"))
        self.aotc("bench", ARGS.ports, "--seconds", "0")
        self.aotc("bench", ARGS.toy, "--dim", "batch=65", status=1, says=("65", "--dim"))


class Verify(Commands):
    def record(self, where, stem_in, stem_out, wrong=0.0):
        self.file(f"{where}/{stem_in}.npy", npy("<f4", (2, 4), floats(*range(8))))
        digits = stem_out[:-1]
        self.file(f"{where}/{digits}0.npy", npy("<f4", (2, 4), floats(*range(1, 17, 2))))
        self.file(f"{where}/{digits}1.npy", npy("<f4", "(2,)", floats(16, 48 + wrong)))

    def test_two_folders(self):
        self.record("rec", "inputs/000", "outputs/000")
        said = self.aotc("verify", ARGS.toy, "--against", "rec")
        self.assertIn("1 case, 2 outputs, 0 out of tolerance", said)

    def test_cases_side_by_side(self):
        for name in ("case0", "case1", "case10"):
            self.record("rec", f"{name}_in_0", f"{name}_out_0", 0.5 if name == "case10" else 0)
        said = self.aotc("verify", ARGS.toy, "--against", "rec", status=1, says="1 of 6 outputs")
        self.assertIn("3 cases, 6 outputs, 1 out of tolerance", said)
        self.assertIn("1 of 2 elements differ, most element 1: 48, expected 48.5", said)
        self.aotc("verify", ARGS.toy, "--against", "rec", "--rtol", "0.02")
        self.aotc("verify", ARGS.toy, "--against", "rec", "--rtol", "0", "--atol", "0.5")

    def test_nothing_recorded(self):
        self.aotc("verify", ARGS.toy, "--against", ".", status=1, says="no recorded outputs")
        self.aotc("verify", ARGS.toy, "--against", "none", status=1, says="none: cannot be read")
        self.file("rec/case0_out_0.npy", b"")
        self.aotc("verify", ARGS.toy, "--against", "rec", status=1, says="0 input files")


class Archives(Commands):
    """The same commands on .pt2 files, compiled on the way."""

    def setUp(self):
        super().setUp()
        if not ARGS.fixtures:
            self.skipTest("no --fixtures")
        self.fixtures = Path(ARGS.fixtures) / "2.13.0"

    def test_verify(self):
        for name, cases in (("add", 1), ("nested", 1), ("dyn_image", 3), ("specials", 1)):
            folder = self.fixtures / name
            said = self.aotc("verify", folder / "model.pt2", "--against", folder, "--backend=tcc")
            self.assertIn(f"{cases} case", said)
            self.assertIn("ok", said)

    def test_run_with_cache(self):
        folder = self.fixtures / "add"
        command = ["run", folder / "model.pt2", "--inputs", folder / "case0_in_0.npy", folder / "case0_in_1.npy",
                   "--cache", "kept", "--backend", "tcc", "--outputs", self.out]
        self.aotc(*command)
        first = [(p.name, p.stat().st_mtime_ns) for p in (self.folder / "kept").glob("*.so")]
        self.aotc(*command)
        self.assertEqual([(p.name, p.stat().st_mtime_ns) for p in (self.folder / "kept").glob("*.so")], first)
        self.assertEqual(len(first), 1)
        self.assertEqual(unpack(self.out / "000.npy")[1], (2, 3))

    def test_objects_are_kept(self):
        """The second compilation starts no compiler, and gives the same bytes."""
        counting = self.file("counting", b"#!/bin/sh\ncase \"$*\" in --version) ;; *) echo >> runs;; esac\nexec cc \"$@\"\n"
                             .replace(b"runs", str(self.folder / "runs").encode()))
        counting.chmod(0o755)

        def compiled(*words):
            runs = self.folder / "runs"
            runs.write_text("")
            self.aotc(self.fixtures / "add" / "model.pt2", "-o", "m.so", "--backend=gcc", f"--cc={counting}", *words)
            return runs.read_text().count("\n"), (self.folder / "m.so").read_bytes()

        first, plain = compiled("--no-cache")
        self.assertEqual(compiled("--cache-dir", "kept"), (first, plain))
        self.assertEqual(compiled("--cache-dir", "kept"), (0, plain))
        self.assertEqual(compiled("--cache-dir", "kept", "--no-cache"), (first, plain))
        for entry in (self.folder / "kept").glob("*.o"):
            entry.write_bytes(entry.read_bytes()[:-7])
        self.assertEqual(compiled("--cache-dir", "kept"), (first, plain))
        self.assertEqual(compiled("--cache-dir", "kept", "--cpu=v3")[0], 0)
        os.utime(counting, (1, 1))
        self.assertEqual(compiled("--cache-dir", "kept"), (first, plain))
        (self.folder / "kept").chmod(0o777)
        self.aotc(self.fixtures / "add" / "model.pt2", "-o", "n.so", "--backend=gcc", "--cache-dir", "kept", status=5,
                  says="can be written by other users")

    def test_ended_by_a_signal(self):
        """Nothing is left behind, and whoever waits sees the signal."""
        temporary = self.folder / "tmp"
        temporary.mkdir()
        slow = self.file("slow", b"#!/bin/sh\ncase \"$*\" in --version|*-fsyntax-only*) echo cc 1;; *) sleep 60;; esac\n")
        slow.chmod(0o755)
        model = str(self.fixtures / "add" / "model.pt2")
        for words in ([model, "-o", "x.so"], ["run", model]):
            child = subprocess.Popen([ARGS.aotc, *words, "--backend=gcc", f"--cc={slow}"], cwd=self.folder,
                                     stderr=subprocess.PIPE, env=dict(os.environ, TMPDIR=str(temporary)))
            while child.poll() is None and not any(temporary.glob("aotc-*/*/*.c")):
                time.sleep(0.01)
            child.send_signal(signal.SIGTERM)
            said = child.communicate(timeout=50)[1]
            self.assertEqual(child.returncode, -signal.SIGTERM, said)
            self.assertEqual(list(temporary.iterdir()), [])
        self.assertFalse((self.folder / "x.so").exists())

    def test_methods(self):
        folder = self.fixtures / "multi_model"
        for method in ("enc", "dec.v2"):
            said = self.aotc("verify", folder / "model.pt2", "--against", folder, "--method", method, "--backend=tcc")
            self.assertIn("1 case, 1 outputs, 0 out", said)
        self.aotc("run", folder / "model.pt2", "--backend=tcc", status=2, says=("enc", "dec.v2", "--method"))

    def test_inspect(self):
        archive = self.fixtures / "multi_model" / "model.pt2"
        said = self.aotc("inspect", archive)
        for part in ("2.13.0", "schema", "program enc", "program dec.v2"):
            self.assertIn(part, said)
        facts = json.loads(self.aotc("inspect", archive, "--json"))
        self.assertEqual([p["name"] for p in facts["programs"]], ["enc", "dec.v2"])
        self.aotc("inspect", self.fixtures / "aoti_only" / "model.pt2", status=3)
        self.aotc(archive, "-o", "m.so", "--backend=tcc")
        facts = json.loads(self.aotc("inspect", "m.so", "--json"))
        self.assertEqual([m["name"] for m in facts["methods"]], ["enc", "dec.v2"])
        self.assertEqual((facts["artifact"]["exports"], facts["artifact"]["needs"]), (["aot_entry"], []))
        self.assertIn("method dec.v2", self.aotc("inspect", "m.so"))

    def test_inspect_jar(self):
        archive = self.fixtures / "multi_model" / "model.pt2"
        self.aotc(archive, "-o", "m.jar", "--java-class", "com.acme.Net", "--backend=tcc", "--cpu=v3")
        self.aotc(archive, "-o", "m.so", "--backend=tcc", "--cpu=v3")
        said = self.aotc("inspect", "m.jar")
        for part in ("m.jar:com/acme/linux-x86-64/Net.so", "isa        x86-64-v3", "needs      nothing", "method dec.v2"):
            self.assertIn(part, said)
        jar, so = (json.loads(self.aotc("inspect", file, "--json")) for file in ("m.jar", "m.so"))
        jar["name"] = so["name"]
        for facts in (jar, so):
            del facts["artifact"]["build_id"]
        self.assertEqual(jar, so)
        with zipfile.ZipFile(self.folder / "m.jar") as old:
            members = {name: old.read(name) for name in old.namelist()}
        changes = {"com/acme/Net.json": "com/acme/Net.json", "com/acme/Net.class": "no class",
                   "com/acme/linux-x86-64/Net.so": "without a model"}
        for gone, message in changes.items():
            with zipfile.ZipFile(self.folder / "cut.jar", "w") as new:
                for name, content in members.items():
                    if name != gone:
                        new.writestr(name, content)
            self.aotc("inspect", "cut.jar", status=1, says=message)
        with zipfile.ZipFile(self.folder / "cut.jar", "w") as new:
            for name, content in members.items():
                new.writestr(name, content[:5000] if name.endswith("Net.so") else content)
        self.aotc("inspect", "cut.jar", status=1, says="Net.so")

    def test_bench(self):
        said = self.aotc("bench", self.fixtures / "dyn_image" / "model.pt2", "--seconds", "0", "--backend", "tcc")
        self.assertIn("median", said)

    def test_profile(self):
        said = self.aotc("profile", self.fixtures / "dyn_image" / "model.pt2", "--seconds", "0", "--backend", "tcc",
                         "--trace", "trace.json", "--top", "3", "--dim", "s53=24")
        self.assertIn("GFLOP/s", said)
        self.assertRegex(said, r" k\d+ .*  conv f32")
        events = json.loads((self.folder / "trace.json").read_text())["traceEvents"]
        self.assertTrue(events and all(e["ph"] == "X" and e["dur"] >= 0 and e["name"] for e in events))
        self.assertTrue(any(e["args"]["line"] for e in events))
        self.aotc("profile", ARGS.toy, "--top", "0", status=2, says="--top 0")

    def test_jar(self):
        """Members and bytes of a jar; tests/java runs what is inside."""
        archive = self.fixtures / "nested" / "model.pt2"
        jar = ["com/acme/Net.class", "com/acme/Net$ForwardResult.class", "com/acme/Net.json",
               "com/acme/linux-x86-64/Net.so", "org/aotc/natives/linux-x86-64/libaotrt.so", "META-INF/MANIFEST.MF"]
        for name in ("one.jar", "two.jar"):
            self.aotc(archive, "-o", name, "--backend=tcc", "--java-class=com.acme.Net")
        with zipfile.ZipFile(self.folder / "one.jar") as file:
            self.assertIsNone(file.testzip())
            self.assertEqual(sorted(file.namelist()), sorted(jar))
            self.assertEqual(json.loads(file.read("com/acme/Net.json"))["methods"][0]["name"], "forward")
            self.assertEqual(file.read("com/acme/Net.class")[:8], bytes.fromhex("cafebabe00000034"))
        self.assertEqual((self.folder / "one.jar").read_bytes(), (self.folder / "two.jar").read_bytes())
        self.aotc(archive, "-o", "three.jar", "--java-class=com..Net", status=2, says="com..Net")
        self.aotc(archive, "-o", "three.so", "--java-class=com.acme.Net", status=2, says="--emit=jar")

    def test_tune(self):
        """What was measured is taken from the file: no time is measured again, and the bytes are the same."""
        folder = self.fixtures.parent / "ops" / "op_conv_pair"
        inputs, file = [folder / "case0_in_0.npy"], self.folder / "tune.json"

        def compiled(status=0, says=(), words=()):
            self.aotc(folder / "model.pt2", "-o", "m.so", "--backend=tcc", "--tune=tune.json", "--report=m.json", *words,
                      status=status, says=says)
            if status == 0:
                self.aotc("run", "m.so", "--inputs", *inputs, "--outputs", "out")
                self.assertLess(max(abs(x - y) for x, y in zip(values("%s/000.npy" % self.out)[1],
                                                               values(folder / "case0_out_0.npy")[1])), 1e-3)
                return (self.folder / "m.so").read_bytes(), (self.folder / "m.json").read_text().count("520, 1, 5, 5")

        def edit(change):
            data = json.loads(first)
            change(data["fastest"])
            file.write_text(json.dumps(data))

        def key(data, word):
            return next(k for k in data if word in k)

        compiled()
        first = file.read_text()
        self.assertEqual(len(json.loads(first)["fastest"]), 2)
        made = {}
        for way in ("together", "apart"):
            edit(lambda data: [entry.update(way=way) for entry in data.values()])
            text = file.read_text()
            made[way] = compiled()
            self.assertEqual(compiled(), made[way])
            self.assertEqual(file.read_text(), text)
        self.assertNotEqual(made["together"], made["apart"])
        edit(lambda data: data.pop(key(data, "520, 1, 5, 5")))
        compiled()
        again, before = json.loads(file.read_text())["fastest"], json.loads(first)["fastest"]
        self.assertEqual(sorted(again), sorted(before))
        self.assertEqual(again[key(again, "600, 1, 3, 3")], before[key(before, "600, 1, 3, 3")])
        edit(lambda data: [entry.update(way="winograd 4") for entry in data.values()])
        compiled(status=1, says=("winograd 4", "no way"))
        for text in ("", "[]", "{}", '{"aotc": "tune"}', '{"aotc": "tune", "fastest": []}',
                     '{"aotc": "tune", "fastest": {"k": {}}}', '{"aotc": "tune", "fastest": {"k": {"way": 7}}}',
                     '{"aotc": "tune", "fastest": {"k": {"way": "w", "us": {"w": "x"}}}}', "\0\1" * 99):
            file.write_text(text)
            compiled(status=1, says="tune.json")
        file.unlink()
        compiled(status=2, says="--tune", words=["--emit=c"])
        self.assertFalse(file.exists())

    def test_emit(self):
        self.aotc("run", self.fixtures / "add" / "model.pt2", "--emit=c", status=2, says="--emit=c")


def main():
    global ARGS
    parser = argparse.ArgumentParser()
    parser.add_argument("--aotc", required=True)
    parser.add_argument("--toy", required=True)
    parser.add_argument("--ports", required=True)
    parser.add_argument("--fixtures")
    parser.add_argument("--mutations", type=int, default=200)
    ARGS, rest = parser.parse_known_args()
    for name in ("aotc", "toy", "ports", "fixtures"):
        if getattr(ARGS, name):
            setattr(ARGS, name, os.path.abspath(getattr(ARGS, name)))
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
