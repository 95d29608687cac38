"""`softxent accuracy`: the table, --json, findings, and what cannot run."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace

import numpy as np
import pytest

from softxent.cli import accuracy as command
from softxent.kernels import registry
from softxent.measure import accuracy, peers, rows


def textbook(logits, target):
    z = logits - logits.max(axis=1, keepdims=True)
    y = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    return -np.log(y[np.arange(len(target)), target])


def gradient(logits, target):
    return np.zeros_like(logits)


PEER = SimpleNamespace(
    key="scipy",
    dtypes=frozenset({"float32"}),
    functions=lambda: {"loss": textbook, "gradient": gradient},
)


@pytest.fixture
def small(monkeypatch):
    """Ten classes, one made-up peer, JAX missing: what is tested here is what is printed."""
    monkeypatch.setattr(rows, "QUICK_SIZES", {10: 2})
    monkeypatch.setattr(peers, "installed", lambda keys=None: [PEER])
    absent = {"jax": "not installed; pip install jax"}
    monkeypatch.setattr(
        peers,
        "missing",
        lambda keys=None: {k: v for k, v in absent.items() if not keys or k in keys},
    )


# What is printed --------------------------------------------------------------------------------


def test_the_table(call, small):
    code, out, err = call("accuracy", "--quick")
    assert (code, err) == (0, "")  # no progress off a terminal
    assert "\x1b" not in out and "\r" not in out
    assert max(map(len, out.splitlines())) <= 80
    float32, float64 = out.partition("\nfloat32\n")[2].split("\nfloat64\n")
    assert re.search(r"^ +softxent  bar  scipy$", float32, re.M)
    assert re.search(r"^  ✓ softmax +\d\.\d\d  ≤ 6 +-$", float32, re.M)
    assert re.search(r"^  ✓ loss +\d\.\d\d  ≤ 4 +all$", float32, re.M)
    assert re.search(r"^  ✓   all options +\d\.\d\d  ≤ 6 +-$", float32, re.M)
    assert re.search(r"^  ✓ hvp +\d\.\d\d  ≤ 6$", float64.partition("bfloat16")[0], re.M)
    assert re.search(r"^  ✓ gradient +\d\.\d\d  ≤ 0\.51$", float64, re.M)
    assert re.search(r"^  ✓ float32 loss +0 +8\d\d$", out, re.M)
    assert re.search(r"^  ✓ float32 gradient +0 +1000$", out, re.M)
    assert re.search(r"^  ✓ bfloat16 loss +0 +-$", out, re.M)
    assert (
        "Not measured:\n  jax: not installed; pip install jax\n  torch.compile: on request" in out
    )
    assert re.search(r"^34 of 34 bars kept in \d+\.\d s\n$", out.rpartition("\n\n")[2])


def test_json(call, small):
    code, out, err = call("accuracy", "--quick", "--json")
    assert (code, err) == (0, "")
    report = json.loads(out)
    assert list(report) == [
        "schema_version", "implementation", "quick", "rows", "confident", "machine", "missing",
    ]  # fmt: skip
    assert report["schema_version"] == 1
    assert report["quick"] is True
    assert report["implementation"] in ("native", "numpy")
    for row in report["rows"]:
        assert list(row) == ["op", "dtype", "who", "unit", "max_ulp", "median_ulp", "bar"]
        assert row["who"] in ("softxent", "scipy")
        assert (row["bar"] is None) == (row["who"] == "scipy")
    assert {row["op"] for row in report["rows"]} == set(accuracy.BARS)
    assert {row["dtype"] for row in report["rows"]} == set(rows.DTYPES)
    counts = [(row["who"], row["dtype"], row["rows"]) for row in report["confident"]]
    assert counts == [
        ("softxent", "float32", 1000), ("scipy", "float32", 1000), ("softxent", "bfloat16", 1000),
    ]  # fmt: skip
    assert report["confident"][1]["zero_gradient"] == 1000
    assert report["machine"]["cpu"]
    assert set(report["missing"]) == {"jax", "torch.compile"}


def test_an_infinite_error_is_null(call, small, monkeypatch):
    broken = SimpleNamespace(
        key="torch",
        dtypes=frozenset({"float32"}),
        functions=lambda: {"softmax": lambda z: np.full_like(z, np.nan)},
    )
    monkeypatch.setattr(peers, "installed", lambda keys=None: [broken])
    report = json.loads(call("accuracy", "--quick", "--json").out)
    theirs = [row for row in report["rows"] if row["who"] == "torch"]
    assert [(row["op"], row["max_ulp"]) for row in theirs] == [("softmax", None)]
    assert re.search(r"✓ softmax .* all$", call("accuracy", "--quick").out, re.M)


def test_without_any_peer(call, small, monkeypatch):
    monkeypatch.setattr(peers, "installed", lambda keys=None: [])
    code, out, _ = call("accuracy", "--quick")
    assert code == 0
    assert "34 of 34 bars kept" in out and "scipy" not in out


def test_all_peers_fit_80_columns(call, small, monkeypatch):
    everybody = [
        SimpleNamespace(key=key, dtypes=frozenset({"bfloat16"}), functions=PEER.functions)
        for key in command.PEERS
    ]
    monkeypatch.setattr(peers, "installed", lambda keys=None: everybody)
    out = call("accuracy", "--quick", *(f"--peer={k}" for k in command.PEERS if k != "jax")).out
    assert re.search(r"softxent +bar +scipy +sklearn +torch +compiled +jax$", out, re.M)
    assert max(map(len, out.splitlines())) <= 80


def test_the_implementation_can_be_chosen(call, small):
    out = call("accuracy", "--quick", "--implementation", "numpy").out
    assert "plain NumPy" in out.splitlines()[0]
    report = json.loads(call("accuracy", "--quick", "--implementation=numpy", "--json").out)
    assert report["implementation"] == "numpy"


def test_a_stream_without_our_letters(spawn):
    code, out, err = spawn(
        "-m", "softxent", "accuracy", "--quick", "--peer=scipy", PYTHONIOENCODING="ascii"
    )
    assert (code, err) == (0, "")
    assert out.isascii() and "<= 0.51" in out


def test_progress_on_a_terminal_that_leaves(on_terminal):
    code, written = on_terminal("accuracy", "--quick", "--peer=scipy")
    assert code == 0
    assert "measuring" in written and "\x1b[1m" in written
    screen = [line.rpartition("\r")[2] for line in written.replace("\r\n", "\n").split("\n")]
    assert not any("measuring" in line for line in screen)


@pytest.mark.parametrize(
    "ulp, unit, shown",
    [
        (0.4999, "float32", "0.50"),
        (59.216, "float32", "59.22"),
        (525.1, "float32", "525"),
        (9999.4, "float32", "9999"),
        (9999.6, "float32", "1.0e4"),
        (8.1e6, "float32", "8.1e6"),
        (8.4e6, "float32", "all"),  # 2^23
        (8.4e6, "float64", "8.4e6"),
        (127.0, "bfloat16", "127"),
        (128.0, "bfloat16", "all"),
        (float("inf"), "float64", "all"),
        (float("nan"), "float64", "all"),
    ],
)
def test_a_number_in_few_letters(ulp, unit, shown):
    assert command._number({"max_ulp": ulp, "unit": unit}) == shown


# Findings ---------------------------------------------------------------------------------------


def test_a_bar_that_is_exceeded_is_a_finding(call, small, monkeypatch):
    monkeypatch.setitem(accuracy.BARS, "loss", 0.01)
    code, out, err = call("accuracy", "--quick")
    assert code == 1
    sentences = err.splitlines()
    assert len(sentences) == 4  # one a dtype
    pattern = r"softxent accuracy: loss, float32: 0\.\d\d ULP is above the bar 0\.01 ULP"
    assert re.fullmatch(pattern, sentences[0])
    assert re.search(r"^  ✗ loss ", out, re.M) and "30 of 34 bars kept" in out
    code, out, err = call("accuracy", "--quick", "--json")
    assert code == 1
    assert json.loads(out)["rows"] and "above the bar" in err


def test_a_zero_of_ours_is_a_finding(call, small, monkeypatch):
    monkeypatch.setattr(
        accuracy, "zeros", lambda f, b: {"rows": 1000, "zero_loss": 3, "zero_gradient": 2}
    )
    code, out, err = call("accuracy", "--quick")
    assert code == 1
    text = "confident rows, float32: 3 losses and 2 gradients came back as exactly 0"
    assert err.splitlines()[0] == f"softxent accuracy: {text}"
    assert re.search(r"^  ✗ float32 loss +3 +3$", out, re.M) and "32 of 34 bars kept" in out


# What cannot run --------------------------------------------------------------------------------


def test_a_peer_that_is_not_installed_is_2_when_asked_for(call, small):
    code, out, err = call("accuracy", "--peer", "jax", "--peer", "scipy")
    assert (code, out) == (2, "")
    assert err == "softxent accuracy: --peer jax: not installed; pip install jax\n"


def test_an_unknown_peer_is_bad_usage(call):
    code, out, err = call("accuracy", "--peer", "abacus")
    assert (code, out) == (2, "")
    assert "'abacus'" in err and "scipy" in err


def test_an_implementation_that_cannot_run_is_2(call, small, monkeypatch):
    monkeypatch.setattr(registry, "available", lambda: {"native": "not built", "numpy": None})
    code, out, err = call("accuracy", "--implementation", "native")
    assert (code, out) == (2, "")
    assert err == "softxent accuracy: --implementation native: not built\n"


def test_a_peer_that_fails_is_named_and_no_finding(call, small, monkeypatch):
    def cannot():
        raise RuntimeError("no compiler")

    broken = SimpleNamespace(key="torch", dtypes=frozenset({"float32"}), functions=cannot)
    monkeypatch.setattr(peers, "installed", lambda keys=None: [broken])
    code, out, _ = call("accuracy", "--quick")
    assert code == 0
    assert "torch: it failed: RuntimeError: no compiler" in out


@pytest.mark.parametrize("module, package", command.NEEDS.items())
def test_a_missing_extra_gives_the_install_command_and_2(spawn, module, package):
    program = (
        f"import sys; sys.modules[{module!r}] = None\n"
        "from softxent.cli import main; sys.exit(main(['accuracy']))"
    )
    code, out, err = spawn("-c", program)
    assert (code, out) == (2, "")
    assert '\n    pip install "softxent[demo]"\n' in err
    assert f"softxent accuracy needs {package}" in err


def test_help_loads_nothing_heavy(spawn):
    program = (
        "import sys; from softxent.cli import main; main(['accuracy', '--help'])\n"
        "heavy = {'torch', 'jax', 'sklearn', 'scipy', 'mpmath', 'tqdm'} & set(sys.modules)\n"
        "sys.exit(repr(heavy) if heavy else 0)"
    )
    assert spawn("-c", program).code == 0
