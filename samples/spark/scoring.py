# SPDX-License-Identifier: MIT
"""What goes to the executors with the job (--py-files): the model of a worker process, and how rows go through it."""
import functools
import os
from collections.abc import Iterator

import numpy as np
import pandas as pd
from pyspark import SparkFiles

import aotc

opened = 0


@functools.cache
def model(name: str) -> aotc.Model:
    """Opened by the first task of a worker process; its weights are pages of the file that all processes share."""
    global opened
    opened += 1
    return aotc.load(SparkFiles.get(name))


def prices(batches: Iterator[tuple[pd.Series, ...]]) -> Iterator[pd.Series]:
    """For pandas_udf: six columns of numbers and one of brands, a batch of rows at a time."""
    forward = model("prices.so")
    for *numbers, brand in batches:
        rows = np.stack([column.to_numpy(np.float32) for column in numbers], axis=1)
        yield pd.Series(forward(rows, brand.to_numpy(np.int64)))


def processes(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
    """For pandas_udf, too: the process that works on a row, and how often it has opened the model."""
    for rows in batches:
        yield pd.Series([f"{os.getpid()}={opened}"] * len(rows))
