# SPDX-License-Identifier: MIT
"""The Python package beside PyTorch: exported programs in, tensors without copies, torch.compile.

    pip install . torch pytest && python -m pytest tests/python
"""
import numpy as np
import pytest

torch = pytest.importorskip("torch")

import aotc  # noqa: E402


def export(module, *args, **kwargs):
    return torch.export.export(module.eval(), args, **kwargs)


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.out = torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.Linear(8, 5)

    def forward(self, image):
        features = torch.relu(self.conv(image))
        return {"scores": self.out(features.mean((2, 3))), "features": [features]}


def test_exported_program(tmp_path):
    net, x = Net(), torch.randn(2, 3, 16, 16)
    batch = torch.export.Dim("batch", min=1, max=64)
    path = aotc.compile(export(net, x, dynamic_shapes={"image": {0: batch}}), tmp_path / "net.so")
    model = aotc.load(path)
    for n in (1, 7):
        x = torch.randn(n, 3, 16, 16)
        found, expected = model(x), net(x)
        torch.testing.assert_close(torch.from_dlpack(found["scores"]), expected["scores"], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(torch.from_numpy(found["features"][0]), expected["features"][0], rtol=1e-4, atol=1e-5)
    assert aotc.Engine(path).predict_batch([x[0]] * 3)[2]["scores"].shape == (5,)


def test_tensors_are_not_copied(tmp_path):
    class Add(torch.nn.Module):
        def forward(self, x, y):
            return x + y

    x, y = torch.randn(4, 6), torch.randn(6)
    model = aotc.load(aotc.compile(export(Add(), x, y), tmp_path / "add.so", backend="tcc"))
    torch.testing.assert_close(torch.from_numpy(model(x, y)), x + y)
    tensors = model.method("forward")._method._tensors[0][0]
    assert (tensors[0].data, tensors[1].data) == (x.data_ptr(), y.data_ptr())
    torch.testing.assert_close(torch.from_numpy(model(x.t().contiguous().t(), y)), x + y)
    with pytest.raises(TypeError, match="gradient|requires_grad"):
        model(x.requires_grad_(), y)


def test_bfloat16_and_mutation(tmp_path):
    class Step(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("total", torch.zeros(3))

        def forward(self, x):
            self.total.add_(x.float())
            x.mul_(2)
            return self.total.to(torch.bfloat16)

    x = torch.tensor([1.0, 2.0, 3.0], dtype=torch.bfloat16)
    model = aotc.load(aotc.compile(export(Step(), x.clone()), tmp_path / "step.so", backend="tcc"))
    first = torch.from_numpy(model(x)).view(torch.bfloat16)
    torch.testing.assert_close(first, torch.tensor([1.0, 2.0, 3.0], dtype=torch.bfloat16))
    torch.testing.assert_close(x, torch.tensor([2.0, 4.0, 6.0], dtype=torch.bfloat16))
    assert model.inputs[0].mutated
    saved = model.state.copy()
    second = torch.from_numpy(model(x)).view(torch.bfloat16)
    torch.testing.assert_close(second, torch.tensor([3.0, 6.0, 9.0], dtype=torch.bfloat16))
    model.state[:] = saved
    model.reset()
    assert not model.state.view(np.float32)[:3].any()


def test_refusals(tmp_path):
    class Unknown(torch.nn.Module):
        def forward(self, x):
            return torch.ops.aten.segment_reduce(x, "sum", lengths=torch.tensor([2, 2]))

    with pytest.raises(aotc.UnsupportedError, match="segment_reduce") as caught:
        aotc.compile(export(Unknown(), torch.randn(4)), tmp_path / "u.so")
    assert caught.value.status == 3


def test_methods_of_exported_programs(tmp_path):
    net = Net()
    path = aotc.compile(export(net, torch.randn(1, 3, 8, 8)), tmp_path / "two.so", backend="tcc",
                        methods={"conv": export(net.conv, torch.randn(1, 3, 8, 8))})
    x = torch.randn(1, 3, 8, 8)
    found = aotc.load(path).method("conv")(x)
    torch.testing.assert_close(torch.from_numpy(found), net.conv(x), rtol=1e-4, atol=1e-5)


# ---- torch.compile -----------------------------------------------------------------------------------

def backend():
    """By its name where the package is installed, else the function."""
    return "aotc" if "aotc" in torch._dynamo.list_backends() else __import__("aotc.dynamo").dynamo.backend


@pytest.fixture(autouse=True)
def fresh():
    torch._dynamo.reset()


def test_compile_inference_with_other_sizes():
    net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.GELU(), torch.nn.Linear(8, 3)).eval()
    fast = torch.compile(net, backend=backend(), options={"backend": "tcc"})
    with torch.no_grad():
        for n in (5, 7, 9, 1):
            x = torch.randn(n, 4)
            torch.testing.assert_close(fast(x), net(x), rtol=1e-4, atol=1e-5)


def test_compile_training():
    net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
    fast, x = torch.compile(net, backend=backend()), torch.randn(6, 4)
    fast(x).square().sum().backward()
    found = [p.grad.clone() for p in net.parameters()]
    net.zero_grad()
    net(x).square().sum().backward()
    for a, p in zip(found, net.parameters()):
        torch.testing.assert_close(a, p.grad, rtol=1e-4, atol=1e-4)


def test_compile_types_and_views():
    @torch.compile(backend=backend())
    def f(a, b):
        return (a * b).to(torch.bfloat16), a.shape[0] + 1, torch.sort(b)[1], a.t()

    a, b = torch.randn(3, 4), torch.randn(3, 4)
    low, n, order, turned = f(a, b)
    assert (low.dtype, n, order.dtype) == (torch.bfloat16, 4, torch.int64)
    torch.testing.assert_close(low, (a * b).to(torch.bfloat16))
    assert torch.equal(order, torch.sort(b)[1]) and torch.equal(turned, a.t())
