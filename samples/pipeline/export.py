# SPDX-License-Identifier: MIT
"""Trains the model of the samples pipeline and spark, exports it, records what PyTorch says to it.

    python samples/pipeline/export.py samples/pipeline/model

Writes prices.pt2, recorded/ for `aotc verify` and metadata.json for the store. Needs torch; everything after it does not.
The price of a used car from six numbers and its brand; the cars are made up, by a formula with noise.
"""
import argparse
import json
import re
from pathlib import Path

import numpy as np
import torch
from torch import nn

COLUMNS = ["age", "kilometres", "power", "doors", "owners", "consumption"]
BRANDS, HIDDEN, STEPS, SEED = 12, 32, 600, 7
Dim = torch.export.Dim


class Prices(nn.Module):
    """Price in thousands, of cars given by their numbers and the number of their brand."""

    def __init__(self, numbers):
        super().__init__()
        self.register_buffer("mean", numbers.mean(0))
        self.register_buffer("scale", 1 / numbers.std(0))
        self.brand = nn.Embedding(BRANDS, 4)
        self.body = nn.Sequential(nn.Linear(len(COLUMNS) + 4, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, HIDDEN), nn.GELU(),
                                  nn.Linear(HIDDEN, 1))

    def forward(self, numbers, brand):
        known = (numbers - self.mean) * self.scale
        return self.body(torch.cat([known, self.brand(brand)], 1)).squeeze(1).exp()


def cars(count, worth, random):
    """(numbers, brands, prices)"""
    age, power = 15 * torch.rand(count, generator=random), 50 + 200 * torch.rand(count, generator=random)
    kilometres = age * 15 * (0.5 + torch.rand(count, generator=random))
    doors, owners = (torch.randint(1, 6, (count,), generator=random).float() for _ in range(2))
    consumption = 3 + power / 40 + torch.rand(count, generator=random)
    brand = torch.randint(BRANDS, (count,), generator=random)
    price = worth[brand] * power ** 0.8 * torch.exp(-age / 7 - kilometres / 400 - owners / 20)
    noise = 1 + 0.05 * torch.randn(count, generator=random)
    return torch.stack([age, kilometres, power, doors, owners, consumption], 1), brand, price * noise


def train(worth, random):
    numbers, brand, price = cars(4096, worth, random)
    model = Prices(numbers)
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    for _ in range(STEPS):
        optimizer.zero_grad()
        (model(numbers, brand).log() - price.log()).square().mean().backward()
        optimizer.step()
    return model.eval()


def without_folders(program):
    """The traces name files, for messages; this machine's folders are nobody's business."""
    for node in program.graph.nodes:
        if node.meta.get("stack_trace"):
            node.meta["stack_trace"] = re.sub(r'File "[^"]*/', 'File "', node.meta["stack_trace"])
        node.meta.pop("from_node", None)
    return program


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    out = parser.parse_args().out
    recorded = out / "recorded"
    recorded.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(SEED)
    random = torch.Generator().manual_seed(SEED)
    worth = 0.2 + torch.rand(BRANDS, generator=random)
    model = train(worth, random)
    numbers, brand, price = cars(1024, worth, random)

    batch = Dim("batch", min=1, max=4096)
    program = torch.export.export(model, (numbers[:2].clone(), brand[:2].clone()),
                                  dynamic_shapes=({0: batch}, {0: batch}))
    torch.export.save(without_folders(program), out / "prices.pt2")

    with torch.no_grad():
        found = model(numbers, brand)
        for name, n in (("one", 1), ("many", 64)):
            for file, value in (("in_0", numbers[:n]), ("in_1", brand[:n]), ("out_0", model(numbers[:n], brand[:n]))):
                np.save(recorded / f"{name}_{file}.npy", value.numpy())
    error = ((found - price) / price).abs().median().item()
    metadata = {"name": "prices", "version": "1.0.0", "description": "prices of used cars, in thousands",
                "config": {"columns": COLUMNS, "brands": BRANDS, "hidden": HIDDEN, "steps": STEPS, "seed": SEED},
                "metrics": {"median_relative_error": round(error, 4)}}
    (out / "metadata.json").write_text(json.dumps(metadata, indent=2) + "\n")
    print(f"{out}: median relative error {error:.4f}")


if __name__ == "__main__":
    main()
