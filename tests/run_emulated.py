#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Code for AVX-512 on a machine that has none: fixtures and test programs in Bochs, which emulates a Skylake-X.

    run_emulated.py --aotc BIN [--seconds N] [--program BIN]... [FOLDER]...

Fixtures (as for run_fixtures.py; those without state) are compiled here with --cpu=v4. A Linux starts in Bochs, runs their
cases and the programs, and sends what the cases wrote back, which is compared here as run_fixtures.py does. Of programs the
status counts. One line per problem, then `N passed, N failed`. Status 0 when nothing failed and something passed.

Emulation is some thousand times slower than the processor: fixtures of operators take two minutes, most programs of tests/kernels five
(igemm: an hour). The double FMA of Bochs 2.7 is wrong where products cancel, which test_kernels_rt sees.

Needs, besides what run_fixtures.py does, what Debian has in bochs, bochs-sdl, bochsbios, vgabios, busybox-static, cpio, isolinux,
syslinux-common and xorriso, and a kernel, of the package linux-image-cloud-amd64, unpacked or installed: --kernel names it.
"""
import argparse
import base64
import glob
import gzip
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import run_fixtures

TOOLS = {"busybox": "busybox-static", "cpio": "cpio", "xorriso": "xorriso", "bochs": "bochs"}
BOOT = ["/usr/lib/ISOLINUX/isolinux.bin", "/usr/lib/syslinux/modules/bios/ldlinux.c32"]
APPLETS = "sh mount echo mkdir tar gzip base64 sleep poweroff"

# Bochs reports a size of compacted XSAVE areas that Linux does not believe, and would do without AVX: 321 and 323 are
# XSAVEC and XSAVES.
ISOLINUX = """default l
prompt 0
timeout 1
label l
 kernel /vmlinuz
 append initrd=/initrd.gz console=ttyS0 rdinit=/init mitigations=off tsc=reliable no_timer_check random.trust_cpu=on clearcpuid=321,323 quiet
"""

BOCHS = """cpu: model=corei7_skylake_x, count=1, ips=50000000
memory: guest=2048, host=2048
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
display_library: sdl2
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata0-master: type=cdrom, path={folder}/disk.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev={folder}/serial
log: {folder}/log
panic: action=fatal
error: action=ignore
plugin_ctrl: speaker=0, gameport=0, parallel=0
sound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy
clock: sync=none
"""

INIT = """#!/bin/sh
mount -t proc proc /proc; mount -t devtmpfs dev /dev
export LD_LIBRARY_PATH=/lib
{commands}
cd /out && tar c . | gzip -1 | base64 > /dev/ttyS0
echo "@end"
sleep 1
poweroff -f
"""


def copy_program(program, root):
    """A program with the libraries that it needs."""
    shutil.copy(program, root / "bin")
    said = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
    for library in re.findall(r"(/\S+\.so\S*)", said):
        place = root / (library.lstrip("/") if "ld-linux" in library else f"lib/{Path(library).name}")
        place.parent.mkdir(exist_ok=True)
        shutil.copy(library, place)


def prepare(fixtures, args, root):
    """The fixtures that are compiled, as (folder, manifest); what is said of the others; the commands."""
    ready, problems, commands = [], [], []
    options = SimpleNamespace(aotc=args.aotc, backend="gcc", cpu="v4")
    for number, folder in enumerate(fixtures):
        manifest = json.loads((folder / "manifest.json").read_text())
        if manifest.get("refuse") or manifest.get("stateful"):
            continue
        place = root / "m" / str(number)
        place.mkdir(parents=True)
        status, said = run_fixtures.call(run_fixtures.compile_command(folder, manifest, place / "model.so", options), run_fixtures.COMPILE_SECONDS)
        if status:
            problems.append(f"{folder.name}: not compiled: {run_fixtures.first_line(said)}")
            continue
        ready.append((number, folder, manifest))
        for i, case in enumerate(manifest.get("cases", [])):
            inputs = [leaf["file"] for leaf in case["inputs"] if "file" in leaf]
            for file in inputs:
                shutil.copy(folder / file, place)
            words = f"/bin/aotc run model.so {'--inputs' if inputs else ''} {' '.join(inputs)} --outputs /out/{number}/{i} --isa x86-64-v4"
            commands.append(f"cd /m/{number}; {words}{' --method ' + case['model'] if case.get('model') else ''}")
    return ready, problems, commands


def boot(root, folder, kernel, seconds):
    """What the machine said; its root is packed into a CD that starts it."""
    disk = folder / "disk"
    (disk / "isolinux").mkdir(parents=True)
    (disk / "isolinux/isolinux.cfg").write_text(ISOLINUX)
    for file in BOOT:
        shutil.copy(file, disk / "isolinux")
    shutil.copy(kernel, disk / "vmlinuz")
    names = "\n".join(str(p.relative_to(root)) for p in sorted(root.rglob("*")))
    packed = subprocess.run(["cpio", "-o", "-H", "newc"], cwd=root, input=names.encode(), capture_output=True, check=True).stdout
    (disk / "initrd.gz").write_bytes(gzip.compress(packed, 1))
    subprocess.run(["xorriso", "-as", "mkisofs", "-quiet", "-o", folder / "disk.iso", "-b", "isolinux/isolinux.bin", "-c", "isolinux/boot.cat",
                    "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table", disk], check=True, capture_output=True)
    (folder / "bochsrc").write_text(BOCHS.format(folder=folder))
    (folder / "commands").write_text("c\n")  # for a Bochs that has its debugger inside
    serial = folder / "serial"
    machine = subprocess.Popen(["bochs", "-q", "-f", folder / "bochsrc", "-rc", folder / "commands"], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
                               env=os.environ | {"SDL_VIDEODRIVER": "dummy", "SDL_AUDIODRIVER": "dummy"})
    end = time.monotonic() + seconds
    said = ""
    while "@end" not in said and time.monotonic() < end and machine.poll() is None:
        time.sleep(1)
        said = serial.read_text(errors="replace") if serial.exists() else ""
    if machine.poll() is None:
        os.killpg(machine.pid, 9)
    machine.wait()
    return said.replace("\r", "")


def judge(ready, out):
    problems = []
    for number, folder, manifest in ready:
        for i, case in enumerate(manifest.get("cases", [])):
            try:
                for k, leaf in enumerate(case["outputs"]):
                    run_fixtures.judge_leaf(folder, leaf, out / str(number) / str(i) / f"{k:03d}.npy", manifest)
                run_fixtures.judge_inputs_after(folder, case, out / str(number) / str(i), manifest)
            except run_fixtures.Problem as problem:
                problems.append(f"{folder.name}: case {i}: {problem}")
    return problems


def main():
    kernels = sorted(glob.glob("/boot/vmlinuz-*"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--aotc", required=True)
    parser.add_argument("--kernel", default=kernels[-1] if kernels else None, help="a Linux for x86-64; by default the one of /boot")
    parser.add_argument("--seconds", type=int, default=3600, help="when to give up")
    parser.add_argument("--program", action="append", default=[], help="a test program, run without arguments")
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER")
    args = parser.parse_args()
    missing = [package for tool, package in TOOLS.items() if not shutil.which(tool)] + [f for f in BOOT if not Path(f).exists()]
    if missing or not args.kernel:
        raise SystemExit(f"run_emulated.py: missing: {', '.join(missing) or 'a kernel (--kernel)'}")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        root = folder / "root"
        for name in ("bin", "dev", "proc", "lib", "out", "tmp"):
            (root / name).mkdir(parents=True)
        for name in ["busybox", *APPLETS.split()]:
            shutil.copy(shutil.which("busybox"), root / "bin/busybox") if name == "busybox" else (root / "bin" / name).symlink_to("busybox")
        for program in [args.aotc, *args.program]:
            copy_program(program, root)
        ready, problems, commands = prepare(run_fixtures.find(args.folders, set()), args, root)
        commands += [f"cd /tmp; /bin/{Path(p).name}; echo \"@status {Path(p).name} $?\"" for p in args.program]
        (root / "init").write_text(INIT.format(commands="\n".join(commands)))
        (root / "init").chmod(0o755)
        said = boot(root, folder, args.kernel, args.seconds)
        if "@end" not in said:
            print(said[-2000:], file=sys.stderr)
            raise SystemExit("run_emulated.py: the machine did not come to an end")
        packed = re.search(r"(?:^[A-Za-z0-9+/=]+\n)+(?=@end)", said, re.M)
        with tarfile.open(fileobj=io.BytesIO(base64.b64decode(packed.group())), mode="r:gz") as archive:
            archive.extractall(folder / "out", filter="data")
        problems += judge(ready, folder / "out")
        status = dict(re.findall(r"^@status (\S+) (\d+)$", said, re.M))
        problems += [f"{Path(p).name}: status {status.get(Path(p).name)}" for p in args.program if status.get(Path(p).name) != "0"]
    print("\n".join(problems + [f"{len(ready) + len(args.program) - len(problems)} passed, {len(problems)} failed"]))
    return int(bool(problems) or not (ready or args.program))


if __name__ == "__main__":
    sys.exit(main())
