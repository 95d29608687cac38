"""What a figure was measured on."""

from __future__ import annotations

import datetime
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def machine_card() -> dict[str, str]:
    """Processor, cores, date, and the versions that the figures depend on."""
    import softxent

    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines()
                 if line.startswith("model name")]  # fmt: skip
        cpu = f"{len(names)} cores of {names[0]}" if names else cpu
    card = {
        "cpu": cpu,
        "date": datetime.date.today().isoformat(),
        "python": platform.python_version(),
    }
    card["softxent"] = f"{softxent.__version__}, {softxent.get_num_threads()} threads"
    try:
        from softxent import _native

        card["instruction set"] = str(_native.info()["isa"])
    except ImportError:
        card["instruction set"] = "none: plain NumPy"
    for package in ("numpy", "scipy", "torch"):
        try:
            card[package] = version(package)
        except PackageNotFoundError:
            continue
    return card
