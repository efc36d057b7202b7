# SPDX-License-Identifier: MIT
"""Runs a compiled model with ctypes and NumPy: one file, no other library.

    import aotc_model
    model = aotc_model.load("model.so")
    probabilities, = model([image])             # list of arrays in, list of arrays out

The arrays of the result stay valid until the next call of the same method, unless the model was
loaded with fresh=True: then every call makes new ones. Inputs are arrays, or tensors of any library
that speaks DLPack, of the model's element types (bfloat16 travels as uint16); they are used where
they lie if they are laid out as the model asks for, else copied. A model object serves one thread at
a time; load it once per thread, the constants are shared. An artifact may also be given as bytes.

    model.inputs, model.outputs                 # names, types, sizes
    model.metadata                              # what the compiler recorded
    model.method("decode")                      # another method, on the same state
    model.state[:] = saved                      # the state block as bytes

threads > 1 needs the thread pool of libaotrt.so: $AOTRT_LIBRARY, or beside this file, or in the
build folder of the project. Without it a warning is given and the model runs on one thread. A model of
bfloat16 weights runs without it, but not in the tiles of AMX or by dot products.

    python aotc_model.py model.so in0.npy ... [--expect out0.npy ...] [--threads N]
"""
import ctypes
import base64
import hashlib
import json
import os
import struct
import sys
import warnings
from pathlib import Path

import numpy as np

ABI = 1
UNKNOWN = -1
NO_BOUND = 2**64 - 1
OK, ESPACE = 0, 6
MUTATED, SCALAR, NONE = 1, 2, 4
STATUS = ("ok", "wrong argument", "wrong element type", "rank, size or guard violated",
          "wrong strides", "wrong data", "workspace or output too small", "the host could not",
          "not for this processor", "another ABI version", "not signed by the key that was asked for")


class ModelError(RuntimeError):
    """A status other than 0, with the model's own words. What is wrong with an input is also a TypeError
    or a ValueError."""

    def __init__(self, status: int, text: str):
        self.status = status
        known = STATUS[status] if 0 <= status < len(STATUS) else f"status {status}"
        super().__init__(text or known)


class InputTypeError(ModelError, TypeError):
    """An input that is no tensor, has another element type, or too few or too many of them."""

    def __init__(self, text: str, status: int = 2):
        super().__init__(status, text)


class InputValueError(ModelError, ValueError):
    """An input of another rank or layout."""

    def __init__(self, text: str, status: int = 3):
        super().__init__(status, text)


# ---- aot.h ---------------------------------------------------------------------------------------

u64, i64, i32, address = ctypes.c_uint64, ctypes.c_int64, ctypes.c_int32, ctypes.c_void_p
text_t = ctypes.c_char_p
BODY_LOOP = address                                     # parallel_for: passed on, never called here
GROW = ctypes.CFUNCTYPE(address, address, i64, u64)
ENTRY = ctypes.CFUNCTYPE(address, ctypes.c_uint32, text_t, ctypes.POINTER(i32))
STEP = ctypes.CFUNCTYPE(i32, address)                   # plan and run
INIT_STATE = ctypes.CFUNCTYPE(None, address, address)


def layout(name: str, *fields) -> type:
    """A ctypes struct; size-first structs of aot.h say so with a leading struct_size."""
    return type(name, (ctypes.Structure,), {"_fields_": list(fields)})


SIZE = ("struct_size", u64)
DataType = layout("DLDataType", ("code", ctypes.c_uint8), ("bits", ctypes.c_uint8),
                  ("lanes", ctypes.c_uint16))
Tensor = layout("DLTensor", ("data", address), ("device_type", i32), ("device_id", i32),
                ("ndim", i32), ("dtype", DataType), ("shape", address), ("strides", address),
                ("byte_offset", u64))
Host = layout("aot_host", SIZE, ("ctx", address), ("parallel_for", BODY_LOOP), ("grow", GROW),
              ("event", address), ("features", u64))
Dim = layout("aot_dim", ("lo", i64), ("hi", i64), ("symbol", text_t), ("unknown", u64))
Port = layout("aot_port", SIZE, ("name", text_t), ("dtype", DataType), ("ndim", i32),
              ("dims", ctypes.POINTER(Dim)), ("fixed_strides", ctypes.POINTER(i64)),
              ("constant", address), ("flags", u64))
Segment = layout("aot_segment", SIZE, ("bytes", u64), ("name", text_t), ("embedded", address),
                 ("sha256", ctypes.c_uint8 * 32), ("layout", ctypes.c_uint8 * 32))
WEIGHTS = struct.Struct("<8s2I2Q32s32s32s")             # aot_weights_header
WEIGHTS_HEADER = 4096
Call = layout("aot_call", SIZE, ("inputs", address), ("outputs", address),
              ("output_bytes", address), ("workspace", address), ("workspace_bytes", u64),
              ("needed_workspace", u64), ("state", address), ("segments", address),
              ("host", address), ("threads", u64), ("error", address), ("error_bytes", u64))
MethodTable = layout("aot_method", SIZE, ("name", text_t), ("input_count", u64),
                     ("output_count", u64), ("inputs", ctypes.POINTER(ctypes.POINTER(Port))),
                     ("outputs", ctypes.POINTER(ctypes.POINTER(Port))), ("workspace_max", u64),
                     ("stack_max", u64), ("can_grow", u64), ("plan", address), ("run", address))
ModelTable = layout("aot_model", SIZE, ("abi", ctypes.c_uint32), ("reserved", ctypes.c_uint32),
                    ("name", text_t), ("isa", text_t), ("metadata", text_t),
                    ("method_count", u64), ("segment_count", u64), ("state_bytes", u64),
                    ("methods", ctypes.POINTER(ctypes.POINTER(MethodTable))),
                    ("segments", ctypes.POINTER(ctypes.POINTER(Segment))), ("init_state", address),
                    ("features", u64))

NUMPY = {(0, 8): "int8", (0, 16): "int16", (0, 32): "int32", (0, 64): "int64", (1, 8): "uint8",
         (1, 16): "uint16", (1, 32): "uint32", (1, 64): "uint64", (2, 16): "float16",
         (2, 32): "float32", (2, 64): "float64", (4, 16): "uint16", (5, 64): "complex64",
         (5, 128): "complex128", (6, 8): "bool"}


# ---- Opening -------------------------------------------------------------------------------------

def check_whole(path: Path) -> None:
    """Compares headers with the file's size: cut short, it would open and die of SIGBUS later."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        header = file.read(64)
        if header[:4] != b"\x7fELF":
            raise ModelError(5, f"{path}: not a shared object")
        if len(header) < 64 or header[4] != 2:
            raise ModelError(5, f"{path}: cut short, or not for a 64-bit machine")
        at, = struct.unpack_from("<Q", header, 32)
        each, count = struct.unpack_from("<HH", header, 54)
        file.seek(min(at, size))
        table = file.read(each * count)
        if each != 56 or len(table) < each * count:
            raise ModelError(5, f"{path}: cut short: its program headers are not in the file")
        for i in range(count):
            offset, = struct.unpack_from("<Q", table, i * each + 8)
            length, = struct.unpack_from("<Q", table, i * each + 32)
            if offset + length > size:
                raise ModelError(5, f"{path}: cut short: segment {i} ends at byte "
                                    f"{offset + length}, the file at {size}")


def memory_file(data) -> int:
    """An open file without a name on any disk."""
    file = os.memfd_create("model.so")
    view = memoryview(data)
    while len(view):
        view = view[os.write(file, view):]
    return file


SEEN: dict[str, list] = {}                              # the files that were opened by each path


def spelled(path: Path) -> str:
    """The loader knows files by their paths: one that replaced another needs a path of its own."""
    whole = path.absolute()
    facts = os.stat(whole)
    known = SEEN.setdefault(str(whole), [])
    this = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns)
    if this not in known:
        known.append(this)
    return f"{whole.parent}/{'./' * known.index(this)}{whole.name}"


def ask_entry(path: Path, isa: str | None):
    """The library and its table; both are needed as long as the model lives."""
    library = ctypes.CDLL(spelled(path))
    try:
        entry = ENTRY(("aot_entry", library))
    except AttributeError:
        raise ModelError(5, f"{path}: exports no aot_entry, so aotc did not write it") from None
    status = i32(0)
    found = entry(ABI, isa.encode() if isa else None, ctypes.byref(status))
    if not found:
        raise ModelError(status.value, f"{path}: {ModelError(status.value, '')}"
                         + (f" (asked for {isa})" if isa else ""))
    table = ModelTable.from_address(found)
    if table.abi != ABI:
        raise ModelError(9, f"{path}: has ABI version {table.abi}, expected {ABI}")
    return library, table


def side_file_fits(segment, mapped) -> bool:
    """A file with a header is told by that, any other by its contents."""
    has_layout = segment.struct_size >= ctypes.sizeof(Segment) and any(segment.layout)
    if mapped.size != segment.bytes or not has_layout:
        return mapped.size == segment.bytes and hashlib.sha256(mapped).digest() == bytes(segment.sha256)
    if mapped.size < WEIGHTS_HEADER:
        return False
    head = mapped[:WEIGHTS.size].tobytes()
    magic, version, header, size, _, layout, _, total = WEIGHTS.unpack(head)
    return (magic == b"AOTWGHT\0" and version == 1 and header == WEIGHTS_HEADER and size + header == mapped.size
            and layout == bytes(segment.layout) and total == hashlib.sha256(head[:-32]).digest())


def map_segments(table, folder: Path, copied: bool):
    """Constants outside the artifact: mapped (or copied), with size and SHA-256 checked."""
    if not table.segment_count:
        return None, []
    bases, maps = (address * table.segment_count)(), []
    for i in range(table.segment_count):
        segment = table.segments[i].contents
        bases[i] = segment.embedded
        if segment.embedded or not segment.bytes:
            continue
        file = folder / segment.name.decode()
        mapped = np.fromfile(file, np.uint8) if copied else np.memmap(file, np.uint8, "r")
        if not side_file_fits(segment, mapped):
            raise ModelError(5, f"{file}: not the constants that the model was compiled with")
        maps.append(mapped)
        bases[i] = mapped.ctypes.data
    return bases, maps


def library_places() -> list:
    """Where libaotrt.so may be."""
    if os.environ.get("AOTRT_LIBRARY"):
        return [Path(os.environ["AOTRT_LIBRARY"])]
    here = Path(__file__).resolve().parent
    return [Path(__file__).parent / p / "libaotrt.so" for p in (".", "lib")] \
        + [here / "../../build" / p / "libaotrt.so" for p in ("lib", "release/lib")]


def find_library():
    """libaotrt.so; None where there is none."""
    for place in library_places():
        if place.exists():
            return ctypes.CDLL(str(place.absolute()))
    return None


def public_key(key) -> bytes:
    """32 bytes, as they are or in a PEM file."""
    if isinstance(key, (bytes, bytearray)):
        found = bytes(key)
    else:
        lines = [line.strip() for line in Path(key).read_text("ascii").splitlines() if line.strip()]
        inner = lines[1:-1] if lines[:1] == ["-----BEGIN PUBLIC KEY-----"] else []
        found = base64.b64decode("".join(inner))
        head = bytes.fromhex("302a300506032b6570032100")
        found = found[len(head):] if found.startswith(head) else b""
    if len(found) != 32:
        raise ValueError("require_signature: no public key of Ed25519; expected 32 bytes, or the path of the file that "
                         "aotc keygen wrote")
    return found


def read_signed(path: Path, key) -> bytes:
    """The bytes of a file that PATH.sig is a signature of; they are what must be opened."""
    key, data = public_key(key), path.read_bytes()
    try:
        signature = path.with_name(path.name + ".sig").read_bytes()
    except OSError as error:
        raise ModelError(10, f"{path}: is not signed: {error}") from None
    if len(signature) != 64:
        raise ModelError(10, f"{path}.sig: is no signature; expected 64 bytes")
    library = find_library()
    if library is None:
        raise ModelError(7, "require_signature: libaotrt.so was not found ($AOTRT_LIBRARY)")
    text = ctypes.create_string_buffer(300)
    check = library.aot_check_signature
    check.argtypes = [text_t, u64, text_t, text_t, text_t, u64]
    status = check(data, len(data), signature, key, text, len(text))
    if status:
        raise ModelError(status, f"{path}: {text.value.decode()}")
    return data


def load_pool(threads: int):
    """libaotrt's thread pool as (library, handle, workers); (None, None, 1) without it."""
    library = find_library() if threads > 1 else None
    if library is not None:
        library.aot_pool_new.restype, library.aot_pool_new.argtypes = address, [u64]
        library.aot_pool_threads.restype, library.aot_pool_threads.argtypes = u64, [address]
        for name in ("aot_pool_begin", "aot_pool_end", "aot_pool_free"):
            function = getattr(library, name)
            function.restype, function.argtypes = None, [address]
        pool = library.aot_pool_new(threads)
        if pool:
            return library, pool, library.aot_pool_threads(pool)
    if threads > 1:
        warnings.warn("libaotrt.so was not found ($AOTRT_LIBRARY): running on one thread",
                      RuntimeWarning, stacklevel=4)
    return None, None, 1


def ask_features(table) -> int:
    """aot_host.features: what the model wants of the processor and the system grants; libaotrt asks for it."""
    wanted = table.features if table.struct_size >= ctypes.sizeof(ModelTable) else 0
    library = find_library() if wanted else None
    if library is None or not hasattr(library, "aot_ask_features"):
        return 0
    library.aot_ask_features.restype, library.aot_ask_features.argtypes = u64, [u64]
    return library.aot_ask_features(wanted)


def placed(size: int):
    """(bytes at a multiple of 64, their address)"""
    raw = np.empty(size + 64, np.uint8)
    at = raw.__array_interface__["data"][0]
    return raw[-at % 64:][:size], at + -at % 64


def aligned(size: int) -> np.ndarray:
    return placed(size)[0]


get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
get_pointer.restype, get_pointer.argtypes = address, [ctypes.py_object, text_t]


def borrow(tensor) -> np.ndarray:
    """A view of a tensor that speaks DLPack, whose memory stays its own; bfloat16 is seen as uint16."""
    try:
        array = np.from_dlpack(tensor)
        if array.flags.writeable:
            return array
    except (BufferError, RuntimeError, TypeError, ValueError):      # other memory, or a type that NumPy lacks
        pass
    kind, _ = tensor.__dlpack_device__()
    if kind != 1:
        raise InputTypeError(f"a tensor in the memory of DLPack device {kind}: move it to the processor's")
    try:
        capsule = tensor.__dlpack__()
    except (BufferError, RuntimeError) as error:        # PyTorch: requires_grad, a lazy conjugate
        raise InputTypeError(f"a tensor that cannot be shared: {error}") from None
    t = Tensor.from_address(get_pointer(capsule, b"dltensor"))
    code = (t.dtype.code, t.dtype.bits)
    if code not in NUMPY or t.dtype.lanes != 1:
        raise InputTypeError(f"NumPy has no element type {code}")
    dtype, shape = np.dtype(NUMPY[code]), tuple((i64 * t.ndim).from_address(t.shape)) if t.ndim else ()
    if 0 in shape:
        return np.empty(shape, dtype)
    strides = tuple(s * dtype.itemsize for s in (i64 * t.ndim).from_address(t.strides)) \
        if t.ndim and t.strides else None
    extent = dtype.itemsize + sum((n - 1) * s for n, s in zip(shape, strides)) if strides \
        else dtype.itemsize * int(np.prod(shape))
    memory = (ctypes.c_char * extent).from_address(t.data + t.byte_offset)
    memory.capsule = capsule                            # which keeps the tensor's memory
    return np.ndarray(shape, dtype, memory, strides=strides)


def as_array(value, dtype) -> np.ndarray:
    """Numbers and lists become arrays of the model's type, where that loses nothing but precision."""
    if hasattr(value, "__dlpack__") and not isinstance(value, np.generic):
        return borrow(value)
    array = np.asarray(value)
    if isinstance(value, np.generic) or hasattr(value, "__array__"):
        return array
    if not np.can_cast(array.dtype, dtype, "same_kind"):
        raise InputTypeError(f"expected {dtype}, given {value!r}")
    return array.astype(dtype)


class Info:
    """An input or an output: what it is called and what it may be."""

    def __init__(self, port):
        self.name = port.name.decode()
        code = (port.dtype.code, port.dtype.bits)
        if code not in NUMPY:
            raise ModelError(2, f"{self.name}: NumPy has no element type {code}")
        self.dtype, self.code = np.dtype(NUMPY[code]), port.dtype
        self.ndim, self.flags = port.ndim, port.flags
        self.dims = [port.dims[i] for i in range(port.ndim)]
        self.unknown = any(d.unknown for d in self.dims)
        strides = port.fixed_strides
        self.strides = tuple(strides[i] for i in range(port.ndim)) if strides else None
        self.byte_strides = self.strides and tuple(s * self.dtype.itemsize for s in self.strides)
        self.constant = port.constant
        self.optional = bool(port.constant or port.flags & NONE)

    @property
    def sizes(self) -> list:
        """A number per fixed dimension, else "symbol in lo..hi"."""
        return [d.lo if d.lo == d.hi and not d.unknown else
                f"{d.symbol.decode() if d.symbol else '?'} in {d.lo}.."
                + ("" if d.hi == 2**63 - 1 else str(d.hi)) for d in self.dims]

    def __repr__(self) -> str:
        return f"{self.name}: {self.dtype}{self.sizes}"


# ---- Calling -------------------------------------------------------------------------------------

class Method:
    """One method: call it with a list of arrays. What a call needs is prepared once and kept: the
    structs, the workspace and the outputs; a call with the shapes of the last one only runs."""

    def __init__(self, model: "Model", table):
        self.model, self.name = model, table.name.decode()
        self.inputs = [Info(table.inputs[i].contents) for i in range(table.input_count)]
        self.outputs = [Info(table.outputs[i].contents) for i in range(table.output_count)]
        self._plan, self._step = STEP(table.plan), model._awake(STEP(table.run))
        self._given = [i for i, info in enumerate(self.inputs) if not info.optional]
        self._variable = any(o.unknown for o in self.outputs)
        self._tensors = [self._prepare(self.inputs), self._prepare(self.outputs)]
        self._bytes = (u64 * max(1, len(self.outputs)))()
        self._memory = [aligned(0) for _ in self.outputs]
        self._error = ctypes.create_string_buffer(512)
        self._grow = GROW(self._grown)
        self._scratch: list = []
        self._host = Host(ctypes.sizeof(Host), model._pool, model._loop, self._grow, None, model._features)
        self._workspace = aligned(0)
        call = self._call = Call(struct_size=ctypes.sizeof(Call), threads=model.threads)
        call.inputs, call.outputs = (ctypes.addressof(t[0]) for t in self._tensors)
        call.output_bytes, call.host = ctypes.addressof(self._bytes), ctypes.addressof(self._host)
        call.error, call.error_bytes = ctypes.addressof(self._error), 512
        call.state = model.state.ctypes.data if model.state.size else None
        call.segments = ctypes.addressof(model._bases) if model._bases else None
        self._address = ctypes.addressof(call)
        self._last: list = [None] * len(self._given)        # the caller's arrays, for identity
        self._used: list = [None] * len(self._given)        # where the data is: the same, or a copy
        self._expected = [(self.inputs[i].dtype, self.inputs[i].byte_strides) for i in self._given]
        self._shapes: list = [None] * len(self._given)
        self._results: list = []
        self._stale = True                                  # the plan is not for these shapes

    @staticmethod
    def _prepare(infos):
        """The tensors and, to keep them alive, the arrays of sizes they point to."""
        tensors, sizes = (Tensor * max(1, len(infos)))(), []
        for tensor, info in zip(tensors, infos):
            shape = (i64 * max(1, info.ndim))(*(d.lo if d.lo == d.hi else -1 for d in info.dims))
            strides = (i64 * info.ndim)(*info.strides) if info.strides else None
            sizes += [shape, strides]
            tensor.device_type, tensor.ndim, tensor.dtype = 1, info.ndim, info.code
            tensor.data, tensor.shape = info.constant, ctypes.addressof(shape)
            tensor.strides = ctypes.addressof(strides) if strides else None
        return tensors, sizes

    def __call__(self, arrays) -> list:
        last, shapes = self._last, self._shapes
        if len(arrays) != len(last):
            raise InputTypeError(f"{self.name} takes {len(last)} inputs, given {len(arrays)}: "
                                 + ", ".join(map(repr, (self.inputs[i] for i in self._given))), 1)
        for i, array in enumerate(arrays):
            if array is last[i] and self._used[i] is array and array.shape == shapes[i]:
                continue                        # the very array of the last call
            self._take(i, array)
        if self._stale:
            self._replan()
        elif self.model.fresh:
            self._renew()
        elif self._variable:
            self._say_room()
        status = self._step(self._address)
        if status or self._variable:
            self._finish(status)
        return self._results[:]

    def _take(self, i: int, array) -> None:
        """Makes the array input i; another shape than before makes the plan stale."""
        dtype, strides = self._expected[i]
        original, self._last[i] = array, None           # a refused array must not look known
        if not isinstance(array, np.ndarray):
            array = as_array(array, dtype)
        port = self._given[i]
        info = self.inputs[port]
        if array.dtype != dtype:
            raise InputTypeError(f"input {i} ({info!r}): expected {dtype}, given {array.dtype}")
        if array.ndim != info.ndim:
            raise InputValueError(f"input {i} ({info!r}): expected {info.ndim} dimensions, "
                                  f"given {array.ndim}")
        flags = array.flags
        fits = flags.c_contiguous if strides is None else array.strides == strides
        if info.flags & MUTATED and not (fits and flags.writeable):
            raise InputValueError(f"input {i} ({info!r}) is written by the run: it must be writeable "
                                  f"and laid out as the model asks for ({strides or 'row-major'})", 4)
        if not fits:
            array = self._copied(array, strides)
        tensors, sizes = self._tensors[0]
        tensors[port].data = array.__array_interface__["data"][0]
        if array.shape != self._shapes[i]:
            self._shapes[i], self._stale = array.shape, True
            sizes[2 * port][:array.ndim] = array.shape
        self._last[i], self._used[i] = original, array

    @staticmethod
    def _copied(array, strides):
        if strides is None:
            return np.ascontiguousarray(array)
        extent = array.itemsize + sum((n - 1) * s for n, s in zip(array.shape, strides) if n)
        copy = np.ndarray(array.shape, array.dtype, np.empty(extent, np.uint8), strides=strides)
        copy[...] = array
        return copy

    def _fail(self, status: int):
        self._stale = True
        raise ModelError(status, self._error.value.decode(errors="replace"))

    def _replan(self) -> None:
        """New shapes: plans, makes room, makes the arrays of the result."""
        self._error.value = b""
        if self.model.fresh:
            self._memory = [aligned(0) for _ in self.outputs]
        status = self._plan(self._address)
        if status:
            self._fail(status)
        self._make_room()
        self._results = [self._array(i) for i in range(len(self.outputs))]
        self._stale = False

    def _make_room(self) -> bool:
        """Gives what the last plan or run asked for; False when it asked for nothing more."""
        call, more = self._call, False
        if call.needed_workspace > call.workspace_bytes:
            self._workspace = aligned(call.needed_workspace)
            call.workspace = self._workspace.ctypes.data
            call.workspace_bytes, more = self._workspace.size, True
        for i, need in enumerate(self._bytes[:len(self.outputs)]):
            if need != NO_BOUND and need > self._memory[i].size:
                self._new_output(i, need)
                more = True
        self._say_room()
        return more

    def _new_output(self, i: int, size: int) -> None:
        self._memory[i], self._tensors[1][0][i].data = placed(size)

    def _renew(self) -> None:
        """The last results are the caller's: other memory for the next ones."""
        for i, memory in enumerate(self._memory):
            if memory.size:
                self._new_output(i, memory.size)
        self._say_room()
        if not self._variable:
            self._results = [self._array(i) for i in range(len(self.outputs))]

    def _say_room(self) -> None:
        for i, memory in enumerate(self._memory):
            self._bytes[i] = memory.size

    def _grown(self, _, slot: int, size: int) -> int:
        """aot_host.grow: memory for a size that is known only in the run."""
        try:
            if slot == -1:
                self._scratch.append(aligned(size))
                return self._scratch[-1].ctypes.data
            if self._memory[slot].size < size:
                self._new_output(slot, size)
            return self._memory[slot].ctypes.data
        except MemoryError:
            return 0

    def _finish(self, status: int) -> None:
        """The slow end of a call: repeats it with more room, or makes arrays of sizes found."""
        self._scratch.clear()
        while status == ESPACE and self._make_room():
            status = self._step(self._address)
            self._scratch.clear()
        if status:
            self._fail(status)
        self._results = [self._array(i) for i in range(len(self.outputs))]

    def _array(self, i: int):
        info = self.outputs[i]
        if info.flags & NONE:
            return None
        shape = tuple(self._tensors[1][1][2 * i][:info.ndim])
        if UNKNOWN in shape:
            return None
        if 0 in shape:
            return np.empty(shape, info.dtype)
        return np.ndarray(shape, info.dtype, self._memory[i], strides=info.byte_strides)


class Model:
    """A model on its state. Calling it calls the default method: forward, or the only one."""

    def __init__(self, path, threads: int = 1, isa: str | None = None, fresh: bool = False,
                 require_signature=None):
        self.fresh = fresh
        in_memory = isinstance(path, (bytes, bytearray, memoryview))
        folder = None if in_memory else Path(path).parent
        if require_signature is not None:
            if in_memory:
                raise ValueError("require_signature: is for files; the signature of PATH is in PATH.sig")
            path, in_memory = read_signed(Path(path), require_signature), True
        if in_memory:
            file = memory_file(path)
            try:
                self._open(Path(f"/proc/self/fd/{file}"), folder, threads, isa, True)
            finally:
                os.close(file)
        else:
            self._open(Path(path), folder, threads, isa, False)

    def _open(self, path: Path, folder: Path | None, threads: int, isa: str | None, copied: bool) -> None:
        check_whole(path)
        self._library, self._table = ask_entry(path, isa)
        table = self._table
        self.name, self.isa = table.name.decode(), table.isa.decode()
        self.metadata = json.loads(table.metadata.decode()) if table.metadata else {}
        self._bases, self._maps = map_segments(table, folder or path.parent, copied)
        self._start(threads)

    def another(self) -> "Model":
        """The same open artifact for another thread, with a state of its own."""
        other = object.__new__(Model)
        other.fresh, other._library, other._table = self.fresh, self._library, self._table
        other.name, other.isa, other.metadata = self.name, self.isa, self.metadata
        other._bases, other._maps = self._bases, self._maps
        other._start(self.threads)
        return other

    def _start(self, threads: int) -> None:
        table = self._table
        self._aotrt, self._pool, self.threads = load_pool(threads)
        self._features = ask_features(table)
        self._loop = ctypes.cast(self._aotrt.aot_pool_parallel_for, address).value \
            if self.threads > 1 else None
        self.state = aligned(table.state_bytes)
        self.reset()
        tables = [table.methods[i].contents for i in range(table.method_count)]
        self.method_names = [t.name.decode() for t in tables]
        self._tables = dict(zip(self.method_names, tables))
        self._methods: dict[str, Method] = {}
        default = "forward" if "forward" in self._tables else None
        if default is None and len(tables) == 1:
            default = self.method_names[0]
        self._default = self.method(default) if default else None
        if self._default is not None:
            self._forward = self._default.__call__

    def _awake(self, run):
        """run, with the pool's workers awake between its loops."""
        if self._pool is None:
            return run
        begin, end, pool = self._aotrt.aot_pool_begin, self._aotrt.aot_pool_end, self._pool

        def awake(call):
            begin(pool)
            try:
                return run(call)
            finally:
                end(pool)
        return awake

    def _forward(self, arrays):
        raise InputTypeError(f"{self.name} has no default method; "
                             f"use .method(name) with one of: {', '.join(self.method_names)}", 1)

    def __call__(self, arrays) -> list:
        return self._forward(arrays)

    def method(self, name: str) -> Method:
        """A method by name; all share the state, each keeps its own workspace and outputs."""
        if name not in self._tables:
            raise KeyError(f"{self.name} has no method {name!r}; it has: "
                           f"{', '.join(self.method_names)}")
        if name not in self._methods:
            self._methods[name] = Method(self, self._tables[name])
        return self._methods[name]

    def reset(self) -> None:
        """The state back to its first values."""
        self.state[:] = 0
        if self.state.size and self._table.init_state:
            bases = ctypes.addressof(self._bases) if self._bases else None
            INIT_STATE(self._table.init_state)(self.state.ctypes.data, bases)

    @property
    def inputs(self) -> list[Info]:
        return [i for i in self._default.inputs if not i.optional] if self._default else []

    @property
    def outputs(self) -> list[Info]:
        return self._default.outputs if self._default else []

    def __del__(self):
        if getattr(self, "_pool", None):
            self._aotrt.aot_pool_free(self._pool)
            self._pool = None


def load(path, threads: int = 1, isa: str | None = None, fresh: bool = False, require_signature=None) -> Model:
    """Opens an artifact. isa forces a level, as "x86-64-v3"; fresh: each call makes new outputs.
    require_signature: a public key (32 bytes, or the path of a PEM file) that PATH.sig must be made by."""
    return Model(path, threads, isa, fresh, require_signature)


# ---- Command line --------------------------------------------------------------------------------

def main(arguments: list[str]) -> int:
    import argparse

    parser = argparse.ArgumentParser(description="Runs a compiled model on .npy files.")
    parser.add_argument("model")
    parser.add_argument("inputs", nargs="*")
    parser.add_argument("--expect", nargs="*", default=[], help="compare with these, or fail")
    parser.add_argument("--tolerance", type=float, default=1e-4)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    model = load(options.model, options.threads)
    found = model([np.load(file) for file in options.inputs])
    for info, array in zip(model.outputs, found):
        print(f"{info.name} {array.dtype}{list(array.shape)}\n{array}")
    failed = False
    for info, array, file in zip(model.outputs, found, options.expect):
        expected = np.load(file)
        if array.shape != expected.shape:
            print(f"{info.name}: expected shape {expected.shape}, found {array.shape}")
            return 1
        scale = max(float(np.abs(expected).max(initial=0)), 1e-30)
        difference = float(np.abs(array.astype(float) - expected).max(initial=0)) / scale
        print(f"{info.name}: largest relative difference {difference:.3g}")
        failed |= not difference <= options.tolerance
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
