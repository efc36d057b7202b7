# SPDX-License-Identifier: MIT
"""Nested arguments and results: the pytree specifications that torch.export records, read without PyTorch."""
from __future__ import annotations

import collections
import importlib
import json
from collections.abc import Callable, Iterator
from typing import Any

from ._model import InputTypeError


class Leaf:
    """One tensor, number or None."""

    count = 1

    def flatten(self, value: Any, where: str, out: list) -> None:
        out.append(value)

    def unflatten(self, leaves: Iterator) -> Any:
        return next(leaves)


class Node:
    """A container of the given children. keys: of a dictionary, in the exported order; else None."""

    def __init__(self, type_name: str, keys: list | None, children: list, make: Callable[[list], Any]):
        self.type_name, self.keys, self.children, self.make = type_name, keys, children, make
        self.count = sum(c.count for c in children)

    def _parts(self, value: Any, where: str) -> list:
        if self.keys is not None and isinstance(value, collections.abc.Mapping):
            if set(value) != set(self.keys):
                raise InputTypeError(f"{where}: expected the keys {self.keys}, given {list(value)}", 1)
            return [value[key] for key in self.keys]
        if self.keys is None and isinstance(value, (tuple, list, collections.deque)):
            return list(value)
        names = getattr(value, "__dataclass_fields__", None)
        if names is not None:
            return [getattr(value, name) for name in self.keys or names]
        raise InputTypeError(f"{where}: expected {self.type_name}, given {type(value).__name__}", 1)

    def flatten(self, value: Any, where: str, out: list) -> None:
        parts = self._parts(value, where)
        if len(parts) != len(self.children):
            raise InputTypeError(f"{where}: expected {len(self.children)} elements, given {len(parts)}", 1)
        for i, (child, part) in enumerate(zip(self.children, parts)):
            key = self.keys[i] if self.keys else i
            child.flatten(part, f"{where}[{key!r}]", out)

    def unflatten(self, leaves: Iterator) -> Any:
        return self.make([child.unflatten(leaves) for child in self.children])


def _named(type_name: str) -> Any:
    """The class "module.Name" if it can be imported, else None: results of unknown classes are lists or dictionaries."""
    module, _, name = type_name.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError):
        return None


def _node(spec: dict) -> Leaf | Node:
    kind = spec["type"]
    if kind is None:
        return Leaf()
    children = [_node(c) for c in spec["children_spec"]]
    context = spec.get("context")
    if isinstance(context, str):
        try:
            context = json.loads(context)
        except ValueError:
            pass
    if kind == "builtins.tuple":
        return Node("tuple", None, children, tuple)
    if kind == "builtins.list":
        return Node("list", None, children, list)
    if kind == "collections.deque":
        return Node("deque", None, children, collections.deque)
    if kind == "collections.namedtuple":
        name = context if isinstance(context, str) else (context or {}).get("class_name", "")
        made = _named(name)
        return Node(name, None, children, lambda parts: made(*parts) if made else tuple(parts))
    keys = context if isinstance(context, list) and len(context) == len(children) else None
    if keys is None and isinstance(context, list) and len(context) == 2 and isinstance(context[1], list):
        keys = context[1]                               # defaultdict; dataclasses: [fields, fields]
    if keys is not None and len(keys) == len(children):
        plain = collections.OrderedDict if kind == "collections.OrderedDict" else dict
        return Node(kind, keys, children, lambda parts: plain(zip(keys, parts)))
    return Node(kind, None, children, list)


def parse(text: str) -> Leaf | Node:
    """A specification as torch writes it: "[1, {...}]"."""
    return _node(json.loads(text)[1])


class Signature:
    """What the exported function takes and gives."""

    def __init__(self, method: dict, inputs: int, outputs: int):
        self.arguments, self.keywords = [Leaf()] * inputs, {}
        self.results: Leaf | Node = Leaf() if outputs == 1 else Node("tuple", None, [Leaf()] * outputs, tuple)
        self.names: list[str] = [n for n in method.get("arg_names", "").split(",") if n]
        if "in_spec" in method:
            both = parse(method["in_spec"])
            assert isinstance(both, Node)
            args, kwargs = both.children
            self.arguments = args.children              # type: ignore[union-attr]
            self.keywords = dict(zip(kwargs.keys or [], kwargs.children))   # type: ignore[union-attr]
        if "out_spec" in method:
            self.results = parse(method["out_spec"])
        self.simple = not self.keywords and all(isinstance(a, Leaf) for a in self.arguments)
        known = self.names[:len(self.arguments)]
        self.positional = known + [f"argument {i}" for i in range(len(known), len(self.arguments))]

    def __str__(self) -> str:
        return f"({', '.join([*self.positional, *(f'{name}=' for name in self.keywords)])})"

    def flatten(self, args: tuple, kwargs: dict) -> list:
        """The leaves in the order of the ports. Arguments may be given by name, as in Python."""
        if self.simple and not kwargs and len(args) == len(self.arguments):
            return list(args)
        given = dict(kwargs)
        words = self.positional + list(self.keywords)
        if len(args) > len(words):
            raise InputTypeError(f"expected {len(words)} arguments {self}, given {len(args)}", 1)
        for name, value in zip(words, args):
            if name in given:
                raise InputTypeError(f"{name} is given twice; expected {self}", 1)
            given[name] = value
        if set(given) != set(words):
            missing, unknown = [w for w in words if w not in given], [w for w in given if w not in words]
            raise InputTypeError(f"expected {self}; " + "; ".join(
                f"{what}: {', '.join(names)}" for what, names in (("missing", missing), ("unknown", unknown)) if names), 1)
        out: list = []
        for name, spec in zip(words, [*self.arguments, *self.keywords.values()]):
            spec.flatten(given[name], name, out)
        return out

    def unflatten(self, leaves: list) -> Any:
        return leaves[0] if isinstance(self.results, Leaf) else self.results.unflatten(iter(leaves))
