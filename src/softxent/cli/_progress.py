"""Signs of life on stderr while a command works; nothing at all off a terminal."""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from softxent.cli._terminal import WIDTH, is_terminal

EVERY = 0.5  # seconds between two updates


@contextmanager
def stages() -> Iterator[Callable[[str], None]]:
    """One line that says what is being done, and for how long; it goes when the work is done.

    Written by a thread, since a stage may be a single long call.
    """
    if not is_terminal(sys.stderr):
        yield lambda text: None
        return
    line = _Line(sys.stderr)
    ended = threading.Event()

    def tick() -> None:
        while not ended.wait(EVERY):
            line.show()

    thread = threading.Thread(target=tick, daemon=True)
    thread.start()
    try:
        yield line.begin
    finally:
        ended.set()
        thread.join()
        line.clear()


class _Line:
    """The line: a text, and the seconds since it changed, once there are any."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.lock = threading.Lock()
        self.text, self.since = "", time.monotonic()

    def begin(self, text: str) -> None:
        with self.lock:
            self.text, self.since = text, time.monotonic()
        self.show()

    def show(self) -> None:
        with self.lock:
            if not self.text:
                return
            seconds = int(time.monotonic() - self.since)
            line = f"  {self.text} ..." + (f" {seconds} s" if seconds else "")
            self.stream.write(f"\r{line[:WIDTH]}\x1b[K")
            self.stream.flush()

    def clear(self) -> None:
        with self.lock:
            self.text = ""
            self.stream.write("\r\x1b[K")
            self.stream.flush()


@contextmanager
def training_bar(goal: float) -> Iterator[Callable[[float, float], None]]:
    """A bar that counts decades of gradient norm from the first one down to `goal`."""
    from tqdm import tqdm

    if not is_terminal(sys.stderr):
        yield lambda loss, norm: None
        return
    shape = "  training  {bar:30}  {desc}"
    with tqdm(total=1.0, leave=False, bar_format=shape, file=sys.stderr) as bar:
        first = 0.0

        def progress(loss: float, norm: float) -> None:
            nonlocal first
            first = first or norm
            if 0.0 < norm < math.inf:
                done = math.log(first / norm) / math.log(first / goal)
                bar.n = min(1.0, max(bar.n, done))
            bar.set_description_str(f"loss {loss:.6f}, gradient {norm:.0e}")

        yield progress


@contextmanager
def case_bar(steps: int) -> Iterator[Callable[[str], None]]:
    """A bar on stderr that counts cases; nothing at all off a terminal."""
    from tqdm import tqdm

    if not is_terminal(sys.stderr):
        yield lambda step: None
        return
    shape = "{n_fmt}/{total_fmt} {bar:20} {elapsed}  {desc}"
    with tqdm(total=steps, leave=False, bar_format=shape, dynamic_ncols=True) as bar:
        started = False

        def progress(step: str) -> None:
            nonlocal started
            bar.update(int(started))  # a step that begins ends the one before
            started = True
            bar.set_description_str(step)

        yield progress


class RowBars:
    """On stderr a bar of rows for each pass over a file; nothing at all off a terminal."""

    def __init__(self) -> None:
        self.shown = is_terminal(sys.stderr)
        self.total: int | None = None  # known from the first pass on
        self.rows = 0
        self._bar: Any = None

    def __enter__(self) -> RowBars:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def stage(self, text: str) -> None:
        """A pass begins; without a text, the last one has ended."""
        from tqdm import tqdm

        self._close()
        if self.shown and text:
            shape = "  {desc}  {bar:30}  {n_fmt} rows  {rate_fmt}"
            self._bar = tqdm(
                total=self.total,
                desc=text,
                leave=False,
                unit=" rows",
                unit_scale=True,
                bar_format=shape if self.total else "  {desc}  {n_fmt} rows  {rate_fmt}",
                file=sys.stderr,
            )

    def watch(self, rows: int) -> None:
        """So many rows were read."""
        self.rows += rows
        if self._bar is not None:
            self._bar.update(rows)

    def _close(self) -> None:
        if self.rows and self.total is None:
            self.total = self.rows
        self.rows = 0
        if self._bar is not None:
            self._bar.close()
            self._bar = None
