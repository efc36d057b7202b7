#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the fixtures of this folder; needs PyTorch and NumPy.

One small residual network with two sets of weights: a.pt2 and b.pt2, the state dict of the second as torch.save writes
it with pickle protocols 2 and 4, safetensors without the tied name, and what must be refused. The archives are what a
service deploys, b.* what training gives it next."""
import json
import struct
from pathlib import Path

import numpy as np
import torch
from torch import nn

HERE = Path(__file__).parent


class Block(nn.Module):
    def __init__(self, into, out, step):
        super().__init__()
        self.conv1 = nn.Conv2d(into, out, 3, step, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.down = nn.Sequential(nn.Conv2d(into, out, 1, step, bias=False), nn.BatchNorm2d(out)) if step > 1 else None

    def forward(self, x):
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + (self.down(x) if self.down else x))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, 1, 1)
        self.bn = nn.BatchNorm2d(32)
        self.wide = nn.Conv2d(32, 32, 3, 1, 1)
        self.layers = nn.Sequential(Block(32, 16, 2))
        self.depthwise = nn.Conv2d(16, 16, 3, 1, 1, groups=16)
        self.table = nn.Embedding(6, 16)
        self.tied = nn.Linear(16, 6, bias=False)
        self.tied.weight = self.table.weight
        self.fc = nn.Linear(16, 6)
        self.register_buffer("place", torch.arange(6.0), persistent=False)
        self.register_buffer("seen", torch.zeros(1))
        self.unused = nn.Parameter(torch.ones(2))
        self.heads = nn.Parameter(torch.empty(4, 4, 8).uniform_(-1, 1))
        self.fine = nn.Parameter(torch.empty(4, 8, 8, dtype=torch.bfloat16).uniform_(-1, 1))

    def forward(self, x, word):
        y = self.depthwise(self.layers(torch.relu(self.wide(self.bn(self.stem(x)))))).mean((2, 3))
        self.seen.add_(1)
        heads = torch.bmm(torch.bmm(y.reshape(2, 4, 4).transpose(0, 1), self.heads), self.fine.float())
        return self.fc(y) + self.place + self.tied(y + self.table(word)) + self.seen + heads.sum(0)[:, :6]


def make(seed):
    torch.manual_seed(seed)
    net = Net().eval()
    for module in net.modules() if seed else ():  # seed 0 has the fresh batch norms, all of which are equal
        if isinstance(module, nn.BatchNorm2d):
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_()
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return net


def main():
    inputs = torch.linspace(-1, 1, 2 * 3 * 32 * 32).reshape(2, 3, 32, 32), torch.tensor([1, 4])
    for k, x in enumerate(inputs):
        np.save(HERE / f"in/{k:03d}.npy", x.numpy())
    for name, seed in ("a", 0), ("b", 1):
        net = make(seed)
        torch.export.save(torch.export.export(net, inputs), HERE / f"{name}.pt2")
        state = {k: v.clone() for k, v in net.state_dict().items()}
        saved = net.state_dict()
        if name == "b":
            torch.save(saved, HERE / "b.pt")
            torch.save(saved, HERE / "b_protocol4.pt", pickle_protocol=4)
            header, data = {}, b""
            for key, value in state.items():
                if key == "tied.weight":
                    continue
                raw = value.reshape(-1).view(torch.uint8).numpy().tobytes()
                kind = {torch.float32: "F32", torch.int64: "I64", torch.bfloat16: "BF16"}[value.dtype]
                header[key] = {"dtype": kind, "shape": list(value.shape), "data_offsets": [len(data), len(data) + len(raw)]}
                data += raw
            text = json.dumps(header).encode()
            (HERE / "b.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
        np.save(HERE / f"out_{name}/000.npy", net(*inputs).detach().numpy())
    few = {"w": torch.ones(2)}
    torch.save(few, HERE / "legacy.pt", _use_new_zipfile_serialization=False)
    torch.save({"epoch": 3, "state_dict": few}, HERE / "checkpoint.pt")


if __name__ == "__main__":
    for folder in "in", "out_a", "out_b":
        (HERE / folder).mkdir(exist_ok=True)
    main()
