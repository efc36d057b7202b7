#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The report of bench.py over figures that are given. Standard library only."""
import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import bench

HERE = Path(__file__).resolve().parent


def figures(least, difference=1e-6, **more):
    return dict({"build_s": 2.0, "artifact_mb": 1.5, "open_s": 0.01, "first_s": 0.02, "difference": difference,
                 "base_mb": 30.0, "peak_mb": 40.0, "min_s": least, "median_s": 1.5 * least}, **more)


def races():
    missing = {"error": "missing: ModuleNotFoundError: No module named 'openvino'", "mins": [], "medians": []}
    return [{"model": "one", "threads": 1, "rows": {"aotc": figures(0.001), "eager": figures(0.004),
                                                    "onnxruntime": figures(0.002), "openvino": missing}},
            {"model": "two", "threads": 1, "rows": {"aotc": figures(0.002), "eager": figures(0.001),
                                                    "executorch": figures(0.0001, difference=0.5)}},
            {"model": "tiny", "threads": 1, "rows": {"aotc": figures(2**-19), "eager": figures(2**-17)}},
            {"model": "two", "threads": 2, "rows": {"aotc": figures(0.002, difference=0.1), "eager": figures(0.001)}}]


class Report(unittest.TestCase):
    def test_ratio(self):
        found = [bench.ratio(r["rows"]) for r in races()]
        self.assertEqual(found, [(2.0, "onnxruntime", False), (0.5, "eager", False), (4.0, "eager", True), None])

    def test_table(self):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "results.json").write_text(json.dumps({"machine": "a machine", "races": races()}))
            subprocess.run([sys.executable, "-B", HERE / "bench.py", "--report", folder], check=True, stderr=subprocess.DEVNULL)
            text = Path(folder, "table.md").read_text()
        for line in ("| one | 1 | 4 | 2 | – | – | onnxruntime | 2.00 |", "| two | 2 (wrong) | 1 | – | – |",
                     "| two | 2 | 1 | – | – | 0.1 (wrong) | eager | 0.50 |",
                     "| tiny | 0.00191 | 0.00763 | – | – | – | eager | 4.00 |", "| geometric mean | | | | | | | 1.00 |",
                     "| onnxruntime | 2.0 | 10.0 | 20.00 | 2.000 | 3.000 | 2.00 | 40 (30) | 1.5 | 1e-06 |",
                     "| openvino | – | missing: ModuleNotFoundError: No module named 'openvino' ||||||||"):
            self.assertIn(line + "\n", text)
        self.assertIn("5e-01 (wrong) |", text)

    def test_adopted_folder(self):
        with tempfile.TemporaryDirectory() as top:
            given, folder = Path(top, "given"), Path(top, "kept")
            given.mkdir(), folder.mkdir()
            self.assertIn("0 archives", bench.adopt(given, folder))
            for name in ("net.pt2", "in0.npy", "in2.npy", "in10.npy", "out0.npy"):
                (given / name).write_text(name)
            self.assertIsNone(bench.adopt(given, folder))
            self.assertEqual({f.name: f.read_text() for f in folder.iterdir()},
                             {"model.pt2": "net.pt2", "in00.npy": "in0.npy", "in02.npy": "in2.npy",
                              "in10.npy": "in10.npy", "out00.npy": "out0.npy"})


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    unittest.main()
