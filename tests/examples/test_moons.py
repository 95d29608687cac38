"""examples/moons.py learns, and finds the seeds' y − t at its logits."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the example is a PyTorch network")
pytest.importorskip("sklearn", reason="the two moons are scikit-learn's")

EXAMPLE = Path(__file__).parents[2] / "examples" / "moons.py"


@pytest.fixture(scope="module")
def printed() -> str:
    done = subprocess.run([sys.executable, EXAMPLE], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_loss_falls_and_nearly_every_point_is_right(printed: str) -> None:
    lines = re.findall(r"epoch +(\d+)   loss ([\d.]+)   accuracy ([\d.]+)", printed)
    losses = [float(loss) for _, loss, _ in lines]
    assert [int(epoch) for epoch, _, _ in lines] == [0, 100, 200, 300, 400, 500]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.05
    assert float(lines[-1][2]) > 0.99


def test_the_gradient_at_the_logits_is_y_minus_t(printed: str) -> None:
    difference = float(printed.splitlines()[-1].rpartition(": ")[2])
    assert 0 <= difference < 1e-8  # (y − t)/N is up to 1/500; torch.softmax has 1e-7 of its own


def test_it_is_as_short_as_it_says() -> None:
    code = EXAMPLE.read_text(encoding="utf-8").split('"""')[2]
    lines = [line for line in code.splitlines() if line.strip() and not line.startswith("#")]
    assert len(lines) <= 30
