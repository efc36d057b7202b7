# SPDX-License-Identifier: MIT
"""Exports the core operators of ATen as small fixtures: make_ops.py OUT [NAME ...]

Each group of operators becomes OUT/NAME/: one program that calls them all on shared inputs, two cases (values that
hurt, and ordinary ones), manifest.json as make_models.py writes it. Needs torch.
"""
import argparse
import sys
from pathlib import Path

import torch
from torch import nn

from make_models import Fixture

aten = torch.ops.aten
INF, NAN = float("inf"), float("nan")


class Calls(nn.Module):
    """The results of all calls on the same inputs."""

    def __init__(self, calls):
        super().__init__()
        self.calls = calls

    def forward(self, *inputs):
        results = []
        for call in self.calls:
            r = call(*inputs)
            results += r if isinstance(r, (tuple, list)) else [r]
        return tuple(results)


def reals(*size, seed=0):
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed))


def units(*size, seed=0):
    return torch.rand(*size, generator=torch.Generator().manual_seed(seed)) * 0.9 + 0.05


def ints(lo, hi, *size, seed=0):
    return torch.randint(lo, hi, size, generator=torch.Generator().manual_seed(seed))


HARD = torch.tensor([0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.5, 1e-30, -1e30, INF, -INF, NAN])


def unary(names, *cases):
    return [(lambda x, f=getattr(aten, n): f.default(x)) for n in names.split()], cases


def recurrent(gates, call):
    """Two layers in both directions, steps so long that threads may share them."""
    def weights(layer, direction, hidden=24):
        seed, size = 10 * layer + 4 * direction + gates, [(gates * hidden, 16 if layer == 0 else 2 * hidden)] + [(gates * hidden, hidden)]
        return [reals(*s, seed=seed + i) * 0.3 for i, s in enumerate(size + [(gates * hidden,)] * 2)]
    w = [v for layer in range(2) for direction in range(2) for v in weights(layer, direction)]
    return lambda x, h: call(x, h, w)


def inverted_residuals():
    """Images that a pointwise convolution widens to over a MB, each channel of which a depthwise one reads."""
    def conv(seed, cin, cout, k, stride=1, pad=0, dilation=1):
        groups = cin if k > 1 else 1
        w, b = reals(cout, cin // groups, k, k, seed=seed) * 0.5, reals(cout, seed=seed + 50)
        return lambda x: aten.convolution.default(x, w, b, [stride] * 2, [pad] * 2, [dilation] * 2, False, [0, 0], groups)

    a, b, c = conv(1, 3, 520, 1), conv(2, 520, 520, 5, 2, 2), conv(3, 520, 3, 1)
    d, e, f = conv(4, 3, 600, 1), conv(5, 600, 600, 3, 1, 2, 2), conv(6, 600, 2, 1)

    def strided(x):
        return c(b(a(x).relu()))

    def dilated(x):
        return f(torch.nn.functional.silu(e(d(x).clamp(0, 6))))

    return [strided, dilated], ((reals(2, 3, 23, 25),), (reals(2, 3, 23, 25, seed=1) * 2,))


def volumes():
    """Convolutions of volumes: by rows, planes and columns of time, strided, dilated, with bias, activation and residual,
    one whose input is part of a concatenation, one whose weight is a view, a transposed one and one channel by channel."""
    def conv(seed, cin, cout, k, stride=(1, 1, 1), pad=(0, 0, 0), dilation=(1, 1, 1), groups=1, swap=False):
        w, b = reals(cout, cin // groups, *k, seed=seed) * 0.3, reals(cout, seed=seed + 50)
        w = w.transpose(2, 3).contiguous().transpose(2, 3) if swap else w
        return lambda x: aten.convolution.default(x, w, b, stride, pad, dilation, False, [0] * 3, groups)

    a, b = conv(1, 3, 20, (3, 3, 3), pad=(1, 1, 1)), conv(2, 20, 20, (3, 3, 3), pad=(1, 1, 1), swap=True)
    c, d = conv(3, 20, 9, (1, 3, 3), (1, 2, 2), (0, 1, 1)), conv(4, 9, 8, (3, 1, 1), (2, 1, 1), (1, 0, 0))
    e, f = conv(5, 20, 4, (2, 3, 2), (1, 2, 1), (1, 2, 0), (2, 1, 1)), conv(6, 20, 4, (2, 2, 2), dilation=(1, 1, 2))
    g, h = conv(7, 3, 5, (1, 1, 1)), conv(8, 20, 20, (3, 3, 3), pad=(1, 1, 1), groups=20)
    up = reals(20, 3, 2, 2, 2, seed=9) * 0.3

    def net(x):
        p = a(x).relu()
        q = (b(p) + p).relu()
        r = torch.cat([g(x), q], 1)
        s = aten.convolution.default(q, up, None, [2] * 3, [0] * 3, [1] * 3, True, [0] * 3, 1)
        return d(c(q).relu()), e(p), f(q), h(q), r.amax((3, 4)), s

    return [net], ((reals(2, 3, 4, 6, 5),), (reals(2, 3, 4, 6, 5, seed=1) * 2,))


def planes():
    """Convolutions of volumes, three by three across and down, wide enough for Winograd's algorithm: with bias, activation and
    residual, strided and dilated along time, one whose weight is a view."""
    def conv(seed, cin, cout, depth, stride=1, dilation=1, swap=False):
        w, b = reals(cout, cin, depth, 3, 3, seed=seed) * 0.1, reals(cout, seed=seed + 50)
        w = w.transpose(2, 3).contiguous().transpose(2, 3) if swap else w
        return lambda x: aten.convolution.default(x, w, b, [stride, 1, 1], [depth // 2 * dilation, 1, 1], [dilation, 1, 1], False, [0] * 3, 1)

    first = reals(16, 3, 1, 1, 1, seed=9)
    a, b, c, d = conv(1, 16, 32, 3), conv(2, 32, 32, 3, swap=True), conv(3, 32, 16, 3, stride=2), conv(4, 16, 16, 3, dilation=2)

    def net(x):
        p = a(aten.convolution.default(x, first, None, [1] * 3, [0] * 3, [1] * 3, False, [0] * 3, 1)).relu()
        return d(c((b(p) + p).relu()))

    return [net], ((reals(2, 3, 4, 12, 11),), (reals(2, 3, 4, 12, 11, seed=1) * 2,))


def phases():
    """Transposed convolutions of small images, whose phases are convolutions of their own: even and odd filters, a result that
    begins with another phase than the first, one with a bias, lines with eight phases and volumes."""
    w = {n: reals(*size, seed=i) / 8 for i, (n, size) in enumerate({
        "4": (8, 16, 4, 4), "3": (8, 16, 3, 3), "5": (8, 16, 5, 5), "line": (8, 16, 16), "deep": (8, 16, 3, 3, 3)}.items())}
    bias = reals(16, seed=9)
    t2, t1, t3 = aten.conv_transpose2d.input, aten.conv_transpose1d.default, aten.conv_transpose3d.input
    return [
        lambda x: t2(x, w["4"], bias, [2, 2], [1, 1]),
        lambda x: t2(x, w["3"], None, [2, 2], [1, 1], [1, 1]),
        lambda x: t2(x, w["5"], None, [2, 2], [2, 1], [1, 1]),
        lambda x: t1(x[:, :, 0], w["line"], None, [8], [5], [2]),
        lambda x: t3(x[:, :, None], w["deep"], None, [2, 2, 2], [1, 1, 1], [1, 1, 1]),
    ], ((reals(2, 8, 4, 5),), (reals(2, 8, 4, 5, seed=3),))


def bytes_as_weights():
    """Products and convolutions with weights that are whole numbers of eight bits, one scaled behind: one row and several, K in one
    piece and in several, a batch of matrices, a transposed one, few columns; images and lines, channel by channel, in groups, by
    Winograd's algorithm."""
    def q(*size, seed=0):
        return ints(-128, 128, *size, seed=seed).to(torch.int8)
    w, few, deep, batch = q(24, 40), q(24, 3, seed=1), q(180, 33, seed=2), q(4, 24, 16, seed=3)
    image, wide, deep_image, line = q(16, 24, 1, 1, seed=4), q(16, 16, 3, 3, seed=5), q(24, 1, 3, 3, seed=6), q(8, 24, 3, seed=7)
    groups, scale, plane = q(24, 12, 3, 3, seed=8), units(40, seed=9) / 64, units(9, 8, seed=10)
    conv = torch.nn.functional.conv2d

    def net(x):
        y = x.repeat_interleave(20, 1)[:, :180] * 0.1
        z = x.T[:, :, None] * plane
        a = conv(z[None], image.float())
        return ((x @ w.float()) * scale, (x[:1] @ w.float()) * scale, x @ few.float(), y @ deep.float(), y[:1] @ deep.float(),
                x @ batch.float(), x @ w.T.contiguous().float().T, a, conv(a.relu(), wide.float(), padding=1),
                conv(z[None], deep_image.float(), groups=24), conv(z[None], groups.float(), groups=2),
                torch.nn.functional.conv1d(x.T[None], line.float()))

    return [net], ((reals(9, 24),), (reals(9, 24, seed=1) * 3,))


def experts():
    """Rows in groups, each by the weights of its group: empty groups, one row, all rows, rows of no group; with bias, residual
    and activation, in halves, of weights that the run computes, of few columns, and a batch of matrices."""
    fallback = grouped_mm_fallback()
    w, few, bias, res = reals(4, 24, 40) / 4, reals(4, 24, 3, seed=1), reals(40, seed=2), reals(9, 40, seed=3)
    half = w.bfloat16()
    grouped = aten._grouped_mm.default

    def ends(of):
        return aten.sort.default(aten.remainder.Scalar(of, 10))[0]

    return [
        lambda x, e, y: torch.relu(fallback(x, w, ends(e)) + bias), lambda x, e, y: torch.nn.functional.silu(fallback(x, w, ends(e))) * res,
        lambda x, e, y: fallback(x, w, ends(e)) + res, lambda x, e, y: fallback(x, few, ends(e).long()),
        lambda x, e, y: fallback(x, w * y, ends(e)), lambda x, e, y: grouped(x.bfloat16(), half, aten.clamp.default(ends(e), 9)).float(),
        lambda x, e, y: grouped(x[:8].reshape(4, 2, 24).bfloat16(), half).float(),
    ], ((reals(9, 24), torch.tensor([1, 0, 1, 9], dtype=torch.int32), reals(1, seed=4)),
        (reals(9, 24, seed=5), torch.tensor([4, 5, 7, 8], dtype=torch.int32), reals(1, seed=6)),
        (reals(9, 24, seed=7), torch.tensor([9, 9, 9, 9], dtype=torch.int32), reals(1, seed=8)))


def grouped_mm_fallback():
    """What transformers exports where torch has no grouped_mm for a type or a device: an operator of its own."""
    def product(input: torch.Tensor, weight: torch.Tensor, offs: torch.Tensor) -> torch.Tensor:
        result = input.new_zeros(len(input), weight.size(2))
        for begin, end, matrix in zip([0, *offs.tolist()], offs.tolist(), weight):
            result[begin:end] = input[begin:end] @ matrix
        return result

    torch.library.custom_op("transformers::grouped_mm_fallback", product, mutates_args=())
    torch.library.register_fake("transformers::grouped_mm_fallback", lambda input, weight, offs: input.new_empty(len(input), weight.size(2)))
    return torch.ops.transformers.grouped_mm_fallback.default


def dilations():
    """Dilated 3x3 convolutions wide enough for Winograd's algorithm, of images and of a volume: dilations that do and do not
    divide the size, other ones across than down, more than half the image; bias, activation and residual."""
    w = reals(48, 48, 3, 3) * 0.1

    def conv(seed, pad, dilation):
        b, n = reals(48, seed=seed), len(dilation)
        return lambda x: aten.convolution.default(x, w if n == 2 else w[:, :, None], b, [1] * n, pad, dilation, False, [0] * n, 1)

    a, b, c = conv(1, [2, 2], [2, 2]), conv(2, [3, 1], [3, 1]), conv(3, [2, 0], [4, 1])
    d, e = conv(4, [15, 14], [15, 14]), conv(5, [0, 2, 1], [1, 2, 1])

    def net(x):
        x = x.repeat_interleave(12, 1)
        p = (b(torch.nn.functional.silu(a(x))) + x).relu()
        return c(p)[:, ::12], d(p)[:, ::12], e(p.unflatten(2, (2, -1)))[:, ::12]

    return [net], ((reals(1, 4, 26, 25),), (reals(1, 4, 26, 25, seed=1) * 2,))


def branches():
    """Networks as they are trained: 3x3, 1x3 and 1x1 convolutions of one image, each with its batch norm, and the image itself with
    one, are added; dense, in groups and channel by channel."""
    def norm(seed, c):
        a, b = reals(c, seed=seed), reals(c, seed=seed + 1)
        return lambda x: aten._native_batch_norm_legit_no_training.default(x, a + 2, b, b * 0.5, a * a + 0.5, 0.1, 1e-5)[0]

    def conv(seed, groups, kh, kw):
        w = reals(12, 12 // groups, kh, kw, seed=seed) * 0.3
        own = norm(seed + 10, 12)
        return lambda x: own(aten.convolution.default(x, w, None, [1, 1], [kh // 2, kw // 2], [1, 1], False, [0, 0], groups))

    def block(seed, groups):
        a, b, c, d = conv(seed, groups, 3, 3), conv(seed + 1, groups, 1, 1), conv(seed + 2, groups, 1, 3), conv(seed + 3, groups, 3, 3)
        own = norm(seed + 4, 12)
        return lambda x: torch.relu(own(x) + a(x) + (b(x) + c(x)) + 0 + d(x))

    blocks = [block(100, 1), block(200, 3), block(300, 12)]

    def net(x):
        for each in blocks:
            x = each(x) * 0.3
        return x

    return [net], ((reals(2, 12, 9, 7),), (reals(2, 12, 9, 7, seed=1) * 2,))


def small_groups():
    """Groups of 2 to 16 channels, as many in as out, in images and lines; one that has more out, several filters for each
    channel, one where a NaN stays in its group."""
    def conv(seed, cin, cout, groups, k, stride=1, pad=1):
        n = len(k)
        w, b = reals(cout, cin // groups, *k, seed=seed) * 0.4, reals(cout, seed=seed + 50)
        return lambda x: aten.convolution.default(x, w, b, [stride] * n, [pad] * n, [1] * n, False, [0] * n, groups)

    calls = []
    for seed, size in enumerate((2, 4, 8, 16)):
        groups = 3 if size == 16 else 5
        a = conv(4 * seed, 6, size * groups, 1, (1, 1), pad=0)
        b, c = conv(4 * seed + 1, size * groups, size * groups, groups, (3, 3)), conv(4 * seed + 2, size * groups, size * groups, groups, (5,), 2, 2)
        d = conv(4 * seed + 3, size * groups, 2 * size * groups, groups, (3, 3), 2)
        calls += [lambda x, a=a, b=b: b(a(x)).relu() + a(x), lambda x, a=a, c=c: torch.tanh(c(a(x)[:, :, 1])), lambda x, a=a, d=d: d(a(x))]
    for seed, (channels, k) in enumerate(((3, (3, 5)), (9, (1, 3)), (4, (3,)))):
        calls.append(lambda x, a=conv(200 + seed, 6, channels, 1, (1, 1), pad=0), k=k,
                     b=conv(300 + seed, channels, 4 * channels, channels, k, 2): b(a(x) if len(k) > 1 else a(x)[:, :, 0]))
    e = conv(99, 24, 24, 6, (3, 3))
    calls.append(lambda x: e(torch.cat([x, x / 0.0 * 0.0, x, x], 1)))
    return calls, ((reals(1, 6, 5, 7),), (reals(1, 6, 5, 7, seed=1),))


def norms_of_images():
    """Norms over groups of channels and over instances between convolutions of lines, images and volumes; channels that
    are scaled by what a small network makes of the whole image."""
    F = torch.nn.functional

    def conv(seed, cin, cout, dims):
        w = reals(cout, cin, *[3] * dims, seed=seed) * 0.3
        return lambda x: aten.convolution.default(x, w, None, [1] * dims, [1] * dims, [1] * dims, False, [0] * dims, 1)

    def net(dims, groups, seed):
        a, b, w, bias = conv(seed, 3, 20, dims), conv(seed + 1, 20, 4, dims), reals(20, seed=seed + 2), reals(20, seed=seed + 3)
        place = [0] * (3 - dims)
        return lambda x: b(F.silu(F.group_norm(a(x[(slice(None), slice(None), *place)]) + 3, groups, w, bias)))

    first, last, scale = conv(41, 3, 20, 2), conv(43, 20, 4, 2), reals(20, 1, 1, seed=42)

    def excite(x):
        y = first(x[:, :, 0])
        return last(y * F.hardsigmoid(y.mean((2, 3), keepdim=True) * scale))

    calls = [net(dims, groups, 10 * dims + groups) for dims in (1, 2, 3) for groups in (1, 5, 20)]
    calls += [excite, lambda x: last(F.instance_norm(first(x[:, :, 0])))]
    return calls, ((reals(2, 3, 4, 5, 7),), (reals(2, 3, 4, 5, 7, seed=1) * 2 + 1,))


def dense_block():
    """Every layer reads all before it; branches beside each other; a value in two concatenations, and one that is also
    an output."""
    def conv(seed, cin, cout, k):
        w = reals(cout, cin, k, k, seed=seed) * 0.3
        return lambda x: aten.convolution.default(x, w, None, [1, 1], [k // 2, k // 2], [1, 1], False, [0, 0], 1)

    a, b, c, d, e = conv(1, 5, 7, 1), conv(2, 7, 16, 3), conv(3, 23, 6, 3), conv(4, 29, 8, 3), conv(5, 23, 4, 1)

    def block(x):
        p = a(x)
        q = b(p).relu()
        r = c(torch.cat([p, q], 1).sigmoid())
        s = torch.cat([p, q, r], 1)
        t = aten.max_pool2d_with_indices.default(q, [3, 3], [1, 1], [1, 1])[0]
        return d(s), e(torch.cat([t, p], 1)), r, torch.cat([q, q + 1, t], 1).mean((2, 3))

    return [block], ((reals(2, 5, 6, 9),), (reals(2, 5, 6, 9, seed=1) * 2,))


def groups():
    """{name: (calls, cases, cases of integers)}; a case is a tuple of inputs."""
    g = {}
    g["op_round"] = unary("abs ceil floor neg round sign trunc relu isnan isinf", (HARD,), (reals(12) * 5,))
    g["op_exp"] = unary("exp expm1 log log10 log1p log2 sqrt rsqrt reciprocal sigmoid tanh erf", (HARD,), (units(12) * 4,))
    g["op_trig"] = unary("sin cos tan asin acos atan sinh cosh asinh atanh", (reals(12) * 3,), (units(12),))
    g["op_activation"] = [
        lambda x: aten.elu.default(x, 1.5), lambda x: aten.gelu.default(x), lambda x: aten.gelu.default(x, approximate="tanh"),
        lambda x: aten.hardtanh.default(x, -2.0, 1.0), lambda x: aten.leaky_relu.default(x, 0.2),
        lambda x: aten.clamp.default(x, -1.0, 2.0), lambda x: aten._softmax.default(x, 1, False),
        lambda x: aten._log_softmax.default(x, 0, False), lambda x: aten.acosh.default(x + 4),
    ], ((reals(3, 5),), (reals(3, 5, seed=1) * 3,))
    g["op_arithmetic"] = [
        lambda x, y: aten.add.Tensor(x, y, alpha=2), lambda x, y: aten.add.Scalar(x, 1.5), lambda x, y: aten.sub.Tensor(x, y),
        lambda x, y: aten.sub.Scalar(x, 2), lambda x, y: aten.mul.Tensor(x, y), lambda x, y: aten.mul.Scalar(x, 3),
        lambda x, y: aten.div.Tensor(x, y), lambda x, y: aten.div.Scalar(x, 3),
        lambda x, y: aten.div.Tensor_mode(x, y, rounding_mode="floor"),
        lambda x, y: aten.div.Scalar_mode(x, 3, rounding_mode="trunc"), lambda x, y: aten.fmod.Tensor(x, y),
        lambda x, y: aten.fmod.Scalar(x, 3), lambda x, y: aten.remainder.Tensor(x, y), lambda x, y: aten.remainder.Scalar(x, -3),
        lambda x, y: aten.pow.Tensor_Scalar(x, 3), lambda x, y: aten.maximum.default(x, y),
        lambda x, y: aten.minimum.default(x, y),
    ], ((reals(4, 3), reals(3, seed=1)), (reals(4, 3, seed=2) * 4, reals(3, seed=3))), ((ints(-9, 9, 4, 3), ints(1, 5, 3)),)
    g["op_power"] = [
        lambda x, y: aten.pow.Tensor_Tensor(x, y), lambda x, y: aten.pow.Scalar(2.0, y), lambda x, y: aten.atan2.default(x, y),
        lambda x, y: aten.clamp.Tensor(x, y - 1, y), lambda x, y: aten.where.self(x > y, x, y),
    ], ((units(4, 3) * 3, reals(4, 3)), (units(4, 3, seed=1), reals(4, 3, seed=2)))
    small = (reals(1, 1, seed=3), reals(5, 9, 5), reals(9, 5, seed=1), ints(0, 2, 9, 5) > 0, ints(-9, 9, 5, 10, 5), ints(0, 9, 10, 5))
    g["op_where"] = [  # short rows: compilers unroll them
        lambda s, x, y, p, i, k: [aten.where.self(x > 0, y, s), aten.where.self(p, x, y), aten.where.self(i == 0, k, (i > 0).long())],
        lambda s, x, y, p, i, k: [aten.masked_fill.Scalar(x, p, -1.5), aten.tril.default(k.to(torch.uint8)), aten.tril.default(y, 1)],
        lambda s, x, y, p, i, k: [aten.where.self(x[:, :3, :3] > 0, y[:3, :3], s), aten.heaviside.default(i.float(), k.float())],
        lambda s, x, y, p, i, k: [aten.where.self(p, (x * 4).to(t), (y * 4).to(t)) for t in (torch.int16, torch.int32, torch.double)],
    ], (small, (small[0], small[1] * 2, small[2] + 1, ~small[3], small[4] + 1, small[5] * 2))
    g["op_compare"] = [
        lambda x, y, p, q: [f(x, y) for f in (aten.eq.Tensor, aten.ne.Tensor, aten.lt.Tensor, aten.le.Tensor, aten.gt.Tensor,
                                              aten.ge.Tensor)],
        lambda x, y, p, q: [f(x, 1) for f in (aten.eq.Scalar, aten.ne.Scalar, aten.lt.Scalar, aten.le.Scalar, aten.gt.Scalar,
                                              aten.ge.Scalar)],
        lambda x, y, p, q: [f.Tensor(x, y) for f in (aten.bitwise_and, aten.bitwise_or, aten.bitwise_xor)],
        lambda x, y, p, q: [f.Scalar(x, 6) for f in (aten.bitwise_and, aten.bitwise_or, aten.bitwise_xor)],
        lambda x, y, p, q: [f.default(p, q) for f in (aten.logical_and, aten.logical_or, aten.logical_xor)],
        lambda x, y, p, q: [aten.bitwise_not.default(x), aten.logical_not.default(p)],
    ], ((ints(-3, 4, 3, 4), ints(-3, 4, 4), HARD.reshape(3, 4), reals(4)),
        (ints(0, 3, 3, 4, seed=1), ints(0, 3, 4, seed=2), reals(3, 4, seed=1).relu(), reals(4).relu()))
    g["op_reduce"] = [
        lambda x: aten.sum.dim_IntList(x, [1], True), lambda x: aten.sum.dim_IntList(x, [0, -1]), lambda x: aten.mean.default(x),
        lambda x: aten.mean.dim(x, [0]), lambda x: aten.amax.default(x, [1]), lambda x: aten.amin.default(x, [0, 2], True),
        lambda x: aten.prod.default(x), lambda x: aten.prod.dim_int(x, 2), lambda x: aten.any.default(x),
        lambda x: aten.any.dim(x, 1), lambda x: aten.any.dims(x, [0, 1]), lambda x: aten.argmax.default(x, 1),
        lambda x: aten.argmin.default(x), lambda x: aten.max.dim(x, 2), lambda x: aten.min.dim(x, 0, True),
        lambda x: aten.var.correction(x, [1], correction=0), lambda x: aten.var.dim(x, [0, 2]), lambda x: aten.cumsum.default(x, 1),
    ], ((reals(3, 4, 2),), (reals(3, 4, 2, seed=1),))
    g["op_sort"] = [
        lambda x: aten.sort.default(x, 1, True), lambda x: aten.sort.default(x, 0), lambda x: aten.topk.default(x, 2, 1),
        lambda x: aten.topk.default(x, 3, 0, False, True), lambda x: aten.nonzero.default(x > 0),
    ], ((reals(4, 5),), (reals(4, 5, seed=1),))
    g["op_view"] = [
        lambda x: aten.view.default(x, [6, 4]), lambda x: aten.permute.default(x, [2, 0, 1]),
        lambda x: aten.expand.default(aten.unsqueeze.default(x, 1), [2, 5, 3, 4]), lambda x: aten.squeeze.dim(x[:, :1], 1),
        lambda x: aten.squeeze.dims(x[:1, :1], [0, 1]), lambda x: aten.select.int(x, 1, -1), lambda x: aten.slice.Tensor(x, 2, 1, 4, 2),
        lambda x: aten.split_with_sizes.default(x, [1, 3], 2), lambda x: aten.diagonal.default(x, 1, 1, 2),
        lambda x: aten.as_strided.default(x.contiguous(), [3, 2], [2, 1], 1), lambda x: aten.flip.default(x, [0, 2]),
        lambda x: aten.cat.default([x, x[:, :1]], 1), lambda x: aten.repeat.default(x, [1, 2, 1]), lambda x: aten.alias.default(x),
        lambda x: aten.clone.default(x), lambda x: aten.constant_pad_nd.default(x, [1, -1, 0, 2], 0.5),
        lambda x: aten._to_copy.default(x, dtype=torch.int32), lambda x: aten.copy.default(x, x[:1]),
        lambda x: aten.fill.Scalar(x, 2.5),
    ], ((reals(2, 3, 4),), (reals(2, 3, 4, seed=1) * 9,))
    g["op_create"] = [
        lambda x: aten.arange.start_step(1, 10, 2), lambda x: aten.full.default([2, 3], 1.5), lambda x: aten.full_like.default(x, 7),
        lambda x: aten.scalar_tensor.default(2.5), lambda x: x + aten.arange.start_step(0, 3, 1),
        lambda x: aten.embedding.default(x, torch.tensor([1, 0, 1])),
    ], ((reals(2, 3),), (reals(2, 3, seed=1),))
    g["op_index"] = [
        lambda x, i, j: aten.index.Tensor(x, [i, None, j]), lambda x, i, j: aten.index.Tensor(x, [None, j]),
        lambda x, i, j: aten.index_put.default(x, [i], x[:2] * 2, True), lambda x, i, j: aten.index_select.default(x, 1, j),
        lambda x, i, j: aten.gather.default(x, 2, j.reshape(1, 2, 1).expand(3, 2, 2)),
        lambda x, i, j: aten.scatter.value(x, 1, j.reshape(1, 2, 1), 9.0),
        lambda x, i, j: aten.scatter.src(x, 0, i.reshape(2, 1, 1), x), lambda x, i, j: aten.scatter_add.default(x, 0, i.reshape(2, 1, 1), x),
        lambda x, i, j: aten.scatter_reduce.two(x, 0, i.reshape(2, 1, 1), x, "amax", include_self=False),
        lambda x, i, j: aten.select_scatter.default(x, x[:, 0] * 3, 1, 2), lambda x, i, j: aten.slice_scatter.default(x, x[:1], 0, 1, 2),
        lambda x, i, j: aten.masked_scatter.default(x, x > 0, aten.view.default(x, [-1])),
    ], ((reals(3, 4, 3), torch.tensor([2, 0]), torch.tensor([1, -1]).abs()),
        (reals(3, 4, 3, seed=1), torch.tensor([1, 1]), torch.tensor([0, 2])))
    g["op_conv_pair"] = inverted_residuals()
    g["op_conv_volumes"] = volumes()
    g["op_conv_planes"] = planes()
    g["op_conv_dilations"] = dilations()
    g["op_conv_phases"] = phases()
    g["op_conv_branches"] = branches()
    g["op_conv_groups"] = small_groups()
    g["op_cat_layers"] = dense_block()
    g["op_matmul"] = [
        lambda x, y, b: aten.mm.default(x[0], y[0]), lambda x, y, b: aten.bmm.default(x, y),
        lambda x, y, b: aten.addmm.default(b, x[0], y[0], beta=0.5, alpha=2),
        lambda x, y, b: aten._cdist_forward.default(x, aten.permute.default(y, [0, 2, 1]), 2.0, None),
        lambda x, y, b: aten._pdist_forward.default(x[0], 2.0),
    ], ((reals(2, 3, 4), reals(2, 4, 5, seed=1), reals(5, seed=2)), (reals(2, 3, 4, seed=3), reals(2, 4, 5, seed=4), reals(5, seed=5)))
    g["op_grouped_mm"] = experts()
    rest = (True, 2, 0.0, False, True, True)
    g["op_rnn"] = [
        recurrent(4, lambda x, h, w: aten.lstm.input(x, [h, h * 0.5], w, *rest)),
        recurrent(3, lambda x, h, w: aten.gru.input(x, h, w, *rest)),
    ], ((reals(6, 20, 16), reals(4, 6, 24, seed=1)), (reals(6, 20, 16, seed=2), reals(4, 6, 24, seed=3)))
    conv = ([2, 1], [1, 0], [1, 2])
    g["op_conv"] = [
        lambda x, w, b: aten.convolution.default(x, w, b, *conv, False, [0, 0], 1),
        lambda x, w, b: aten.convolution.default(x, w[:, :1], b, [1, 1], [1, 1], [1, 1], False, [0, 0], 4),
        lambda x, w, b: aten.convolution.default(x, w, None, *conv, True, [1, 0], 1),
        lambda x, w, b: aten.convolution.default(x[:, :, 0], w[:, :, 0], b, [1], [1], [1], False, [0], 1),
        lambda x, w, b, v=reals(8, 4, 3, 3, seed=5): aten.convolution.default(x, v, None, [1, 1], [7, 4], [7, 4], False, [0, 0], 1),
        lambda x, w, b: aten.convolution.default(x.unsqueeze(2), w.unsqueeze(2), b, [1, 1, 1], [0, 1, 1], [1, 1, 1], False, [0] * 3, 1),
    ], ((reals(2, 4, 6, 7), reals(4, 4, 3, 3, seed=1), reals(4, seed=2)), (reals(2, 4, 6, 7, seed=3), reals(4, 4, 3, 3, seed=4), reals(4)))
    g["op_pool"] = [
        lambda x: aten.max_pool2d_with_indices.default(x, [3, 2], [2, 2], [1, 0], [1, 1], True),
        lambda x: aten.avg_pool2d.default(x, [3, 3], [2, 2], [1, 1], True, False), lambda x: aten._adaptive_avg_pool2d.default(x, [3, 2]),
        lambda x: aten.avg_pool1d.default(x[:, :, 0], [3], [2], [1]), lambda x: aten.adaptive_avg_pool1d.default(x[:, :, 0], [3]),
        lambda x: aten.max_pool3d_with_indices.default(x.unsqueeze(2), [1, 2, 2], [1, 2, 2]),
        lambda x: aten.avg_pool3d.default(x.unsqueeze(2), [1, 2, 3], [1, 1, 2]),
        lambda x: aten._adaptive_avg_pool3d.default(x.unsqueeze(1), [1, 2, 3]),
        lambda x: aten.reflection_pad1d.default(x[:, :, 0], [2, 1]), lambda x: aten.reflection_pad2d.default(x, [1, 2, 2, 0]),
        lambda x: aten.replication_pad2d.default(x, [1, 2, 0, 3]), lambda x: aten.upsample_nearest2d.vec(x, [9, 11], None),
        lambda x: aten.upsample_bilinear2d.vec(x, None, False, [1.5, 2.0]), lambda x: aten.upsample_bilinear2d.vec(x, [9, 11], True, None),
        lambda x: aten.grid_sampler_2d.default(x, aten.permute.default(x[:, :2], [0, 2, 3, 1]) * 0.6, 0, 0, False),
        lambda x: aten.col2im.default(x[:, :, :4, :6].reshape(2, 12, 8), [5, 3], [2, 2], [1, 1], [0, 0], [1, 1]),
    ], ((reals(2, 4, 6, 7),), (reals(2, 4, 6, 7, seed=1),))
    g["op_truth"] = [
        lambda x: aten._is_all_true.default(x > -9), lambda x: aten._is_all_true.default(x > 0), lambda x: aten._is_any_true.default(x > 9),
        lambda x: aten._is_any_true.default(x < 0),
    ], ((reals(3, 4),), (reals(3, 4).abs(),))
    g["op_pad"] = [
        lambda x, pad=pad: aten.constant_pad_nd.default(x, pad, 0.5)
        for pad in ([1, -1], [-2, 2], [0, 0, 1, -1], [1, 1, -1, -1], [-1, 0, 2, 0, 1, -1], [0, 0, 0, 0])
    ] + [
        lambda x: torch.relu(x) * 2 + aten.constant_pad_nd.default(x * x, [0, 0, 1, -1]), lambda x: aten.pad.default(x, [1, -1], "reflect"),
        lambda x: aten.pad.default(x, [2, -2, -1, 1], "replicate"), lambda x: aten.pad.default(x, [1, -1, 2, 0], "circular"),
    ], ((reals(3, 4, 5),), (reals(3, 4, 5, seed=1),))
    g["op_bytes"] = bytes_as_weights()
    g["op_norm_images"] = norms_of_images()
    g["op_norm"] = [
        lambda x, w, b: aten.native_layer_norm.default(x, [5], aten.arange.start_step(1, 6, 1, dtype=torch.float32), None, 1e-5),
        lambda x, w, b: aten.native_group_norm.default(x, w, b, 2, 4, 15, 2, 1e-5),
        lambda x, w, b: aten._native_batch_norm_legit_no_training.default(x, w, b, b, w * w, 0.1, 1e-5),
        lambda x, w, b: aten._native_batch_norm_legit.no_stats(x, w, b, True, 0.1, 1e-5),
    ], ((reals(2, 4, 3, 5), reals(4, seed=1), reals(4, seed=2)), (reals(2, 4, 3, 5, seed=3), reals(4, seed=4), reals(4, seed=5)))
    return g


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    for name, (calls, *cases) in groups().items():
        if options.names and name not in options.names:
            continue
        for kind, inputs_of_kind in zip(("", "_ints"), cases):
            about = f"operators of ATen's core: {name[3:]}"
            fixture = Fixture(options.out / (name + kind), about, rtol=1e-4, atol=1e-5)
            module = Calls(calls)
            fixture.archive("model.pt2", module, inputs_of_kind[0])
            for inputs in inputs_of_kind:
                fixture.case(module, inputs, [f"x{i}" for i in range(len(inputs))])
            fixture.close()


if __name__ == "__main__":
    sys.exit(main())
