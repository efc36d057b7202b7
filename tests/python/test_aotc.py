# SPDX-License-Identifier: MIT
"""The Python package over archives of this project, with NumPy and without PyTorch.

    PYTHONPATH=runtime-stub/python AOTC=build/release/bin/aotc AOTRT_LIBRARY=build/release/lib/libaotrt.so \
        python3 -m pytest tests/python/test_aotc.py

With the package installed (pip install .) nothing needs to be set."""
import collections
import json
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import aotc
from aotc._program import find

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"


@pytest.fixture(scope="session")
def artifact(tmp_path_factory):
    """artifact("seeds/add"): the compiled fixture, made once."""
    folder, made = tmp_path_factory.mktemp("artifacts"), {}

    def get(name, **options):
        key = (name, str(options))
        if key not in made:
            manifest = json.loads((FIXTURES / name / "manifest.json").read_text())
            methods = {n: FIXTURES / name / f for n, f in manifest.get("methods", {}).items()}
            made[key] = aotc.compile(FIXTURES / name / manifest["archive"], folder / f"m{len(made)}.so", backend="tcc",
                                     methods=methods, **options)
        return made[key]

    return get


def leaves(name, case, what):
    """The arrays of a recorded case."""
    manifest = json.loads((FIXTURES / name / "manifest.json").read_text())
    return [np.load(FIXTURES / name / leaf["file"]) if "file" in leaf else leaf["value"]
            for leaf in manifest["cases"][case][what]]


def close(found, expected):
    if isinstance(expected, np.ndarray):
        np.testing.assert_allclose(np.asarray(found, np.float64), expected.astype(np.float64), rtol=1e-4, atol=1e-5)
    else:
        assert found == expected


# ---- calls -------------------------------------------------------------------------------------------

def test_call(artifact):
    model = aotc.load(artifact("seeds/conv_classifier_b"))
    for case in range(3):
        close(model(*leaves("seeds/conv_classifier_b", case, "inputs")),
              leaves("seeds/conv_classifier_b", case, "outputs")[0])
    assert model.methods == ["forward"] and model.inputs[0].shape[1:] == (3, 32, 32)
    assert model.metadata["torch"].startswith("2.13")


@pytest.mark.parametrize("torch", ["2.13.0", "2.8.0", "2.7.1", "2.5.1"])
def test_nested(artifact, torch):
    name = f"{torch}/nested"
    model = aotc.load(artifact(name))
    z, a, left, first, second, scale, none = leaves(name, 0, "inputs")
    total, part, one, two, k, nothing = leaves(name, 0, "outputs")
    found = model({"right": {"z": z, "a": a}, "left": left}, [first, second], scale=scale, opt=none)
    assert list(found) == ["sum", "parts", "k", "none"] and found["k"] == k == 7 and found["none"] is nothing is None
    close(found["sum"], total)
    assert isinstance(found["parts"], list) and isinstance(found["parts"][1], tuple)
    for got, expected in zip((found["parts"][0], *found["parts"][1]), (part, one, two)):
        close(got, expected)
    shuffled = collections.OrderedDict(left=left, right={"a": a, "z": z})
    close(model(shuffled, (first, second), opt=None, scale=scale)["sum"], total)


def test_named_arguments(artifact):
    model = aotc.load(artifact("2.13.0/nested"))
    z, a, left, first, second, scale, _ = leaves("2.13.0/nested", 0, "inputs")
    inp = {"right": {"z": z, "a": a}, "left": left}
    close(model(pair=[first, second], inp=inp, scale=scale, opt=None)["sum"], leaves("2.13.0/nested", 0, "outputs")[0])
    for args, kwargs, says in [
        ((inp,), dict(scale=scale, opt=None), "missing: pair"),
        ((inp, [first, second]), dict(scale=scale, opt=None, more=1), "unknown: more"),
        ((inp, [first, second]), dict(inp=inp, scale=scale, opt=None), "given twice"),
        ((inp, [first]), dict(scale=scale, opt=None), "pair: expected 2 elements, given 1"),
        ((inp, first), dict(scale=scale, opt=None), "pair: expected list, given ndarray"),
        (({"right": inp["right"]}, [first, second]), dict(scale=scale, opt=None), "expected the keys"),
        ((inp, [first, second]), dict(scale=scale, opt=1.0), "was None"),
        ((1, 2, 3, 4, 5), {}, "given 5"),
    ]:
        with pytest.raises(aotc.ModelError, match=says):
            model(*args, **kwargs)


def test_results_are_the_callers(artifact):
    x, y = leaves("seeds/add_dynamic", 2, "inputs")
    model = aotc.load(artifact("seeds/add_dynamic"))
    first, second = model(x, y), model(y, y)
    close(first, x + y)
    close(second, y + y)
    assert first.flags.writeable and first.ctypes.data % 64 == 0
    reused = aotc.load(artifact("seeds/add_dynamic"), reuse_outputs=True)
    assert reused(x, y) is reused(x, y)


def test_nothing_is_copied(artifact):
    model = aotc.load(artifact("seeds/add_dynamic"))
    x, y = np.ones(8, np.float32), np.ones(8, np.float32)
    model(x, y)
    tensors = model.method("forward")._method._tensors[0][0]
    assert (tensors[0].data, tensors[1].data) == (x.ctypes.data, y.ctypes.data)
    close(model(x[::2], y[4:]), np.full(4, 2))


def test_wrong_inputs(artifact):
    model = aotc.load(artifact("seeds/add_dynamic"))
    x = np.ones(8, np.float32)
    for args, kind, status, says in [
        ((x.astype(np.float64), x), TypeError, 2, "expected float32, given float64"),
        ((x.reshape(2, 4), x), ValueError, 3, "expected 1 dimensions, given 2"),
        ((x, x[:3]), aotc.ModelError, 3, "y"),
        ((np.ones(1025, np.float32),) * 2, aotc.ModelError, 3, "1025"),
        ((x,), TypeError, 1, "missing: y"),
        ((x, x, x), TypeError, 1, "given 3"),
        ((None, x), TypeError, 2, "given None"),
        ((["a"], x), TypeError, 2, "expected float32"),
    ]:
        with pytest.raises(kind, match=says) as caught:
            model(*args)
        assert caught.value.status == status
    close(model([1, 2, 3], x[:3]), np.array([2, 3, 4]))
    close(model(x, x), x + x)


def test_methods(artifact):
    name = "seeds/hybrid_model"
    model = aotc.load(artifact(name))
    x, = leaves(name, 0, "inputs")
    assert set(model.methods) == {"forward", "encode", "decode"}
    close(model.method("decode")(model.method("encode")(x)), model(x))
    with pytest.raises(KeyError, match="it has: forward"):
        model.method("backward")


def converse(model, first, last):
    """Recorded calls, whose results are right only on what the earlier ones left."""
    name = "seeds/kv_cache"
    for case in range(first, last):
        method = json.loads((FIXTURES / name / "manifest.json").read_text())["cases"][case]["model"]
        close(model.method(method)(*leaves(name, case, "inputs")), leaves(name, case, "outputs")[0])


def test_state(artifact):
    model = aotc.load(artifact("seeds/kv_cache"))
    other = model.another()
    for case in range(4):                               # in turns, each on a state of its own
        converse(model, case, case + 1)
        converse(other, case, case + 1)
    saved = model.state.copy()
    with pytest.raises(aotc.ModelError) as refused:     # 9 of 16 places are taken
        model.method("prefill")(np.zeros((8, 8), np.float32))
    assert refused.value.status == 5
    np.testing.assert_array_equal(model.state, saved)
    converse(model, 4, 5)
    other.reset()
    converse(other, 0, 5)
    later = aotc.load(artifact("seeds/kv_cache"))
    later.state[:] = saved
    converse(later, 4, 5)
    assert aotc.load(artifact("seeds/add")).state.size == 0


def test_threads(artifact):
    x, = leaves("seeds/conv_classifier_b", 0, "inputs")
    one, two = (aotc.load(artifact("seeds/conv_classifier_b"), threads=n) for n in (1, 2))
    np.testing.assert_array_equal(one(x), two(x))
    assert two.threads <= 2


# ---- DLPack ------------------------------------------------------------------------------------------

class Shared:
    """A tensor of a library that speaks DLPack and nothing else."""

    def __init__(self, array, device=(1, 0)):
        self.array, self.device, self.capsules = array, device, 0

    def __dlpack_device__(self):
        return self.device

    def __dlpack__(self, **_):
        self.capsules += 1
        return self.array.__dlpack__()


def test_dlpack(artifact):
    model = aotc.load(artifact("seeds/add_dynamic"))
    x = np.arange(8, dtype=np.float32)
    close(model(Shared(x), Shared(x)), x + x)
    tensors = model.method("forward")._method._tensors[0][0]
    assert tensors[0].data == x.ctypes.data
    close(model(Shared(x[::2]), x[:4]), x[::2] + x[:4])
    shared = Shared(x)
    for _ in range(100):
        model(shared, shared)
    x[0] = 5
    assert model(shared, shared)[0] == 10
    close(np.from_dlpack(model(x, x)), x + x)
    with pytest.raises(TypeError, match="DLPack device 2"):
        model(Shared(x, (2, 0)), x)
    with pytest.raises(TypeError, match="expected float32"):
        model(Shared(x.astype(np.int64)), x)


def test_dlpack_memory_lives(artifact):
    model = aotc.load(artifact("seeds/add_dynamic"))
    for n in (3, 700, 1000):
        close(model(Shared(np.full(n, 2, np.float32)), Shared(np.full(n, 1, np.float32))), np.full(n, 3))


# ---- files -------------------------------------------------------------------------------------------

def test_bytes_and_replaced_files(artifact, tmp_path):
    add, broadcast = artifact("2.13.0/add"), artifact("2.13.0/add_broadcast")
    for _ in range(3):
        for path, rank in ((add, 2), (broadcast, 3)):
            assert len(aotc.load(path.read_bytes()).inputs[0].shape) == rank
    for name, rank in (("2.13.0/add", 2), ("2.13.0/add_broadcast", 3), ("2.13.0/add", 2)):
        path = aotc.compile(FIXTURES / name / "model.pt2", tmp_path / "same.so", backend="tcc")
        assert len(aotc.load(path).inputs[0].shape) == rank


def test_no_artifact(tmp_path):
    (tmp_path / "text.so").write_text("no model")
    with pytest.raises(aotc.ModelError, match="not a shared object") as caught:
        aotc.load(tmp_path / "text.so")
    assert caught.value.status == 5
    with pytest.raises(FileNotFoundError):
        aotc.load(tmp_path / "absent.so")
    with pytest.raises(aotc.ModelError):
        aotc.load(b"\x7fELF")


# ---- compiling ---------------------------------------------------------------------------------------

def test_compile_options(tmp_path):
    model = FIXTURES / "seeds/add_dynamic/model.pt2"
    with_range = aotc.load(aotc.compile(model, tmp_path / "a.so", backend="tcc", dims={"s17": (2, 4)}, cpu="v3,baseline"))
    assert with_range.inputs[0].shape == ("s17 in 2..4",) and len(with_range.metadata["isa"]) == 2
    assert aotc.load(aotc.compile(model, tmp_path / "b.so", backend="tcc", dims={"s17": 3})).inputs[0].shape == (3,)
    aotc.compile(model, tmp_path / "c.c", emit="c", target="generic", flags=["--report", tmp_path / "r.json"])
    assert (tmp_path / "c.h").exists() and json.loads((tmp_path / "r.json").read_text())


def test_compile_errors(tmp_path):
    with pytest.raises(aotc.CompileError, match="bogus") as caught:
        aotc.compile(FIXTURES / "seeds/add/model.pt2", tmp_path / "a.so", bogus=True)
    assert caught.value.status == 2
    (tmp_path / "bad.pt2").write_bytes(b"no archive")
    with pytest.raises(aotc.CompileError) as caught:
        aotc.compile(tmp_path / "bad.pt2", tmp_path / "a.so")
    assert caught.value.status == 1 and not (tmp_path / "a.so").exists()
    with pytest.raises(TypeError, match="expected a torch.export.ExportedProgram"):
        aotc.compile(7, tmp_path / "a.so")


def test_import_is_light():
    code = "import sys, aotc; print([m for m in sys.modules if m.split('.')[0] == 'torch'], aotc.__version__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("[] ") and len(done.stdout.split()) == 2


def test_typed():
    assert Path(aotc.__file__).with_name("py.typed").exists()
    for name in aotc.__all__:
        assert getattr(aotc, name).__doc__, name


# ---- runtime and engine ------------------------------------------------------------------------------

def test_runtime(artifact):
    runtime = aotc.Runtime.get()
    assert runtime is aotc.Runtime.get()
    program = runtime.load_program(artifact("2.13.0/nested"))
    method = program.load_method("forward")
    assert program.method_names == {"forward"} and program.load_method("none") is None
    outputs = method.execute(leaves("2.13.0/nested", 0, "inputs"))
    for found, expected in zip(outputs, leaves("2.13.0/nested", 0, "outputs")):
        close(found, expected)
    meta = method.metadata
    assert (meta.name(), meta.num_inputs(), meta.num_outputs()) == ("forward", 7, 6)
    assert meta.input_tensor_meta(0).sizes() == (2, 3) and meta.output_tensor_meta(0).dtype() == np.float32
    assert runtime.load_program(artifact("seeds/add").read_bytes()).metadata("forward").num_inputs() == 2


@pytest.mark.parametrize("workers", [1, 3])
def test_engine(artifact, workers):
    rng = np.random.default_rng(0)
    images = rng.random((70, 3, 32, 32), np.float32)
    model = aotc.load(artifact("seeds/conv_classifier_b"))
    with aotc.Engine(artifact("seeds/conv_classifier_b"), workers=workers, max_batch=16) as engine:
        found = engine.predict_batch(list(images))
        assert len(found) == 70
        close(np.stack(found), model(images))
        assert engine.predict_batch([]) == []
        results = {}

        def one(i):
            results[i] = engine.predict(images[i:i + 1])

        threads = [threading.Thread(target=one, args=(i,)) for i in range(12)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        for i, result in results.items():
            close(result[0], found[i])


def test_engine_fixed_batch(artifact, tmp_path):
    model = FIXTURES / "seeds/conv_classifier_b/model.pt2"
    images = np.random.default_rng(1).random((7, 3, 32, 32), np.float32)
    expected = aotc.load(artifact("seeds/conv_classifier_b"))(images)
    for n in (1, 4):
        fixed = aotc.compile(model, tmp_path / f"fixed{n}.so", backend="tcc", dims={"s77": n})
        close(np.stack(aotc.Engine(fixed).predict_batch(images)), expected)
    with pytest.raises(ValueError, match="at least 4"):
        aotc.Engine(fixed, max_batch=2)
    with pytest.raises(ValueError, match="workers"):
        aotc.Engine(fixed, workers=0)


def test_engine_refuses_what_is_wrong(artifact):
    engine = aotc.Engine(artifact("seeds/conv_classifier_b"))
    with pytest.raises(ValueError):
        engine.predict_batch([np.zeros((3, 32, 32), np.float32), np.zeros((3, 31, 32), np.float32)])
    assert len(engine.predict_batch([np.zeros((3, 32, 32), np.float32)])) == 1      # its worker is free again


def test_program():
    from aotc import _program
    assert subprocess.run([_program.find(), "--version"], capture_output=True, text=True).stdout.startswith("aotc ")


# ---- signatures --------------------------------------------------------------------------------------

def test_signature(tmp_path):
    """What is signed by the key is opened, and nothing else."""
    def program(*words):
        subprocess.run([find(), *map(str, words)], check=True)

    one, two = tmp_path / "one", tmp_path / "two"
    program("keygen", one)
    program("keygen", two)
    path = Path(aotc.compile(FIXTURES / "seeds/simple_model/model.pt2", tmp_path / "m.so", backend="tcc"))
    with pytest.raises(aotc.ModelError, match="is not signed") as error:
        aotc.load(path, require_signature=f"{one}.pub")
    assert error.value.status == 10
    program("sign", path, "--key", one)
    model = aotc.load(path, require_signature=f"{one}.pub")
    case = "seeds/simple_model"
    close(model(*leaves(case, 0, "inputs")), leaves(case, 0, "outputs")[0])
    for opens in (aotc.load, aotc.Engine, aotc.Runtime.get().load_program):
        opens(path, require_signature=f"{one}.pub")
        with pytest.raises(aotc.ModelError, match="not one of this key"):
            opens(path, require_signature=f"{two}.pub")
    with pytest.raises(ValueError, match="public key"):
        aotc.load(path, require_signature=one)
    with pytest.raises(ValueError, match="files"):
        aotc.load(path.read_bytes(), require_signature=bytes(32))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(aotc.ModelError, match="not one of this key"):
        aotc.load(path, require_signature=f"{one}.pub")
