"""Signs of life: on a terminal only, never more than a moment apart, gone when the work is done."""

from __future__ import annotations

import io
import time
from types import SimpleNamespace

import pytest

from softxent.cli import _progress


class Screen(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def screen(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    screen = Screen()
    # Not sys.stderr itself, which pytest puts back before the test begins.
    monkeypatch.setattr(_progress, "sys", SimpleNamespace(stderr=screen))
    return screen


def test_a_stage_is_shown_at_once_and_ticks_while_one_call_lasts(screen, monkeypatch):
    monkeypatch.setattr(_progress, "EVERY", 0.01)
    with _progress.stages() as stage:
        stage("looking")
        assert screen.getvalue() == "\r  looking ...\x1b[K"
        time.sleep(0.1)  # one long call
        assert screen.getvalue().count("looking") >= 3
        stage("writing")
        assert screen.getvalue().endswith("\r  writing ...\x1b[K")
    assert screen.getvalue().endswith("\r\x1b[K")
    length = len(screen.getvalue())
    time.sleep(0.05)
    assert len(screen.getvalue()) == length  # the thread has ended


def test_seconds_are_counted_from_the_stage(screen, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    line = _progress._Line(screen)
    line.begin("one")
    now[0] += 3.7
    line.show()
    assert screen.getvalue().endswith("  one ... 3 s\x1b[K")
    line.begin("two")
    assert screen.getvalue().endswith("  two ...\x1b[K")


def test_a_long_stage_keeps_to_its_line(screen):
    with _progress.stages() as stage:
        stage("x" * 200)
    assert max(map(len, screen.getvalue().replace("\x1b[K", "").split("\r"))) <= 78


def test_the_line_goes_when_the_work_fails(screen):
    with pytest.raises(ValueError, match="no"), _progress.stages() as stage:
        stage("looking")
        raise ValueError("no")
    assert screen.getvalue().endswith("\r\x1b[K")


def test_off_a_terminal_there_is_nothing(monkeypatch, capfd):
    with _progress.stages() as stage, _progress.training_bar(1e-10) as progress:
        stage("looking")
        progress(1.0, 0.5)
    assert capfd.readouterr() == ("", "")


def test_the_training_bar_counts_decades_and_leaves(screen):
    with _progress.training_bar(1e-10) as progress:
        for norm in (1.0, 1e-5, 1e-3, 1e-10, 0.0, float("nan")):
            progress(2.0, norm)
    assert "training" in screen.getvalue()
    assert screen.getvalue().rpartition("\r")[2].strip() == ""
