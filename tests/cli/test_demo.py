"""`softxent demo` on the real public functions; parts 3 and 4 small, but for one run as it is."""

from __future__ import annotations

import json
import math
import os
import re

import numpy as np
import pytest

import softxent
from softxent.cli import _digits, _minibatch, _moons, demo
from softxent.cli._checks import Check, jsonable
from softxent.measure import head, peers, rows, truth, worker

HEAD = {"n": 32, "d": 16, "v": 512, "rounds": 1, "patience": 0.0}
SPEED = {"shapes": [(16, 10), (8, 1000)], "rounds": 1}
SMALL = f"""
import sys
from softxent.cli import demo, main
from softxent.measure import rows
demo.HEAD.update({HEAD})
demo.SPEED.update({SPEED})
demo.PEERS = ("scipy",)
rows.QUICK_SIZES = {{10: 1}}
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def data():
    return _digits.load()


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Parts 3 and 4 on a few numbers, in an empty folder, which is returned."""
    monkeypatch.setattr(demo, "HEAD", HEAD)
    monkeypatch.setattr(demo, "SPEED", demo.SPEED | SPEED)
    monkeypatch.setattr(demo, "PEERS", ("scipy",))
    monkeypatch.setattr(rows, "QUICK_SIZES", {10: 1})
    monkeypatch.chdir(tmp_path)
    return tmp_path


def quiet(loss, norm):
    pass


# The command ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_whole_of_it(spawn, tmp_path):
    """As a user runs it: every size, every peer."""
    page = tmp_path / "page.html"
    code, out, err = spawn("-m", "softxent", "demo", "--json", "--report", str(page))
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["report"] == str(page)
    linear = found["linear"]
    assert (linear["n"], linear["d"], linear["v"], linear["skipped"]) == (1024, 256, 131_072, None)
    assert 64 < linear["peak_mib"] <= 64 * 1.05 + 16
    assert linear["full_peak_mib"] >= linear["logits_mib"] == 512
    assert linear["seconds"] > 0 and linear["full_seconds"] > 0
    assert linear["gradients_apart"] <= 1e-5
    text = page.read_text(encoding="utf-8")
    assert f"{linear['seconds']:.2f}" in text and f"{linear['full_seconds']:.2f}" in text
    assert all(peer.title in text for peer in peers.installed(demo.PEERS))
    assert "10 of 10" in text


def test_piped(spawn, tmp_path):
    code, out, err = spawn("-c", SMALL, "demo", "--report", str(tmp_path / "a.html"))
    assert (code, err) == (0, "")  # no progress off a terminal
    assert "\x1b" not in out and "\r" not in out
    assert max(map(len, out.splitlines()[:-1])) <= 80
    assert re.search(r"10 of 10 checks passed in \d+\.\d s\nreport: .*/a\.html\n$", out)
    assert "y − t" in out and "scikit-learn" in out and "full logits" in out
    assert re.search(r"^  softxent +\d\.\d\d +\d\.\d\d +0 of 1000 +\d", out, re.M)
    assert re.search(r"^  SciPy recipe .*[1-9]\d* of 1000 +\d", out, re.M)


def test_json_is_exactly_one_object_and_meets_the_bars(call, small):
    code, out, err = call("demo", "--json")
    report = json.loads(out)
    assert (code, err) == (0, "")
    assert set(report) == {
        "schema_version",
        "gradient_check",
        "digits",
        "moons",
        "linear",
        "report",
    }
    assert report["schema_version"] == 1
    assert report["report"] == "softxent-demo.html"
    assert 0 < report["gradient_check"]["max_ulp"] <= 6
    digits = report["digits"]
    assert {"loss", "sklearn_loss", "accuracy", "agreement"} <= set(digits)
    assert digits["loss"] == pytest.approx(digits["sklearn_loss"], rel=1e-8, abs=0)
    assert 0.95 <= digits["accuracy"] <= 1
    assert 0.995 <= digits["agreement"] <= 1
    assert digits["gradient_norm"] <= 1e-9
    assert (digits["train_rows"], digits["test_rows"]) == (1198, 599)
    assert 0.94 <= report["moons"]["accuracy"] <= 1
    assert (report["moons"]["train_rows"], report["moons"]["test_rows"]) == (1000, 1000)
    assert {"seconds", "peak_mib", "full_seconds", "full_peak_mib"} <= set(report["linear"])
    assert report["linear"]["passed"] is True


def test_a_check_that_falls_short_is_named_and_exits_1(call, small, monkeypatch):
    monkeypatch.setattr(_minibatch, "ULP_BAR", 1e-9)
    code, out, err = call("demo", "--report", "short.html")
    assert code == 1
    assert re.fullmatch(
        r"softxent demo: gradient against .*mpmath: \d\.\d\d ULP is above the bar 1e-09 ULP\n", err
    )
    assert "9 of 10 checks passed" in out and "✗" in out
    page = (small / "short.html").read_text(encoding="utf-8")
    assert "9 of 10" in page and "fell short" in page  # the report tells it too


def test_a_check_that_falls_short_exits_1_with_json_too(call, small, monkeypatch):
    monkeypatch.setattr(_minibatch, "ULP_BAR", 1e-9)
    code, out, err = call("demo", "--json", "--no-report")
    assert code == 1
    assert json.loads(out)["gradient_check"]["passed"] is False
    assert "above the bar" in err


def test_roads_that_disagree_are_a_finding(call, small, monkeypatch):
    honest = head.measure
    monkeypatch.setattr(
        head, "measure", lambda **kw: honest(**kw) | {"gradients_apart": 1e-3, "peak_mib": 1e3}
    )
    code, _, err = call("demo", "--no-report")
    assert code == 1
    assert "memory of the fused loss: 1000.0 MiB is above the bar 83.2 MiB" in err
    assert "gradients of both roads apart, relative: 1.0e-03 is above the bar" in err


def test_what_could_not_be_measured_is_told_and_no_finding(call, small, monkeypatch):
    monkeypatch.setattr(head, "available_bytes", lambda: 1 << 20)
    code, out, err = call("demo", "--report", "page.html")
    assert (code, err) == (0, "")
    assert "Not all was measured: 1 MiB of memory are available" in out
    page = (small / "page.html").read_text(encoding="utf-8")
    assert "Not all was measured: 1 MiB of memory" in page


def test_peers_that_are_not_here_are_told_with_the_remedy(call, small, monkeypatch):
    monkeypatch.setattr(peers, "missing", lambda keys: {"jax": "not installed; pip install jax"})
    code, out, _ = call("demo")
    assert code == 0
    assert "jax: not installed; pip install jax" in out
    page = (small / "softxent-demo.html").read_text(encoding="utf-8")
    assert "jax: not installed; pip install jax" in page


def test_a_benchmark_that_dies_leaves_the_rest(call, small, monkeypatch):
    def die(work, progress):
        raise worker.WorkerFailed("the measuring process was ended by SIGKILL")

    monkeypatch.setattr(worker, "run", die)
    code, _, err = call("demo")
    assert (code, err) == (0, "")
    page = (small / "softxent-demo.html").read_text(encoding="utf-8")
    assert "the measuring process was ended by SIGKILL" in page


# The file ---------------------------------------------------------------------------------------


def test_no_report_writes_nothing_and_asks_no_peer(call, small, monkeypatch):
    monkeypatch.setattr(peers, "installed", lambda keys: pytest.fail("a peer was looked for"))
    code, out, err = call("demo", "--no-report", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["report"] is None
    assert os.listdir(small) == []


@pytest.mark.parametrize(
    "name, words",
    [
        ("no/such/folder/a.html", "folder .*no/such/folder does not exist; make it"),
        (".", "is a folder; name a file in it"),
        ("pipe", "is not a regular file"),
    ],
)
def test_a_file_that_cannot_be_written_is_told_before_the_work(
    call, small, monkeypatch, name, words
):
    os.mkfifo(small / "pipe")
    monkeypatch.setattr(demo, "require", lambda *args: pytest.fail("the work began"))
    code, out, err = call("demo", "--report", name)
    assert (code, out) == (2, "")
    assert re.fullmatch(f"softxent demo: cannot write the report: .*{words}.*\n", err)
    assert os.listdir(small) == ["pipe"]


def test_a_disk_that_fills_up_meanwhile(call, small, monkeypatch):
    def full(path, text):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("softxent.cli._files.write", full)
    code, out, err = call("demo", "--report", "a.html")
    assert code == 2
    assert err == "softxent demo: cannot write the report: a.html: No space left on device\n"
    assert "full logits" in out  # what was found is not lost


def test_report_and_no_report_exclude_each_other(call):
    code, out, err = call("demo", "--report", "a.html", "--no-report")
    assert (code, out) == (2, "")
    assert "not allowed with argument" in err


# The terminal -----------------------------------------------------------------------------------


def test_on_a_terminal_there_is_colour_and_progress_that_leaves(on_terminal, tmp_path):
    page = tmp_path / "a.html"
    code, written = on_terminal("demo", "--report", str(page), program=SMALL)
    assert code == 0
    assert "\x1b[1m" in written
    signs = (
        "loading scikit-learn",
        "training",
        "training a network",
        "512 classes",
        "accuracy beside",
        "speed beside",
    )
    assert all(sign in written for sign in signs)
    screen = [
        re.sub(r"^.*\r", "", line).removeprefix("\x1b[K")
        for line in written.replace("\r\n", "\n").split("\n")
    ]
    assert not any(f"  {sign}" in line for sign in signs[1:] for line in screen)


def test_no_color_on_a_terminal(on_terminal):
    code, written = on_terminal("demo", "--no-report", program=SMALL, NO_COLOR="1")
    assert code == 0
    assert not re.search(r"\x1b\[[0-9;]*m", written)


def test_a_dumb_terminal_gets_plain_text(on_terminal):
    code, written = on_terminal("demo", "--no-report", program=SMALL, TERM="dumb")
    assert code == 0
    assert "\x1b" not in written and "\r" not in written.replace("\r\n", "\n")


def test_a_stream_without_our_letters(spawn, tmp_path):
    page = tmp_path / "a.html"
    code, out, err = spawn("-c", SMALL, "demo", "--report", str(page), PYTHONIOENCODING="ascii")
    assert (code, err) == (0, "")
    assert out.isascii() and "y - t" in out
    assert "y − t" in page.read_text(encoding="utf-8")


# The mini-batch ---------------------------------------------------------------------------------


def test_the_batch_is_real_and_consistent(data):
    batch = _minibatch.make(data)
    assert batch.logits.shape == (3, 10)
    assert any((data.test_x == batch.images[0]).all(axis=1))
    assert (np.diff(batch.loss) > 0).all()
    one_hot = softxent.one_hot(batch.target, 10)
    np.testing.assert_allclose(batch.probabilities - one_hot, batch.gradient, rtol=0, atol=1e-15)
    assert batch.mean_loss == pytest.approx(batch.loss.mean(), rel=1e-14)
    assert (np.diff(batch.map_target) >= 0).all()
    assert batch.map_gradient.shape == (40, 10)
    assert (batch.map_gradient[np.arange(40), batch.map_target] < 0).all()
    np.testing.assert_allclose(batch.map_gradient.sum(axis=1), 0, rtol=0, atol=1e-15)


def test_a_wrong_gradient_is_found(data, monkeypatch):
    batch = _minibatch.make(data)
    honest = softxent.cross_entropy_with_grad

    def off_by_one_in_a_million(*args, **kwargs):
        loss, gradient = honest(*args, **kwargs)
        return loss, gradient * (1 + 1e-6)

    monkeypatch.setattr(softxent, "cross_entropy_with_grad", off_by_one_in_a_million)
    first, second, third = _minibatch.check(batch).checks()
    assert first.passed and third.passed  # the batch was made before, and the loss is right
    assert not second.passed and second.value > 1e9


def test_central_differences_of_a_known_row():
    z, t = np.array([[0.3, -1.2, 2.0], [5.0, 0.0, -5.0]]), np.array([2, 1])
    exact = truth.Rows(z, t).gradient.astype(np.float64)
    np.testing.assert_allclose(_minibatch.central_differences(z, t), exact, rtol=0, atol=1e-12)


def test_central_differences_are_of_eighth_order():
    """Exact on polynomials up to degree 8: the odd moments 3, 5, 7 vanish, the first is 1/2."""
    moments = [math.fsum(c * k**p for k, c in _minibatch.STENCIL) for p in (1, 3, 5, 7)]
    assert moments == pytest.approx([0.5, 0, 0, 0], abs=1e-13)


# The digits -------------------------------------------------------------------------------------


def test_the_split_is_stratified_and_always_the_same(data):
    again = _digits.load()
    assert all(np.array_equal(a, b) for a, b in zip(data, again, strict=True))
    everything = np.bincount(np.concatenate([data.train_t, data.test_t]))
    np.testing.assert_allclose(np.bincount(data.test_t), everything / 3, atol=1)
    assert everything.sum() == 1797


def test_objective_gradient_and_hvp_agree_with_differences(data):
    objective = _digits.Objective(data.train_x[:50], data.train_t[:50])
    rng = np.random.default_rng(0)
    point, v = rng.normal(size=(2, objective.size))
    h = 1e-5
    (ahead, g_ahead), (behind, g_behind) = (
        objective.value_and_gradient(point + s * h * v) for s in (1, -1)
    )
    gradient = objective.value_and_gradient(point)[1]
    assert (ahead - behind) / (2 * h) == pytest.approx(gradient @ v, rel=1e-7)
    np.testing.assert_allclose(
        objective.hvp(point, v), (g_ahead - g_behind) / (2 * h), rtol=1e-5, atol=1e-8
    )


def test_progress_ends_at_the_optimum(data):
    seen = []
    result = _digits.run(data, lambda loss, norm: seen.append((loss, norm)))
    assert len(seen) > 5
    assert seen[0][0] == pytest.approx(math.log(10))  # all weights 0: every class alike
    assert seen[-1][1] <= _digits.GRADIENT_NORM
    assert all(check.passed for check in result.checks())


def test_what_training_leaves_to_look_at(data):
    result = _digits.run(data, quiet)
    learned = result.learned
    assert len(learned.objective) == len(learned.gradient_norm) == result.iterations + 1
    assert learned.objective[0] == pytest.approx(math.log(10))
    assert learned.objective[-1] == pytest.approx(result.loss, rel=1e-14)
    assert learned.gradient_norm[-1] == pytest.approx(result.gradient_norm, rel=1e-3)
    assert learned.weight.shape == (10, 64)
    assert learned.confusion.sum() == result.test_rows
    assert np.trace(learned.confusion) == round(result.accuracy * result.test_rows)
    assert learned.confusion.sum(axis=1).tolist() == np.bincount(data.test_t).tolist()
    assert "learned" not in result.as_dict()


# The moons --------------------------------------------------------------------------------------


def test_the_moons_are_told_apart_and_always_the_same():
    result, again = _moons.run(), _moons.run()
    assert (result.predicted == again.predicted).all()
    assert all(check.passed for check in result.checks())
    assert result.accuracy == np.mean(result.model.predict(result.test_x) == result.test_t)
    assert result.as_dict()["passed"] is True and result.seconds > 0


def test_a_network_that_learns_nothing_is_a_finding(call, small, monkeypatch):
    monkeypatch.setattr(_moons, "ACCURACY_BAR", 1.0)
    code, _, err = call("demo", "--no-report")
    assert code == 1
    assert re.fullmatch(
        r"softxent demo: accuracy on the held-out moons: 9\d\.\d\d % is below the bar 100 %\n", err
    )


# Checks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "check, passed",
    [
        (Check("a", 1.0, 2.0), True),
        (Check("a", 2.0, 2.0), True),
        (Check("a", 3.0, 2.0), False),
        (Check("a", math.nan, 2.0), False),
        (Check("a", 0.99, 0.95, "%", at_least=True), True),
        (Check("a", 0.94, 0.95, "%", at_least=True), False),
        (Check("a", math.nan, 0.95, "%", at_least=True), False),
    ],
    ids=str,
)
def test_check(check, passed):
    assert check.passed is passed


def test_a_check_says_what_fell_short():
    assert Check("accuracy", 0.9, 0.95, "%", at_least=True).sentence() == (
        "accuracy: 90.00 % is below the bar 95 %"
    )
    assert Check("gradient", 7.25, 6.0, "ULP").sentence() == (
        "gradient: 7.25 ULP is above the bar 6 ULP"
    )
    assert Check("memory", 90.04, 83.2, "MiB").row() == ("memory", "90.0 MiB", "≤ 83.2 MiB")


def test_json_has_no_nan():
    assert jsonable({"a": [math.nan, 1.0, (math.inf,)], "b": "x"}) == {
        "a": [None, 1.0, [None]],
        "b": "x",
    }
