"""What the tests of the native module share: other processes, and the thread count kept."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

import softxent


@pytest.fixture(autouse=True)
def _same_number_of_threads() -> Iterator[None]:
    """Whatever a test sets, the next one finds what was there."""
    before = softxent.get_num_threads()
    yield
    softxent.set_num_threads(before)


@pytest.fixture
def fresh_python() -> Callable[..., str]:
    """Run a script in another process with more in its environment; return what it printed."""

    def run(script: str, timeout: float = 120.0, **environment: str) -> str:
        mine = {name: value for name, value in os.environ.items() if name[:9] != "SOFTXENT_"}
        done = subprocess.run(
            [sys.executable, "-c", script],
            env=mine | environment,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
