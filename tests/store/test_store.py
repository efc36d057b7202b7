#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests of --meta, aotc keygen, sign, --require-signature and store.

    test_store.py --aotc BIN --fixtures DIR [-k WORD]
"""
import argparse
import base64
import hashlib
import json
import os
import resource
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
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None # fsync of a busy disk takes long
        self.folder = Path(tempfile.mkdtemp(prefix="aotc-store-", dir=memory))
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
                  "--cpu=v3", "--winograd=2", "--keep-intermediates=relu*")
        digest = hashlib.sha256((folder / "encode.pt2").read_bytes()).hexdigest()
        facts = self.facts("m.so")
        self.assertEqual(facts["flags"], ["--cpu=v3", "--winograd=2", "--keep-intermediates=relu*", f"--method=encode=sha256:{digest}"])
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


class Store(Base):
    VERSIONS = ("1.0.0", "1.2.0", "1.10.0")

    def make(self, name="net", version="1.0.0", output="m.so", **more):
        (self.folder / "meta.json").write_text(json.dumps({"name": name, "version": version} | more))
        return self.compile(output, "--meta", "meta.json", name="add")

    def add(self, *words, **options):
        return self.aotc("store", "add", "S", self.make(**options), *words).strip()

    def three(self, *words):
        for version in self.VERSIONS:
            self.add(*words, version=version, description=f"version {version}", metrics={"loss": 0.5})

    def version(self, version="1.2.0", name="net"):
        return self.folder / "S" / name / f"v{version}"

    def damaged(self, says, *words, version="1.2.0"):
        """verify names the one version and looks at the others; get takes nothing of it."""
        done = subprocess.run([ARGS.aotc, "store", "verify", "S", *words], capture_output=True, text=True, cwd=self.folder)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertFalse(any(word in done.stderr for word in SANITIZER), done.stderr)
        self.assertIn(says, done.stderr)
        self.assertEqual(done.stdout.count(": ok"), 2, done.stdout)
        self.assertIn(f"net@{version}: FAILED", done.stdout)
        self.aotc("store", "get", "S", f"net@{version}", "-o", "got.so", *words, status=1, says=says)
        self.aotc("store", "verify", "S", "net@1.10.0", *words)
        self.assertFalse((self.folder / "got.so").exists())

    def test_round_trip(self):
        self.three()
        self.assertEqual([line.split()[:2] for line in self.aotc("store", "list", "S").splitlines()],
                         [["net", version] for version in self.VERSIONS])
        facts = json.loads(self.aotc("store", "list", "S", "net", "--json"))
        self.assertEqual([f["version"] for f in facts], list(self.VERSIONS))
        self.assertEqual((facts[0]["description"], facts[0]["signed"]), ("version 1.0.0", False))
        self.assertEqual(self.aotc("store", "verify", "S").count(": ok"), 3)
        self.assertIn("net@1.2.0: ok", self.aotc("store", "verify", "S", "net@1.2.0"))
        self.aotc("store", "get", "S", "net")
        self.assertEqual((self.folder / "net.so").read_bytes(), (self.version("1.10.0") / "model.so").read_bytes())
        self.aotc("store", "get", "S", "net@1.2.0", "-o", "got.so")
        self.assertEqual((self.folder / "got.so").read_bytes(), (self.version() / "model.so").read_bytes())
        self.assertEqual(json.loads(self.aotc("inspect", "got.so", "--json"))["version"], "1.2.0")
        self.assertIn("version    1.0.0", self.aotc("store", "show", "S", "net@1.0.0"))
        self.assertEqual(json.loads(self.aotc("store", "show", "S", "net", "--json"))["version"], "1.10.0")
        subprocess.run(["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=self.version(), check=True, capture_output=True)
        meta = json.loads((self.version() / "metadata.json").read_text())
        self.assertEqual((meta["version"], meta["metrics"]), ("1.2.0", {"loss": 0.5}))

    def test_same_bytes(self):
        """Two stores of the same artifacts are the same."""
        self.three()
        shutil.move(self.folder / "S", self.folder / "T")
        self.three()
        for path in (self.folder / "T").rglob("*"):
            if path.is_file():
                other = self.folder / "S" / path.relative_to(self.folder / "T")
                self.assertEqual(path.read_bytes(), other.read_bytes())

    def test_jar(self):
        self.add(output="m.jar")
        self.assertTrue((self.version("1.0.0") / "model.jar").exists())
        self.aotc("store", "verify", "S")
        self.aotc("store", "get", "S", "net")
        self.assertEqual((self.folder / "net.jar").read_bytes(), (self.folder / "m.jar").read_bytes())

    def test_order(self):
        """Precedence as semver.org has it."""
        versions = ["1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11",
                    "1.0.0-rc.1", "1.0.0", "1.0.0+build", "1.0.1", "1.9.0", "1.10.0", "1.99999999999999999999999.0",
                    "2.0.0-rc.1"]
        for version in versions[::2] + versions[1::2]:
            self.add(version=version)
        self.add(name="other", version="0.1.0-rc.1")
        listed = json.loads(self.aotc("store", "list", "S", "net", "--json"))
        self.assertEqual([f["version"] for f in listed], versions)
        self.assertIn("net@1.99999999999999999999999.0", self.aotc("store", "get", "S", "net"))
        self.assertIn("other@0.1.0-rc.1", self.aotc("store", "get", "S", "other"))

    def test_tampered(self):
        self.three()
        one = self.version()
        for name in ("model.so", "metadata.json", "SHA256SUMS"):
            kept = (one / name).read_bytes()
            for at in (0, len(kept) // 2, len(kept) - 1):
                flip(one / name, at)
                self.damaged("v1.2.0/")
                (one / name).write_bytes(kept)
            (one / name).write_bytes(kept[:-1])
            self.damaged("v1.2.0/")
            (one / name).unlink()
            self.damaged(name)
            (one / name).mkdir()
            self.damaged("regular file")
            (one / name).rmdir()
            (self.folder / "outside").write_bytes(kept)
            (one / name).symlink_to(self.folder / "outside")
            self.damaged("is a link")
            (one / name).unlink()
            (one / name).write_bytes(kept)
        (one / "extra").write_bytes(b"x")
        self.damaged("is not in SHA256SUMS")
        (one / "extra").unlink()
        sums = (one / "SHA256SUMS").read_text()
        digest = hashlib.sha256(b"x").hexdigest()
        (self.folder / "x").write_bytes(b"x")
        for line in (f"{digest}  ../../../x\n", f"{digest}  /etc/passwd\n", f"{digest}  .x\n", f"{digest}  SHA256SUMS\n",
                     f"{digest} *extra\n", f"{digest[:-1]}g  extra\n", digest, f"{digest}\n", "\n", f"{digest}  model.so\n",
                     f"{digest}  a\0b\n", f"{digest}  \n"):
            (one / "SHA256SUMS").write_text(sums + line)
            self.damaged("SHA256SUMS: line 3")
        (one / "SHA256SUMS").write_text("")
        self.damaged("does not name")
        (one / "SHA256SUMS").write_text(sums)
        self.assertEqual(self.aotc("store", "verify", "S").count(": ok"), 3)

    def rehash(self, folder):
        files = sorted(p for p in folder.iterdir() if not p.name.startswith("SHA256SUMS"))
        (folder / "SHA256SUMS").write_text(
            "".join(f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.name}\n" for p in files))

    def test_tampered_with_care(self):
        """With hashes that fit: what the metadata, the artifact and the folders say must agree."""
        self.three()
        one = self.version()
        kept = (one / "metadata.json").read_text()
        (one / "metadata.json").write_text(kept.replace("0.5", "0.1"))
        self.rehash(one)
        self.damaged("is not what model.so says")
        (one / "metadata.json").write_text(kept)
        (one / "Makefile").write_text("all:")
        self.rehash(one)
        self.damaged("is no part of a version")
        (one / "Makefile").unlink()
        self.rehash(one)
        shutil.rmtree(one)
        shutil.copytree(self.version("1.0.0"), one)
        self.damaged("another model or version")

    def test_signed(self):
        for name in ("one", "two"):
            self.aotc("keygen", name)
        key = ("--require-signature", "one.pub")
        self.three("--key", "one")
        self.assertTrue(all(f["signed"] for f in json.loads(self.aotc("store", "list", "S", "--json"))))
        self.assertEqual(self.aotc("store", "verify", "S", *key).count("signed by the key"), 3)
        self.aotc("store", "get", "S", "net@1.2.0", "-o", "net.so", *key)
        self.aotc("verify", "net.so", *key)
        self.aotc("verify", "net.so", "--require-signature=two.pub", status=1)
        self.aotc("store", "get", "S", "net", "-o", "got.so", "--require-signature", "two.pub", status=1, says="this key")
        self.assertFalse((self.folder / "got.so").exists())
        one = self.version()
        flip(one / "SHA256SUMS.sig", 5)
        self.damaged("not one of this key", *key)
        (one / "SHA256SUMS.sig").unlink()
        self.damaged("is not signed", *key)
        self.aotc("store", "verify", "S")
        shutil.rmtree(one)
        self.aotc("store", "add", "S", self.make(version="1.2.0", description="other"), "--key", "two")
        self.damaged("not one of this key", *key)
        self.rehash(one)
        shutil.copy(self.version("1.0.0") / "SHA256SUMS.sig", one)
        self.damaged("not one of this key", *key)
        self.aotc("store", "add", "S", self.make(version="3.0.0"), "--key", "one.pub", status=1, says="secret key")
        self.assertFalse(self.version("3.0.0").exists())

    def test_add_refuses(self):
        self.add()
        before = {p: p.read_bytes() for p in (self.folder / "S").rglob("*") if p.is_file()}
        self.aotc("store", "add", "S", self.make(description="other"), status=1, says="never replaced")
        self.compile("plain.so", name="add")
        self.aotc("store", "add", "S", "plain.so", status=1, says=("no version", "--meta"))
        (self.folder / "text").write_text("text")
        self.aotc("store", "add", "S", "text", status=1)
        self.aotc("store", "add", "S", "absent.so", status=1, says="absent.so")
        self.aotc("store", "add", "S", "S", status=1, says="regular file")
        self.aotc("store", "add", "S", ARGS.fixtures / "seeds/add/model.pt2", status=1, says="model.pt2")
        self.aotc("store", "add", "S", status=2)
        self.aotc("store", "add", "text", "plain.so", status=5)
        after = {p: p.read_bytes() for p in (self.folder / "S").rglob("*") if p.is_file()}
        self.assertEqual(before, after)
        self.assertEqual([p.name for p in (self.folder / "S").iterdir()], ["net"])

    def test_hostile_names(self):
        """What an artifact says of itself does not lead out of the store."""
        model = self.make(name="a" * 20, version="1.0.0")
        data = model.read_bytes()
        for name in ("../../../../escape00", "./aaaaaaaaaaaaaaaaaa", ".aaaaaaaaaaaaaaaaaaa", "a/aaaaaaaaaaaaaaaaaa"):
            (self.folder / "bad.so").write_bytes(data.replace(b"a" * 20, name.encode()))
            self.aotc("store", "add", "S", "bad.so", status=1, says="cannot be a folder")
        (self.folder / "bad.so").write_bytes(data.replace(b'"version":"1.0.0"', b'"version":"../.0"'))
        self.aotc("store", "add", "S", "bad.so", status=1, says="cannot be a folder")
        self.assertEqual(list((self.folder / "S").iterdir()), [])
        self.add()
        for spec in ("../net", "net@../v1.0.0", "net@", "@1.0.0", "net@v1.0.0", ".", "net@1.0", "net/v1.0.0"):
            self.aotc("store", "get", "S", spec, status=2)
        self.aotc("store", "get", "S", "other", status=1, says="has no other")
        self.aotc("store", "get", "S", "net@2.0.0", status=1, says="has no net@2.0.0")
        self.aotc("store", "list", "absent", status=1, says="absent")
        os.symlink(self.folder / "S" / "net", self.folder / "S" / "linked")
        os.symlink(self.version("1.0.0"), self.version("2.0.0"))
        (self.folder / "S" / ".hidden" / "v1.0.0").mkdir(parents=True)
        (self.folder / "S" / "net" / "v1").mkdir()
        self.assertEqual(len(self.aotc("store", "list", "S").splitlines()), 1)

    def test_damaged_list(self):
        self.three()
        (self.version() / "metadata.json").write_text("{")
        done = subprocess.run([ARGS.aotc, "store", "list", "S"], capture_output=True, text=True, cwd=self.folder)
        self.assertEqual((done.returncode, len(done.stdout.splitlines())), (1, 2), done.stderr)
        self.assertIn("v1.2.0/metadata.json", done.stderr)

    def test_interrupted(self):
        """A full disk leaves nothing; what a killed process has left is removed by the next."""
        model = self.make()
        self.aotc("store", "add", "S", model, status=5,
                  preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10000, 10000)))
        self.assertEqual(list((self.folder / "S").iterdir()), [])
        left = self.folder / "S" / ".add-00000000"
        left.mkdir()
        (left / "model.so").write_bytes(b"half")
        self.assertEqual(self.aotc("store", "list", "S"), "")
        self.aotc("store", "add", "S", model)
        self.assertFalse(left.exists())
        self.assertEqual(self.aotc("store", "verify", "S"), "net@1.0.0: ok\n")

    def test_weights_beside(self):
        """A file of weights goes where its artifact goes, and never in the place of another's."""
        self.aotc("keygen", "one")
        key, weights = ("--require-signature", "one.pub"), self.folder / "m.w"
        for version in ("1.0.0", "2.0.0"):
            model = self.make(version=version)
            model.write_bytes(model.read_bytes().replace(b'"torch":"2.13.0+cpu"', b'"weights_file":"m.w"'))
            weights.write_text(f"weights of {version}")
            self.aotc("store", "add", "S", model, "--key", "one")
        names = sorted(p.name for p in self.version("1.0.0").iterdir())
        self.assertEqual(names, ["SHA256SUMS", "SHA256SUMS.sig", "m.w", "m.w.sig", "metadata.json", "model.so", "model.so.sig"])
        for name in ("out", "other"):
            (self.folder / name).mkdir()
        self.aotc("store", "get", "S", "net@1.0.0", "-o", "out/a.so", *key)
        for name in ("a.so", "m.w"):
            self.aotc("verify", f"out/{name}", *key)
        self.assertEqual((self.folder / "out" / "m.w").read_text(), "weights of 1.0.0")
        self.aotc("store", "get", "S", "net@1.0.0", "-o", "out/b.so", *key)
        self.aotc("store", "get", "S", "net@2.0.0", "-o", "out/c.so", status=1, says="out/m.w: is there already")
        self.aotc("store", "get", "S", "net@2.0.0", "-o", "other/c.so", *key)
        flip(self.version("1.0.0") / "m.w", 5)
        self.aotc("store", "get", "S", "net@1.0.0", "-o", "other/a.so", status=1, says="m.w: has been changed")
        weights.unlink()
        self.aotc("store", "add", "S", model, status=1, says="m.w")
        for name in (b"../", b"m/w", b".mw"):
            bad = self.folder / "bad.so"
            bad.write_bytes(model.read_bytes().replace(b'"m.w"', b'"' + name + b'"'))
            self.aotc("store", "add", "S", bad, status=1, says="none that a store can have")

    def test_at_once(self):
        """Of several that add one version, one does; others are added beside it."""
        models = [self.make(version=version, output=f"m{i}.so", description=f"number {i}")
                  for i, version in enumerate(("1.0.0", "1.0.0", "1.0.0", "2.0.0"))]
        running = [subprocess.Popen([ARGS.aotc, "store", "add", "S", m], cwd=self.folder, stderr=subprocess.PIPE,
                                    stdout=subprocess.DEVNULL) for m in models]
        said = [process.communicate()[1] for process in running]
        codes = [process.returncode for process in running]
        self.assertEqual((sorted(codes[:3]), codes[3]), ([0, 1, 1], 0), said)
        self.assertEqual(self.aotc("store", "verify", "S").count(": ok"), 2)
        self.assertEqual((self.version("1.0.0") / "model.so").read_bytes(), models[codes.index(0)].read_bytes())

    def test_words(self):
        for words in ((), ("remove", "S"), ("add",), ("get", "S"), ("show", "S"), ("get", "S", "a", "b"), ("list", "S", "--all"),
                      ("list", "S", "a/b")):
            self.aotc("store", *words, status=2)
        self.assertIn("NAME[@VERSION]", self.aotc("store", "--help"))


def main():
    global ARGS
    parser = argparse.ArgumentParser()
    parser.add_argument("--aotc", type=lambda p: Path(p).resolve(), required=True)
    parser.add_argument("--fixtures", type=lambda p: Path(p).resolve(), required=True)
    ARGS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
