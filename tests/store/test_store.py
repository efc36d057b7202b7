#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests of --meta, aotc keygen, sign and --require-signature.

    test_store.py --aotc BIN --fixtures DIR [-k WORD]
"""
import argparse
import base64
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ARGS = None
SANITIZER = ("Sanitizer", "runtime error:")
# RFC 8032, section 7.1, test 2: the seed, the public key, and the signature over the byte 0x72
SEED = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
PUBLIC = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
SIGNATURE = bytes.fromhex("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
                          "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00")


def pem(label, der):
    return f"-----BEGIN {label}-----\n{base64.b64encode(der).decode()}\n-----END {label}-----\n"


def flip(path, at):
    """Another byte at that place."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


class Base(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="aotc-store-"))
        self.addCleanup(shutil.rmtree, self.folder, True)

    def aotc(self, *words, status=0, says=(), **options):
        """Runs it in the folder; returns stdout. A refusal is one line on stderr that holds all of `says`."""
        done = subprocess.run([ARGS.aotc, *map(str, words)], capture_output=True, text=True, cwd=self.folder,
                              timeout=120, **options)
        self.assertFalse(any(word in done.stderr for word in SANITIZER), done.stderr)
        self.assertEqual(done.returncode, status, f"{words}: {done.stderr}{done.stdout}")
        if status:
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        for part in [says] if isinstance(says, str) else says:
            self.assertIn(part, done.stderr)
        return done.stdout

    def archive(self, name="simple_model"):
        return ARGS.fixtures / "seeds" / name / "model.pt2"

    def compile(self, output, *flags, name="simple_model"):
        self.aotc(self.archive(name), "--backend=tcc", "--cpu=baseline", "-o", output, *flags)
        return self.folder / output


class Metadata(Base):
    GOOD = {"name": "net", "version": "1.2.0", "description": 'a "net"\\ of \u00e9', "config": {"layers": [1, 2.5, None, True]},
            "metrics": {"accuracy": 0.91, "count": 12345678901234567}}

    def meta(self, value):
        path = self.folder / "meta.json"
        path.write_text(value if isinstance(value, str) else json.dumps(value, indent=3))
        return path

    def facts(self, path):
        return json.loads(self.aotc("inspect", path, "--json"))

    def test_carried(self):
        self.compile("model.so", "--meta", self.meta(self.GOOD))
        facts = self.facts("model.so")
        for key, value in self.GOOD.items():
            self.assertEqual(facts[key], value)
        data = self.archive().read_bytes()
        self.assertEqual(facts["archive_sha256"], hashlib.sha256(data).hexdigest())
        self.assertEqual((facts["target"], facts["backend"], facts["flags"]), ("x86-64", "tcc", ["--cpu=baseline"]))
        said = self.aotc("inspect", "model.so")
        for part in ("version    1.2.0", "config     {layers: [1, 2.5, null, true]}", "--cpu=baseline", "0.91"):
            self.assertIn(part, said)
        self.compile("model.jar", "--meta=meta.json")
        self.aotc(self.archive(), "--emit=c", "-o", "model.c", "--meta=meta.json")
        self.assertIn('\\"version\\":\\"1.2.0\\"', (self.folder / "model.c").read_text())

    def test_same_bytes(self):
        """Neither the folder nor the spelling of the metadata matters."""
        one = self.compile("one.so", "--meta", self.meta(self.GOOD))
        (self.folder / "deep").mkdir()
        (self.folder / "deep" / "other.json").write_text(json.dumps(self.GOOD, separators=(",", " :  ")))
        two = self.compile("deep/two.so", "--meta", "deep/other.json")
        self.assertEqual(one.read_bytes(), two.read_bytes())
        self.aotc(self.archive(), "--backend=tcc", "-o", "three.so", "-MF", "three.d", "--meta", "meta.json")
        self.assertIn("meta.json", (self.folder / "three.d").read_text())

    def test_hash_of_parameters(self):
        """What hashlib makes of p.detach().numpy().tobytes() for p in model.parameters()."""
        for name, expected in (("simple_model", "d9e79d71433223c0"), ("conv_classifier_a", "15989cca68e86d6d")):
            self.assertEqual(self.facts(self.compile("m.so", name=name))["weights_hash"], expected)

    def test_flags(self):
        folder = ARGS.fixtures / "seeds" / "hybrid_model"
        self.aotc(folder / "forward.pt2", "--backend=tcc", "--method", f"encode={folder / 'encode.pt2'}", "-o", "m.so",
                  "--cpu=v3", "--winograd=2")
        digest = hashlib.sha256((folder / "encode.pt2").read_bytes()).hexdigest()
        facts = self.facts("m.so")
        self.assertEqual(facts["flags"], ["--cpu=v3", "--winograd=2", f"--method=encode=sha256:{digest}"])
        self.assertEqual(facts["weights_hash"], "36ba8c6a1a4114db")
        self.assertNotIn(str(folder).encode(), (self.folder / "m.so").read_bytes())

    def test_refused(self):
        def without(key):
            return {k: v for k, v in self.GOOD.items() if k != key}

        cases = [("[]", "no JSON object"), ("{", "meta.json"), ({}, '"name" is missing'),
                 (without("version"), '"version" is missing'), (self.GOOD | {"autor": "x"}, '"autor" is not known'),
                 (self.GOOD | {"description": 3}, '"description" is wrong'), (self.GOOD | {"config": []}, '"config" is wrong'),
                 (self.GOOD | {"metrics": {"accuracy": "good"}}, '"metrics.accuracy" is wrong'),
                 (self.GOOD | {"metrics": {"loss": float("nan")}}, '"metrics" holds NaN'),
                 (self.GOOD | {"config": {"a": [float("inf")]}}, '"config" holds NaN'),
                 ('{"name": "a", "name": "b"}', "meta.json")]
        cases += [(self.GOOD | {"name": name}, '"name" is wrong')
                  for name in ("", ".", "..", "a/b", "../a", "-a", "a b", "\u00e9", "a" * 101, "a\n", 7, None)
                  if name is not None]
        cases += [(self.GOOD | {"version": version}, '"version" is wrong')
                  for version in ("", "1", "1.2", "v1.2.3", "01.2.3", "1.2.3-", "1.2.3-01", "1.2.3+", "1.2.3-a..b", "1.2.3/..",
                                  "1.2.3 ", "1.2.3.4", "1.2.3-" + "a" * 100, 1.2)]
        for value, says in cases:
            self.aotc(self.archive(), "--backend=tcc", "-o", "m.so", "--meta", self.meta(value), status=1,
                      says=("meta.json", says))
        self.assertFalse((self.folder / "m.so").exists())


class Signatures(Base):
    def keys(self, *names):
        for name in names:
            self.aotc("keygen", name)

    def test_known_answer(self):
        """Keys and signatures are those of the standard, in the files that OpenSSL reads and writes."""
        (self.folder / "key").write_text(pem("PRIVATE KEY", bytes.fromhex("302e020100300506032b657004220420") + SEED))
        (self.folder / "key.pub").write_text(pem("PUBLIC KEY", bytes.fromhex("302a300506032b6570032100") + PUBLIC))
        (self.folder / "r").write_bytes(b"\x72")
        self.aotc("sign", "r", "--key", "key")
        self.assertEqual((self.folder / "r.sig").read_bytes(), SIGNATURE)
        self.assertIn("signed by the key of key.pub", self.aotc("verify", "r", "--require-signature", "key.pub"))

    def test_keys(self):
        self.keys("one", "two")
        secret = self.folder / "one"
        self.assertEqual(secret.stat().st_mode & 0o777, 0o600)
        self.assertNotEqual(secret.read_bytes(), (self.folder / "two").read_bytes())
        self.aotc("keygen", "one", status=2, says=("one", "there already"))
        secret.unlink()
        self.aotc("keygen", "one", status=2, says=("one.pub", "there already"))
        self.aotc("keygen", status=2)
        (self.folder / "f").write_bytes(b"f")
        self.aotc("sign", "f", status=2, says="--key")
        self.aotc("sign", "--key", "two", status=2, says="a file")
        self.aotc("sign", "f", "--key", "two.pub", status=1, says="secret key")
        self.aotc("sign", "f", "--key", "absent", status=1, says="absent")
        self.aotc("verify", "f", "--require-signature", "two", status=1, says="public key")
        good = (self.folder / "two.pub").read_text()
        for bad in ("", good[:40], good + "x", good.replace("MCow", "MCox"), "\0" + good, good.replace("=", "=="),
                    good.replace("PUBLIC", "PRIVATE"), "x" * 5000):
            (self.folder / "bad.pub").write_text(bad)
            self.aotc("verify", "f", "--require-signature", "bad.pub", status=1, says="bad.pub")

    def test_artifact(self):
        """run, bench and verify open what is signed by the key, and nothing else."""
        self.keys("one", "two")
        model = self.compile("model.so")
        key = ("--require-signature", "one.pub")
        recorded = ("--against", ARGS.fixtures / "seeds" / "simple_model")
        self.aotc("run", model, *key, status=1, says=("model.so.sig", "is not signed"))
        self.aotc("verify", model, *key, status=1, says="is not signed")
        self.aotc("sign", model, "--key", "one")
        self.assertIn("0 out of tolerance", self.aotc("verify", model, *recorded, *key))
        self.aotc("bench", model, "--seconds", "0.01", *key)
        self.aotc("verify", model, "--require-signature", "two.pub", status=1, says="not one of this key")
        self.aotc("run", model, "--require-signature=two.pub", status=1, says="not one of this key")
        size = model.stat().st_size
        for at in (0, 7, size // 3, size // 2, size - 1):
            flip(model, at)
            if at > 3:                                  # still an ELF file
                self.aotc("run", model, *key, status=1, says="not one of this key")
            self.aotc("verify", model, *key, status=1, says="not one of this key")
            flip(model, at)
        self.aotc("verify", model, *key)
        signature = self.folder / "model.so.sig"
        for bad in (b"", signature.read_bytes()[:63], signature.read_bytes() + b"x"):
            signature.write_bytes(bad)
            self.aotc("run", model, *key, status=1, says="is no signature")
        self.aotc("run", self.archive(), *key, status=2, says="--require-signature")
        self.aotc("verify", model, status=2, says="--against")

    def test_other_files(self):
        self.keys("one")
        jar = self.compile("model.jar")
        self.aotc("sign", jar, "one.pub", "--key", "one")
        self.aotc("verify", jar, "--require-signature", "one.pub")
        self.aotc("verify", "one.pub", "--require-signature", "one.pub")
        self.assertEqual((self.folder / "model.jar.sig").stat().st_size, 64)


def main():
    global ARGS
    parser = argparse.ArgumentParser()
    parser.add_argument("--aotc", type=lambda p: Path(p).resolve(), required=True)
    parser.add_argument("--fixtures", type=lambda p: Path(p).resolve(), required=True)
    ARGS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
