"""Turns, repetitions, pauses, medians; and that "warm" is what it says."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time

import pytest

from softxent.measure import timing


def busy(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def test_the_calls_take_turns():
    order = []
    calls = {name: lambda name=name: (order.append(name), busy(2e-3)) for name in "abc"}
    timing.interleaved(calls, rounds=3, pause=0.0)
    assert "".join(order).endswith("abc" * 3)


def test_a_long_call_is_timed_alone_and_a_short_one_repeated():
    counts = {"long": 0, "short": 0}

    def long():
        counts["long"] += 1
        busy(2e-3)

    def short():
        counts["short"] += 1

    found = timing.interleaved({"long": long, "short": short}, rounds=4, pause=0.0)
    assert counts["long"] <= 4 + 6  # the rounds, and what it takes to find out that it is long
    assert counts["short"] > 4 * 100
    assert found["long"].minimum >= 2.0
    assert found["short"].median < 0.1


def test_a_cold_first_call_does_not_make_a_short_one_long():
    """Else the short call would be timed alone, right after a pause: 200 µs instead of 10."""
    calls = 0

    def call():
        nonlocal calls
        calls += 1
        if calls == 1:
            busy(50e-3)

    timing.interleaved({"call": call}, rounds=1, pause=0.0)
    assert calls > 100


def test_a_first_call_that_is_known_is_not_made_again():
    calls = []
    timing.interleaved({"call": lambda: calls.append(1)}, 2, pause=0.0, first={"call": 3.0})
    assert len(calls) == 2


def test_median_and_minimum(monkeypatch):
    samples = iter([9.0, 9.0, 0.004, 0.001, 0.010])
    monkeypatch.setattr(timing, "_repeats", lambda call, first: 1)
    monkeypatch.setattr(timing, "sample", lambda call, repeats: next(samples))
    next(samples), next(samples)
    found = timing.interleaved({"call": lambda: None}, rounds=3, pause=0.0)
    assert found == {"call": pytest.approx((4.0, 1.0))}


def test_a_pause_before_every_sample(monkeypatch):
    pauses = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    timing.interleaved({"a": lambda: None, "b": lambda: None}, rounds=3)
    assert pauses == [timing.PAUSE] * 6 and timing.PAUSE >= 0.026


def test_the_collector_rests_and_comes_back():
    states = []
    timing.interleaved({"a": lambda: states.append(gc.isenabled())}, rounds=1, pause=0.0)
    assert states[0] and not states[-1]
    assert gc.isenabled()

    def fail():
        if not gc.isenabled():
            raise RuntimeError

    with pytest.raises(RuntimeError):
        timing.interleaved({"a": fail}, rounds=1, pause=0.0)
    assert gc.isenabled()


def test_environment(monkeypatch):
    monkeypatch.setenv("MALLOC_ARENA_MAX", "1")
    assert not any(name.startswith("MALLOC_") for name in timing.environment("default"))
    warm = timing.environment("warm")
    assert {name for name in warm if name.startswith("MALLOC_")} == set(timing.WARM)
    assert warm["PATH"] == os.environ["PATH"]
    with pytest.raises(ValueError, match="got 'hot', expected one of default, warm"):
        timing.environment("hot")


@pytest.mark.skipif(not timing.can_be_warm(), reason="only glibc reads MALLOC_*")
def test_a_warm_process_keeps_its_pages():
    """A block of 64 MiB, freed and asked for again: faults in the default state, none when warm."""
    code = (
        "import numpy, resource\n"
        "def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "numpy.ones(2**26, 'u1'); before = faults(); numpy.ones(2**26, 'u1')\n"
        "print(faults() - before)"
    )

    def faults(allocator):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=timing.environment(allocator) | {"NUMPY_MADVISE_HUGEPAGE": "0"},
            capture_output=True,
            text=True,
            check=True,
        )
        return int(done.stdout)

    # 16,384 pages, or 32 huge ones
    assert 8 * faults("warm") < faults("default")
