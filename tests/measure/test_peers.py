"""The peers compute what they are said to compute, and one that cannot run says why."""

from __future__ import annotations

import importlib
import subprocess
import sys

import ml_dtypes
import numpy as np
import pytest

import softxent
from softxent.measure import peers

KEYS = [peer.key for peer in peers.KNOWN]
# bfloat16 has 8 bits; the values compared are below 8.
TOLERANCE = {"float64": 1e-14, "float32": 2e-6, "float16": 1e-2, "bfloat16": 8e-2}
UNCOMPILED = [key for key in KEYS if key != "torch.compile"]  # which takes seconds a function


def find(key):
    found = peers.installed([key])
    if not found:
        pytest.skip(peers.missing([key])[key])
    return found[0]


def problem(dtype):
    rng = np.random.default_rng(7)
    kind = ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype
    return rng.standard_normal((6, 5)).astype(kind), rng.integers(0, 5, 6)


def exact(z, t):
    """By our own functions, in float64; other tests hold those to the truth."""
    z = z.astype(np.float64)
    loss, gradient = softxent.cross_entropy_with_grad(z, t, reduction="none")
    return {
        "softmax": softxent.softmax(z),
        "log_softmax": softxent.log_softmax(z),
        "logsumexp": softxent.logsumexp(z),
        "loss": loss,
        "gradient": gradient,
    }


def value(result):
    """The loss in what a prepared call returns: alone, or before a gradient."""
    loss = result[0] if isinstance(result, tuple) else result
    return float(loss.detach() if hasattr(loss, "detach") else loss)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("key", UNCOMPILED)
def test_functions(key, dtype):
    peer = find(key)
    if dtype not in peer.dtypes:
        pytest.skip(f"{peer.title} takes no {dtype}")
    z, t = problem(dtype)
    truth = exact(z, t)
    functions = peer.functions()
    assert {"softmax", "loss", "gradient"} <= set(functions) <= set(truth)
    for name, function in functions.items():
        got = function(z, t) if name in ("loss", "gradient") else function(z)
        assert isinstance(got, np.ndarray) and got.dtype == z.dtype, name
        assert np.abs(got.astype(np.float64) - truth[name]).max() < TOLERANCE[dtype], name


@pytest.mark.parametrize("op", peers.OPS)
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("key", UNCOMPILED)
def test_prepared_calls(key, dtype, op):
    """The mean loss; twice the same, from arrays that stay as they were."""
    peer = find(key)
    if dtype not in peer.dtypes:
        pytest.skip(f"{peer.title} takes no {dtype}")
    z, t = problem(dtype)
    before = z.copy()
    call = peer.prepare(op, z, t)
    mean = exact(z, t)["loss"].mean()
    assert value(call()) == pytest.approx(mean, abs=TOLERANCE[dtype])
    assert value(call()) == pytest.approx(mean, abs=TOLERANCE[dtype])
    assert z.tobytes() == before.tobytes()


def test_the_scipy_recipe_has_the_gradient_of_the_mean():
    z, t = problem("float64")
    _, gradient = find("scipy").prepare("loss_and_grad", z, t)()
    assert np.abs(gradient - exact(z, t)["gradient"] / len(t)).max() < 1e-15


@pytest.mark.slow
def test_torch_compile():
    """Once compiled for any shape, as functions; and anew for each shape that is prepared."""
    peer = find("torch.compile")
    z, t = problem("float32")
    try:
        functions = peer.functions()
        gradient = functions["gradient"](z, t)
    except Exception as error:
        pytest.skip(f"it does not compile here: {error}")
    assert np.abs(gradient - exact(z, t)["gradient"]).max() < TOLERANCE["float32"]
    for n in (6, 3):
        call = peer.prepare("loss_and_grad", z[:n], t[:n])
        assert value(call()) == pytest.approx(exact(z[:n], t[:n])["loss"].mean(), abs=2e-6)


def test_torch_compile_without_a_compiler(monkeypatch):
    peer = find("torch.compile")
    inductor = importlib.import_module("torch._inductor.config")
    monkeypatch.setattr(inductor.cpp, "cxx", ("no-such-compiler",))
    monkeypatch.setattr(inductor, "force_disable_caches", True)
    with pytest.raises(peers.Unavailable, match=r"^it does not compile here: .*no-such-compiler"):
        peer.prepare("loss_and_grad", *problem("float32"))


def test_torch_compile_out_of_memory_is_no_compiler_missing(monkeypatch):
    """That is a matter of one shape; the next one is tried again."""
    peer = find("torch.compile")

    def compile(function, **options):
        def call(*arguments):
            raise RuntimeError("can't allocate memory")

        return call

    monkeypatch.setattr(importlib.import_module("torch"), "compile", compile)
    with pytest.raises(RuntimeError, match="can't allocate memory"):
        peer.prepare("loss_and_grad", *problem("float32"))


def test_as_many_threads_as_ours():
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    find("torch").prepare("loss", *problem("float32"))
    assert torch.get_num_threads() == softxent.get_num_threads()


@pytest.mark.parametrize("key", UNCOMPILED)
def test_an_unknown_op_is_refused(key):
    with pytest.raises(ValueError, match="got 'gradient', expected one of loss_and_grad, loss"):
        find(key).prepare("gradient", *problem("float32"))


def test_an_unknown_peer_is_refused():
    for ask in (peers.installed, peers.missing):
        with pytest.raises(ValueError, match="got 'tensorflow', expected one of scipy, sklearn"):
            ask(["torch", "tensorflow"])


def test_every_peer_is_installed_or_missing(monkeypatch):
    here, absent = peers.installed(), peers.missing()
    assert sorted([*absent, *(peer.key for peer in here)]) == sorted(KEYS)
    assert [peer.key for peer in here] == [key for key in KEYS if key not in absent]


def test_why_a_peer_is_missing(monkeypatch):
    real = importlib.import_module

    def import_module(name):
        if name.startswith("scipy"):
            raise ModuleNotFoundError("No module named 'scipy'", name="scipy")
        if name == "torch":
            raise OSError("libtorch.so: cannot open shared object file\nand more")
        return real(name)

    monkeypatch.setattr(importlib, "import_module", import_module)
    assert peers.missing(["scipy", "torch"]) == {
        "scipy": "not installed; pip install scipy",
        "torch": "does not import: libtorch.so: cannot open shared object file; pip install torch",
    }
    assert peers.installed(["scipy", "torch"]) == []


def test_nothing_is_imported_before_it_is_asked_for():
    heavy = ("torch", "jax", "scipy", "sklearn", "matplotlib", "tqdm")
    code = (
        "import sys; from softxent.measure import peers, speed, worker, linear\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
