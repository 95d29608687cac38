"""The head of many classes: both roads agree, memory is what each road keeps, refusals say why."""

from __future__ import annotations

import subprocess
import sys

import pytest

from softxent.measure import head
from softxent.measure.head import measure

MEASURED = ("seconds", "peak_mib", "full_seconds", "full_peak_mib", "loss_apart", "gradients_apart")


def test_small():
    said = []
    found = measure(24, 8, 300, "100kB", rounds=3, progress=said.append)
    assert (found["n"], found["d"], found["v"], found["dtype"]) == (24, 8, 300, "float32")
    assert found["max_memory_mib"] == pytest.approx(100_000 / 2**20)
    assert found["logits_mib"] == pytest.approx(4 * 24 * 300 / 2**20)
    assert found["products"] in ("native", "numpy", "scipy", "matmul")
    assert found["rounds"] == 3 and found["skipped"] is None
    assert found["seconds"] > 0 and found["full_seconds"] > 0
    assert 0 <= found["loss_apart"] <= 1e-6
    assert 0 <= found["gradients_apart"] <= 1e-5
    assert [s for s in said if "fused" in s] == [f"300 classes, fused, {i} of 3" for i in (1, 2, 3)]


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="needs a resettable high-water mark"
)
def test_memory_is_the_budget_here_and_all_logits_there():
    found = measure(512, 32, 65_536, "16MiB", rounds=1)
    assert found["logits_mib"] == 128
    assert 8 <= found["peak_mib"] <= 16 * 1.05 + 16
    assert 128 <= found["full_peak_mib"] <= 128 + 48  # what else the BLAS packs


def test_a_wrong_road_is_found(monkeypatch):
    """What `_compare` reports is really a distance: another scale of one gradient shows."""
    problem = head._make(24, 8, 300, 1 << 20)
    assert head._compare("full", problem)["gradients_apart"] <= 1e-5

    def off_by_a_thousandth(p):
        loss = head._full(p)
        p.dx[:] *= 1.001
        return 1.01 * loss

    monkeypatch.setitem(head.ROADS, "fused", off_by_a_thousandth)
    apart = head._compare("full", problem)
    assert apart["gradients_apart"] == pytest.approx(1e-3, rel=0.01)
    assert apart["loss_apart"] == pytest.approx(1e-2, rel=0.01)


def test_patience_ends_the_rounds_but_not_the_first():
    assert measure(24, 8, 300, rounds=50, patience=0.0)["rounds"] == 1


def test_full_logits_are_left_out_where_memory_is_scarce(monkeypatch):
    monkeypatch.setattr(head, "available_bytes", lambda: 300 << 20)
    found = measure(24, 8, 300, "1MiB", rounds=1)
    assert found["skipped"] is None  # two small processes fit
    monkeypatch.setattr(head, "available_bytes", lambda: 140 << 20)
    found = measure(24, 8, 300, "1MiB", rounds=1)
    assert found["seconds"] > 0 and found["peak_mib"] is not None
    assert found["full_seconds"] is found["full_peak_mib"] is found["gradients_apart"] is None
    assert found["skipped"].startswith("140 MiB of memory are available and full logits would take")


def test_nothing_is_measured_where_nothing_fits(monkeypatch):
    monkeypatch.setattr(head, "available_bytes", lambda: 1 << 20)
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: pytest.fail("a process was started"))
    found = measure(24, 8, 300, rounds=1)
    assert all(found[key] is None for key in MEASURED)
    assert found["skipped"].startswith("1 MiB of memory are available and the layer would take")


def test_unknown_memory_is_tried(monkeypatch):
    monkeypatch.setattr(head, "available_bytes", lambda: None)
    assert measure(24, 8, 300, rounds=1)["full_seconds"] > 0


def test_a_process_that_fails_is_a_reason_with_its_last_words():
    found = measure(24, 8, 300, 8, rounds=1)  # 8 bytes hold no row
    assert found["seconds"] is None
    assert found["skipped"].startswith("the process of the fused road stopped: ")
    assert "max_memory" in found["skipped"]


def test_a_process_that_is_killed_is_a_reason(monkeypatch):
    honest = subprocess.Popen

    def dies(command, **options):
        return honest(["/bin/sh", "-c", "kill -9 $$"], **options)

    monkeypatch.setattr(subprocess, "Popen", dies)
    found = measure(24, 8, 300, rounds=1)
    assert "the process of the fused road stopped: ended by signal 9" in found["skipped"]


def test_a_bad_budget_is_the_callers_error():
    with pytest.raises(ValueError, match=r"softxent\.measure\.head\.measure: max_memory"):
        measure(24, 8, 300, "much")
