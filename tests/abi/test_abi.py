#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Artifacts that earlier versions have compiled still open and run: that is what the ABI's version promises.

    test_abi.py --aotc BIN --fixtures DIR

Each folder vN holds artifacts of ABI version N as they were shipped, never made anew: another version adds a folder. They
are compiled of archives under tests/fixtures, whose recorded inputs and outputs of PyTorch they are run on, by libaotrt
(in aotc run). v1: by gcc and by libtcc, with dynamic sizes; two methods that share a state; weights in a file beside.
"""
import argparse
import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).parent
ARGS = None


def aotc(*words):
    p = subprocess.run([ARGS.aotc, *map(str, words)], capture_output=True, text=True)
    assert p.returncode == 0, (words, p.stderr)
    return p.stdout


class Abi(unittest.TestCase):
    def run_cases(self, artifact, fixture):
        """All recorded calls, one after the other on one state."""
        folder = Path(ARGS.fixtures) / fixture
        manifest = json.loads((folder / "manifest.json").read_text())
        with tempfile.TemporaryDirectory() as at:
            for case in manifest["cases"]:
                words = ["--state", Path(at) / "state"] if manifest.get("stateful") else []
                if manifest.get("stateful"):
                    words += ["--method", case["model"]]
                expected = Path(at) / "expected"
                expected.mkdir(exist_ok=True)
                for i, output in enumerate(case["outputs"]):
                    (expected / f"{i:03d}.npy").write_bytes((folder / output["file"]).read_bytes())
                inputs = [folder / x["file"] for x in case["inputs"]]
                aotc("run", artifact, "--inputs", *inputs, "--expect", expected, *words)
        self.assertIn("aot_entry", aotc("inspect", artifact))

    def test_dynamic_sizes(self):
        for backend in "gcc", "tcc":
            with self.subTest(backend):
                self.run_cases(HERE / f"v1/add_{backend}.so", "seeds/add_dynamic")

    def test_methods_and_state(self):
        self.run_cases(HERE / "v1/kv_cache.so", "seeds/kv_cache")

    def test_weights_beside(self):
        self.run_cases(HERE / "v1/tied.so", "2.13.0/tied_strided")
        self.assertIn("tied.weights", aotc("inspect", HERE / "v1/tied.so"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--aotc", required=True)
    parser.add_argument("--fixtures", required=True)
    ARGS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
