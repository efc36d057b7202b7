# SPDX-License-Identifier: MIT
"""The data of the sample, and what must come of it: cars.py make OUT, cars.py check OUT

The cars are those whose prices PyTorch recorded (samples/pipeline/model), over and over.
"""
import sys
from pathlib import Path

import numpy as np
import pandas as pd

RECORDED = Path(__file__).resolve().parents[1] / "pipeline/model/recorded"
COLUMNS = ["age", "kilometres", "power", "doors", "owners", "consumption"]
ROWS, FILES = 50_000, 4


def recorded():
    return [np.load(RECORDED / f"many_{name}.npy") for name in ("in_0", "in_1", "out_0")]


def make(out):
    numbers, brand, _ = recorded()
    which = np.arange(ROWS) % len(brand)
    cars = pd.DataFrame(numbers[which], columns=COLUMNS)
    cars.insert(0, "id", np.arange(ROWS))
    cars["brand"] = brand[which]
    for kind in ("parquet", "csv"):
        (out / f"cars.{kind}").mkdir(parents=True, exist_ok=True)
    for i, part in enumerate(np.array_split(np.arange(ROWS), FILES)):
        cars.iloc[part].to_parquet(out / f"cars.parquet/{i}.parquet", index=False, compression="gzip")
        cars.iloc[part].to_csv(out / f"cars.csv/{i}.csv", index=False)


def check(out):
    expected = recorded()[2]
    for name in ("python", "java"):
        scored = pd.read_parquet(out / name).sort_values("id")
        if not np.array_equal(scored["id"], np.arange(ROWS)):
            sys.exit(f"{name}: {len(scored)} rows, or others than there were")
        off = np.abs(scored["price"].to_numpy() / expected[scored["id"] % len(expected)] - 1).max()
        print(f"{name}: {len(scored)} rows, at most {off:.1e} from PyTorch, relatively")
        if not off < 1e-4:
            sys.exit(f"{name}: wrong prices")


if __name__ == "__main__":
    {"make": make, "check": check}[sys.argv[1]](Path(sys.argv[2]))
