# SPDX-License-Identifier: MIT
"""Compiles PyTorch models ahead of time, and runs what came out without PyTorch.

    import aotc
    aotc.compile(torch.export.export(model, (image,)), "model.so")      # or of a .pt2 file
    model = aotc.load("model.so")
    scores = model(image)                       # arguments and results nested as in the original

Tensors are NumPy arrays or anything that speaks DLPack, such as torch.Tensor; nothing is copied that
is laid out as the model asks for. `Engine` serves many threads and batches; `Runtime` has the names
that ExecuTorch uses; torch.compile(model, backend="aotc") compiles in place. PyTorch is never
imported here unless an object of its own is given.
"""
from ._compile import CompileError, UnsupportedError, compile, version
from ._model import InputTypeError, InputValueError, ModelError
from .engine import Engine
from .function import Function, Model, Port, load
from .runtime import Runtime

__all__ = ["CompileError", "Engine", "Function", "InputTypeError", "InputValueError", "Model", "ModelError", "Port",
           "Runtime", "UnsupportedError", "compile", "load"]


def __getattr__(name: str) -> str:
    if name == "__version__":
        return version()
    raise AttributeError(f"module 'aotc' has no attribute {name!r}")
