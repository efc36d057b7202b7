#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The model mlp (784-256-10) through each contender's own C or C++ API, one thread.

    mlp.py --aotc build/release/bin/aotc --out DIR

DIR is where `bench.py ... mlp` (../peers) has built the contenders for one thread. Compiles a small program for each that
this Python has installed, runs them in turns, pinned to the first core, and prints the least time of a call. ONNX Runtime
comes from Python, because its package has no header. Every program prints what it computed first; one that differs is
named. Needs gcc, g++."""
import argparse
import glob
import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent

ONNXRUNTIME = """
import sys, time, numpy, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, ["CPUExecutionProvider"])
feed = {session.get_inputs()[0].name: (numpy.arange(784) % 13 / numpy.float32(13)).astype("f4")[None]}
least = 0
end = time.perf_counter() + float(sys.argv[2])
while time.perf_counter() < end:
    start = time.perf_counter_ns()
    out = session.run(None, feed)
    taken = time.perf_counter_ns() - start
    least = min(least or taken, taken)
print(least, out[0].ravel()[0])
"""


def package(name):
    spec = importlib.util.find_spec(name)
    return Path(next(iter(spec.submodule_search_locations))) if spec else None


def commands(args, folder):
    """{contender: the command without its seconds}; compiles what is needed."""
    def compile_one(name, compiler, *words):
        source = next(HERE.glob(f"{name}.c*"))
        subprocess.run([compiler, "-O2", source, *words, "-o", folder / name], check=True)
        return folder / name

    models, lib = args.out / "models" / "mlp", args.aotc.resolve().parents[1] / "lib"
    found = {}
    artifact = folder / "mlp.so"
    subprocess.run([args.aotc, models / "model.pt2", "-o", artifact], check=True)
    found["aotc, C"] = [compile_one("mlp_aotc", "gcc", f"-L{lib}", "-laotrt", f"-Wl,-rpath,{lib}"), artifact]
    at = package("torch")
    if at:
        program = compile_one("mlp_aoti", "g++", "-std=c++20", f"-I{at}/include", f"-I{at}/include/torch/csrc/api/include",
                              f"-L{at}/lib", "-ltorch", "-ltorch_cpu", "-lc10", f"-Wl,-rpath,{at}/lib")
        found["AOTInductor, C++"] = [program, models / "aoti-1" / "model.pt2"]
        found["AOTInductor with freezing, C++"] = [program, models / "aoti-freezing-1" / "model.pt2"]
    at = package("openvino")
    if at:
        library = Path(glob.glob(f"{at}/libs/libopenvino_c.so*")[0])
        found["OpenVINO, C"] = [compile_one("mlp_openvino", "gcc", f"-I{at}/include", library,
                                            f"-Wl,-rpath,{library.parent}"), models / "openvino" / "model.xml"]
    at = package("executorch")
    if at:
        program = compile_one("mlp_executorch", "g++", "-std=c++20", "-DC10_USING_CUSTOM_GENERATED_MACROS", "-isystem",
                              at / "include", "-isystem", at / "include/executorch/runtime/core/portable_type/c10",
                              f"-L{at}/lib", "-lexecutorch", "-lexecutorch_threadpool", "-Wl,--no-as-needed",
                              "-lexecutorch_backend_xnnpack", "-lexecutorch_kernels_optimized", f"-Wl,-rpath,{at}/lib")
        found["ExecuTorch, C++"] = [program, models / "executorch" / "model.pte"]
    if package("onnxruntime"):
        found["ONNX Runtime, Python"] = [sys.executable, "-c", ONNXRUNTIME, models / "onnxruntime" / "model.onnx"]
    return {name: words for name, words in found.items() if Path(words[-1]).exists()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--aotc", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.3, help="of each turn")
    args = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as folder:
        contenders, least, answers = commands(args, Path(folder)), {}, {}
        for _ in range(args.rounds):
            for name, words in contenders.items():
                run = subprocess.run([*words, str(args.seconds)], check=True, capture_output=True, text=True)
                taken, answer = run.stdout.split()
                least[name] = min(least.get(name, 1e300), float(taken))
                answers[name] = float(answer)
    expected = answers["aotc, C"]
    print("| | least, us |\n|---|--:|")
    for name, taken in sorted(least.items(), key=lambda item: item[1]):
        differs = "" if abs(answers[name] - expected) < 1e-5 else f" (gives {answers[name]}, not {expected})"
        print(f"| {name} | {taken / 1000:.1f}{differs} |")


if __name__ == "__main__":
    main()
