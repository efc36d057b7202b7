# SPDX-License-Identifier: MIT
"""samples/python/aotc_model.py over the toy artifacts: python_test.py FOLDER, plain unittest."""
import os
import sys
import tempfile
import unittest
import warnings
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent / "../../samples/python"))
import aotc_model  # noqa: E402

FOLDER = Path(sys.argv.pop(1)) if len(sys.argv) > 1 else Path(".")


def floats(*values):
    return np.array(values, np.float32)


class Toy(unittest.TestCase):
    def setUp(self):
        self.model = aotc_model.load(FOLDER / "toy.so")

    def check_forward(self, x, model=None):
        y, scores = (model or self.model)([x])
        np.testing.assert_array_equal(y, 2 * x + 1)
        np.testing.assert_array_equal(scores, (2 * x + 1).sum(1))

    def test_describes(self):
        self.assertEqual(self.model.name, "toy")
        self.assertEqual(self.model.metadata["kernels"], ["twice", "sum"])
        self.assertEqual(self.model.method_names[1], "accumulate")
        self.assertEqual(self.model.inputs[0].sizes, ["batch in 1..64", 4])
        self.assertIn("scores: float32", repr(self.model.outputs[1]))

    def test_sizes(self):
        for n in (1, 5, 64, 2, 2):
            self.check_forward(np.arange(4 * n, dtype=np.float32).reshape(n, 4))

    def test_same_array_with_new_contents(self):
        x = np.ones((2, 4), np.float32)
        self.check_forward(x)
        x += 1
        self.check_forward(x)

    def test_layouts(self):
        base = np.arange(48, dtype=np.float32).reshape(4, 12)
        for _ in range(2):
            self.check_forward(base[:, ::3])
            self.check_forward(base.T[:, :4])
        view = base[:, ::3]
        self.check_forward(view)
        base += 1                       # a copied input is copied again
        self.check_forward(view)

    def test_results_live_until_the_next_call(self):
        first, _ = self.model([np.ones((2, 4), np.float32)])
        copy = first.copy()
        self.assertTrue((first == copy).all())
        self.assertEqual(first.ctypes.data % 64, 0)

    def test_fresh_results_stay(self):
        model = aotc_model.load(FOLDER / "toy.so", fresh=True)
        kept = [(n, model([np.full((n, 4), n, np.float32)])[0]) for n in (1, 5, 5, 64, 2)]
        for n, y in kept:
            np.testing.assert_array_equal(y, np.full((n, 4), 2 * n + 1))
        call, kept = model.method("nonzero"), []
        for n in (4, 5000, 4, 0, 5000):
            kept.append((n, call([np.ones(n, np.float32)])[0]))
        for n, found in kept:
            np.testing.assert_array_equal(found, np.arange(n))

    def test_another_for_another_thread(self):
        other = self.model.another()
        self.model.method("accumulate")([floats(1, 2, 3, 4)])
        self.assertEqual(other.state.view(np.float32)[0], 100)
        self.check_forward(np.ones((2, 4), np.float32), other)

    def test_errors_and_recovery(self):
        x = np.ones((2, 4), np.float32)
        with self.assertRaisesRegex(TypeError, "expected float32, given float64"):
            self.model([x.astype(np.float64)])
        with self.assertRaisesRegex(ValueError, "expected 2 dimensions, given 1"):
            self.model([x[0]])
        with self.assertRaisesRegex(TypeError, "takes 1 inputs, given 2"):
            self.model([x, x])
        self.check_forward(x)
        big = np.ones((65, 4), np.float32)
        for _ in range(2):              # not taken for a shape that was planned
            with self.assertRaisesRegex(aotc_model.ModelError, r"batch .* is 65; expected 1..64"):
                self.model([big])
        self.check_forward(x)
        with self.assertRaisesRegex(KeyError, "it has: forward, accumulate"):
            self.model.method("backward")

    def test_state(self):
        step = self.model.method("accumulate")
        np.testing.assert_array_equal(step([floats(1, 2, 3, 4)])[0], [101, 102, 103, 104])
        saved = self.model.state.copy()
        step([floats(1, 2, 3, 4)])
        self.model.state[:] = saved
        with self.assertRaisesRegex(aotc_model.ModelError, "assertion"):
            step([floats(-1, 0, 0, 0)])
        np.testing.assert_array_equal(step([floats(0, 0, 0, 0)])[0], [101, 102, 103, 104])
        self.model.reset()
        self.assertEqual(self.model.state.view(np.float32)[0], 100)

    def test_unknown_sizes(self):
        for method, most in (("nonzero", 5000), ("positives", 64)):
            call = self.model.method(method)
            for n in (4, most, 4, 0, most, most):
                x = np.arange(n, dtype=np.float32) % 3
                np.testing.assert_array_equal(call([x])[0], np.flatnonzero(x))

    def test_unknown_size_changes_with_the_data(self):
        call, x = self.model.method("positives"), np.zeros(64, np.float32)
        for n in (1, 64, 3):
            x[:], x[:n] = 0, 1
            self.assertEqual(call([x])[0].size, n)

    def test_threads(self):
        if not os.environ.get("AOTRT_LIBRARY"):
            self.skipTest("AOTRT_LIBRARY is not set")
        model = aotc_model.load(FOLDER / "toy.so", threads=2)
        self.assertLessEqual(model.threads, 2)
        for n in (64, 1, 33):
            self.check_forward(np.arange(4 * n, dtype=np.float32).reshape(n, 4), model)

    def test_threads_without_the_library(self):
        before = os.environ.pop("AOTRT_LIBRARY", None)
        os.environ["AOTRT_LIBRARY"] = "/nonexistent/libaotrt.so"
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model = aotc_model.load(FOLDER / "toy.so", threads=2)
        del os.environ["AOTRT_LIBRARY"]
        if before:
            os.environ["AOTRT_LIBRARY"] = before
        self.assertEqual(model.threads, 1)
        self.assertIn("one thread", str(caught[0].message))

    def test_opening(self):
        with self.assertRaises(FileNotFoundError):
            aotc_model.load(FOLDER / "absent.so")
        with self.assertRaisesRegex(aotc_model.ModelError, "not a shared object"):
            aotc_model.load(__file__)
        with self.assertRaisesRegex(aotc_model.ModelError, "ABI version 2"):
            aotc_model.load(FOLDER / "toy_abi.so")
        with self.assertRaisesRegex(aotc_model.ModelError, "another ABI version"):
            aotc_model.load(FOLDER / "toy_refuse.so")
        with self.assertRaisesRegex(aotc_model.ModelError, "no aot_entry"):
            aotc_model.load(FOLDER / "toy_no_entry.so")
        with self.assertRaisesRegex(aotc_model.ModelError, "not for this processor"):
            aotc_model.load(FOLDER / "toy.so", isa="x86-64-v9")
        with self.assertRaisesRegex(TypeError, "no default method"):
            aotc_model.load(FOLDER / "toy_no_forward.so")([])

    def test_truncated(self):
        whole = (FOLDER / "toy.so").read_bytes()
        with tempfile.TemporaryDirectory() as folder:
            for length in (0, 3, 63, 64, 200, 700, 4096, 8000, 9000):
                cut = Path(folder) / f"cut{length}.so"
                cut.write_bytes(whole[:length])
                with self.assertRaises(aotc_model.ModelError):
                    aotc_model.load(cut)


if __name__ == "__main__":
    unittest.main()
