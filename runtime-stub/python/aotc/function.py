# SPDX-License-Identifier: MIT
"""A compiled model, called as the exported function was."""
from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import _model, _tree
from ._model import NONE, SCALAR, InputValueError


@dataclass(frozen=True)
class Port:
    """An input or an output, one leaf of the nested signature."""

    name: str
    dtype: np.dtype
    #: a number for each fixed dimension, else "symbol in lo..hi"
    shape: tuple[int | str, ...]
    #: None in Python: there is nothing to give or to take
    none: bool = False
    #: a Python number; `value` is the one that the export fixed, if it did
    scalar: bool = False
    value: int | float | None = None
    #: the run writes this input
    mutated: bool = False


def _value(info: _model.Info) -> int | float | None:
    if not info.constant:
        return None
    kind = _model.ctypes.c_double if info.dtype.kind == "f" else _model.i64
    return kind.from_address(info.constant).value


def _port(info: _model.Info) -> Port:
    return Port(info.name, info.dtype, tuple(info.sizes), bool(info.flags & NONE), bool(info.flags & SCALAR),
                _value(info), bool(info.flags & _model.MUTATED))


class Function:
    """One method. Arguments and results are nested as in Python; leaves are arrays (or tensors that speak DLPack),
    numbers, or None. Results are NumPy arrays, and those that were numbers are numbers."""

    def __init__(self, method: _model.Method, described: dict):
        self._method, self.name = method, method.name
        self.inputs, self.outputs = [_port(i) for i in method.inputs], [_port(o) for o in method.outputs]
        self._signature = _tree.Signature(described, len(self.inputs), len(self.outputs))
        self._plain = all(not i.optional for i in method.inputs)
        self._arrays = all(not o.none and not o.scalar for o in self.outputs)

    def __repr__(self) -> str:
        return f"<aotc method {self.name}{self._signature}>"

    def execute(self, leaves: list) -> list:
        """Flat leaves in, flat leaves out."""
        if not self._plain:
            leaves = self._without_constants(leaves)
        results = self._method(leaves)
        return results if self._arrays else [self._leaf(o, r) for o, r in zip(self.outputs, results)]

    def _without_constants(self, leaves: list) -> list:
        """None and fixed numbers are no inputs of the run, but must be what they were."""
        if len(leaves) != len(self.inputs):
            return leaves                               # the method says what is wrong
        kept = []
        for i, (port, leaf) in enumerate(zip(self.inputs, leaves)):
            if port.none and leaf is not None:
                raise InputValueError(f"input {i} ({port.name}): was None when the model was exported, given "
                                      f"{type(leaf).__name__}", 1)
            if port.value is not None and not (np.ndim(leaf) == 0 and leaf == port.value):
                raise InputValueError(f"input {i} ({port.name}): was {port.value} when the model was exported, given {leaf!r}",
                                      5)
            if not port.none and port.value is None:
                kept.append(leaf)
        return kept

    @staticmethod
    def _leaf(port: Port, result: Any) -> Any:
        if port.none:
            return None
        return result.item() if port.scalar else result

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._signature.unflatten(self.execute(self._signature.flatten(args, kwargs)))


class Model:
    """An open artifact with its state; one thread at a time, so take another() for each
    (the constants are shared). Calling it calls `forward`, or its only method."""

    def __init__(self, path: Any, threads: int = 1, *, isa: str | None = None, reuse_outputs: bool = False,
                 require_signature: str | os.PathLike[str] | bytes | None = None):
        self._start(_model.Model(path, threads, isa, fresh=not reuse_outputs, require_signature=require_signature))

    def another(self) -> Model:
        """The same open artifact for another thread, with a state of its own."""
        other = object.__new__(Model)
        other._start(self._model.another())
        return other

    def _start(self, model: _model.Model) -> None:
        self._model = model
        self._described = {m["name"]: m for m in self._model.metadata.get("methods", [])}
        self._functions: dict[str, Function] = {}
        default = self._model._default
        self._default = self.method(default.name) if default else None

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def metadata(self) -> dict[str, Any]:
        """What the compiler recorded."""
        return self._model.metadata

    @property
    def isa(self) -> str:
        """The level that runs here, as x86-64-v4."""
        return self._model.isa

    @property
    def threads(self) -> int:
        return self._model.threads

    @property
    def methods(self) -> list[str]:
        return list(self._model.method_names)

    @property
    def state(self) -> np.ndarray:
        """What the model remembers between calls, as bytes: to be copied, and written back."""
        return self._model.state

    def reset(self) -> None:
        """The state as it was first."""
        self._model.reset()

    def method(self, name: str) -> Function:
        """A method by name. All methods share the state. KeyError with the names there are."""
        if name not in self._functions:
            self._functions[name] = Function(self._model.method(name), self._described.get(name, {}))
        return self._functions[name]

    @property
    def inputs(self) -> list[Port]:
        """Of the default method."""
        return self._default.inputs if self._default else []

    @property
    def outputs(self) -> list[Port]:
        return self._default.outputs if self._default else []

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._default is None:
            self._model._forward([])                    # says which methods there are
        return self._default(*args, **kwargs)           # type: ignore[misc]

    def __repr__(self) -> str:
        return f"<aotc model {self.name}: {', '.join(self.methods)}>"


def load(path: str | os.PathLike[str] | bytes, threads: int = 1, *, isa: str | None = None,
         reuse_outputs: bool = False, require_signature: str | os.PathLike[str] | bytes | None = None) -> Model:
    """Opens an artifact, given by its path or as bytes.

    threads        how many threads one call may use
    isa            a level to force, as "x86-64-v3"; by default the best that this processor has
    reuse_outputs  results stay valid until the next call only, and no memory is asked for; by default each call's
                   results are new arrays, into which the model writes
    require_signature  the owner of this public key (a PEM file, or 32 bytes) must have signed the file: PATH.sig is
                   checked before anything is opened, and what is opened are the bytes that were checked

    Raises ModelError (with `status`) for what is no artifact, or none for this machine.
    """
    return Model(path, threads, isa=isa, reuse_outputs=reuse_outputs, require_signature=require_signature)
