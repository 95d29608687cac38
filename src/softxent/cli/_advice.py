"""What would make softxent faster or more capable here, and how to get it.

None of this is wrong with the machine (that is what `findings` are for), so it does not change the
exit code of `softxent doctor`.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable
from typing import Any

HUGE_PAGES = "/sys/kernel/mm/transparent_hugepage/enabled"


def commands() -> dict[str, str | None]:
    """Every command by name: None if it can run, else the packages it lacks and how to get them."""
    from softxent.cli import COMMANDS

    ready: dict[str, str | None] = {}
    for command in COMMANDS:
        module = importlib.import_module(f"softxent.cli.{command.module}")
        needs: dict[str, str] = getattr(module, "NEEDS", {})
        absent = [package for name, package in needs.items() if not _is_installed(name)]
        ready[command.name] = (
            f'{", ".join(absent)} missing: pip install "softxent[{module.EXTRA}]"'
            if absent
            else None
        )
    return ready


def advice(report: dict[str, Any]) -> list[str]:
    """One sentence or two for each thing that could be better, the largest gain first."""
    return [text for text in _all(report) if text]


def _all(report: dict[str, Any]) -> Iterable[str | None]:
    pool, threads, isa = report["allocator"], report["threads"], report["instruction_set"]
    if pool is not None and not pool.get("enabled"):
        # 65 536 x 1000 float32, 2 threads: 24 ms from the pool, 54 to 90 ms into fresh pages
        yield (
            "The pool of freed outputs is switched off, so every large new array costs page faults,"
            " which take longer than the arithmetic. Unset SOFTXENT_POOL_BYTES, or pass out=."
        )
    if pool is not None and pool.get("huge_pages") == "never":
        yield (
            "The system has huge pages switched off; large outputs cost a page fault every 4 KiB."
            f" As root: echo madvise > {HUGE_PAGES}"
        )
    limit = threads["cpu_limit"]
    if limit is not None and threads["count"] < limit:
        yield (
            f"{threads['count']} of {limit} CPUs are used. Unset SOFTXENT_NUM_THREADS, or call"
            " softxent.set_num_threads."
        )
    if isa is not None and isa["chosen"] != isa["supported"][-1]:
        yield (
            f"The kernels for {isa['chosen']} run, though this CPU has {isa['supported'][-1]}."
            " Unset SOFTXENT_ISA."
        )
    if report["linear_products"].startswith("matmul"):
        yield (
            "The linear loss adds with np.matmul and a temporary, since NumPy shows no BLAS here"
            " and SciPy's cannot be used: pip install scipy, and unset SOFTXENT_BLAS."
        )
    if not report["versions"]["ml_dtypes"]:
        yield "bfloat16 arrays need ml_dtypes: pip install ml_dtypes"


def _is_installed(module: str) -> bool:
    """Whether it could be imported; it is not, since torch alone would take seconds."""
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False
