#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests of other weights for the same code.

    test_weights.py --aotc BIN [--libaotrt LIB] [-k WORD]

The fixtures beside this file are written by make_weights.py. Standard library only.
"""
import argparse
import base64
import ctypes
import json
import re
import struct
import subprocess
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path

HERE = Path(__file__).parent
ARGS = None
UNSIGNED = 10  # AOT_ESIGNATURE


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


def weights_of(archive):
    """The weights that an archive has, as safe() takes them."""
    tensors = {}
    with zipfile.ZipFile(archive) as zip:
        names = [n for n in zip.namelist() if n.endswith("_weights_config.json")]
        for name, entry in json.loads(zip.read(names[0]))["config"].items():
            meta = entry["tensor_meta"]
            shape = [x["as_int"] for x in meta["sizes"]]
            kind, size = {7: ("F32", 4), 5: ("I64", 8), 13: ("BF16", 2)}[meta["dtype"]]
            count = size
            for x in shape:
                count *= x
            folder = names[0].rpartition("/")[0]
            tensors[name] = kind, shape, zip.read(f"{folder}/{entry['path_name']}")[:count]
    return tensors


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


class Swap(Weights):
    def swap(self, path, file, name=None, status=0):
        out = self.dir / (name or path.name)
        text = aotc("weights", "swap", path, file, *(["-o", out] if name else []), status=status)
        return text if status else out

    def test_equals_compiling_again(self):
        for backend in "tcc", "gcc":
            with self.subTest(backend):
                flags = f"--backend={backend}",
                b = self.compile("b.so", *flags, source="b.pt2")
                again = self.compile("ab.so", "--state-dict", HERE / "b.pt", *flags)
                swapped = self.swap(self.compile("a.so", *flags), HERE / "b.safetensors", "s.so")
                self.assertEqual(swapped.read_bytes(), again.read_bytes())
                self.assertEqual(self.run_model(swapped, "b"), self.run_model(b, "b"))

    def test_in_place_and_back(self):
        a = self.compile("a.so")
        before, mode = a.read_bytes(), a.stat().st_mode
        old = self.dir / "a.safetensors"
        old.write_bytes(safe(weights_of(HERE / "a.pt2")))
        self.swap(a, HERE / "b.pt")
        self.assertNotEqual(a.read_bytes(), before)
        self.run_model(a, "b")
        self.swap(a, old)
        self.assertEqual(a.read_bytes(), before)
        self.assertEqual(a.stat().st_mode, mode)

    def test_a_table_at_indices(self):
        """What is folded of both follows both; an index beyond the table cannot be folded."""
        source = HERE.parent / "fixtures/seeds/window_attention/model.pt2"
        tensors = weights_of(source)
        for name, (kind, shape, raw) in tensors.items():  # the elements backwards
            size = {"F32": 4, "I64": 8}[kind]
            tensors[name] = kind, shape, b"".join(raw[i:i + size] for i in range(len(raw) - size, -1, -size))
        file = self.dir / "backwards.safetensors"
        file.write_bytes(safe(tensors))
        a, b = self.compile("a.so", source=source), self.compile("b.so", "--state-dict", file, source=source)
        self.assertNotEqual(a.read_bytes(), b.read_bytes())
        self.assertEqual(self.swap(a, file, "s.so").read_bytes(), b.read_bytes())
        kind, shape, raw = tensors["0.index"]
        tensors["0.index"] = kind, shape, raw[:-8] + struct.pack("<q", 25)
        file.write_bytes(safe(tensors))
        self.assertIn("is 25; it must be in 0..24", self.swap(a, file, status=1))

    def test_refusals_leave_the_artifact(self):
        a = self.compile("a.so")
        before = a.read_bytes()
        self.assertIn("is no state dict of this model", self.swap(a, self.file({"w": ("F32", [1], bytes(4))}), status=1))
        tensors = read_safe(HERE / "b.safetensors")
        tensors["seen"] = "F32", [1], struct.pack("<f", 1)
        self.assertIn("zero in the code", self.swap(a, self.file(tensors), status=3))
        self.assertIn("does not say", self.swap(self.without_recipe(a), HERE / "b.pt", status=3))
        self.assertEqual(a.read_bytes(), before)
        bare = self.dir / "add.so"
        aotc(HERE / "../fixtures/seeds/add/model.pt2", "-o", bare, "--backend=tcc")
        self.assertIn("has no weights", self.swap(bare, HERE / "b.pt", status=1))
        aotc("weights", "swap", a, status=2)
        aotc("weights", "show", a, HERE / "b.pt", status=2)

    def file(self, tensors):
        out = self.dir / "dict.safetensors"
        out.write_bytes(safe(tensors))
        return out

    def without_recipe(self, path):
        out = self.dir / "bare.so"
        out.write_bytes(path.read_bytes().replace(b".aotc.recipe", b".aotc.rec_pe"))
        return out

    def test_damaged_recipes(self):
        a = self.compile("a.so").read_bytes()
        bad = self.dir / "bad.so"
        for old, new in ((b'"to":', b'"to":9'), (b'"room":', b'"room":1'), (b'"graph":0', b'"graph":7'),
                         (b'"result":0', b'"result":-'), (b'"pack":"conv"', b'"pack":"wino"'), (b'"offset":0', b'"offset":9'),
                         (b'"n":1', b'"n":0'), (b'"n":4', b'"n":3'), (b'"stride":[288', b'"stride":[999'),
                         (b'"stride":[32,8,1]', b'"stride":[99,8,1]'), (b'"stride":[32,8,1]', b'"stride":[0,8,1]'),
                         (b'add(', b'sub(q'), (b'"shape":[32,', b'"shape":[-2,'), (b'input p_', b'input q_'),
                         (b'{"format":2', b'{"format":1')):
            with self.subTest(old):
                start = a.index(b'{"format":2,"weights"')
                recipe = a[start:].replace(old, new, 1)[:len(a) - start]  # what is behind moves, and no one reads it
                self.assertNotEqual(recipe, a[start:])
                head = bytearray(a[:start] + recipe.ljust(len(a) - start, b" "))
                shoff, = struct.unpack_from("<Q", a, 40)
                head[shoff:] = a[shoff:]
                bad.write_bytes(head)
                p = subprocess.run([ARGS.aotc, "weights", "swap", bad, HERE / "b.pt"], capture_output=True, text=True)
                self.assertIn(p.returncode, (1, 3), p.stderr)
                self.assertNotIn("Sanitizer", p.stderr)


class Options(ctypes.Structure):
    """aot_options"""
    _fields_ = [("struct_size", ctypes.c_uint64), ("path", ctypes.c_char_p), ("image", ctypes.c_char_p),
                ("image_bytes", ctypes.c_uint64), ("isa", ctypes.c_char_p), ("public_key", ctypes.c_char_p),
                ("weights", ctypes.c_char_p)]


class Tensor(ctypes.Structure):
    """DLTensor"""
    _fields_ = [("data", ctypes.c_void_p), ("device", ctypes.c_int32 * 2), ("ndim", ctypes.c_int32),
                ("dtype", ctypes.c_uint32), ("shape", ctypes.c_void_p), ("strides", ctypes.c_void_p),
                ("byte_offset", ctypes.c_uint64)]


class File(Weights):
    """--weights=file, through libaotrt itself."""

    @classmethod
    def setUpClass(cls):
        if not ARGS.libaotrt:
            raise unittest.SkipTest("no libaotrt that Python can load")
        cls.rt = rt = ctypes.CDLL(ARGS.libaotrt)
        for name in "aot_session_error", "aot_output_data", "aot_session_call":
            getattr(rt, name).restype = ctypes.c_void_p
        rt.aot_output_bytes.restype = ctypes.c_uint64

    def open(self, status=0, **options):
        """A file that is open, or the error's text."""
        o = Options(ctypes.sizeof(Options), **{k: str(v).encode() if isinstance(v, Path) else v for k, v in options.items()})
        file, text = ctypes.c_void_p(), ctypes.create_string_buffer(500)
        got = self.rt.aot_open_as(ctypes.byref(o), ctypes.byref(file), text, ctypes.c_uint64(500))
        self.assertEqual(got, status, text.value)
        if status:
            self.assertFalse(file)
            return text.value.decode()
        self.addCleanup(self.rt.aot_close, file)
        return file

    def result(self, file):
        """The output's bytes for the inputs of this folder."""
        session = ctypes.c_void_p()
        self.assertEqual(self.rt.aot_session_new(file, None, ctypes.c_uint64(1), ctypes.byref(session)), 0)
        inputs = [(HERE / f"in/{i:03d}.npy").read_bytes()[128:] for i in range(2)]
        for i, data in enumerate(inputs):
            self.assertEqual(self.rt.aot_set_input(session, ctypes.c_uint64(i), data, None, 0), 0)
        self.assertEqual(self.rt.aot_run(session), 0, ctypes.string_at(self.rt.aot_session_error(session)))
        out = ctypes.string_at(self.rt.aot_output_data(session, ctypes.c_uint64(0)), 48)
        self.rt.aot_session_free(session)
        return out

    def test_equals_the_embedded(self):
        inside = self.result(self.open(path=self.compile("e.so")))
        a = self.compile("a.so", "--weights=file")
        self.assertEqual(self.result(self.open(path=a)), inside)
        self.assertEqual((self.dir / "a.weights").stat().st_size % 64, 0)
        self.assertNotIn("weights_sha256", aotc("inspect", a, "--json"))
        self.assertIn("a.weights", aotc("inspect", a))

    def test_swap_replaces_the_file_alone(self):
        for backend in "tcc", "gcc":
            flags = "--weights=file", f"--backend={backend}"
            a, b = self.compile("a.so", *flags), self.compile("b.so", *flags, source="b.pt2")
            before, old = a.read_bytes(), self.open(path=a)
            first = self.result(old)
            aotc("weights", "swap", a, HERE / "b.pt")
            self.assertEqual(a.read_bytes(), before)
            self.assertEqual((self.dir / "a.weights").read_bytes(), (self.dir / "b.weights").read_bytes())
            self.assertEqual(self.result(self.open(path=a)), self.result(self.open(path=b)))
            self.assertEqual(self.result(old), first)  # who has the old one open keeps it
            self.run_model(a, "b")

    def test_a_file_of_weights_is_swapped_as_it_is(self):
        a, b = self.compile("a.so", "--weights=file"), self.compile("b.so", "--weights=file", source="b.pt2")
        aotc("weights", "swap", a, self.dir / "b.weights")
        self.assertEqual((self.dir / "a.weights").read_bytes(), (self.dir / "b.weights").read_bytes())
        self.assertEqual(self.result(self.open(path=b, weights=self.dir / "a.weights")), self.result(self.open(path=a)))
        data = bytearray((self.dir / "b.weights").read_bytes())
        data[5000] ^= 1
        (self.dir / "c.weights").write_bytes(data)
        self.assertIn("damaged", aotc("weights", "swap", a, self.dir / "c.weights", status=1))

    def test_levels_share_one_file(self):
        for level in "v3", "v4,v3", "baseline":
            self.compile(f"{level[:2]}.so", "--weights=net.weights", f"--cpu={level}")
            inode = (self.dir / "net.weights").stat().st_ino
            self.assertEqual(getattr(self, "inode", inode), inode)  # it was there already
            self.inode = inode
        self.assertEqual(len(list(self.dir.glob("*.weights"))), 1)
        self.result(self.open(path=self.dir / "ba.so"))

    def test_processes_share_its_pages(self):
        a = self.compile("a.so", "--weights=file")
        code = ("import ctypes, sys\n"
                "rt = ctypes.CDLL(sys.argv[1]); f = ctypes.c_void_p(); s = ctypes.c_void_p(); t = ctypes.create_string_buffer(300)\n"
                "assert not rt.aot_open(sys.argv[2].encode(), None, ctypes.byref(f), t, ctypes.c_uint64(300)), t.value\n"
                "assert not rt.aot_session_new(f, None, ctypes.c_uint64(1), ctypes.byref(s))\n"
                "data = [open(p, 'rb').read()[128:] for p in sys.argv[3:]]\n"
                "for i, d in enumerate(data): assert not rt.aot_set_input(s, ctypes.c_uint64(i), d, None, 0)\n"
                "assert not rt.aot_run(s)\n"
                "print(flush=True); input()\n")
        words = [sys.executable, "-c", code, ARGS.libaotrt, a, HERE / "in/000.npy", HERE / "in/001.npy"]
        two = [subprocess.Popen(list(map(str, words)), stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(2)]
        try:
            for p in two:
                self.assertEqual(p.stdout.readline(), b"\n")
            for p in two:
                smaps = Path(f"/proc/{p.pid}/smaps").read_text()
                part = smaps[smaps.index("a.weights"):].split("VmFlags")[0]
                number = {k: int(v) for k, v in re.findall(r"(\w+): +(\d+) kB", part)}
                self.assertGreater(number["Rss"], 0)
                self.assertLessEqual(2 * number["Pss"], number["Rss"] + 64)
                self.assertGreaterEqual(number["Shared_Clean"] + number["Shared_Dirty"], number["Rss"] - 64)
        finally:
            for p in two:
                p.communicate(b"\n")

    def test_hostile_files(self):
        a = self.compile("a.so", "--weights=file")
        good, bad = (self.dir / "a.weights").read_bytes(), self.dir / "bad.weights"
        for at, new in (0, b"X"), (8, b"\2"), (12, b"\1"), (16, b"\xff" * 8), (32, b"\0" * 32), (64, b"\1"), (96, b"\1"):
            bad.write_bytes(good[:at] + new + good[at + len(new):])
            self.assertIn("not a file of weights", self.open(5, path=a, weights=bad))
        for data in good[:-1], good + b"x", good[:100], b"":
            bad.write_bytes(data)
            self.assertIn("another size", self.open(7, path=a, weights=bad))
        self.assertIn("No such file", self.open(7, path=a, weights=self.dir / "none"))
        self.assertIn("another size", self.open(7, path=a, weights=self.dir))
        (self.dir / "a.weights").unlink()
        self.assertIn("a.weights: the model's constants: No such file", self.open(7, path=a))
        self.assertIn("not there", aotc("inspect", a))
        self.assertIn("--weights=c/d.weights", aotc(HERE / "a.pt2", "--weights=c/d.weights", status=2))
        aotc(HERE / "a.pt2", "--weights=file", "--emit=c", "-o", self.dir / "x.c", status=2)

    def test_signed(self):
        a = self.compile("a.so", "--weights=file")
        weights, signature = self.dir / "a.weights", self.dir / "a.weights.sig"
        expected, keys = self.result(self.open(path=a)), []
        for name in "one", "two":
            aotc("keygen", self.dir / name)
            pem = (self.dir / f"{name}.pub").read_text().splitlines()
            keys.append(base64.b64decode("".join(pem[1:-1]))[-32:])
        opens = lambda status=0, key=keys[0], **more: self.open(status, path=a, public_key=key, **more)
        sign = lambda file, key="one": aotc("sign", file, "--key", self.dir / key)
        self.assertIn("a.so.sig", opens(UNSIGNED))
        sign(a)
        self.assertIn("a.weights.sig", opens(UNSIGNED))  # all of it must be signed
        sign(weights, "two")
        self.assertIn("a.weights", opens(UNSIGNED))
        sign(weights)
        self.assertEqual(self.result(opens()), expected)
        self.assertIn("a.so", opens(UNSIGNED, keys[1]))

        good, file = weights.read_bytes(), opens()
        for at in 4096 + 100, len(good) - 1, 70:  # elements, the last one, the header
            weights.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1:])
            self.assertIn("a.weights", opens(UNSIGNED))
        self.assertEqual(self.result(file), expected)  # it has a copy
        weights.write_bytes(good)
        mark = signature.read_bytes()
        for bad in mark[:-1], mark + b"x", bytes(64), mark[32:] + mark[:32]:
            signature.write_bytes(bad)
            opens(UNSIGNED)
        signature.write_bytes(mark)
        self.assertEqual(self.result(opens()), expected)

        aotc("weights", "swap", a, HERE / "b.pt")  # other weights want another signature
        opens(UNSIGNED)
        sign(weights)
        self.assertEqual(self.result(opens()), self.result(self.open(path=a)))
        other = self.dir / "old.weights"
        other.write_bytes(good)
        self.assertIn("old.weights.sig", opens(UNSIGNED, weights=other))
        signature.with_name("old.weights.sig").write_bytes(mark)
        self.assertEqual(self.result(opens(weights=other)), expected)

    def test_a_host_that_maps_nothing_is_told(self):
        a = self.open(path=self.compile("a.so", "--weights=file"))
        session = ctypes.c_void_p()
        self.assertEqual(self.rt.aot_session_new(a, None, ctypes.c_uint64(1), ctypes.byref(session)), 0)
        call = self.rt.aot_session_call(session)
        ctypes.c_void_p.from_address(call + 64).value = None  # aot_call.segments
        data = bytes(24576)
        for i in range(2):
            self.rt.aot_set_input(session, ctypes.c_uint64(i), data, None, 0)
        self.assertEqual(self.rt.aot_run(session), 1)
        self.assertIn(b"segments is NULL", ctypes.string_at(self.rt.aot_session_error(session)))
        self.rt.aot_session_free(session)


    def test_open_memory(self):
        a = self.compile("a.so")
        image = a.read_bytes()
        expected = self.result(self.open(path=a))
        a.unlink()
        files = [self.open(image=image, image_bytes=len(image)) for _ in range(3)]
        self.assertEqual([self.result(f) for f in files], [expected] * 3)
        self.assertIn("model in memory: cut short", self.open(5, image=image, image_bytes=len(image) // 2))
        self.assertIn("net: not a shared object", self.open(5, image=b"hello", image_bytes=5, path=b"net"))
        self.assertIn("aot_check_signature", self.open(1, image=image, image_bytes=len(image), public_key=bytes(32)))
        self.assertIn("NULL", self.open(1))

    def test_open_memory_with_a_file_of_weights(self):
        a = self.compile("a.so", "--weights=file")
        image, expected = a.read_bytes(), self.result(self.open(path=a))
        a.unlink()
        weights = self.dir / "a.weights"
        self.assertEqual(self.result(self.open(image=image, image_bytes=len(image), weights=weights)), expected)
        self.assertEqual(self.result(self.open(image=image, image_bytes=len(image), path=self.dir / "any")), expected)
        self.assertIn("No such file", self.open(7, image=image, image_bytes=len(image)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--aotc", required=True)
    parser.add_argument("--libaotrt", help="without it the tests that open artifacts are left out")
    ARGS, rest = parser.parse_known_args()
    ARGS.aotc = str(Path(ARGS.aotc).resolve())
    unittest.main(argv=[sys.argv[0], *rest])
