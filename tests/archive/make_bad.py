# SPDX-License-Identifier: MIT
"""Writes malformed archives and what must be said about each: make_bad.py FIXTURES FOLDER."""
import io
import json
import os
import struct
import sys
import zipfile
import zlib

fixtures, folder = sys.argv[1:3]
os.makedirs(folder, exist_ok=True)
expected = []
BIG = 2**62


def bad(name, code, part, data):
    """One archive, its exit code and a part of the message."""
    with open(os.path.join(folder, name + ".pt2"), "wb") as f:
        f.write(data)
    expected.append(f"{name}.pt2\t{code}\t{part}\n")


def zipped(members, method=zipfile.ZIP_STORED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method, compresslevel=1) as z:
        for name, data in members:
            z.writestr(zipfile.ZipInfo(name), data, method)
    return out.getvalue()


def read(release, name):
    with open(os.path.join(fixtures, release, name, "model.pt2"), "rb") as f:
        return f.read()


# ---- a small sound archive to damage ----------------------------------------------------------

def program(names=("w",), **more):
    specs = [{"parameter": {"arg": {"name": "p_" + n}, "parameter_name": n}} for n in names]
    return {"graph_module": {"signature": {"input_specs": specs, "output_specs": []}},
            "schema_version": {"major": 8, "minor": 20}, "torch_version": "2.13.0", **more}


def meta(sizes=(2, 3), strides=(3, 1), offset=0, dtype=7, layout=7):
    ints = lambda values: [{"as_int": v} for v in values]
    return {"dtype": dtype, "sizes": ints(sizes), "strides": ints(strides), "layout": layout,
            "storage_offset": {"as_int": offset}, "requires_grad": False,
            "device": {"type": "cpu", "index": None}}


def package(tensor=None, record=bytes(24), model=None, config=None, extra=(), **entry):
    entry = {"path_name": "weight_0", "is_param": True, "use_pickle": False,
             "tensor_meta": tensor if tensor else meta(), **entry}
    config = {"config": {"w": entry}} if config is None else config
    text = lambda v: v if isinstance(v, (str, bytes)) else json.dumps(v)
    members = [("m/data/weights/weight_0", record),
               ("m/data/weights/model_weights_config.json", text(config)),
               ("m/models/model.json", text(program() if model is None else model)),
               ("m/archive_format", "pt2"), ("m/archive_version", "0"), ("m/byteorder", "little")]
    given = dict(extra)
    return [(n, given.pop(n, d)) for n, d in members] + list(given.items())


def packed(*args, **kw):
    return zipped(package(*args, **kw))


# ---- files and zips ---------------------------------------------------------------------------

def files():
    sound = packed()
    bad("sound", 0, "", sound)
    bad("sound_deflated", 0, "", zipped(package(), zipfile.ZIP_DEFLATED))
    bad("sound_folders", 0, "", zipped([("m/", ""), ("m/models/", "")] + package()[::-1]))
    bad("empty", 1, "is empty", b"")
    bad("text", 1, "is no zip file", b"hello, this is no archive at all\n")
    bad("pte", 3, "ExecuTorch", b"\x1c\0\0\0ET12" + bytes(40))
    bad("pickle", 3, "is a pickle", b"\x80\x02}q\0.")
    bad("torchscript", 3, "TorchScript", zipped([("a/constants.pkl", "x"), ("a/code/x.py", "")]))
    bad("checkpoint", 3, "checkpoint", zipped([("a/data.pkl", "x"), ("a/data/0", "")]))
    bad("torch23", 3, "torch 2.4 or older", zipped([("serialized_state_dict.json", "x")]))
    bad("torch24", 3, "schema 5.3",
        zipped([("serialized_exported_program.json", "{}"), ("version", "5.3")]))
    bad("aoti_flat", 3, "AOTInductor", zipped([("data/aotinductor/m/x.so", "x")]))
    bad("other_zip", 1, "without an exported program", zipped([("readme.txt", "x")]))
    bad("no_members", 1, "without an exported program", zipped([]))
    for part in (30, len(sound) // 2, len(sound) - 1):
        bad(f"truncated_{part}", 1, "truncated", sound[:part])
    bad("dotdot", 1, "plain relative name", packed(extra=[("m/../../etc/passwd", "x")]))
    bad("absolute", 1, "plain relative name", packed(extra=[("/etc/passwd", "x")]))
    bad("backslash", 1, "plain relative name", packed(extra=[("m\\..\\x", "x")]))
    bad("twice", 1, "stands twice", packed(extra=[("m/byteordeX", "x")])
        .replace(b"m/byteordeX", b"m/byteorder"))
    flipped = bytearray(sound)
    flipped[sound.index(b"graph_module")] ^= 1
    bad("crc", 1, "CRC", bytes(flipped))
    bomb = zipped([("m/models/model.json", bytes(300 << 20))], zipfile.ZIP_DEFLATED)
    bad("bomb", 1, "zip bomb", bomb)
    directory = bomb.rindex(b"PK\1\2")
    lie = bytearray(bomb)
    struct.pack_into("<I", lie, directory + 24, 3 << 30)
    bad("bomb_lie", 1, "cannot be", bytes(lie))
    short = bytearray(zipped([("m/models/model.json", b"[1]" * 2000)], zipfile.ZIP_DEFLATED))
    struct.pack_into("<I", short, short.rindex(b"PK\1\2") + 24, 2000)
    bad("longer_than_said", 1, "", bytes(short))
    stored = bytearray(sound)
    struct.pack_into("<II", stored, stored.index(b"PK\1\2") + 20, 1 << 29, 1 << 29)
    bad("stored_beyond_end", 1, "", bytes(stored))


def versions():
    bad("version_9", 3, "newer", packed(model=program(schema_version={"major": 9, "minor": 0})))
    bad("version_5", 3, "2.4 or older",
        packed(model=program(schema_version={"major": 5, "minor": 3})))
    bad("version_none", 1, "schema_version", packed(model={"graph_module": {}}))
    bad("version_text", 1, "expected an integer",
        packed(model=program(schema_version={"major": "8", "minor": 0})))
    bad("archive_version", 3, "archive version", packed(extra=[("m/archive_version", "1")]))
    bad("archive_format", 1, "expected pt2", packed(extra=[("m/archive_format", "zip")]))
    bad("big_endian", 3, "big-endian", packed(extra=[("m/byteorder", "big")]))
    bad("odd_endian", 1, "expected little", packed(extra=[("m/byteorder", "pdp")]))


def programs():
    bad("json_array", 1, "no JSON object", packed(model=[]))
    bad("json_cut", 1, "JSON has", packed(model=json.dumps(program())[:-3]))
    bad("json_deep", 1, "200 levels", packed(model='{"a":' + "[" * 100000 + "]" * 100000 + "}"))
    bad("json_twice", 1, "twice", packed(model='{"a":1,"a":2}'))
    bad("json_nul", 1, "u0000", packed(model='{"a":"\\u0000"}'))
    bad("json_utf8", 1, "UTF-8", packed(model=b'{"a":"\xff"}'))
    bad("json_tail", 1, "after its end", packed(model=json.dumps(program()) + "x"))
    bad("json_empty", 1, "an end where", packed(model=""))
    bad("json_many", 1, "8388608", packed(model="[" + "1," * 9000000 + "1]"))


# ---- tensors ----------------------------------------------------------------------------------

def tensors():
    cases = [
        ("short", "the file is damaged", dict(record=bytes(23))),
        ("absent", "is absent", dict(record=b"")),
        ("negative_size", "negative size", dict(tensor=meta(sizes=(2, -3)))),
        ("negative_stride", "negative stride", dict(tensor=meta(strides=(3, -1)))),
        ("negative_offset", "negative storage offset", dict(tensor=meta(offset=-1))),
        ("offset", "the file is damaged", dict(tensor=meta(offset=1))),
        ("offset_max", "out of range", dict(tensor=meta((), (), 2**63 - 1))),
        ("product", "product", dict(tensor=meta((BIG, BIG), (0, 0)))),
        ("expanded", "product", dict(tensor=meta((2**50,), (0,)))),
        ("stride_max", "product", dict(tensor=meta((2, 3), (2**63 - 1, 2**62)))),
        ("stride_big", "the file is damaged", dict(tensor=meta((2, 3), (2**61, 1)))),
        ("ranks", "more sizes than strides", dict(tensor=meta((2, 3), (1,)))),
        ("record", "does not hold", dict(path_name="weight_1")),
        ("record_up", "does not hold", dict(path_name="../../models/model.json")),
        ("huge_int", "does not fit", dict(tensor=meta((2**63, 1), (1, 1)))),
        ("sizes_kind", "no array", dict(tensor={**meta(), "sizes": {"as_int": 2}})),
        ("size_expr", "as_int", dict(tensor={**meta(), "sizes": [{"as_expr": 2}] * 2})),
        ("path_kind", "expected a string", dict(path_name=7)),
        ("pickle_kind", "expected true or false", dict(use_pickle="no")),
        ("config_kind", "is no object", dict(config={"config": []})),
        ("config_none", "is missing", dict(config={})),
        ("config_null", "is missing", dict(config="null")),
        ("config_text", "JSON has", dict(config="config")),
        ("config_empty", "no tensor", dict(config={"config": {}})),
    ]
    for name, part, how in cases:
        bad("tensor_" + name, 1, part, packed(**how))
    bad("tensor_rank", 3, "dimensions", packed(tensor=meta((1,) * 13, (1,) * 13)))
    bad("tensor_float8", 3, "float8_e5m2", packed(tensor=meta(dtype=30)))
    bad("tensor_dtype", 3, "number 99", packed(tensor=meta(dtype=99)))
    bad("tensor_sparse", 3, "sparse", packed(tensor=meta(layout=1)))
    bad("tensor_object", 3, "pickled object", packed(config={"config": {
        "w": {"path_name": "weight_0", "use_pickle": True, "tensor_meta": None}}}))
    bad("tensor_zero", 0, "", packed(tensor=meta((0, BIG), (BIG, BIG)), record=b""))


# ---- pickles ----------------------------------------------------------------------------------

def text(s):
    return b"X" + struct.pack("<I", len(s)) + s.encode()


def integer(v):
    return b"\x8a\x08" + struct.pack("<q", v)


def pickled_tensor(count=6, offset=0, sizes=(2, 3), strides=(3, 1), flags=b"", storage="Float",
                   key="0"):
    ints = lambda values: b"(" + b"".join(integer(v) for v in values) + b"t"
    return (b"ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + b"ctorch\n" +
            storage.encode() + b"Storage\n" + text(key) + text("cpu") + integer(count) + b"tQ" +
            integer(offset) + ints(sizes) + ints(strides) + b"\x89ccollections\nOrderedDict\n)R" +
            flags + b"tR")


def state_dict(value, name="w", data=bytes(24), extra=()):
    pickle = value if value.startswith(b"\x80") else b"\x80\2}" + text(name) + value + b"s."
    return zipped([("archive/data.pkl", pickle), ("archive/data/0", data), *extra])


def plain(weights, version="8.2"):
    model = program(schema_version={"major": 8, "minor": 2})
    return zipped([("serialized_exported_program.json", json.dumps(model)),
                   ("serialized_state_dict.pt", weights), ("serialized_constants.pt", b""),
                   ("version", version)])


def pickles():
    bad("plain_sound", 0, "", plain(state_dict(pickled_tensor())))
    bad("plain_empty", 1, "no tensor", plain(b""))
    bad("plain_version", 1, "expected a schema version", plain(b"", "x"))
    system = b"cposix\nsystem\n(" + text("true") + b"tR"
    cases = [
        ("system", "posix.system", state_dict(system)),
        ("no_zip", "truncated", b"PK is not what this is"),
        ("no_data", "no member data.pkl", zipped([("archive/data/0", "")])),
        ("up", "plain relative name", zipped([("archive/../data.pkl", "")])),
        ("no_storage", "does not hold", state_dict(pickled_tensor(key="1"))),
        ("key_up", "does not hold", state_dict(pickled_tensor(key="../data.pkl"))),
        ("short", "shorter than declared", state_dict(pickled_tensor(), data=bytes(20))),
        ("absent", "is absent", state_dict(pickled_tensor(), data=b"")),
        ("extent", "the file is damaged", state_dict(pickled_tensor(sizes=(3, 3)))),
        ("offset", "negative storage offset", state_dict(pickled_tensor(offset=-1))),
        ("count", "negative size", state_dict(pickled_tensor(count=-1))),
        ("count_max", "shorter than declared", state_dict(pickled_tensor(count=2**62))),
        ("storage_type", "names the global torch.QInt8Storage",
         state_dict(pickled_tensor(storage="QInt8"))),
        ("cycle", "holds itself", state_dict(b"\x80\2]q\0h\0a.")),
        ("cycle_deep", "is no dict", state_dict(b"\x80\2]q\0]q\1h\0aa.")),
        ("memo", "memo slot", state_dict(b"\x80\2}r\xff\xff\xff\x7f.")),
        ("marks", "1000 open marks", state_dict(b"\x80\2" + b"(" * 2000 + b".")),
        ("twice", "twice", state_dict(
            b"\x80\2}" + (text("w") + pickled_tensor() + b"s") * 2 + b".")),
        ("list", "is no dict", state_dict(b"\x80\2].")),
        ("number_key", "no string", state_dict(b"\x80\2}K\1K\2s.")),
        ("opcode", "opcode 0x69", state_dict(b"\x80\2(i.")),
        ("stack", "1048576", state_dict(b"\x80\2" + b"K\1" * (2 << 20) + b".")),
    ]
    for name, part, weights in cases:
        bad("pickle_" + name, 1, part, plain(weights))
    conj = b"}" + text("conj") + b"\x88s"
    bad("pickle_conj", 3, "lazily", plain(state_dict(pickled_tensor(flags=conj))))
    bad("pickle_rank", 3, "dimensions",
        plain(state_dict(pickled_tensor(sizes=(1,) * 20, strides=(1,) * 20))))
    bad("pickle_big_endian", 3, "big-endian",
        plain(state_dict(pickled_tensor(), extra=[("archive/byteorder", "big")])))
    bad("pickle_number", 3, "pickled object", plain(state_dict(b"K\1")))
    meta_tensor = b"ctorch._utils\n_rebuild_meta_tensor_no_storage\n(ctorch\nfloat32\n))\x89tR"
    bad("pickle_meta", 1, "is absent", plain(state_dict(meta_tensor)))
    subclass = (b"ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._utils\n"
                b"_rebuild_wrapper_subclass\ncother\nClass\n)" + system + b"tR")
    bad("pickle_subclass", 3, "a tensor subclass, other.Class", plain(state_dict(subclass)))


def damaged_fixtures():
    """Each real layout with one bit of its biggest weight record flipped."""
    for release in ("2.5.1", "2.8.0", "2.13.0"):
        data = bytearray(read(release, "tied_strided"))
        with zipfile.ZipFile(io.BytesIO(bytes(data))) as z:
            member = max((i for i in z.infolist() if "weight" in i.filename or
                          "state_dict" in i.filename), key=lambda i: i.file_size)
        data[member.header_offset + 200 + member.file_size // 2] ^= 0x40
        bad("flipped_" + release, 1, "CRC", bytes(data))


for make in (files, versions, programs, tensors, pickles, damaged_fixtures):
    make()
with open(os.path.join(folder, "expected.txt"), "w") as f:
    f.writelines(expected)
print(len(expected), "archives; crc of the list", hex(zlib.crc32("".join(expected).encode())))
