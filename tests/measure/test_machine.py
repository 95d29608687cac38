"""The machine card, and how much memory is there to be taken."""

from __future__ import annotations

import pytest

import softxent
from softxent.measure import machine

MEMINFO = "MemTotal:  900 kB\nMemAvailable:  500 kB\n"
CURRENT = {"memory.max": "300000", "memory.current": "250000", "memory.stat": "anon 1\n"}
V1 = {
    "memory/memory.limit_in_bytes": "100000",
    "memory/memory.usage_in_bytes": "90000",
    "memory/memory.stat": "cache 5\ninactive_file 2000\n",
}


def test_the_card_names_what_is_here():
    card = machine.machine_card(["numpy", "no-such-distribution"])
    assert card["softxent"].startswith(softxent.__version__)
    assert {"cpu", "date", "python", "instruction set", "numpy"} <= set(card)
    assert "no-such-distribution" not in card


@pytest.mark.parametrize(
    "files, expected",
    [
        ({}, None),
        ({"meminfo": MEMINFO}, 500 * 1024),
        ({"meminfo": "MemTotal:  900 kB\n"}, None),  # kernels before 3.14
        ({"meminfo": MEMINFO, **CURRENT}, 50_000),
        ({"meminfo": MEMINFO, **CURRENT, "memory.stat": "inactive_file 9000\n"}, 59_000),
        ({"meminfo": MEMINFO, **CURRENT, "memory.max": "max\n"}, 500 * 1024),
        ({"meminfo": MEMINFO, **CURRENT, "memory.max": "900000000"}, 500 * 1024),
        ({"meminfo": MEMINFO, **CURRENT, "memory.max": "200000"}, 0),
        (V1, 12_000),
    ],
)
def test_available_memory_is_the_systems_or_the_containers(tmp_path, monkeypatch, files, expected):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(machine, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    assert machine.available_bytes() == expected
