# SPDX-License-Identifier: MIT
"""The installed package, as others use it: test_package.py --build DIR --cmake CMAKE --cc CC PART

PART is files, pkg-config, project, cross or cpack. What a part needs and this machine lacks (ninja, pkg-config, a
cross compiler with qemu, dpkg) is left out, and said.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
FIXTURES = HERE.parent / "fixtures"
sys.path.insert(0, str(HERE.parent / "emit_c"))
import check_emit_c as emitted  # noqa: E402  the large model, .npy files

WANTED = ["bin/aotc", "LIB/libaotrt.so", "LIB/libaotrt.a", "include/aot.h", "LIB/cmake/aotc/aotcConfig.cmake",
          "LIB/cmake/aotc/aotcConfigVersion.cmake", "LIB/cmake/aotc/aotcModel.cmake", "LIB/pkgconfig/aotc.pc",
          "share/man/man1/aotc.1", "share/bash-completion/completions/aotc", "share/zsh/site-functions/_aotc",
          "share/doc/aotc/LICENSE", "share/doc/aotc/docs/abi.md"]


class Problem(Exception):
    """What is wrong; ends the part."""


def call(*command, cwd=None, env=None, status=0):
    done = subprocess.run([str(c) for c in command], cwd=cwd, capture_output=True, text=True, errors="replace",
                          env=dict(os.environ, **(env or {})))
    if done.returncode != status:
        raise Problem(f"{' '.join(str(c) for c in command)}: status {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return done.stdout


def install(args, scratch):
    """The prefix after a move, and its library folder."""
    call(args.cmake, "--install", args.build, "--prefix", scratch / "first")
    prefix = scratch / "moved" / "to here"
    prefix.parent.mkdir()
    (scratch / "first").rename(prefix)
    return prefix, next(prefix.glob("lib*/**/pkgconfig")).parent


# ---- The parts ---------------------------------------------------------------------------------------

def check_files(args, scratch):
    prefix, lib = install(args, scratch)
    for name in WANTED:
        file = prefix / name.replace("LIB", str(lib.relative_to(prefix)))
        if not file.exists() or not file.stat().st_size:
            raise Problem(f"{name} is not installed")
    for file in [*lib.glob("cmake/aotc/*"), lib / "pkgconfig/aotc.pc"]:
        text = file.read_text()
        for path in (scratch / "first", args.build, HERE.parent.parent):
            if str(path) in text:
                raise Problem(f"{file.name} names {path}: it cannot be moved")
    call(prefix / "bin/aotc", FIXTURES / "seeds/add/model.pt2", "-o", scratch / "add.so")
    said = call(prefix / "bin/aotc", "--version")
    config = (lib / "cmake/aotc/aotcConfigVersion.cmake").read_text()
    if f'PACKAGE_VERSION "{said.split()[1]}"' not in config:
        raise Problem(f"another version than {said}")


def check_pkg_config(args, scratch):
    prefix, lib = install(args, scratch)
    if not shutil.which("pkg-config"):
        return print("no pkg-config: left out")
    env = {"PKG_CONFIG_PATH": str(lib / "pkgconfig")}
    ask = lambda *what: call("pkg-config", *what, "aotc", env=env).strip().replace("\\ ", "\0").split()
    plain = lambda *what: [word.replace("\0", " ") for word in ask(*what)]
    aotc, = plain("--variable=aotc")
    call(aotc, FIXTURES / "seeds/conv_classifier_b/model.pt2", "-o", scratch / "artifact.so", "--backend=tcc")
    define = f'-DARTIFACT="{scratch / "artifact.so"}"'
    call(args.cc, "-std=c11", HERE / "project/host.c", define, *plain("--cflags", "--libs"), "-o", scratch / "shared")
    call(scratch / "shared", env={"LD_LIBRARY_PATH": str(lib)})
    static = plain("--cflags", "--libs", "--static")
    static[static.index("-laotrt")] = "-l:libaotrt.a"
    call(args.cc, "-std=c11", HERE / "project/host.c", define, *static, "-o", scratch / "static")
    call(scratch / "static")


def make_project(scratch):
    """The project with its models, and the arguments of its program."""
    place = scratch / "project"
    shutil.copytree(HERE / "project", place)
    models = place / "models"
    models.mkdir()
    hybrid = FIXTURES / "seeds/hybrid_model"
    shutil.copy(FIXTURES / "seeds/conv_classifier_b/model.pt2", models / "classifier.pt2")
    for name in ("forward", "encode", "decode"):
        shutil.copy(hybrid / f"{name}.pt2", models)
    with zipfile.ZipFile(FIXTURES / "2.13.0/add/model.pt2") as old, zipfile.ZipFile(models / "custom.pt2", "w") as new:
        for info in old.infolist():
            new.writestr(zipfile.ZipInfo(info.filename),
                         old.read(info).replace(b"torch.ops.aten.add.Tensor", b"torch.ops.mylib.join.default"))
    source = scratch / "large"
    source.mkdir()
    emitted.large_model(source)
    shutil.copy(source / "model.pt2", models / "large.pt2")
    words = []
    for file in (FIXTURES / "seeds/conv_classifier_b/case0_in_0.npy", FIXTURES / "seeds/conv_classifier_b/case0_out_0.npy",
                 hybrid / "case0_in_0.npy", hybrid / "case0_out_0.npy", source / "x.npy", source / "y.npy"):
        raw = scratch / f"{len(words)}.bin"
        raw.write_bytes(emitted.read_npy(file)[2])
        words.append(raw)
    return place, words


def made(folder):
    """When each output of the build was written."""
    return {file: file.stat().st_mtime_ns for file in folder.rglob("*")
            if file.suffix in (".c", ".o", ".a", ".so") or file.name in ("app", "host_aotrt")}


def rebuilt(args, out, change):
    """The names of what a build makes anew after a change."""
    before = made(out)
    time.sleep(1.1)  # make compares whole seconds on some file systems
    change()
    call(args.cmake, "--build", out)
    after = made(out)
    return {file.name for file in after if after[file] != before.get(file)}


def check_project(args, scratch):
    prefix, _ = install(args, scratch)
    place, words = make_project(scratch)
    generators = ["Unix Makefiles"] + (["Ninja"] if shutil.which("ninja") else [])
    for generator in generators:
        out = scratch / f"out {generator}"
        call(args.cmake, "-S", place, "-B", out, "-G", generator, f"-DCMAKE_PREFIX_PATH={prefix}",
             f"-DCMAKE_C_COMPILER={args.cc}", "-DCMAKE_BUILD_TYPE=Debug")
        call(args.cmake, "--build", out)
        call(out / "app", *words)
        call(out / "host_aotrt")
        call(out / "host_aotrt_static")
        steps = [(lambda: None, set()),
                 (lambda: (place / "main.c").touch(), {"main.c.o", "app"}),
                 (lambda: (place / "models/decode.pt2").touch(), {"2-hybrid.c", "2-hybrid.c.o", "lib2-hybrid.a", "app"}),
                 (lambda: (place / "models/classifier.pt2").touch(), {"classifier.c", "classifier.c.o", "libclassifier.a",
                                                                      "artifact.so", "app"}),
                 (lambda: (place / "join.c").touch(), {"custom.c", "custom.c.o", "join.c.o", "libcustom.a",
                                                       "custom_artifact.so", "app"})]
        for i, (change, most) in enumerate(steps if generator == "Unix Makefiles" else steps[::2]):
            found = rebuilt(args, out, change) - {"main.c.o", "2-hybrid.weights.c.o", "custom.weights.c.o"}
            if found != most - {"main.c.o"}:
                raise Problem(f"{generator}, step {i}: {sorted(found)} was built, expected {sorted(most)}")
        call(out / "app", *words)
    (place / "models/classifier.pt2").write_bytes(b"no archive")
    call(args.cmake, "--build", out, status=2 if generator == "Unix Makefiles" else 1)
    if not shutil.which("ninja"):
        print("no ninja: only make was tried")


def check_cross(args, scratch):
    if not shutil.which("aarch64-linux-gnu-gcc") or not shutil.which("qemu-aarch64"):
        return print("no aarch64 compiler with qemu: left out")
    prefix, _ = install(args, scratch)
    place, words = make_project(scratch)
    out = scratch / "out"
    call(args.cmake, "-S", place, "-B", out, f"-DCMAKE_PREFIX_PATH={prefix}", "-DCMAKE_BUILD_TYPE=Release",
         f"-DCMAKE_TOOLCHAIN_FILE={HERE / 'toolchain-aarch64.cmake'}")
    call(args.cmake, "--build", out)
    said = call("qemu-aarch64", "-L", "/usr/aarch64-linux-gnu", out / "app", *words)
    if "app done" not in said:
        raise Problem(said)


def run_packaged(root, scratch):
    """The program out of an unpacked package compiles; what it needs is on this machine, which built it."""
    call(root / "bin/aotc", FIXTURES / "seeds/add/model.pt2", "-o", scratch / "add.so", "--backend=tcc")
    call(root / "bin/aotc", "inspect", scratch / "add.so")


def check_cpack(args, scratch):
    cpack = Path(args.cmake).with_name("cpack")
    debian = all(map(shutil.which, ("dpkg-deb", "dpkg-shlibdeps", "file")))
    for kind in ["TGZ"] + (["DEB"] if debian else []):
        call(cpack, "--config", args.build / "CPackConfig.cmake", "-G", kind, "-B", scratch / kind, cwd=scratch)
    archive, = (scratch / "TGZ").glob("*.tar.gz")
    (scratch / "tar").mkdir()
    call("tar", "-xzf", archive, "-C", scratch / "tar")
    run_packaged(next((scratch / "tar").glob("**/bin")).parent, scratch)
    if not debian:
        return print("no dpkg-shlibdeps or file: no .deb was made")
    package, = (scratch / "DEB").glob("*.deb")
    needs = call("dpkg-deb", "-f", package, "Depends")
    for library in ("libc6", "libelf1", "libzip", "libcjson1", "libssl", "libsodium"):
        if library not in needs:
            raise Problem(f"the package does not depend on {library}: {needs}")
    call("dpkg-deb", "-x", package, scratch / "deb")
    listed = {str(p.relative_to(scratch / "deb" / "usr")) for p in (scratch / "deb").rglob("*") if p.is_file()}
    for name in WANTED:
        if not any(re.fullmatch(name.replace("LIB", "lib(/[^/]+)?").replace(".", r"\."), file) for file in listed):
            raise Problem(f"{name} is not in the package")
    run_packaged(scratch / "deb" / "usr", scratch)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--cmake", default="cmake")
    parser.add_argument("--cc", default="gcc")
    parser.add_argument("part")
    args = parser.parse_args()
    args.build = args.build.resolve()
    parts = {"files": check_files, "pkg-config": check_pkg_config, "project": check_project, "cross": check_cross,
             "cpack": check_cpack}
    with tempfile.TemporaryDirectory(prefix="aotc-package-") as scratch:
        try:
            parts[args.part](args, Path(scratch).resolve())
        except Problem as problem:
            print(f"{args.part}: {problem}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
