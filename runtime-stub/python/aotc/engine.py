# SPDX-License-Identifier: MIT
"""One model for many threads, and batches made of single samples."""
from __future__ import annotations

import os
import queue
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from ._model import InputValueError, as_array
from .function import Function, Model


class Engine:
    """Serves predictions from any thread.

    workers     how many calls may be under way at once; each has a session of its own, constants are shared
    threads     how many threads one call may use
    max_batch   the most samples that predict_batch puts into one call; by default what the model permits, at most 32
    require_signature  as load() has it

    Results are new arrays. A model with state is refused: its calls would see each other.
    """

    def __init__(self, path: str | os.PathLike[str] | bytes, *, workers: int = 1, threads: int = 1,
                 method: str | None = None, max_batch: int | None = None,
                 require_signature: str | os.PathLike[str] | bytes | None = None):
        if workers < 1:
            raise ValueError(f"workers={workers}: at least one is needed")
        first = Model(path, threads, require_signature=require_signature)
        if first.state.size:
            raise InputValueError(f"{first.name} has state; an engine's calls must not depend on each other", 1)
        models = [first] + [first.another() for _ in range(workers - 1)]
        self._free: queue.SimpleQueue[Function] = queue.SimpleQueue()
        functions = [m.method(method) if method else m._default or m.method("forward") for m in models]
        for function in functions:
            self._free.put(function)
        self._pool = ThreadPoolExecutor(workers, "aotc") if workers > 1 else None
        self.inputs, self.outputs = functions[0].inputs, functions[0].outputs
        self._signature = functions[0]._signature
        self._batch = _Batch(functions[0], max_batch)

    def _run(self, leaves: list) -> list:
        function = self._free.get()
        try:
            return function.execute(leaves)
        finally:
            self._free.put(function)

    def predict(self, *args: Any, **kwargs: Any) -> Any:
        """One call, as of the exported function. Waits while all workers are busy."""
        return self._signature.unflatten(self._run(self._signature.flatten(args, kwargs)))

    def predict_batch(self, samples: Iterable[Any]) -> list[Any]:
        """The result of each sample, in order. A sample is the tuple of the arguments (or the only argument) without the
        batch dimension; inputs that have no such dimension are taken from the first. Samples go into as few calls as the
        model permits, which the workers share. Where the model's batch is fixed, or has a least size, the last call is
        filled up with its last sample."""
        flat = [self._signature.flatten(s if isinstance(s, tuple) else (s,), {}) for s in samples]
        chunks = [flat[i:i + self._batch.most] for i in range(0, len(flat), self._batch.most)]
        calls = (self._pool.map if self._pool else map)(self._one, chunks)
        return [self._signature.unflatten(leaves) for rows in calls for leaves in rows]

    def _one(self, chunk: Sequence[list]) -> list[list]:
        return self._batch.split(self._run(self._batch.stack(chunk)), len(chunk))

    def close(self) -> None:
        """Ends the threads; predict still works."""
        if self._pool:
            self._pool.shutdown()
            self._pool = None

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Batch:
    """Which leaves have the batch as their first dimension: those of the same size there as the first tensor."""

    def __init__(self, function: Function, most: int | None):
        infos = function._method.inputs
        self._name = function.name
        self._dtypes = [i.dtype for i in infos]
        first = next((i for i in infos if i.ndim and not i.optional), None)
        size = first.dims[0] if first else None
        same = lambda info: size is not None and info.ndim > 0 and not info.unknown and \
            (info.dims[0].symbol, info.dims[0].lo, info.dims[0].hi) == (size.symbol, size.lo, size.hi)
        self._in, self._out = [same(i) for i in infos], [same(o) for o in function._method.outputs]
        self.least = size.lo if size else 1
        highest = size.hi if size else 1
        self.most = max(1, min(highest, most or (highest if self.least == highest else 32)))
        if self.most < self.least:
            raise InputValueError(f"max_batch={most}: {self._name} takes at least {self.least}")

    def stack(self, chunk: Sequence[list]) -> list:
        rows = list(chunk) + [chunk[-1]] * (self.least - len(chunk))
        out = []
        for i, leaf in enumerate(rows[0]):
            if self._in[i]:
                leaf = np.stack([as_array(row[i], self._dtypes[i]) for row in rows])
            out.append(leaf)
        return out

    def split(self, leaves: list, count: int) -> list[list]:
        return [[leaf[k] if batched else leaf for leaf, batched in zip(leaves, self._out)] for k in range(count)]
