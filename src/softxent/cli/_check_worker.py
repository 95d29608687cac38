"""A process of `softxent check`: takes a file's name, gives back what was found in the file."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from typing import Any

from softxent.cli._check_files import read
from softxent.cli._check_pool import receive, send
from softxent.derive.verdicts import Report

MEMORY = 4 * 2**30  # bytes of address space; what wants more is stopped


def main() -> None:
    """Be that process, until its standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C is for the one that shows things
    _limit_memory()
    source = os.fdopen(os.dup(0), "rb")
    channel = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing else may reach that stream
    from softxent.derive import check

    while True:
        try:
            request = receive(source)
        except EOFError:
            return
        send(channel, None if request is None else _answer(check, request))


def _answer(check: Any, request: dict[str, Any]) -> Report:
    path, text, why = request["path"], request["text"], None
    if text is None:
        text, why = read(path, request["max_bytes"])
    if why:
        return Report(path, "", (), stopped=why)
    try:
        report: Report = check(
            text, path=path, dialect=request["dialect"], time_limit=request["time_limit"]
        )
    except MemoryError:
        return Report(path, "", (), stopped="it needs more memory than it may have")
    except Exception as error:  # of one file: the others go on
        import traceback

        traceback.print_exc()
        name = f"{type(error).__name__}: {error}"
        return Report(path, "", (), stopped=f"internal error, please report it: {name}")
    # Nobody outside reads the trees, and deep ones cannot be sent.
    steps = tuple(replace(step, left_tree=None, right_tree=None) for step in report.steps)
    return replace(report, steps=steps)


def _limit_memory() -> None:
    if sys.platform != "linux":
        return
    import resource

    most = resource.getrlimit(resource.RLIMIT_AS)[1]
    limit = MEMORY if most == resource.RLIM_INFINITY else min(MEMORY, most)
    resource.setrlimit(resource.RLIMIT_AS, (limit, most))
