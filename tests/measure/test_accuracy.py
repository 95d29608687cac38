"""The accuracy table: ours keeps its bars, and what is wrong is seen to be, by as much as it is."""

from __future__ import annotations

import math
from functools import cache
from types import SimpleNamespace

import ml_dtypes
import numpy as np
import pytest

import softxent
from softxent.kernels import registry
from softxent.measure import accuracy, rows

DTYPES = list(rows.DTYPES)


@cache
def quick_rows(dtype):
    return list(rows.batches(dtype, quick=True))


@pytest.fixture(autouse=True)
def exact_once(monkeypatch):
    """The exact values of a batch are the same in every test; in float64 they take a second."""
    monkeypatch.setattr(accuracy, "exact", exact)


compute_exact, kept = accuracy.exact, {}


def exact(batch, dtype):
    key = dtype, batch.logits.tobytes()
    if key not in kept:
        kept[key] = compute_exact(batch, dtype)
    return kept[key]


def measured(functions, dtype="float32", who="peer"):
    """One implementation through the real path: {op: its row of the table}."""
    failed = {}
    table = accuracy.measure({who: functions}, dtype, quick_rows(dtype), failed=failed)
    assert not failed
    return {entry["op"]: entry for entry in table}


def peer(key="peer", dtypes=("float32",), **functions):
    return SimpleNamespace(key=key, dtypes=frozenset(dtypes), functions=lambda: functions)


# Ours -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("implementation", ["native", "numpy"])
def test_ours_keeps_its_bars_and_returns_no_zeros(implementation):
    if registry.available()[implementation] is not None:
        pytest.skip(f"{implementation} does not run here")
    shares = []
    found = accuracy.collect([], quick=True, implementation=implementation, progress=shares.append)
    assert [(e["dtype"], e["op"]) for e in found["rows"]] == [
        (dtype, op) for dtype in DTYPES for op in accuracy.BARS
    ]
    for entry in found["rows"]:
        assert entry["who"] == "softxent"
        assert 0 < entry["median_ulp"] < entry["max_ulp"] <= entry["bar"]
        assert entry["median_ulp"] < 1
    assert found["confident"] == [
        {"who": "softxent", "dtype": d, "rows": 1000, "zero_loss": 0, "zero_gradient": 0}
        for d in accuracy.CONFIDENT_DTYPES
    ]
    assert found["failed"] == {}
    assert shares == sorted(shares) and shares[-1] == 1


def test_the_implementation_is_the_one_asked_for(monkeypatch):
    asked = []

    def pick(name, pick=registry.pick):
        asked.append(name)
        return pick(name)

    for module in ("softmax", "steps"):
        monkeypatch.setattr(f"softxent.frontends.{module}.pick", pick)
    functions = accuracy.ours("numpy")
    batch = quick_rows("float32")[0]
    for op in accuracy.BARS:
        functions[op](*accuracy._arguments(op, batch))
    assert asked == ["numpy"] * len(accuracy.BARS)


def test_the_bars_are_those_of_the_acceptance_tests():
    from contract import test_accuracy as acceptance

    names = {"gradient": "grad", "gradient, all options": "grad"}
    for dtype in DTYPES:
        for op in accuracy.BARS:
            assert accuracy.bar(op, dtype) == acceptance.bar(names.get(op, op), dtype)


def test_half_precision_bar():
    assert accuracy.bar("gradient", "bfloat16") == 0.51
    assert accuracy.bar("gradient, all options", "float16") == 0.51
    assert accuracy.bar("loss", "bfloat16") == 4


# What is wrong is seen --------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("steps", [0, 7, 1000])
def test_so_many_floats_off_is_so_many_ulp(dtype, steps):
    """The exact values, rounded once and moved by `steps` floats away from 0."""
    (batch,) = quick_rows(dtype)

    def moved(op):
        def function(*_):
            value = exact(batch, dtype)[op].high.astype(dtype)
            size = np.nextafter(np.abs(value), np.inf, dtype=dtype) - np.abs(value)
            return value + steps * size * np.sign(value)

        return function

    ops = ("softmax", "log_softmax", "loss", "gradient")
    for entry in measured({op: moved(op) for op in ops}, dtype).values():
        assert steps <= entry["max_ulp"] <= max(1, 2 * steps) + 0.5
        assert entry["median_ulp"] == pytest.approx(steps, abs=0.5)


def test_a_gradient_off_by_one_in_a_million():
    def gradient(logits, target):
        honest = softxent.cross_entropy_with_grad(logits, target, reduction="none")[1]
        return honest * np.float32(1 + 1e-6)

    entry = measured({"gradient": gradient})["gradient"]
    assert 8 < entry["max_ulp"] < 25  # 1e-6 is 8.4 to 16.8 ULP of float32, and ours up to 6
    assert entry["bar"] is None


def textbook(logits, target):
    z = logits - logits.max(axis=1, keepdims=True)
    y = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    at_target = (np.arange(len(target)), target)
    loss = -np.log(y[at_target])
    y[at_target] -= 1
    return loss, y


def test_the_textbook_formula_loses_all_digits_of_confident_rows():
    functions = {
        "loss": lambda z, t: textbook(z, t)[0],
        "gradient": lambda z, t: textbook(z, t)[1],
    }
    for entry in measured(functions).values():
        assert entry["max_ulp"] >= 2**23
        assert entry["median_ulp"] < 20
    counts = accuracy.zeros(functions, rows.confident("float32"))
    assert counts["rows"] == 1000
    # below 2^-24 = 10^-7.2 a loss is 0: 84 % of the decades from -30 to -3
    assert 800 < counts["zero_loss"] < 900
    assert 800 < counts["zero_gradient"] < 900


def test_nan_and_overflow_are_infinitely_wrong():
    def naive(logits):
        y = np.exp(logits)  # overflows at the offset rows; no warning may come through
        return y / y.sum(axis=1, keepdims=True)

    assert measured({"softmax": naive})["softmax"]["max_ulp"] == math.inf


# Units ------------------------------------------------------------------------------------------


def loss_in(dtype):
    def loss(logits, target):
        return softxent.cross_entropy(logits, target, reduction="none").astype(dtype)

    return {"loss": loss}


@pytest.mark.parametrize(
    "logits, returned, unit",
    [
        ("bfloat16", np.float32, "float32"),  # as ours
        ("bfloat16", ml_dtypes.bfloat16, "bfloat16"),
        ("bfloat16", np.float64, "float32"),
        ("float32", np.float64, "float32"),
        ("float64", np.float32, "float32"),
    ],
    ids=str,
)
def test_the_unit_is_the_coarser_dtype(logits, returned, unit):
    entry = measured(loss_in(returned), logits)["loss"]
    assert entry["unit"] == unit
    assert entry["max_ulp"] < 4


# Peers ------------------------------------------------------------------------------------------


def test_a_peer_is_measured_in_its_own_dtypes_and_in_what_it_has():
    found = accuracy.collect([peer(softmax=softxent.softmax)], quick=True)
    theirs = [e for e in found["rows"] if e["who"] == "peer"]
    assert [(e["op"], e["dtype"], e["bar"]) for e in theirs] == [("softmax", "float32", None)]
    assert [e["who"] for e in found["confident"]] == ["softxent", "softxent"]


def test_a_peer_that_raises_is_left_out_and_named():
    def breaks(*_):
        raise RuntimeError("no compiler\nhere")

    def cannot():
        raise ImportError("gone")

    late = peer("late", softmax=softxent.softmax, loss=breaks, gradient=breaks)
    early = SimpleNamespace(key="early", dtypes=frozenset(DTYPES), functions=cannot)
    found = accuracy.collect([late, early], quick=True)
    assert found["failed"] == {
        "late": "it failed: RuntimeError: no compiler",
        "early": "it failed: ImportError: gone",
    }
    assert {e["who"] for e in found["rows"] + found["confident"]} == {"softxent"}


def test_a_peer_that_raises_on_the_confident_rows_is_left_out_too():
    def loss(logits, target):
        if len(target) == 1000:
            raise MemoryError("too many")
        return textbook(logits, target)[0]

    found = accuracy.collect([peer(loss=loss, gradient=lambda z, t: textbook(z, t)[1])], quick=True)
    assert found["failed"] == {"peer": "it failed: MemoryError: too many"}
    assert {e["who"] for e in found["rows"] + found["confident"]} == {"softxent"}


def test_ours_has_to_work(monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("out of cheese")

    monkeypatch.setattr(softxent, "softmax", fail)
    with pytest.raises(RuntimeError, match="out of cheese"):
        accuracy.collect([], quick=True)
