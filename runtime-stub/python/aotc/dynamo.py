# SPDX-License-Identifier: MIT
"""torch.compile(model, backend="aotc"): every graph that PyTorch captures is exported, compiled and run here.

This is for trying models and for PyTorch's own tests. Parameters are inputs of such graphs, so that their packing is
repeated in each call: for speed, export the model and compile that.
"""
from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch._decomp import core_aten_decompositions
from torch._dynamo.backends.common import aot_autograd
from torch._functorch.aot_autograd import make_boxed_func

from ._compile import compile as compile_program
from .function import load


def _example(tensor: torch.Tensor) -> torch.Tensor:
    """A real tensor where the tracer gives a fake one."""
    return torch.empty([int(n) for n in tensor.shape], dtype=tensor.dtype)


def _dynamic(tensor: torch.Tensor) -> dict[int, Any]:
    return {i: torch.export.Dim.AUTO for i, n in enumerate(tensor.shape) if isinstance(n, torch.SymInt)}


class _Tensors(torch.nn.Module):
    """The graph as a function of its tensors: a size among its arguments is read off the tensor that has it."""

    def __init__(self, graph: Callable[..., Any], examples: Sequence[Any]):
        super().__init__()
        self._graph = [graph]                           # not as a child: nothing of it is a parameter
        tensors = [e for e in examples if isinstance(e, torch.Tensor)]
        places = {str(n): (k, d) for k, t in enumerate(tensors) for d, n in enumerate(t.shape) if isinstance(n, torch.SymInt)}
        self.sources = [None if isinstance(e, torch.Tensor) else places.get(str(e), int(e)) for e in examples]

    def forward(self, *tensors: torch.Tensor) -> Any:
        rest = iter(tensors)
        return self._graph[0](*(next(rest) if s is None else tensors[s[0]].shape[s[1]] if isinstance(s, tuple) else s
                                for s in self.sources))


def _compile_graph(graph: torch.fx.GraphModule, examples: Sequence[Any], *, options: dict[str, Any]) -> Callable[..., Any]:
    tensors = [e for e in examples if isinstance(e, torch.Tensor)]
    shapes = tuple(map(_dynamic, tensors))
    module = _Tensors(graph, examples)
    with torch.no_grad():
        program = torch.export.export(module, tuple(map(_example, tensors)), strict=False,
                                      dynamic_shapes={"tensors": shapes} if any(shapes) else None)
    with tempfile.TemporaryDirectory(prefix="aotc-") as folder:
        path = compile_program(program, Path(folder) / "graph.so", **options)
        function = load(path).method("forward")
    dtypes = [node.meta["val"].dtype if isinstance(node, torch.fx.Node) and isinstance(node.meta.get("val"), torch.Tensor)
              else None for node in _results(graph)]

    def run(*values: Any) -> list[Any]:
        leaves = [v.detach() for v in values if isinstance(v, torch.Tensor)]
        for value, source in zip(values, module.sources):
            if isinstance(source, int) and int(value) != source:
                raise ValueError(f"a size was {source} when the graph was compiled, and is {int(value)}")
        return [_tensor(found, dtype) for found, dtype in zip(function.execute(leaves), dtypes)]

    return make_boxed_func(run)


def _results(graph: torch.fx.GraphModule) -> list[Any]:
    output = next(node for node in reversed(graph.graph.nodes) if node.op == "output")
    leaves = output.args[0] if isinstance(output.args[0], (list, tuple)) else [output.args[0]]
    return list(leaves)


def _tensor(found: Any, dtype: torch.dtype | None) -> Any:
    if dtype is None:
        return found
    tensor = torch.from_numpy(found)
    return tensor if tensor.dtype == dtype else tensor.view(dtype)


def backend(graph: torch.fx.GraphModule, examples: Sequence[Any], *, options: dict[str, Any] | None = None,
            **_: Any) -> Callable[..., Any]:
    """The backend. options: those of aotc.compile, as in torch.compile(..., options={"backend": "tcc"})."""
    compiler = functools.partial(_compile_graph, options=options or {})
    gradients = {op: rule for op, rule in core_aten_decompositions().items() if "_backward" in str(op)}
    return aot_autograd(fw_compiler=compiler, decompositions=gradients)(graph, examples)
