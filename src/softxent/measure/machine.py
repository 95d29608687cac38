"""What a figure was measured on."""

from __future__ import annotations

import datetime
import importlib
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import softxent

MEMINFO = Path("/proc/meminfo")
STATUS = Path("/proc/self/status")  # of this process
CGROUP = Path("/sys/fs/cgroup")


def machine_card(packages: Iterable[str] = ("numpy", "scipy", "torch")) -> dict[str, str]:
    """Processor, cores, date, and the versions that the figures depend on.

    `packages` are distribution names; one that is not installed is left out.
    """
    card = {
        "cpu": processor(),
        "date": datetime.date.today().isoformat(),
        "python": platform.python_version(),
        "softxent": f"{softxent.__version__}, {softxent.get_num_threads()} threads",
        "instruction set": instruction_set(),
    }
    return card | versions(packages)


def processor() -> str:
    """Return how many logical CPUs there are, and their name."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text().splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        if names:
            return f"{len(names)} cores of {names[0]}"
    return platform.processor() or platform.machine()


def instruction_set() -> str:
    """Return what the native kernels run on, or that there are none."""
    try:
        native = importlib.import_module("softxent._native")
    except ImportError:
        return "none: plain NumPy"
    return str(native.info()["isa"])


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the versions of those distributions that are installed."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def available_bytes() -> int | None:
    """Return what the system, or the container, can give without swapping; None if neither says."""
    said = [entry(MEMINFO, "MemAvailable:", 1024), _container()]
    return min((size for size in said if size is not None), default=None)


def _container() -> int | None:
    """What is left of a memory limit: of a control group, version 2 or 1."""
    for limit, used, dropped in (
        ("memory.max", "memory.current", "memory.stat"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat"),
    ):
        try:
            left = int((CGROUP / limit).read_text()) - int((CGROUP / used).read_text())
        except (OSError, ValueError):  # no such file; no limit, which reads "max"
            continue
        # files it has read count as used, and are dropped when room is needed
        return max(0, left + (entry(CGROUP / dropped, "inactive_file", 1) or 0))
    return None


def entry(path: Path, key: str, unit: int) -> int | None:
    """Return the number behind `key` in a file of such lines, times `unit`; None without one."""
    try:
        lines = [line.split() for line in path.read_text().splitlines()]
    except OSError:
        return None
    return next((int(words[1]) * unit for words in lines if words and words[0] == key), None)
