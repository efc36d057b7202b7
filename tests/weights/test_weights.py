#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests of other weights for the same code.

    test_weights.py --aotc BIN --libaotrt LIB [-k WORD]

The fixtures beside this file are written by make_weights.py. Standard library only.
"""
import argparse
import json
import struct
import subprocess
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path

HERE = Path(__file__).parent
ARGS = None


def aotc(*words, status=0):
    """Runs the program; its standard output, or the error's text when another status is expected."""
    p = subprocess.run([ARGS.aotc, *map(str, words)], capture_output=True, text=True)
    assert p.returncode == status, (words, p.returncode, p.stderr)
    assert "Sanitizer" not in p.stderr, p.stderr
    return p.stderr if status else p.stdout


def safe(tensors):
    """The bytes of a safetensors file of {name: (dtype, shape, data)}."""
    header, data = {}, b""
    for name, (dtype, shape, raw) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def read_safe(path):
    raw = path.read_bytes()
    n, = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8:8 + n])
    return {k: (v["dtype"], v["shape"], raw[8 + n + v["data_offsets"][0]:8 + n + v["data_offsets"][1]])
            for k, v in header.items()}


class Weights(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = Path(folder.name)

    def compile(self, name, *words, source="a.pt2"):
        out = self.dir / name
        aotc(HERE / source, "-o", out, "--backend=tcc", *words)
        return out

    def run_model(self, path, expect):
        """The output's bytes, which are near those that PyTorch gave for these weights."""
        out = self.dir / "out"
        aotc("run", path, "--inputs", HERE / "in", "--outputs", out, "--expect", HERE / f"out_{expect}")
        return (out / "000.npy").read_bytes()

    def refused(self, file, status=1):
        return aotc(HERE / "a.pt2", "--state-dict", file, "-o", self.dir / "x.so", "--backend=tcc", status=status)


class StateDict(Weights):
    def test_equals_the_other_archive(self):
        b = self.run_model(self.compile("b.so", source="b.pt2"), "b")
        self.run_model(self.compile("a.so"), "a")
        for file in "b.pt", "b_protocol4.pt", "b.safetensors":
            with self.subTest(file):
                self.assertEqual(self.run_model(self.compile("ab.so", "--state-dict", HERE / file), "b"), b)

    def test_run_keeps_them_apart_in_its_cache(self):
        cache = self.dir / "cache"
        for words, expect in ([], "a"), (["--state-dict", HERE / "b.pt"], "b"), ([], "a"):
            aotc("run", HERE / "a.pt2", "--backend=tcc", "--cache", cache, "--inputs", HERE / "in", "--expect",
                 HERE / f"out_{expect}", *words)
        self.assertEqual(len(list(cache.iterdir())), 2)

    def test_depfile(self):
        self.compile("d.so", "--state-dict", HERE / "b.pt", "-MF", self.dir / "d.d")
        self.assertIn("b.pt", (self.dir / "d.d").read_text().split()[-1])

    def test_faults_are_listed_together(self):
        tensors = read_safe(HERE / "b.safetensors")
        dtype, shape, data = tensors["fc.bias"]
        tensors["fc.bias"] = dtype, [2, 3], data
        tensors["stem.bias"] = "F16", [32], bytes(64)
        tensors["more"] = tensors.pop("fc.weight")
        tensors["tied.weight"] = tensors["table.weight"][:2] + (bytes(384),)
        file = self.dir / "wrong.safetensors"
        file.write_bytes(safe(tensors))
        text = self.refused(file)
        for part in ('1 missing: "fc.weight"', '1 unexpected: "more"', '"fc.bias" is f32[2, 3], in the model f32[6]',
                     '"stem.bias" is f16[32], in the model f32[32]', '"tied.weight" is another tensor than table.weight'):
            self.assertIn(part, text)
        self.assertFalse((self.dir / "x.so").exists())

    def test_prefix(self):
        file = self.dir / "p.safetensors"
        file.write_bytes(safe({"module." + k: v for k, v in read_safe(HERE / "b.safetensors").items()}))
        self.assertIn('they stand behind the prefix "module."', self.refused(file))

    def test_either_tied_name_will_do(self):
        b = self.run_model(self.compile("b.so", source="b.pt2"), "b")
        tensors = read_safe(HERE / "b.safetensors")
        tensors["tied.weight"] = tensors.pop("table.weight")
        file = self.dir / "t.safetensors"
        file.write_bytes(safe(tensors))
        self.assertEqual(self.run_model(self.compile("ab.so", "--state-dict", file), "b"), b)

    def test_other_files(self):
        self.assertIn("legacy format", self.refused(HERE / "legacy.pt", 3))
        self.assertIn('holds a state dict under "state_dict"', self.refused(HERE / "checkpoint.pt"))
        self.assertIn("zip file without a state dict", self.refused(HERE / "b.pt2", 3))
        self.assertIn("neither", self.refused(HERE / "make_weights.py"))

    def test_damaged(self):
        good = (HERE / "b.safetensors").read_bytes()
        n, = struct.unpack("<Q", good[:8])
        file = self.dir / "bad"
        for bad in (good[:7], good[:n // 2], good[:-1], struct.pack("<Q", 1 << 63) + good[8:],
                    good.replace(b'"shape": [6]', b'"shape":[-6]', 1), good.replace(b'"data_offsets": [', b'"data_offsets":[9', 1),
                    good.replace(b'"shape": [6]', b'"shape":4611', 1)):
            file.write_bytes(bad)
            self.refused(file)
        with zipfile.ZipFile(file, "w") as zip:  # a pickle that names what is no tensor
            zip.writestr("x/data.pkl", b"\x80\x02cos\nsystem\n.")
        self.assertIn("nothing is ever imported", self.refused(file))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--aotc", required=True)
    parser.add_argument("--libaotrt", required=True)
    ARGS, rest = parser.parse_known_args()
    ARGS.aotc = str(Path(ARGS.aotc).resolve())
    unittest.main(argv=[sys.argv[0], *rest])
