# SPDX-License-Identifier: MIT
"""Exports the seed models: make_models.py [--full] [--list] OUT [NAME ...]

Each becomes OUT/NAME/ with its archive, manifest.json and the tensors of its cases as .npy, in the
format of the fixtures beside this folder. Without --full the models are those of tests/fixtures/seeds:
the same layers with fewer channels, small enough for the repository. With --full they have the sizes
their sources give them, and the residual networks come too. --list names them.

A manifest may say more than a case: `methods` names further archives that belong into the same
artifact, a case's `model` the method it calls, `out_of_range` shapes that a run must refuse, with
fragments of the message, `operators` the call targets of the archives.

Needs torch; the residual networks need torchvision (with pillow), whose build may be for another torch.
Weights come from fixed seeds, so two runs with one torch release write the same archives.
"""
import argparse
import collections
import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

Dim = torch.export.Dim
HERE = Path(__file__).resolve().parent
ELSEWHERE = [(Path(torch.__file__).resolve().parent.parent, "site-packages"),
             (Path(collections.__file__).resolve().parent.parent, "stdlib")]
BATCH = {0: Dim("batch", min=1, max=512)}
SEED = 20240611


# ---- The models ----------------------------------------------------------------------------------

class Add(nn.Module):
    """The smallest model there is."""

    def forward(self, x, y):
        return x + y


class SimpleModel(nn.Module):
    """Two linear layers with a ReLU between."""

    def __init__(self, hidden):
        super().__init__()
        self.fc1 = nn.Linear(784, hidden)
        self.fc2 = nn.Linear(hidden, 10)

    def forward(self, x):
        return self.fc2(torch.relu(self.fc1(x)))


class ConvClassifier(nn.Module):
    """Two blocks of convolution, batch norm, ReLU and pooling, then two linear layers."""

    def __init__(self, colours, side, channels, hidden, dropout):
        super().__init__()
        first, second = channels
        self.features = nn.Sequential(
            nn.Conv2d(colours, first, 3, padding=1), nn.BatchNorm2d(first), nn.ReLU(inplace=True), nn.MaxPool2d(2),
            nn.Conv2d(first, second, 3, padding=1), nn.BatchNorm2d(second), nn.ReLU(inplace=True), nn.MaxPool2d(2))
        self.classifier = nn.Sequential(
            nn.Flatten(), nn.Linear(second * (side // 4) ** 2, hidden), nn.ReLU(inplace=True), nn.Dropout(dropout),
            nn.Linear(hidden, 10))

    def forward(self, x):
        return self.classifier(self.features(x))


class ImageModel(nn.Module):
    """Convolutions over an image of any size, averaged to one vector."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 16, 3), nn.ReLU(),
                                      nn.AdaptiveAvgPool2d((1, 1)))
        self.fc = nn.Linear(16, 10)

    def forward(self, x):
        return self.fc(self.features(x).flatten(1))


class ModelWithControlFlow(nn.Module):
    """The values decide which branch runs."""

    def __init__(self, hidden):
        super().__init__()
        self.fc1 = nn.Linear(784, hidden)
        self.fc2 = nn.Linear(hidden, 10)

    def hidden(self, x):
        return torch.relu(self.fc1(x))

    def forward(self, x):
        x = self.hidden(x)
        x = torch.cond(x.mean() > 0.5, lambda x: x * 2, lambda x: x + 1, (x,))
        return self.fc2(x)


class HybridModel(nn.Module):
    """An autoencoder with three methods."""

    def __init__(self, hidden, code):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(784, hidden), nn.ReLU(), nn.Linear(hidden, code))
        self.decoder = nn.Sequential(nn.Linear(code, hidden), nn.ReLU(), nn.Linear(hidden, 784))

    def forward(self, x):
        return self.decoder(self.encoder(x))


class Encode(nn.Module):
    """HybridModel.encode as a program of its own, with the same weights under the same names."""

    def __init__(self, whole):
        super().__init__()
        self.encoder = whole.encoder

    def forward(self, x):
        return self.encoder(x)


class Decode(nn.Module):
    """HybridModel.decode, likewise."""

    def __init__(self, whole):
        super().__init__()
        self.decoder = whole.decoder

    def forward(self, z):
        return self.decoder(z)


class KvCache(nn.Module):
    """Attention over all that was seen: keys, values and how many there are stay from call to call."""

    def __init__(self, width, room):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.register_buffer("keys", torch.zeros(room, width))
        self.register_buffer("values", torch.zeros(room, width))
        self.register_buffer("position", torch.zeros((), dtype=torch.int64))

    def forward(self, x):
        places = self.position + torch.arange(x.shape[0])
        self.keys.index_copy_(0, places, self.key(x))
        self.values.index_copy_(0, places, self.value(x))
        self.position.add_(x.shape[0])
        later = torch.arange(self.keys.shape[0]) > places[:, None]
        scores = (self.query(x) @ self.keys.T * x.shape[1] ** -0.5).masked_fill(later, -torch.inf)
        return scores.softmax(-1) @ self.values


class WindowAttention(nn.Module):
    """Attention in windows of an image that may be rolled before: a bias for each head and distance, and a mask that
    keeps apart what the roll has brought together; of directions alone if `cosine`."""

    def __init__(self, width, heads, window, shift, cosine):
        super().__init__()
        self.heads, self.window, self.shift = heads, window, shift
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.scale = nn.Parameter(torch.rand(heads, 1, 1) + 1) if cosine else None
        self.table = nn.Parameter(torch.randn((2 * window - 1) ** 2, heads))
        at = torch.stack(torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")).flatten(1)
        far = at[:, :, None] - at[:, None, :] + window - 1
        self.register_buffer("index", far[0] * (2 * window - 1) + far[1])

    def windows(self, x):
        w = self.window
        x = x.view(x.shape[0], x.shape[1] // w, w, x.shape[2] // w, w, x.shape[3])
        return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, w * w, x.shape[5])

    def mask(self, x):
        parts, ends = x.new_zeros(x.shape[1], x.shape[2]), (0, -self.shift, None)
        for i in range(1, 4):
            parts[ends[i // 2]:ends[i // 2 + 1], ends[i % 2]:ends[i % 2 + 1]] = i
        parts = self.windows(parts[None, :, :, None])[:, :, 0]
        apart = parts[:, None, :] - parts[:, :, None]
        return apart.masked_fill(apart != 0, -100.0).masked_fill(apart == 0, 0.0)

    def forward(self, image):
        x = image.roll((-self.shift, -self.shift), (1, 2)) if self.shift else image
        x = self.windows(x)
        tokens = x.shape[1]
        q, k, v = self.qkv(x).reshape(x.shape[0], tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        if self.scale is None:
            scores = q * q.shape[-1] ** -0.5 @ k.transpose(-2, -1)
        else:
            scores = nn.functional.normalize(q, dim=-1) @ nn.functional.normalize(k, dim=-1).transpose(-2, -1) * self.scale
        scores = scores + self.table[self.index.flatten()].view(tokens, tokens, -1).permute(2, 0, 1)[None]
        if self.shift:
            mask = self.mask(image)
            scores = scores.view(-1, mask.shape[0], self.heads, tokens, tokens) + mask[None, :, None]
            scores = scores.view(-1, self.heads, tokens, tokens)
        x = self.out((scores.softmax(-1) @ v).transpose(1, 2).reshape(x.shape[0], tokens, -1))
        w, rows, columns = self.window, image.shape[1] // self.window, image.shape[2] // self.window
        x = x.view(-1, rows, columns, w, w, x.shape[2]).permute(0, 1, 3, 2, 4, 5).reshape(image.shape)
        return x.roll((self.shift, self.shift), (1, 2)) if self.shift else x


def torchvision_models():
    """torchvision.models. Its compiled operators are not needed, so a build for another torch will do."""
    original = torch.library.register_fake
    torch.library.register_fake = lambda *_, **__: lambda function: function
    try:
        from torchvision import models
    finally:
        torch.library.register_fake = original
    return models


def unsettle(module):
    """Batch norms get scales, shifts and statistics away from 0 and 1, so that folding them shows."""
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.weight.data.uniform_(0.5, 1.5)
            norm.bias.data.normal_(0, 0.2)
            norm.running_mean.normal_(0, 0.2)
            norm.running_var.uniform_(0.5, 1.5)
    return module


def settle(module, side):
    """Statistics that random images give: in a deep network free choice would let the values explode.

    The last scale of each residual branch is small, as in trained networks: with branches as large as the trunk a
    hundred blocks amplify rounding so much that PyTorch itself is 2e-4 from its float64 result."""
    for name, norm in unsettle(module).named_modules():
        if name.endswith("bn3"):
            norm.weight.data.mul_(0.2)
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.reset_running_stats()
            norm.momentum = None
    module.train()
    with torch.no_grad():
        for _ in range(2):
            module(torch.randn(4, 3, side, side))
    return module.eval()


# ---- Writing -------------------------------------------------------------------------------------

def without_folders(text):
    """A stack trace in which no directory of this machine remains."""
    for folder, name in ELSEWHERE:
        text = text.replace(str(folder), name)
    return text.replace(f"{HERE}/", "")


def export(module, example, dynamic):
    """The exported program, its traces cleaned."""
    program = torch.export.export(module.eval(), example, dynamic_shapes=dynamic)
    for graph in program.graph_module.modules():
        for node in graph.graph.nodes if isinstance(graph, torch.fx.GraphModule) else ():
            if node.meta.get("stack_trace"):
                node.meta["stack_trace"] = without_folders(node.meta["stack_trace"])
            node.meta.pop("from_node", None)
    return program


def targets(program):
    """Call targets of all its graphs, with how often each occurs."""
    count = collections.Counter()
    for graph in program.graph_module.modules():
        for node in graph.graph.nodes if isinstance(graph, torch.fx.GraphModule) else ():
            if node.op == "call_function":
                overload = isinstance(node.target, torch._ops.OpOverload)
                count[str(node.target) if overload else node.target.__name__] += 1
    return count


class Fixture:
    """A folder in the making."""

    def __init__(self, folder, about, rtol=1e-4, atol=1e-5):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.operators = collections.Counter()
        self.manifest = {"name": folder.name, "torch": torch.__version__, "about": about, "archive": None,
                         "export": "default", "decomposed": False, "stateful": False, "rtol": rtol, "atol": atol,
                         "cases": []}

    def archive(self, file, module, example, dynamic=None):
        """Exports and saves; the first archive is the main one."""
        program = export(module, example, dynamic)
        self.operators += targets(program)
        torch.export.save(program, self.folder / file)
        if self.manifest["archive"]:
            self.manifest.setdefault("methods", {})[Path(file).stem] = file
        self.manifest["archive"] = self.manifest["archive"] or file

    def tensor(self, file, name, value):
        value = value.detach().contiguous()
        np.save(self.folder / file, value.numpy())
        return {"name": name, "file": file, "dtype": str(value.dtype)[6:], "shape": list(value.shape)}

    def case(self, module, inputs, names, method=None):
        """One call and what the eager module says to it."""
        tag = f"case{len(self.manifest['cases'])}"
        with torch.no_grad():
            output = module(*inputs)
        row = {"model": method} if method else {}
        row["inputs"] = [self.tensor(f"{tag}_in_{i}.npy", n, v) for i, (n, v) in enumerate(zip(names, inputs))]
        outputs = {f"{i}": v for i, v in enumerate(output)} if isinstance(output, tuple) else {"output": output}
        row["outputs"] = [self.tensor(f"{tag}_out_{i}.npy", n, v) for i, (n, v) in enumerate(outputs.items())]
        self.manifest["cases"].append(row)

    def out_of_range(self, message, *shapes):
        """Zeros of these shapes must be refused, by a message that has all these parts."""
        inputs = [{"shape": list(shape), "dtype": "float32"} for shape in shapes]
        self.manifest.setdefault("out_of_range", []).append({"inputs": inputs, "message": message})

    def close(self):
        self.manifest["operators"] = dict(sorted(self.operators.items()))
        text = json.dumps(self.manifest, indent=1)
        (self.folder / "manifest.json").write_text(text + "\n")
        size = sum(f.stat().st_size for f in self.folder.iterdir())
        print(f"{self.folder.name}: {size} bytes; {', '.join(self.manifest['operators'])}", flush=True)


# ---- One function a fixture ----------------------------------------------------------------------

FIXTURES, FULL_ONLY = {}, set()


def fixture(function):
    FIXTURES[function.__name__] = function
    return function


def full_only(function):
    FULL_ONLY.add(function.__name__)
    return fixture(function)


@fixture
def add(folder, full):
    f = Fixture(folder, "sum of two numbers, static shape", 1e-6, 1e-6)
    f.archive("model.pt2", Add(), (torch.randn(1), torch.randn(1)))
    f.case(Add(), (torch.randn(1), torch.randn(1)), "xy")
    f.out_of_range(["x", "2"], (2,), (1,))
    f.close()


@fixture
def add_broadcast(folder, full):
    f = Fixture(folder, "sum with both sides broadcast, static shape", 1e-6, 1e-6)
    example = torch.randn(3, 1), torch.randn(4)
    f.archive("model.pt2", Add(), example)
    f.case(Add(), example, "xy")
    f.out_of_range(["y", "4", "3"], (3, 1), (3,))
    f.close()


@fixture
def add_dynamic(folder, full):
    f = Fixture(folder, "sum of two vectors of one length n in 1..1024", 1e-6, 1e-6)
    length = {0: Dim("n", min=1, max=1024)}
    f.archive("model.pt2", Add(), (torch.randn(2), torch.randn(2)), {"x": length, "y": length})
    for n in (1, 2, 31, 1024):
        f.case(Add(), (torch.randn(n), torch.randn(n)), "xy")
    f.out_of_range(["x", "1..1024", "1025"], (1025,), (1025,))
    f.out_of_range(["y", "4"], (3,), (4,))
    f.close()


@fixture
def simple_model(folder, full):
    hidden = 256 if full else 128
    f = Fixture(folder, f"Linear(784, {hidden}), ReLU, Linear({hidden}, 10), batch without an upper bound")
    model = SimpleModel(hidden).eval()
    f.archive("model.pt2", model, (torch.randn(2, 784),), {"x": {0: Dim("batch", min=1)}})
    for n in (1, 2, 5, 16):
        f.case(model, (torch.randn(n, 784),), "x")
    f.out_of_range(["x", "784", "783"], (1, 783))
    f.close()


def conv_classifier(folder, about, model, colours, side):
    f = Fixture(folder, about)
    model = unsettle(model).eval()
    f.archive("model.pt2", model, (torch.randn(2, colours, side, side),), {"x": BATCH})
    for n in (1, 2, 7):
        f.case(model, (torch.randn(n, colours, side, side),), "x")
    f.out_of_range(["x", "1..512", "513"], (513, colours, side, side))
    f.close()


@fixture
def conv_classifier_a(folder, full):
    model = ConvClassifier(1, 28, (32, 64), 256, 0.5) if full else ConvClassifier(1, 28, (8, 16), 32, 0.5)
    conv_classifier(folder, "two convolution blocks on 1x28x28, two linear layers, batch 1..512", model, 1, 28)


@fixture
def conv_classifier_b(folder, full):
    model = ConvClassifier(3, 32, (32, 64), 128, 0.5) if full else ConvClassifier(3, 32, (8, 16), 32, 0.5)
    conv_classifier(folder, "two convolution blocks on 3x32x32, two linear layers, batch 1..512", model, 3, 32)


@fixture
def image_model(folder, full):
    f = Fixture(folder, "two convolutions and a global average, height and width in 16..1024")
    model = ImageModel().eval()
    size = {2: Dim("h", min=16, max=1024), 3: Dim("w", min=16, max=1024)}
    f.archive("model.pt2", model, (torch.randn(1, 1, 16, 16),), {"x": size})
    for h, w in ((16, 16), (17, 33), (64, 40)):
        f.case(model, (torch.randn(1, 1, h, w),), "x")
    f.out_of_range(["x", "16..1024", "15"], (1, 1, 15, 16))
    f.close()


@fixture
def model_with_control_flow(folder, full):
    hidden = 256 if full else 64
    f = Fixture(folder, "torch.cond on the mean of the hidden layer; the cases take both branches")
    model = ModelWithControlFlow(hidden).eval()
    ones = torch.ones(1, 784)
    f.archive("model.pt2", model, (ones,))
    means = [model.hidden(x).mean().item() for x in (ones, -ones, ones * 4)]
    if not max(means[:2]) < 0.45 < 0.55 < means[2]:
        raise SystemExit(f"the inputs do not take both branches clearly: {means}")
    for x in (ones, -ones, ones * 4):
        f.case(model, (x,), "x")
    f.out_of_range(["x", "784", "785"], (1, 785))
    f.close()


@fixture
def hybrid_model(folder, full):
    f = Fixture(folder, "an autoencoder as three archives with one set of weights: forward, encode, decode")
    code = 128 if full else 16
    model = HybridModel(256 if full else 32, code).eval()
    encode, decode = Encode(model).eval(), Decode(model).eval()
    f.archive("forward.pt2", model, (torch.randn(2, 784),), {"x": BATCH})
    f.archive("encode.pt2", encode, (torch.randn(2, 784),), {"x": BATCH})
    f.archive("decode.pt2", decode, (torch.randn(2, code),), {"z": BATCH})
    for n in (1, 3):
        x = torch.randn(n, 784)
        f.case(model, (x,), "x", "forward")
        f.case(encode, (x,), "x", "encode")
        f.case(decode, (encode(x),), "z", "decode")
    f.out_of_range(["x", "1..512", "513"], (513, 784))
    f.close()


@fixture
def kv_cache(folder, full):
    width, room = 8, 16
    f = Fixture(folder, f"attention with a cache of {room} keys and values as state: one token, or a prefill of many")
    model = KvCache(width, room).eval()
    f.archive("forward.pt2", model, (torch.randn(1, width),))
    f.archive("prefill.pt2", model, (torch.randn(3, width),), {"x": {0: Dim("n", min=1, max=room)}})
    f.manifest["stateful"] = True
    for n, method in ((5, "prefill"), (1, "forward"), (1, "forward"), (2, "prefill"), (1, "forward")):
        f.case(model, (torch.randn(n, width),), "x", method)
    f.out_of_range(["x", "8", "7"], (1, 7))
    f.close()


@fixture
def window_attention(folder, full):
    width = 48 if full else 12
    f = Fixture(folder, "attention in windows of 3x3, then in rolled windows and of directions alone, batch 1..512")
    model = nn.Sequential(WindowAttention(width, 3, 3, 0, False), WindowAttention(width, 3, 3, 1, True)).eval()
    f.archive("model.pt2", model, (torch.randn(2, 6, 9, width),), (BATCH,))
    for n in (1, 2, 5):
        f.case(model, (torch.randn(n, 6, 9, width),), "x")
    f.out_of_range(["1..512", "513"], (513, 6, 9, width))
    f.close()


@full_only
def resnet50(folder, full):
    f = Fixture(folder, "torchvision's ResNet-50 on one image of 224x224, static")
    model = settle(torchvision_models().resnet50(weights=None), 224)
    f.archive("model.pt2", model, (torch.randn(1, 3, 224, 224),))
    f.case(model, (torch.randn(1, 3, 224, 224),), "x")
    f.out_of_range(["x", "224", "223"], (1, 3, 223, 224))
    f.close()


def resnet152(folder, side, batches):
    f = Fixture(folder, f"torchvision's ResNet-152 at {side}x{side}, batch 1..512")
    model = settle(torchvision_models().resnet152(weights=None), side)
    f.archive("model.pt2", model, (torch.randn(2, 3, side, side),), {"x": BATCH})
    for n in batches:
        f.case(model, (torch.randn(n, 3, side, side),), "x")
    f.out_of_range(["x", "1..512", "0"], (0, 3, side, side))
    f.close()


@full_only
def resnet152_224(folder, full):
    resnet152(folder, 224, (1, 2, 7))


@full_only
def resnet152_128(folder, full):
    resnet152(folder, 128, (1, 3, 32))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="the sizes of the sources, and the residual networks")
    parser.add_argument("--list", action="store_true", help="print the names and end")
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument("names", nargs="*", metavar="NAME")
    args = parser.parse_args()
    known = [n for n in FIXTURES if args.full or n not in FULL_ONLY]
    if args.list:
        return print("\n".join(known))
    if not args.out or set(args.names) - set(known):
        parser.error(f"needs OUT and names among {', '.join(known)}")
    torch.set_num_threads(1)
    for name in args.names or known:
        torch.manual_seed(SEED)
        FIXTURES[name](args.out / name, args.full)


if __name__ == "__main__":
    sys.exit(main())
