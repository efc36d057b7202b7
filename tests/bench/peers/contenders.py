# SPDX-License-Identifier: MIT
"""Who races in bench.py: how each builds its artifact, opens it and runs it. Imports of a contender's library are in
its own functions, so that a missing one is just missing."""
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

SAMPLES = Path(__file__).resolve().parents[3] / "samples" / "python"


class Contender:
    """A folder `at` holds what it builds; `model` is the exported model's folder."""

    fixed_threads = False   # the number of threads is built in

    def __init__(self, model, at, threads):
        self.model, self.at, self.threads = Path(model), Path(at), threads

    def start(self):
        """Imports and settings; not timed."""

    def build(self):
        raise NotImplementedError

    def open(self):
        raise NotImplementedError

    def prepare(self, arrays):
        """The inputs as `run` takes them; not timed."""
        return arrays

    def run(self, inputs):
        raise NotImplementedError

    def arrays(self, result):
        return [np.array(r) for r in result]


class Aotc(Contender):
    def start(self):
        sys.path.insert(0, str(SAMPLES))
        import aotc_model

        self.library = aotc_model

    def build(self):
        subprocess.run([os.environ["AOTC"], self.model / "model.pt2", "-o", self.at / "model.so", "--backend=gcc",
                        "--no-cache"], check=True)

    def open(self):
        self.call = self.library.load(str(self.at / "model.so"), self.threads)

    def run(self, inputs):
        return self.call(inputs)


class Torch(Contender):
    def start(self):
        import torch

        torch.set_num_threads(self.threads)
        torch.set_grad_enabled(False)
        self.torch = torch

    def module(self):
        """The model before its export; where only the archive is left, the module that it unfolds to."""
        kept = self.model / "module.pt"
        return self.torch.load(kept, weights_only=False) if kept.exists() else self.program().module()

    def program(self):
        return self.torch.export.load(self.model / "model.pt2")

    def prepare(self, arrays):
        return [self.torch.from_numpy(a.copy()) for a in arrays]

    def run(self, inputs):
        return self.call(*inputs)

    def arrays(self, result):
        return [t.numpy() for t in self.torch.utils._pytree.tree_leaves(result)]


class Eager(Torch):
    def build(self):
        pass

    def open(self):
        self.call = self.module()


class Compile(Torch):
    """torch.compile: built means its cache on disk is warm; the first run reads it."""

    fixed_threads = True

    def compiled(self):
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(self.at / "cache")
        from torch._inductor import config

        config.compile_threads = 1
        self.call = self.torch.compile(self.module())

    def build(self):
        self.compiled()
        self.run(self.prepare([np.load(f) for f in sorted(self.model.glob("in*.npy"))]))

    def open(self):
        self.compiled()


class Aoti(Torch):
    fixed_threads = True
    settings = {}

    def build(self):
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(self.at / "cache")
        from torch._inductor import aoti_compile_and_package

        aoti_compile_and_package(self.program(), package_path=str(self.at / "model.pt2"), inductor_configs=self.settings)
        subprocess.run(["rm", "-rf", self.at / "cache"], check=True)

    def open(self):
        import torch._inductor.package

        self.call = torch._inductor.aoti_load_package(str(self.at / "model.pt2"))


class TorchScript(Torch):
    """Traced and frozen, as services without Python use libtorch."""

    def build(self):
        example = self.prepare([np.load(f) for f in sorted(self.model.glob("in*.npy"))])
        traced = self.torch.jit.trace(self.module().eval(), tuple(example), strict=False)
        self.torch.jit.freeze(traced).save(str(self.at / "model.pt"))

    def open(self):
        self.call = self.torch.jit.load(str(self.at / "model.pt"))


class AotiFreezing(Aoti):
    """Weights are constants, and laid out for the kernels: what an artifact of aotc is, too."""

    settings = {"freezing": True}


class OnnxRuntime(Contender):
    def start(self):
        import onnxruntime

        self.library = onnxruntime

    def build(self):
        import torch

        torch.onnx.export(torch.export.load(self.model / "model.pt2"), dynamo=True, verbose=False).save(self.at / "model.onnx")

    def open(self):
        options = self.library.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = self.threads, 1
        options.log_severity_level = 3
        self.session = self.library.InferenceSession(str(self.at / "model.onnx"), options, ["CPUExecutionProvider"])

    def prepare(self, arrays):
        return dict(zip([port.name for port in self.session.get_inputs()], arrays))

    def run(self, inputs):
        return self.session.run(None, inputs)


class OpenVino(Contender):
    def start(self):
        import openvino

        self.library = openvino

    def build(self):
        import torch

        with torch.no_grad():
            model = self.library.convert_model(torch.export.load(self.model / "model.pt2"))
        self.library.save_model(model, self.at / "model.xml", compress_to_fp16=False)

    def open(self):
        settings = {"INFERENCE_NUM_THREADS": self.threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY",
                    "INFERENCE_PRECISION_HINT": "f32"}
        self.compiled = self.library.Core().compile_model(self.at / "model.xml", "CPU", settings)
        self.request = self.compiled.create_infer_request()

    def prepare(self, arrays):
        return dict(enumerate(arrays))

    def run(self, inputs):
        return self.request.infer(inputs, share_inputs=True, share_outputs=True)

    def arrays(self, result):
        return [np.array(result[i]) for i in range(len(self.compiled.outputs))]


class ExecuTorch(Torch):
    """With the XNNPACK partitioner."""

    def start(self):
        super().start()
        from executorch.extension.pybindings import _C
        from executorch.runtime import Runtime

        _C._unsafe_reset_threadpool(self.threads)
        self.runtime = Runtime.get()

    def build(self):
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
        from executorch.exir import to_edge_transform_and_lower

        lowered = to_edge_transform_and_lower(self.program(), partitioner=[XnnpackPartitioner()])
        (self.at / "model.pte").write_bytes(lowered.to_executorch().buffer)

    def open(self):
        self.loaded = self.runtime.load_program(self.at / "model.pte")
        self.method = self.loaded.load_method("forward")

    def run(self, inputs):
        return self.method.execute(inputs)


CONTENDERS = {"aotc": Aotc, "eager": Eager, "compile": Compile, "aoti": Aoti, "aoti-freezing": AotiFreezing,
              "torchscript": TorchScript, "onnxruntime": OnnxRuntime, "openvino": OpenVino, "executorch": ExecuTorch}
