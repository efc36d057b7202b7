# SPDX-License-Identifier: MIT
"""Tests run_fixtures.py against a stand-in for aotc that adds two arrays, or misbehaves as told.

The stand-in's "artifact" is a real shared object with one symbol; what `run` does is told by the
variable FAKE: right, wrong, shape, nan, silent, crash and others.
"""
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import numpy as np

RUNNER = Path(__file__).resolve().parent.parent / "run_fixtures.py"
FAKE = '''#!{python}
import os, shutil, signal, sys, time
import numpy as np
kind, args = os.environ.get("FAKE", "right"), sys.argv[1:]
def end(status, text):
    sys.stderr.write(text + "\\n")
    sys.exit(status)
if args[0] != "run":
    out = args[args.index("-o") + 1]
    if "refuse" in args[0]:
        if kind == "leaves": open(out, "w").close()
        end(0 if kind == "accepts" else 3, "aotc: " + args[0] + ": is not for us")
    if kind == "idle": sys.exit(0)
    if kind == "toolchain": end(4, "aotc: cc failed")
    shutil.copy(os.environ["FAKE_" + ("BAD" if kind == "needed" else "GOOD")], out)
    if kind == "unlike": open(out, "ab").write(os.urandom(8))
    sys.exit(0)
at, to = args.index("--inputs"), args.index("--outputs")
x, y = map(np.load, args[at + 1:to])
if len(x) > 8:
    if kind == "lenient": sys.exit(0)
    if kind == "mumbles": end(1, "aotc: a size is bad; expected something")
    end(1, f"aotc: x: dimension 0 is {{len(x)}}; expected 1..8")
if kind == "crash": os.kill(os.getpid(), signal.SIGSEGV)
if kind == "sanitizer": end(1, "==1==ERROR: AddressSanitizer: heap-buffer-overflow")
total = x + y
if kind == "wrong": total[0] += 0.01
if kind == "nan": total[0] = np.nan
if kind == "shape": total = total[:-1]
if kind == "dtype": total = total.astype(np.float64)
os.makedirs(args[to + 1])
if kind != "silent": np.save(args[to + 1] + "/000.npy", total)
if kind == "garbage": open(args[to + 1] + "/000.npy", "wb").write(b"NUMPY?")
np.save(args[to + 1] + "/001.npy", np.array(7 if kind != "constant" else 8))
'''


def tensor(folder, name, value):
    np.save(folder / f"{name}.npy", value)
    return {"name": name, "file": f"{name}.npy", "dtype": str(value.dtype), "shape": list(value.shape)}


def make_fixtures(folder):
    """A sum with an infinity, a constant and a None among its results; an archive to refuse."""
    add, refuse = folder / "all/add", folder / "all/refuse"
    add.mkdir(parents=True)
    refuse.mkdir()
    x, y = np.arange(4, dtype=np.float32), np.float32([0.5, np.inf, 2, -1])
    case = {"inputs": [tensor(add, "x", x), tensor(add, "y", y), {"name": "k", "value": None}],
            "outputs": [tensor(add, "sum", x + y), {"name": "seven", "value": 7}, {"name": "none", "value": None}]}
    zeros = {"shape": [9], "dtype": "float32"}
    bad = {"inputs": [zeros, zeros], "message": ["x", "1..8", "9"]}
    manifest = {"archive": "model.pt2", "rtol": 1e-4, "atol": 1e-6, "cases": [case], "out_of_range": [bad]}
    (add / "manifest.json").write_text(json.dumps(manifest))
    (refuse / "manifest.json").write_text(json.dumps({"archive": "model.pt2", "refuse": True, "cases": []}))


@unittest.skipUnless(shutil.which("cc"), "needs a C compiler for the stand-in's artifact")
class RunFixtures(unittest.TestCase):
    """Each test is one way to behave and what the runner must say."""

    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.folder = Path(cls.scratch.name)
        make_fixtures(cls.folder)
        cls.fake = cls.folder / "aotc"
        cls.fake.write_text(FAKE.format(python=sys.executable))
        cls.fake.chmod(cls.fake.stat().st_mode | stat.S_IXUSR)
        source = cls.folder / "a.c"
        source.write_text("int aot_entry(void) { return 0; }\n")
        for name, options in (("good.so", ["-nostdlib"]), ("bad.so", ["-Wl,--no-as-needed", "-lm"])):
            subprocess.run(["cc", "-shared", "-fPIC", str(source), "-o", str(cls.folder / name), *options], check=True)

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def run_as(self, kind, *options):
        """(status, lines) of the runner over a stand-in of this kind."""
        environment = dict(os.environ, FAKE=kind, FAKE_GOOD=str(self.folder / "good.so"),
                           FAKE_BAD=str(self.folder / "bad.so"))
        done = subprocess.run([sys.executable, str(RUNNER), "--aotc", str(self.fake), *options,
                               str(self.folder / "all")], capture_output=True, text=True, env=environment)
        self.assertEqual(done.stderr, "")
        return done.returncode, done.stdout.splitlines()

    def expect(self, kind, *parts):
        status, lines = self.run_as(kind)
        self.assertEqual((status, lines[-1]), (1, "1 passed, 1 failed"), lines)
        for part in parts:
            self.assertIn(part, "\n".join(lines[:-1]))

    def test_right(self):
        self.assertEqual(self.run_as("right"), (0, ["2 passed, 0 failed"]))

    def test_only(self):
        self.assertEqual(self.run_as("wrong", "--only", "refuse"), (0, ["1 passed, 0 failed"]))

    def test_nothing_found(self):
        self.assertEqual(self.run_as("right", "--only", "absent"), (1, ["0 passed, 0 failed"]))

    def test_values(self):
        self.expect("wrong", "all/add: case 0: sum: is off by 0.01")
        self.expect("nan", "NaN or infinity")
        self.expect("shape", "is float32[3], expected float32[4]")
        self.expect("dtype", "is float64[4]")
        self.expect("silent", "000.npy was not written")
        self.expect("garbage", "000.npy cannot be read")
        self.expect("constant", "seven: is 8, expected 7")

    def test_crashes(self):
        self.expect("crash", "crashed with status -11")
        self.expect("sanitizer", "crashed with status 1: ==1==ERROR: AddressSanitizer")

    def test_out_of_range(self):
        self.expect("lenient", "out of range 0: out of range must end with status 1, ended with 0")
        self.expect("mumbles", "lacks x, 1..8, 9")

    def test_compile(self):
        self.expect("toolchain", "not compiled, status 4: aotc: cc failed")
        self.expect("idle", "compiled with status 0, but wrote no file")
        self.expect("unlike", "a second compile gave other bytes")

    @unittest.skipUnless(shutil.which("readelf"), "needs binutils")
    def test_artifact(self):
        self.expect("needed", "the artifact has NEEDED")

    def test_refusals(self):
        self.expect("accepts", "all/refuse: must be refused, ended with status 0")
        self.expect("leaves", "an output file was left")


if __name__ == "__main__":
    unittest.main()
