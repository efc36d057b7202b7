# SPDX-License-Identifier: MIT
"""What the tests of this folder share: a folder and a TMPDIR for each test, aotc and its refusals, the command line.

    test_….py [CLASS…] --aotc BIN --artifacts DIR --fixtures DIR --scratch DIR [--host BIN]… [-v]

CLASS is a class of the script, or Class.test_name. DIR of --artifacts holds NAME_BACKEND.so, compiled by the build.
Every --host is host.c, built in another way. Files are written under --scratch alone. Standard library only; a test
that wants an optional tool says so when it skips.
"""
import argparse
import functools
import json
import math
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ARGS = argparse.Namespace()
SANITIZER = ("Sanitizer", "runtime error:")
BACKENDS = ("gcc", "tcc")


def fixture(name):
    return ARGS.fixtures / name


def archive(name):
    return fixture(name) / "model.pt2"


def artifact(name, backend="tcc"):
    return ARGS.artifacts / f"{name}_{backend}.so"


def npy(shape, data, descr="<f4"):
    """The bytes of a .npy file."""
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {tuple(shape)}, }}".encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + data


def zeros(*shape):
    return npy(shape, bytes(4 * math.prod(shape)))


@functools.lru_cache
def sanitized():
    return b"__asan_init" in Path(ARGS.aotc).read_bytes()


def list_passes():
    said = subprocess.run([ARGS.aotc, "--list-passes"], capture_output=True, text=True, check=True).stdout
    return [line.split()[0] for line in said.splitlines()]


class Case(unittest.TestCase):
    """A folder of its own, with a TMPDIR that must be empty again after every call of aotc."""

    def setUp(self):
        ARGS.scratch.mkdir(parents=True, exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(prefix=f"{type(self).__name__.lower()}-", dir=ARGS.scratch))
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.temporary = self.folder / "tmp"
        self.temporary.mkdir()

    def tool(self, name):
        found = shutil.which(name)
        if not found:
            self.skipTest(f"{name} is not installed")
        return found

    def environment(self, **more):
        env = {k: v for k, v in os.environ.items() if k not in ("CC", "TMPDIR")}
        return dict(env, TMPDIR=str(self.temporary), **more)

    def call(self, *words, **options):
        options = {"cwd": self.folder, "env": self.environment(), "timeout": 120, **options}
        done = subprocess.run(list(map(str, words)), capture_output=True, text=True, errors="replace", **options)
        self.assertFalse(any(word in done.stderr for word in SANITIZER), done.stderr)
        return done

    def aotc(self, *words, status=0, says=(), program=None, **options):
        """Runs it; a refusal is one line that holds all of `says`. Returns what it printed."""
        done = self.call(program or ARGS.aotc, *words, **options)
        self.assertEqual(done.returncode, status, f"{words}: {done.stderr}")
        if status:
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
            self.assertTrue(done.stderr.startswith("aotc: "), done.stderr)
        for part in [says] if isinstance(says, str) else says:
            self.assertIn(part, done.stderr)
        self.assertEqual(os.listdir(self.temporary), [], "left in the temporary folder")
        return done

    def usage(self, *words, says=()):
        self.aotc(*words, status=2, says=says)

    def left(self):
        """Names in the folder, but for TMPDIR."""
        return sorted(set(os.listdir(self.folder)) - {"tmp"})

    def compiled(self, name="seeds/add_dynamic", *flags):
        made = self.folder / "made.so"
        self.aotc(archive(name), "-o", made, "--backend=tcc", *flags)
        return made

    def inspect(self, path):
        return json.loads(self.aotc("inspect", path, "--json").stdout)


def main(module):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tests", nargs="*", metavar="CLASS")
    for name in ("--artifacts", "--fixtures", "--scratch"):
        parser.add_argument(name, required=True, type=lambda text: Path(text).resolve())
    parser.add_argument("--aotc", required=True, type=os.path.abspath)
    parser.add_argument("--host", action="append", default=[], type=os.path.abspath)
    parser.add_argument("-v", action="store_true")
    parser.parse_args(namespace=ARGS)
    runner = unittest.TextTestRunner(verbosity=1 + ARGS.v)
    loader = unittest.TestLoader()
    tests = loader.loadTestsFromNames(ARGS.tests, module) if ARGS.tests else loader.loadTestsFromModule(module)
    done = runner.run(tests)
    for test, why in done.skipped:
        print(f"skipped {test.id()}: {why}")
    return int(not done.wasSuccessful() or not done.testsRun)
