"""A slice of the fuzz run (`make fuzz` is the whole), and that each kind of fault is found."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from fuzz.__main__ import main
from fuzz.jobs import spread
from fuzz.run import CALLS, Finding, run

import softxent


@pytest.fixture(autouse=True)
def _as_in_a_run() -> Iterator[None]:
    """Warnings are errors, and the number of threads is put back."""
    before = softxent.get_num_threads()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
    softxent.set_num_threads(before)


@pytest.mark.parametrize("seed", range(4))
def test_slice(seed: int) -> None:
    """3200 calls of the million."""
    assert [found for number in range(100) for found in run(seed, number)] == []


def first_finding(problems: int = 300) -> Finding:
    for number in range(problems):
        for found in run(0, number):
            return found
    raise AssertionError(f"{problems * CALLS} calls found nothing")


Spoilt = Callable[..., Any]


def gradient_off(right: Spoilt) -> Spoilt:
    def wrong(*arrays: Any, **options: Any) -> Any:
        loss, grad = right(*arrays, **options)
        grad *= grad.dtype.type(1 + 2e-6)
        return loss, grad

    return wrong


def mask_lost(right: Spoilt) -> Spoilt:
    def wrong(logits: Any, *arrays: Any, **options: Any) -> Any:
        return right(np.nan_to_num(logits, nan=np.nan, posinf=np.inf), *arrays, **options)

    return wrong


def other_error(right: Spoilt) -> Spoilt:
    def wrong(*arrays: Any, **options: Any) -> Any:
        try:
            return right(*arrays, **options)
        except ValueError:
            raise KeyError("temperature") from None

    return wrong


def no_error(right: Spoilt) -> Spoilt:
    def wrong(logits: Any, target: Any, *arrays: Any, **options: Any) -> Any:
        try:
            return right(logits, target, *arrays, **options)
        except IndexError:
            return right(logits, np.zeros_like(target), *arrays, **options)

    return wrong


def input_modified(right: Spoilt) -> Spoilt:
    def wrong(logits: Any, *arrays: Any, **options: Any) -> Any:
        result = right(logits, *arrays, **options)
        if type(logits) is np.ndarray and logits.flags.writeable:
            logits += 1
        return result

    return wrong


def written_beside(right: Spoilt) -> Spoilt:
    def wrong(*arrays: Any, out: Any = None, **options: Any) -> Any:
        result = right(*arrays, out=out, **options)
        if out is not None and out.base is not None:
            out.base.reshape(-1).view(np.uint8)[-1] ^= 1
        return result

    return wrong


def other_bits(right: Spoilt) -> Spoilt:
    def wrong(logits: Any, *arrays: Any, **options: Any) -> Any:
        loss = right(logits, *arrays, **options)
        moved = isinstance(loss, np.floating) and not logits.flags.c_contiguous
        return np.nextafter(loss, type(loss)(0)) if moved else loss

    return wrong


def warned(right: Spoilt) -> Spoilt:
    def wrong(*arrays: Any, **options: Any) -> Any:
        np.log(np.zeros(1))
        return right(*arrays, **options)

    return wrong


FAULTS = [
    ("cross_entropy_with_grad", gradient_off, "the reference says"),
    ("logsumexp", mask_lost, "the reference says"),
    ("softmax", other_error, "raised KeyError"),
    ("cross_entropy", no_error, "should have raised"),
    ("cross_entropy_hvp", input_modified, "an input was modified"),
    ("cross_entropy_with_grad", written_beside, "beside out"),
    ("cross_entropy", other_bits, "other bits"),
    ("logsumexp", warned, "RuntimeWarning"),
]


@pytest.mark.parametrize(
    ("function", "spoil", "what"),
    FAULTS,
    ids=[f"{name} {spoil.__name__}" for name, spoil, _ in FAULTS],
)
def test_fault_is_found(
    monkeypatch: pytest.MonkeyPatch, function: str, spoil: Callable[..., Spoilt], what: str
) -> None:
    monkeypatch.setattr(softxent, function, spoil(getattr(softxent, function)))
    found = first_finding()
    assert found.text.startswith(function)
    assert what in found.what


def test_call_is_its_number() -> None:
    """Seed and number give the same problem, and others another."""
    seen = [str(list(run_texts(seed, number))) for seed, number in ((0, 3), (0, 3), (1, 3), (0, 4))]
    assert seen[0] == seen[1]
    assert len(set(seen)) == 3


def run_texts(seed: int, number: int) -> Iterator[str]:
    """The calls themselves, as if each were wrong."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fuzz.session.Session.check", lambda self, call: iter(["seen"]))
        yield from (found.text for found in run(seed, number))


class Bomb:
    """Ends the process that unpickles it."""

    def __reduce__(self) -> Any:
        return os.abort, ()


def test_crash_is_reported() -> None:
    found = list(spread(Bomb(), range(5, 6), 1))  # type: ignore[arg-type]
    assert [(x.call, x.what[:5]) for x in found if isinstance(x, Finding)] == [(5 * CALLS, "CRASH")]


def test_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--call", "17"]) == 0
    assert capsys.readouterr().out == "call 17 of seed 0 agrees\n"
    for wrong in (["--calls", "0"], ["--jobs", "two"], ["--cal", "s"], ["3"]):
        with pytest.raises(SystemExit, match="2"):
            main(wrong)


def test_command_line_prints_how_to_repeat(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(softxent, "cross_entropy", no_error(softxent.cross_entropy))
    number = first_finding().call
    assert main(["--call", str(number)]) == 1
    assert f"python -m tests.fuzz --seed 0 --call {number}" in capsys.readouterr().out
