# SPDX-License-Identifier: MIT
"""The names that ExecuTorch's Python runtime uses, for programs that know them: flat inputs, flat outputs.

    program = aotc.Runtime.get().load_program("model.so")
    outputs = program.load_method("forward").execute((image,))
"""
from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from .function import Function, Model, Port, load


class TensorInfo:
    """A tensor of a method's signature."""

    def __init__(self, port: Port):
        self._port = port

    def name(self) -> str:
        return self._port.name

    def sizes(self) -> tuple[int | str, ...]:
        """Numbers, and "symbol in lo..hi" for sizes that vary."""
        return self._port.shape

    def dtype(self) -> np.dtype:
        return self._port.dtype


class MethodMeta:
    """What a method takes and gives, leaf by leaf."""

    def __init__(self, function: Function):
        self._function = function

    def name(self) -> str:
        return self._function.name

    def num_inputs(self) -> int:
        return len(self._function.inputs)

    def num_outputs(self) -> int:
        return len(self._function.outputs)

    def input_tensor_meta(self, index: int) -> TensorInfo:
        return TensorInfo(self._function.inputs[index])

    def output_tensor_meta(self, index: int) -> TensorInfo:
        return TensorInfo(self._function.outputs[index])


class Method:
    """A method that is ready to run."""

    def __init__(self, function: Function):
        self._function = function

    @property
    def metadata(self) -> MethodMeta:
        return MethodMeta(self._function)

    def execute(self, inputs: Sequence[Any]) -> list[Any]:
        """One inference on the flattened inputs; the flattened outputs."""
        return self._function.execute(list(inputs))


class Program:
    """An open artifact."""

    def __init__(self, model: Model):
        self._model = model

    @property
    def method_names(self) -> set[str]:
        return set(self._model.methods)

    def load_method(self, name: str) -> Method | None:
        """None where there is no such method."""
        return Method(self._model.method(name)) if name in self._model.methods else None

    def metadata(self, name: str) -> MethodMeta:
        return MethodMeta(self._model.method(name))


class Runtime:
    """There is one; it has nothing to set up."""

    _one: Runtime | None = None

    @classmethod
    def get(cls) -> Runtime:
        cls._one = cls._one or cls()
        return cls._one

    def load_program(self, data: str | os.PathLike[str] | bytes, *, threads: int = 1,
                     require_signature: str | os.PathLike[str] | bytes | None = None) -> Program:
        """Opens an artifact, given by its path or as bytes."""
        return Program(load(data, threads, require_signature=require_signature))
