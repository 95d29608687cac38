"""examples/classifier.py chooses, calibrates, saves and loads."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("safetensors", reason="the example saves a model")

EXAMPLE = Path(__file__).parents[2] / "examples" / "classifier.py"


def test_it_learns_is_made_honest_and_comes_back_the_same() -> None:
    done = subprocess.run([sys.executable, EXAMPLE], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    chosen, before, after, saved = done.stdout.splitlines()
    found = re.fullmatch(r"alpha (\S+): (0\.\d+) of unseen digits right", chosen)
    assert found is not None and float(found[2]) > 0.94
    errors = [float(line.rpartition(" ")[2]) for line in (before, after)]
    assert errors[1] < 0.5 * errors[0] < 0.05
    assert re.fullmatch(r"[\d,]+ bytes on disk, same answers: True", saved)
