#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests of aotc as a compiler: its surroundings, its outputs, its flags. Run as harness.py says."""
import json
import os
import re
import shutil
import stat
import sys
import threading
import zipfile
from pathlib import Path

import elf
import harness
from harness import ARGS, Case, archive, artifact, fixture, list_passes, sanitized, zeros


def enter(root):
    os.chroot(root)
    os.chdir("/")


class Toolchain(Case):
    """Without a C compiler, headers, a linker or an environment."""

    model = "seeds/conv_classifier_b"

    def expected(self):
        return self.compiled(self.model).read_bytes()

    def test_empty_environment(self):
        self.aotc(archive(self.model), "-o", "m.so", env={"PATH": ""})
        self.assertEqual((self.folder / "m.so").read_bytes(), self.expected())
        self.aotc(archive(self.model), "-o", "n.so", env={})
        self.assertEqual((self.folder / "n.so").read_bytes(), self.expected())

    def test_gcc_is_refused_without_one(self):
        self.aotc(archive(self.model), "-o", "m.so", "--backend=gcc", env={"PATH": ""}, status=4,
                  says=("no C compiler", "--backend=tcc"))
        self.assertEqual(self.left(), [])

    def test_runs_where_it_was_moved(self):
        program = self.folder / "elsewhere" / "renamed"
        program.parent.mkdir()
        shutil.copy(ARGS.aotc, program)
        for flags in ((), ("--emit=loops",), ("--emit=c",)):
            name = "m.c" if "--emit=c" in flags else "m.so"
            self.aotc(archive(self.model), "-o", name, *flags, program=program, env={"PATH": ""})
            moved = (self.folder / name).read_bytes()
            self.aotc(archive(self.model), "-o", name, *flags, env={"PATH": ""})
            self.assertEqual(moved, (self.folder / name).read_bytes())

    def test_nothing_but_the_program(self):
        """A root folder with aotc and its libraries: no /proc, no /dev, no headers."""
        if os.geteuid():
            self.skipTest("chroot is for root")
        if sanitized():
            self.skipTest("the sanitizers read /proc")
        root = self.folder / "root"
        listed = self.call(self.tool("ldd"), ARGS.aotc).stdout
        for library in set(re.findall(r"/[^\s()]+", listed)):
            (root / library[1:]).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, root / library[1:])
        (root / "tmp").mkdir()
        shutil.copy(ARGS.aotc, root / "aotc")
        shutil.copy(archive(self.model), root / "model.pt2")
        self.aotc("model.pt2", "-o", "m.so", program="/aotc", env={}, cwd=None, preexec_fn=lambda: enter(root))
        self.assertEqual((root / "m.so").read_bytes(), self.expected())
        self.assertEqual(os.listdir(root / "tmp"), [])


class Reproducible(Case):
    """The same archive and flags, the same bytes."""

    def compile_in(self, name, model, flags, **env):
        folder = self.folder / name
        (folder / "t").mkdir(parents=True)
        shutil.copy(archive(model), folder / "model.pt2")
        env = {**self.environment(), "TMPDIR": str(folder / "t"), **env}
        self.aotc("model.pt2", "-o", "m.so", *flags, cwd=folder, env=env)
        return (folder / "m.so").read_bytes()

    def both(self, backend, model):
        one = self.compile_in("one", model, (f"--backend={backend}", "-j1"))
        two = self.compile_in("a longer name", model, (f"--backend={backend}", "-j", "2"), LC_ALL="tr_TR.UTF-8",
                              TZ="Asia/Kathmandu", SOURCE_DATE_EPOCH="1")
        self.assertEqual(one, two)
        for path in (str(self.folder), "a longer name", str(ARGS.fixtures)):
            self.assertNotIn(path.encode(), one, "the artifact holds a path")
        return one

    def test_gcc(self):
        self.assertEqual(self.both("gcc", "seeds/conv_classifier_b"), artifact("conv", "gcc").read_bytes())

    def test_tcc(self):
        self.assertEqual(self.both("tcc", "seeds/conv_classifier_b"), artifact("conv").read_bytes())

    def test_tcc_again(self):
        self.assertEqual(self.both("tcc", "2.13.0/encoder"), artifact("encoder").read_bytes())

    def test_texts(self):
        for model in ("seeds/conv_classifier_b", "seeds/model_with_control_flow", "2.13.0/encoder",
                      "2.13.0/multi_model"):
            for emit, start in (("graph", "graph "), ("loops", "program ")):
                texts = {self.aotc(archive(model), f"--emit={emit}", "-o", "-").stdout for _ in range(2)}
                self.assertEqual(len(texts), 1, f"{model} as {emit} varies")
                text = texts.pop()
                self.assertTrue(text.startswith(start) and text.endswith("end\n"), text[:80])
                self.assertNotIn("0x7f", text)
                self.aotc(archive(model), f"--emit={emit}", "-o", "text")
                self.assertEqual((self.folder / "text").read_text(), text)


class Outputs(Case):
    """What -o names is made whole, or stays as it was."""

    model = "seeds/add_dynamic"

    def compile_to(self, output, **options):
        return self.aotc(archive(self.model), "-o", output, "--backend=tcc", **options)

    def test_device(self):
        before = os.stat("/dev/null")
        self.compile_to("/dev/null")
        after = os.stat("/dev/null")
        self.assertTrue(stat.S_ISCHR(after.st_mode))
        self.assertEqual((before.st_rdev, before.st_ino), (after.st_rdev, after.st_ino))

    def test_pipe(self):
        os.mkfifo(self.folder / "pipe")
        got = []
        reader = threading.Thread(target=lambda: got.append((self.folder / "pipe").read_bytes()), daemon=True)
        reader.start()
        self.compile_to("pipe")
        reader.join(20)
        self.assertTrue(stat.S_ISFIFO(os.lstat(self.folder / "pipe").st_mode))
        self.assertEqual(got, [self.compiled(self.model).read_bytes()])

    def test_missing_folder(self):
        self.compile_to("missing/m.so", status=5, says="missing/m.so")
        self.assertEqual(self.left(), [])

    def test_folder(self):
        (self.folder / "m.so").mkdir()
        self.compile_to("m.so", status=5, says="m.so")
        self.assertEqual(os.listdir(self.folder / "m.so"), [])

    def test_read_only_folder(self):
        place = self.folder / "closed"
        place.mkdir()
        place.chmod(0o555)
        nobody = {}
        if not os.geteuid():
            self.temporary.chmod(0o777)
            self.folder.chmod(0o755)
            nobody = {"user": 65534, "group": 65534, "extra_groups": []}
            try:
                readable = self.call(ARGS.aotc, "check", archive(self.model), **nobody).returncode == 0
            except PermissionError:
                readable = False
            if not readable:
                self.skipTest("another user cannot reach the build folder")
        self.compile_to("closed/m.so", status=5, says=("closed/m.so", "Permission denied"), **nobody)
        self.assertEqual(os.listdir(place), [])

    def test_special_folder(self):
        if not Path("/proc/self").exists():
            self.skipTest("no /proc")
        self.compile_to("/proc/m.so", status=5, says="/proc/m.so")

    def test_input_itself(self):
        shutil.copy(archive(self.model), self.folder / "m.pt2")
        (self.folder / "soft").symlink_to("m.pt2")
        os.link(self.folder / "m.pt2", self.folder / "hard")
        before = (self.folder / "m.pt2").read_bytes()
        for name in ("m.pt2", "./m.pt2", "soft", "hard"):
            self.usage("m.pt2", "-o", name, says=name)
        self.assertEqual((self.folder / "m.pt2").read_bytes(), before)

    def test_failure_leaves_the_old_output(self):
        old = self.folder / "m.so"
        old.write_bytes(b"old")
        (self.folder / "bad.pt2").write_bytes(archive(self.model).read_bytes()[:3000])
        broken = self.folder / "broken-cc"
        broken.write_text('#!/bin/sh\nfor w; do [ "$w" = --version ] && exit 0; done\necho no >&2; exit 1\n')
        broken.chmod(0o755)
        before = os.stat(old)
        self.aotc("bad.pt2", "-o", "m.so", status=1)
        self.aotc(archive("2.13.0/aoti_only"), "-o", "m.so", status=3)
        self.aotc(archive(self.model), "-o", "m.so", "--backend=gcc", "--cc", broken, status=4)
        after = os.stat(old)
        self.assertEqual(old.read_bytes(), b"old")
        self.assertEqual((before.st_ino, before.st_mtime_ns), (after.st_ino, after.st_mtime_ns))
        self.assertEqual(self.left(), ["bad.pt2", "broken-cc", "m.so"])

    def test_replaces_and_does_not_overwrite(self):
        old = self.folder / "m.so"
        old.write_bytes(b"old")
        with open(old, "rb") as held:
            self.compile_to("m.so")
            self.assertEqual(held.read(), b"old", "an artifact in use was written over")
        self.assertEqual(old.read_bytes()[:4], b"\x7fELF")

    def test_symlink_is_followed(self):
        (self.folder / "link.so").symlink_to("real.so")
        self.compile_to("link.so")
        self.assertTrue((self.folder / "link.so").is_symlink())
        self.assertEqual((self.folder / "real.so").read_bytes(), self.compiled(self.model).read_bytes())


class Flags(Case):
    """The flags of the compiler, and of the commands that compile."""

    conv = "seeds/conv_classifier_b"

    def test_unknown(self):
        model = archive("seeds/add_dynamic")
        for flag in ("--nope", "-z", "--backend=foo", "--emit=foo", "--target=foo", "--weights=foo", "--cpu=v5",
                     "--cpu=v34", "--cpu=", "-o", "--dim=s17", "--dim=s17=4..2", "--dim=s17=1x", "--dim=nope=3",
                     "--method=x", "--method==x", "--model=nope", "-j0", "-jx"):
            with self.subTest(flag=flag):
                words = re.match("(-j|[^=]*)=?(.*)", flag).groups()
                self.usage(model, flag, says="nope" if "nope" in flag else words)
        self.usage(model, model, says="second input")
        self.usage("-o", "m.so", says="no input")
        self.usage("check")
        self.usage("run")
        self.usage("run", "m.so", "--nope")
        self.assertEqual(self.left(), [])

    def test_depfile(self):
        folder = fixture("seeds/hybrid_model")
        shutil.copy(folder / "forward.pt2", self.folder / "my $model #1.pt2")
        words = ("my $model #1.pt2", "--method", f"encode={folder / 'encode.pt2'}", "-o", "m.so", "--backend=tcc",
                 "-MD")
        self.aotc(*words, "-MF", "missing/m.d", status=5, says="missing/m.d")
        self.aotc(*words, "-MF", "m.d")
        self.assertEqual((self.folder / "m.d").read_text(), f"m.so: my\\ $$model\\ \\#1.pt2 {folder / 'encode.pt2'}\n")
        self.aotc(archive(self.conv), "-MD", "-o", "n.so", "--backend=tcc")
        self.assertEqual((self.folder / "n.d").read_text(), f"n.so: {archive(self.conv)}\n")

    def test_methods_of_one_c_name(self):
        """Names that differ for the archive, but not as C identifiers."""
        folder = fixture("seeds/hybrid_model")
        names = ("en.code", "en_code", "en_code_2", "en-code")
        methods = [word for name in names for word in ("--method", f"{name}={folder / 'encode.pt2'}")]
        self.aotc(folder / "forward.pt2", *methods, "-o", "m.so", "--backend=tcc", "--cpu=v3")
        self.assertEqual([m["name"] for m in self.inspect("m.so")["methods"]], ["forward", *names])
        self.aotc(folder / "forward.pt2", *methods, "--emit=c", "--target=generic", "-o", "m.c")
        for name in ("en_code", "en_code_2", "en_code_2_2", "en_code_3"):
            self.assertIn(f"aot_status m_{name}_run(", (self.folder / "m.h").read_text())
        done = self.call("cc", "-std=c11", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "m.c")
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_dim_narrows(self):
        made = self.compiled(self.conv, "--dim", "s77=2..9")
        dims = self.inspect(made)["methods"][0]["inputs"][0]["dims"]
        self.assertEqual(dims, [{"size": "s77", "min": 2, "max": 9}, 3, 32, 32])
        self.run_like(made, 1)
        for size in (1, 10):
            (self.folder / "x.npy").write_bytes(zeros(size, 3, 32, 32))
            self.aotc("run", made, "--inputs", "x.npy", status=1, says=("x", "2..9", str(size)))
        for outside in ("0", "513", "1..513", "0..4"):
            self.usage(archive(self.conv), "-o", "no.so", "--dim", f"s77={outside}", says=("s77", "1..512"))

    def test_dim_specialises(self):
        made = self.compiled(self.conv, "--dim=s77=2")
        method = self.inspect(made)["methods"][0]
        self.assertEqual(method["inputs"][0]["dims"], [2, 3, 32, 32])
        self.assertEqual(method["outputs"][0]["dims"], [2, 10])
        self.run_like(made, 1)
        (self.folder / "x.npy").write_bytes(zeros(3, 3, 32, 32))
        self.aotc("run", made, "--inputs", "x.npy", status=1, says=("x", " 3", " 2"))

    def run_like(self, made, case, *flags):
        """Runs a recorded case; aotc compares with what PyTorch computed."""
        expected = self.folder / "expected"
        expected.mkdir(exist_ok=True)
        shutil.copy(fixture(self.conv) / f"case{case}_out_0.npy", expected / "000.npy")
        return self.aotc("run", made, "--inputs", fixture(self.conv) / f"case{case}_in_0.npy", "--expect", expected,
                         *flags).stdout

    def test_cpu(self):
        for flag in ("v3", "x86-64-v4", "v3,v4"):
            made = self.compiled(self.conv, f"--cpu={flag}")
            self.assertEqual(self.inspect(made)["isa"], [f"x86-64-{v}" for v in ("v4", "v3") if v in flag])
            names = " ".join(symbol.name for symbol in elf.Elf(made).symbols(".symtab"))
            for level in ("v3", "v4"):
                self.assertEqual(f"_{level}" in names, level in flag, f"kernels of {level} with --cpu={flag}")
        self.assertEqual(len(self.inspect(self.compiled(self.conv, "--cpu=native"))["isa"]), 1)

    def test_isa_is_forced(self):
        only = self.compiled(self.conv, "--cpu=v3")
        for made in (only, artifact("conv", "gcc"), artifact("conv")):
            self.assertIn("x86-64-v3\n", self.run_like(made, 2, "--isa", "x86-64-v3"))
        self.aotc("run", only, "--isa", "x86-64-v4", "--inputs", fixture(self.conv) / "case0_in_0.npy", status=3,
                  says="x86-64-v4")

    def test_time_passes(self):
        said = self.aotc(archive(self.conv), "-o", "m.so", "--backend=tcc", "--time-passes").stderr
        timed = [line.split()[0] for line in said.splitlines()]
        self.assertEqual([name for name in timed if name in list_passes()], list_passes())
        self.assertLessEqual({"import", "tcc", "link"}, set(timed))
        self.assertTrue(all(line.endswith(" ms") for line in said.splitlines()), said)

    def test_dump(self):
        flags = ("-o", "m.so", "--backend=tcc")
        self.assertIn("\n== lower\nprogram forward\n", self.aotc(archive(self.conv), *flags, "--dump=all").stderr)
        for name in ("decompose", "fold_constants", "lower"):
            said = self.aotc(archive(self.conv), *flags, f"--dump=after:{name}").stderr
            self.assertEqual(re.findall(r"^== (.*)$", said, re.MULTILINE), [name])

    def test_cache(self):
        run = ("run", archive(self.conv), "--cache", "kept", "--backend=tcc", "--inputs",
               fixture(self.conv) / "case0_in_0.npy", "--outputs", "out")
        self.aotc(*run)
        kept, = (self.folder / "kept").iterdir()
        before = os.stat(kept)
        self.aotc(*run, env={"PATH": "", "TMPDIR": "/missing"})
        after = os.stat(kept)
        self.assertEqual((before.st_ino, before.st_mtime_ns), (after.st_ino, after.st_mtime_ns))
        copy = self.folder / "another name.pt2"
        shutil.copy(archive(self.conv), copy)
        self.aotc("run", copy, *run[2:])
        self.assertEqual(len(os.listdir(self.folder / "kept")), 1, "found again by content")
        self.aotc(*run, "--cpu=v3")
        self.aotc(*run, "--dim=s77=1")
        self.assertEqual(len(os.listdir(self.folder / "kept")), 3)

    def test_check(self):
        said = self.aotc("check", archive("2.13.0/encoder")).stdout
        self.assertIn("compiles, 1 method", said)
        odd = self.folder / "odd.pt2"
        with zipfile.ZipFile(archive(self.conv)) as old, zipfile.ZipFile(odd, "w") as new:
            for name in old.namelist():
                new.writestr(name, old.read(name).replace(b"ops.aten.relu_.default", b"ops.aten.unheard_.default"))
        done = self.aotc("check", "odd.pt2", status=3, says="not supported")
        self.assertRegex(done.stdout, r"^aten\.unheard_\.default\s+make_models\.py:\d+ \S.*\n$")
        self.aotc("odd.pt2", "-o", "odd.so", status=3, says=("make_models.py:", "aten.unheard_.default"))
        self.assertEqual(self.left(), ["odd.pt2"])


class Promises(Case):
    """What is written is done, and what is not done is refused, never ignored."""

    def made(self, *flags):
        return self.call(ARGS.aotc, archive("seeds/add_dynamic"), "-o", "m.so", "--backend=tcc", *flags)

    def test_dump_names_every_pass(self):
        said = self.made("--dump=all").stderr
        self.assertEqual(re.findall(r"^== (.*)$", said, re.MULTILINE), ["import", *list_passes()])

    def test_dump_of_no_pass(self):
        for word in ("after:nope", "foo", ""):
            with self.subTest(word=word):
                self.assertEqual(self.made(f"--dump={word}").returncode, 2)

    def test_report(self):
        done = self.made("--report=r.json")
        if done.returncode != 2:
            json.loads((self.folder / "r.json").read_text())

    def test_target_of_a_shared_object(self):
        self.assertEqual(self.made("--target=aarch64").returncode, 2)

    def test_jobs(self):
        self.assertEqual(self.made("-j", "2x").returncode, 2)

    def test_named_compiler_is_missing(self):
        done = self.call(ARGS.aotc, archive("seeds/add_dynamic"), "-o", "m.so", "--cc=no-such-compiler")
        self.assertEqual(done.returncode, 4, "another compiler than --cc was taken")

    def test_depfile_without_a_name(self):
        shutil.copy(archive("seeds/add_dynamic"), self.folder / "plus.pt2")
        self.aotc("plus.pt2", "-MD", "--backend=tcc")
        self.assertIn(self.left(), (["plus.d", "plus.pt2", "plus.so"], ["plus.pt2", "plus.so", "plus.so.d"]))

    def test_no_input_is_written_over(self):
        for role in ("-o", "-MF"):
            for name in ("forward.pt2", "encode.pt2"):
                for file in ("forward.pt2", "encode.pt2"):
                    shutil.copy(fixture("seeds/hybrid_model") / file, self.folder)
                before = (self.folder / name).read_bytes()
                flags = ["-o", "m.so"] if role == "-MF" else []
                done = self.call(ARGS.aotc, "forward.pt2", "--method", "encode=encode.pt2", "--backend=tcc", *flags,
                                 role, name)
                with self.subTest(role=role, name=name):
                    self.assertEqual(((self.folder / name).read_bytes() == before, done.returncode), (True, 2))

    def test_header_beside_a_device(self):
        (self.folder / "null").symlink_to("/dev/null")
        self.call(ARGS.aotc, archive("seeds/add_dynamic"), "--emit=obj", "-o", "null")
        self.assertEqual(self.left(), ["null"])

    def test_none_has_no_bytes(self):
        self.aotc(archive("2.13.0/nested"), "-o", "m.so", "--backend=tcc")
        said = self.call(ARGS.host[0], "outputs", "m.so").stdout
        self.assertIn("sum 24\n", said)
        self.assertIn("none 0\n", said)


if __name__ == "__main__":
    sys.exit(harness.main(sys.modules[__name__]))
