#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests of aotc keygen, sign and --require-signature.

    test_store.py --aotc BIN --fixtures DIR [-k WORD]
"""
import argparse
import base64
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
