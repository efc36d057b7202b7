#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Derives malformed archives from sound fixtures: make_malformed.py FIXTURES OUT

FIXTURES holds RELEASE/NAME/model.pt2, as tests/fixtures does. OUT gets NAME.pt2 files and list.tsv, a line
each: file, the exit codes that are right, what is wrong with it. The codes: `1` where the archive is plainly
broken, `1,3` where "not supported" is as true, `0,1,3` where a compiler may also ignore what is odd.

The same input gives the same files. Standard library only.
"""
import copy
import io
import json
import random
import struct
import sys
import zipfile
from pathlib import Path

PROGRAM = "model/models/model.json"
WEIGHTS = "model/data/weights/model_weights_config.json"
RECORD = "model/data/weights/weight_0"
BROKEN, UNSUPPORTED, ODD, ANY = "1", "3", "1,3", "0,1,3"
KINDS = {"null": None, "true": True, "negative": -1, "large": 2**63, "half": 0.5, "text": "zz", "list": [],
         "object": {}, "deep": [[[[[]]]]]}
SAMPLE, SEED = 300, 7
BIG = 2**62


class Writer:
    """The folder of malformed archives and its list."""

    def __init__(self, out):
        self.out, self.rows = out, {}
        out.mkdir(parents=True, exist_ok=True)

    def put(self, name, codes, about, data):
        if name in self.rows:
            raise ValueError(f"two archives are called {name}")
        (self.out / f"{name}.pt2").write_bytes(data)
        self.rows[name] = f"{name}.pt2\t{codes}\t{about}\n"

    def close(self):
        (self.out / "list.tsv").write_text("".join(self.rows[n] for n in sorted(self.rows)))
        print(f"{len(self.rows)} archives")


# ---- Archives as a dict of members ---------------------------------------------------------------

def unpacked(data):
    with zipfile.ZipFile(io.BytesIO(data)) as z:
        return {name: z.read(name) for name in z.namelist()}


def packed(members):
    """A zip with fixed times, members stored."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        for name, data in members.items():
            z.writestr(zipfile.ZipInfo(name), data)
    return out.getvalue()


def replaced(members, name, data):
    """The archive with one member changed, or without it when data is None."""
    if name not in members:
        raise KeyError(name)
    changed = {n: data if n == name else d for n, d in members.items()}
    return packed({n: d for n, d in changed.items() if d is not None})


def edited(members, name, edit):
    """The archive with one JSON member edited in place by a function."""
    value = json.loads(members[name])
    edit(value)
    return replaced(members, name, json.dumps(value).encode())


def graph(program):
    return program["graph_module"]["graph"]


def find(program, target):
    """The first node with this call target."""
    return next(n for n in graph(program)["nodes"] if n["target"] == f"torch.ops.{target}")


def set_argument(node, name, value):
    """Replaces an argument, or adds one that the exporter left out as default."""
    node["inputs"] = [a for a in node["inputs"] if a["name"] != name]
    node["inputs"].append({"name": name, "arg": value, "kind": 1})


def ints(values):
    return [{"as_int": v} for v in values]


# ---- Files and zips ------------------------------------------------------------------------------

def truncated(w, name, data):
    """Cut at many lengths: evenly, and densely near the end, where the directory lies."""
    even = {len(data) * i // 24 for i in range(24)}
    dense = {len(data) - n for n in (1, 2, 4, 10, 21, 22, 23, 40, 46, 64, 100, 200)}
    for length in sorted(even | dense):
        w.put(f"cut_{name}_{length:06d}", ODD if length < 64 else BROKEN, f"ends after {length} of {len(data)} bytes",
              data[:length])


def not_zips(w):
    noise = random.Random(SEED).randbytes(4096)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 65535, 65535, 0xFFFFFF00, 0xFFFFFF00, 0)
    for name, data in {"text": b"this is no archive\n", "zeros": bytes(8192), "noise": noise, "pk": b"PK\3\4",
                       "elf": b"\x7fELF\2\1\1" + bytes(100), "gzip": b"\x1f\x8b\x08" + bytes(64),
                       "png": b"\x89PNG\r\n\x1a\n" + bytes(64), "end_only": end, "end_many": noise + end}.items():
        w.put(f"file_{name}", ODD, "is no zip archive", data)
    w.put("zip_empty", ODD, "has no members", packed({}))
    w.put("zip_foreign", ODD, "has only foreign members", packed({"a/readme.txt": b"hello"}))


def field(data, at, form, value):
    """The bytes with one little-endian field overwritten."""
    return data[:at] + struct.pack(form, value) + data[at + struct.calcsize(form):]


def broken_zips(w, data):
    """One header field each is wrong: of the first member, a weight, or of the directory's end."""
    data = packed(unpacked(data))
    end = data.rindex(b"PK\5\6")
    central, = struct.unpack_from("<L", data, end + 16)
    for name, at, form, value in (
            ("method", central + 10, "<H", 99), ("encrypted", central + 8, "<H", 1),
            ("crc", central + 16, "<L", 0xBADBAD), ("packed_size", central + 20, "<L", 0x7FFFFFFF),
            ("size", central + 24, "<L", 0x7FFFFFFF), ("name_length", central + 28, "<H", 0xFFFF),
            ("offset", central + 42, "<L", 0x7FFFFFFF),
            ("signature", 0, "<L", 0), ("local_name_length", 26, "<H", 0xFFFF),
            ("directory_offset", end + 16, "<L", 0x7FFFFFFF), ("directory_size", end + 12, "<L", 0x7FFFFFFF),
            ("entries", end + 10, "<H", 0x7FFF), ("comment", end + 20, "<H", 0x7FFF)):
        w.put(f"zip_{name}", ODD, f"zip header: {name}", field(data, at, form, value))
    members = unpacked(data)
    stolen = next(iter(members))
    w.put("zip_damaged", BROKEN, "one byte of a member is another", flip(data, members[stolen]))


def flip(data, content):
    at = data.index(content) + len(content) // 2
    return data[:at] + bytes([data[at] ^ 0x20]) + data[at + 1:]


def missing_members(w, members):
    for name, short in ((PROGRAM, "program"), (WEIGHTS, "config"), (RECORD, "record")):
        w.put(f"without_{short}", BROKEN if short == "record" else ODD, f"has no {name}", replaced(members, name, None))
        w.put(f"empty_{short}", BROKEN, f"{name} is empty", replaced(members, name, b""))


# ---- JSON ----------------------------------------------------------------------------------------

def paths(value, path=()):
    """Every place in a JSON value, outermost first."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from paths(inner, path + (key,))


def at_path(value, path):
    for key in path:
        value = value[key]
    return value


def kind(value):
    for name, types in (("bool", bool), ("number", int), ("half", float), ("text", str), ("list", list),
                        ("object", dict)):
        if isinstance(value, types):
            return name
    return "null"


def essential(path, member, given):
    """Whether nothing can be compiled rightly when this value is of a wrong kind."""
    words = [p for p in path if isinstance(p, str)]
    if "hint" in words or "metadata" in words or "requires_grad" in words or "device" in words:
        return False
    if member == WEIGHTS:
        known = ("config", "path_name", "tensor_meta", "sizes", "strides", "dtype", "as_int")
        return len(words) == 2 or words[-1] in known
    if words[:2] != ["graph_module", "graph"]:
        return words[:2] == ["graph_module", "signature"] and words[-1] not in ("persistent", "metadata")
    inside = words[2:]
    if inside[:1] == ["nodes"]:
        return len(inside) == 1 or inside[1] in ("target", "inputs", "outputs") and "kind" not in inside
    if inside[:1] == ["tensor_values"]:
        return len(inside) == 1 or (inside[1] in given and (len(inside) == 2 or inside[2] in ("dtype", "sizes")))
    return not inside


def mutations(member, value):
    """(path, new value's name, codes) for every wrong kind at every place worth it."""
    given = {}
    if member == PROGRAM:
        given = {a["as_tensor"]["name"] for a in graph(value)["inputs"] if "as_tensor" in a}
    for path in paths(value):
        old = at_path(value, path)
        number = kind(old) == "number" and path[-1] in ("dtype", "as_int", "min_val", "max_val")
        for name, new in KINDS.items():
            if old is None or (kind(new) == kind(old) and not number):
                continue
            likely = number and name in ("true", "negative", "half")
            strict = essential(path, member, given) and not likely
            yield path, name, ODD if strict else ANY


def chosen(member, value, count, draw):
    """A sample in which what is essential has three parts in four."""
    strict, loose = [], []
    for mutation in mutations(member, value):
        (loose if mutation[2] == ANY else strict).append(mutation)
    many = min(len(strict), count * 3 // 4)
    return draw.sample(strict, many) + draw.sample(loose, min(len(loose), count - many))


def short(path):
    return "/".join(map(str, path))


def wrong_kinds(w, name, members, member, count):
    value = json.loads(members[member])
    draw = random.Random(f"{SEED} {name} {member}")
    for i, (path, new, codes) in enumerate(chosen(member, value, count, draw)):
        changed = copy.deepcopy(value)
        at_path(changed, path[:-1])[path[-1]] = KINDS[new]
        part = "program" if member == PROGRAM else "config"
        about = f"{part} {short(path)} is replaced by {json.dumps(KINDS[new])}"
        w.put(f"json_{name}_{part}_{i:03d}", codes, about, replaced(members, member, json.dumps(changed).encode()))


def broken_json(w, members):
    text = members[PROGRAM]
    for name, data in {
            "cut": text[:len(text) // 2], "tail": text + b"}", "bytes": text.replace(b"graph", b"gr\xff\xfeph", 1),
            "nul": text.replace(b'"nodes"', b'"no\0des"', 1), "number": b"1e999999", "text": b'"graph"', "list": b"[]",
            "null": b"null", "nested": b"[" * 200000 + b"]" * 200000, "nested_objects": b'{"a":' * 100000,
            "nan": text.replace(b'"dtype": 7', b'"dtype": NaN', 1), "digits": b'{"a": ' + b"9" * 100000 + b"}"}.items():
        w.put(f"json_{name}", ODD, f"the program's JSON is broken: {name}", replaced(members, PROGRAM, data))


# ---- Weights -------------------------------------------------------------------------------------

def set_meta(members, **fields):
    """The archive whose first weight claims other sizes, strides or another offset."""
    def edit(config):
        meta = next(e for e in config["config"].values() if e["path_name"] == "weight_0")["tensor_meta"]
        for key, value in fields.items():
            one = {"as_int": value} if key == "storage_offset" else value
            meta[key] = ints(value) if isinstance(value, list) else one
    return edited(members, WEIGHTS, edit)


def weights(w, members):
    record = members[RECORD]
    for name, length in {"byte_short": -1, "element_short": -4, "half": len(record) // 2}.items():
        data = record[:length]
        w.put(f"weight_{name}", BROKEN, "a weight is shorter than its shape", replaced(members, RECORD, data))
    for name, fields in {
            "overflow": {"sizes": [2**31, 2**31, 4], "strides": [2**33, 4, 1]},
            "huge": {"sizes": [BIG, 4], "strides": [4, 1]},
            "product_wraps": {"sizes": [2**32, 2**32], "strides": [2**32, 1]},
            "stride": {"strides": [BIG, BIG, BIG, BIG]},
            "negative_size": {"sizes": [-8, -3, 3, 3]}, "negative_stride": {"strides": [-27, -9, -3, -1]},
            "offset": {"storage_offset": BIG}, "negative_offset": {"storage_offset": -1},
            "rank": {"sizes": [1] * 5000, "strides": [1] * 5000}, "uneven": {"sizes": [8, 3], "strides": [1]},
            "dtype": {"dtype": 9999}, "dtype_negative": {"dtype": -1}, "other_shape": {"sizes": [3, 8, 3, 3]},
            "layout": {"layout": 1}}.items():
        codes = ODD if name in ("layout", "rank", "other_shape", "dtype", "dtype_negative") else BROKEN
        w.put(f"meta_{name}", codes, f"weight metadata: {name}", set_meta(members, **fields))

    def rename(path):
        def edit(config):
            next(iter(config["config"].values()))["path_name"] = path
        return edited(members, WEIGHTS, edit)
    for name, path in {"absent": "weight_999", "outside": "../../../etc/passwd", "rooted": "/etc/passwd",
                       "empty": ""}.items():
        w.put(f"path_{name}", BROKEN, f"a weight lies at {path!r}", rename(path))


# ---- Graphs --------------------------------------------------------------------------------------

def read_instead(node, name):
    next(a for a in node["inputs"] if "as_tensor" in a["arg"])["arg"]["as_tensor"]["name"] = name


def last_output(program):
    return graph(program)["nodes"][-1]["outputs"][0]["as_tensor"]["name"]


def graphs(w, members):
    """Names that lead nowhere, twice somewhere or round in a circle."""
    nodes = lambda p: graph(p)["nodes"]
    sizes = lambda p: graph(p)["tensor_values"]["x"]["sizes"]
    specs = lambda p: p["graph_module"]["signature"]
    made = lambda node: node["outputs"][0]["as_tensor"]
    result = lambda p: specs(p)["output_specs"][0]["user_output"]["arg"]["as_tensor"]
    flat = lambda rank: {"sizes": ints([1] * rank), "strides": ints([1] * rank)}
    edits = {
        "cycle": (BROKEN, lambda p: read_instead(nodes(p)[0], last_output(p))),
        "self": (BROKEN, lambda p: read_instead(nodes(p)[1], made(nodes(p)[1])["name"])),
        "later": (BROKEN, lambda p: nodes(p).reverse()),
        "undefined_input": (BROKEN, lambda p: read_instead(nodes(p)[2], "nowhere")),
        "undefined_output": (ANY, lambda p: graph(p)["outputs"][0]["as_tensor"].update(name="nowhere")),
        "duplicate_node": (BROKEN, lambda p: made(nodes(p)[1]).update(made(nodes(p)[0]))),
        "node_as_input": (BROKEN, lambda p: made(nodes(p)[1]).update(name="x")),
        "duplicate_input": (ANY, lambda p: graph(p)["inputs"].append(copy.deepcopy(graph(p)["inputs"][0]))),
        "no_nodes": (BROKEN, lambda p: nodes(p).clear()),
        "no_inputs": (ANY, lambda p: graph(p)["inputs"].clear()),
        "no_values": (ANY, lambda p: graph(p)["tensor_values"].clear()),
        "no_outputs_of_node": (BROKEN, lambda p: nodes(p)[0]["outputs"].clear()),
        "two_outputs": (ODD, lambda p: nodes(p)[0]["outputs"].append({"as_tensor": {"name": "more"}})),
        "no_arguments": (BROKEN, lambda p: nodes(p)[0]["inputs"].clear()),
        "operator": (ODD, lambda p: nodes(p)[1].update(target="torch.ops.nobody.knows.default")),
        "operator_long": (ODD, lambda p: nodes(p)[1].update(target="torch.ops." + "a" * 100000)),
        "operator_format": (ODD, lambda p: nodes(p)[1].update(target="torch.ops.aten.%s%n%s.default")),
        "signature_name": (BROKEN, lambda p: specs(p)["input_specs"][0]["parameter"]["arg"].update(name="nowhere")),
        "parameter_name": (BROKEN, lambda p: specs(p)["input_specs"][0]["parameter"].update(parameter_name="absent")),
        "no_specs": (BROKEN, lambda p: specs(p)["input_specs"].clear()),
        "more_specs": (BROKEN, lambda p: specs(p)["input_specs"].extend(copy.deepcopy(specs(p)["input_specs"]))),
        "output_spec": (BROKEN, lambda p: result(p).update(name="nowhere")),
        "schema_future": (ODD, lambda p: p["schema_version"].update(major=9999)),
        "negative_size": (BROKEN, lambda p: sizes(p).__setitem__(0, {"as_int": -2})),
        "huge_size": (ODD, lambda p: sizes(p).__setitem__(0, {"as_int": BIG})),
        "huge_rank": (ODD, lambda p: graph(p)["tensor_values"]["x"].update(flat(100000))),
        "low_rank": (ODD, lambda p: graph(p)["tensor_values"]["x"].update(sizes=ints([2]), strides=ints([1]))),
    }
    for name, (codes, edit) in edits.items():
        w.put(f"graph_{name}", codes, f"graph: {name}", edited(members, PROGRAM, edit))


def operators(w, members):
    """Convolutions, poolings and linear layers with absurd attributes."""
    conv = lambda name, value: lambda p: set_argument(find(p, "aten.conv2d.default"), name, value)
    flat = lambda name, value: lambda p: set_argument(find(p, "aten.flatten.using_ints"), name, value)
    pool = lambda value: lambda p: set_argument(find(p, "aten.adaptive_avg_pool2d.default"), "output_size", value)
    pair = lambda value: {"as_ints": [value, value]}
    edits = {}
    for name in ("stride", "dilation"):
        for label, value in (("zero", 0), ("negative", -1), ("huge", BIG), ("least", -2**63)):
            edits[f"{name}_{label}"] = conv(name, pair(value))
    for label, value in (("negative", -1), ("huge", BIG), ("largest", 2**63 - 1)):
        edits[f"padding_{label}"] = conv("padding", pair(value))
    for label, value in (("zero", 0), ("negative", -1), ("huge", 2**40), ("uneven", 7)):
        edits[f"groups_{label}"] = conv("groups", {"as_int": value})
    tensor = lambda name: {"as_tensor": {"name": name}}
    edits |= {"stride_five": conv("stride", {"as_ints": [1] * 5}), "stride_text": conv("stride", {"as_string": "x"}),
              "weight_none": conv("weight", {"as_none": True}), "weight_is_bias": conv("weight", tensor("p_fc_bias")),
              "bias_is_weight": conv("bias", tensor("p_fc_weight")), "pool_three": pool({"as_ints": [1, 1, 1]}),
              "flatten_dim": flat("start_dim", {"as_int": 99}), "flatten_least": flat("start_dim", {"as_int": -2**63}),
              "pool_negative": pool(pair(-1)), "pool_huge": pool(pair(BIG)),
              "unknown_argument": lambda p: set_argument(find(p, "aten.relu.default"), "nonsense", {"as_int": 1}),
              "twice": lambda p: find(p, "aten.conv2d.default")["inputs"].append(
                  copy.deepcopy(find(p, "aten.conv2d.default")["inputs"][0]))}
    for name, edit in edits.items():
        codes = ANY if name in ("unknown_argument", "twice") else ODD
        w.put(f"op_{name}", codes, f"operator attribute: {name}", edited(members, PROGRAM, edit))


def tensors(*names):
    return {"as_tensors": [{"name": name} for name in names]}


def other_operators(w, members):
    """Operators that an image classifier has not, with operands or recorded types that do not go with them."""
    empty, x = tensors(), {"as_tensor": {"name": "x"}}
    calls = {"dstack_nothing": ("dstack", {"tensors": empty}), "cat_nothing": ("cat", {"tensors": empty}),
             "block_diag": ("block_diag", {"tensors": tensors("x")}),
             "chunk_cat_last": ("_chunk_cat", {"tensors": tensors("x"), "dim": {"as_int": 3}, "num_chunks": {"as_int": 1}}),
             "repeat_number": ("repeat_interleave", {"repeats": {"as_int": 2}}),
             "repeat_by_matrix": ("repeat_interleave", {"repeats": x}),
             "combinations": ("combinations", {"self": x, "r": {"as_int": 2}}), "meshgrid": ("meshgrid", {"tensors": empty})}

    def edit(name, inputs):
        def change(p):
            node = find(p, "aten.relu.default")
            node.update(target=f"torch.ops.aten.{name}.default", inputs=[])
            for argument, value in inputs.items():
                set_argument(node, argument, value)
        return change
    for name, call in calls.items():
        w.put(f"call_{name}", ODD, f"operator instead of relu: {name}", edited(members, PROGRAM, edit(*call)))

    def integers(p):
        node = find(p, "aten.relu.default")
        graph(p)["tensor_values"][node["outputs"][0]["as_tensor"]["name"]]["dtype"] = 5
        node.update(target="torch.ops.aten.log_softmax.int")
        set_argument(node, "dim", {"as_int": 0})
        set_argument(node, "dtype", {"as_scalar_type": 5})
    def late_offset(p):
        view, node = find(p, "aten.flatten.using_ints"), find(p, "aten.linear.default")
        name = view["outputs"][0]["as_tensor"]["name"]
        offset = {"as_expr": {"expr_str": "Symbol('u0', integer=True)", "hint": None}}
        graph(p)["tensor_values"][name]["storage_offset"] = offset
        node.update(target="torch.ops.aten.as_strided.default", inputs=[])
        for argument, value in (("self", {"as_tensor": {"name": name}}), ("size", {"as_ints": [2, 5]}),
                                ("stride", {"as_ints": [1, 1]})):
            set_argument(node, argument, value)
    w.put("call_late_offset", UNSUPPORTED, "a view begins where nothing says", edited(members, PROGRAM, late_offset))
    w.put("call_softmax_integers", ODD, "softmax in integers", edited(members, PROGRAM, integers))


def symbols(w, members):
    """Ranges and expressions of dynamic sizes."""
    limits = lambda low, high: lambda p: [r.update(min_val=low, max_val=high) for r in p["range_constraints"].values()]
    def expression(text):
        def edit(p):
            for size in graph(p)["tensor_values"]["x"]["sizes"]:
                if "as_expr" in size:
                    size["as_expr"]["expr_str"] = text
        return edit
    for name, codes, edit in (
            ("crossed", BROKEN, limits(9, 2)), ("negative", ANY, limits(-9, -2)), ("large", ODD, limits(2**63, 2**64)),
            ("empty_text", BROKEN, expression("")), ("open", BROKEN, expression("Symbol('s53'")),
            ("words", ODD, expression("rm -rf")), ("zero", ODD, expression("1/0")),
            ("power", ODD, expression("Symbol('s53')**99999999")), ("call", ODD, expression("__import__('os')")),
            ("undefined", ANY, expression("Symbol('nobody', integer=True)")), ("deep", ODD, expression("(" * 100000)),
            ("nested", ODD, expression("Add(" * 20000 + "1" + ")" * 20000)), ("digits", ODD, expression("9" * 4000)),
            ("long", ODD, expression("s53+" * 200000 + "1"))):
        w.put(f"symbol_{name}", codes, f"dynamic sizes: {name}", edited(members, PROGRAM, edit))


# ---- Pickles -------------------------------------------------------------------------------------

def call_global(module, name, argument):
    """A pickle that calls module.name(argument) when it is trusted."""
    text = argument.encode()
    return b"\x80\x02c%s\n%s\nX%s%s\x85R." % (module.encode(), name.encode(), struct.pack("<L", len(text)), text)


def pickles():
    yield "system", call_global("os", "system", "true")
    yield "posix", call_global("posix", "system", "true")
    yield "eval", call_global("builtins", "eval", "1")
    yield "getattr", call_global("builtins", "getattr", "x")
    yield "torch_load", call_global("torch", "load", "/etc/passwd")
    yield "stack_global", b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R."
    yield "underflow", b"\x80\x02tR."
    yield "endless_marks", b"\x80\x02" + b"(" * 100000 + b"."
    yield "nested", b"\x80\x02" + b"]" + b"]a" * 50000 + b"."
    yield "memo", b"\x80\x02j\xff\xff\xff\x7f."
    yield "memo_put", b"\x80\x02}r\xff\xff\xff\x7f."
    yield "long_text", b"\x80\x02X\xff\xff\xff\xffab."
    yield "no_end", b"\x80\x02}q\0"
    yield "no_dict", b"\x80\x02K\x01."
    yield "reduce_bomb", b"\x80\x02]q\0" + b"(h\0h\0h\0h\0lq\0" * 2000 + b"."
    yield "empty", b""


def checkpoint(data, pickle):
    """A torch.save zip with another pickle inside."""
    members = unpacked(data)
    return replaced(members, next(n for n in members if n.endswith("data.pkl")), pickle)


def pickled(w, old, new, subclass):
    """Where torch pickles: state dicts up to 2.7, weights of 2.8, records of tensor subclasses."""
    places = [("state", old, "serialized_state_dict.pt")] if old else []
    places += [("weights", new, next(n for n in new if "/data/weights/" in n and n.endswith(".pt")))] if new else []
    places += [("record", subclass, RECORD)] if subclass else []
    for place, members, member in places:
        for name, pickle in pickles():
            w.put(f"pickle_{place}_{name}", ODD, f"the pickle of {member}: {name}",
                  replaced(members, member, checkpoint(members[member], pickle)))
        w.put(f"pickle_{place}_cut", BROKEN, f"{member} is cut", replaced(members, member, members[member][:-40]))


# ---- All -----------------------------------------------------------------------------------------

def load(fixtures, name):
    path = fixtures / name / "model.pt2"
    if not path.exists():
        raise SystemExit(f"make_malformed.py: {path} is missing")
    return path.read_bytes()


def main():
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    fixtures, w = Path(sys.argv[1]), Writer(Path(sys.argv[2]))
    old, add, image = (load(fixtures, n) for n in ("2.7.1/tied_strided", "2.13.0/add", "2.13.0/dyn_image"))
    tied = load(fixtures, "2.13.0/tied_strided")
    truncated(w, "2.7", old)
    truncated(w, "2.13", add)
    not_zips(w)
    broken_zips(w, image)
    members = unpacked(image)
    missing_members(w, members)
    broken_json(w, members)
    wrong_kinds(w, "image", members, PROGRAM, SAMPLE // 2)
    wrong_kinds(w, "image", members, WEIGHTS, SAMPLE // 6)
    wrong_kinds(w, "tied", unpacked(tied), PROGRAM, SAMPLE // 6)
    wrong_kinds(w, "tied", unpacked(tied), WEIGHTS, SAMPLE // 6)
    weights(w, members)
    graphs(w, members)
    operators(w, members)
    other_operators(w, members)
    symbols(w, members)
    pickled(w, unpacked(old), unpacked(load(fixtures, "2.8.0/tied_strided")),
            unpacked(load(fixtures, "2.13.0/pickled_subclass")))
    w.close()


if __name__ == "__main__":
    main()
