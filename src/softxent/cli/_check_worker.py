"""A process of `softxent check`: takes a file's name, gives back each step, then the report."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from softxent.cli._check_files import read
from softxent.cli._check_pool import receive, send
from softxent.derive.verdicts import Report, Step

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
        if request is None:
            send(channel, None)
            continue

        def tell(step: Step) -> None:
            send(channel, _bare(step))

        send(channel, _answer(check, request, tell))


def _answer(check: Any, request: dict[str, Any], tell: Callable[[Step], None]) -> Report:
    path, text, why = request["path"], request["text"], None
    if text is None:
        text, why = read(path, request["max_bytes"])
    if why:
        return Report(path, "", (), stopped=why)
    try:
        report: Report = check(
            text,
            path=path,
            dialect=request["dialect"],
            time_limit=request["time_limit"],
            tell=tell,
        )
    except MemoryError:
        return Report(path, "", (), stopped="it needs more memory than it may have")
    except Exception as error:  # of one file: the others go on
        import traceback

        traceback.print_exc()
        name = f"{type(error).__name__}: {error}"
        return Report(path, "", (), stopped=f"internal error, please report it: {name}")
    # The steps have been told.
    return replace(report, steps=())


def _bare(step: Step) -> Step:
    """Return a step without its trees: nobody outside reads them, and deep ones cannot be sent."""
    return replace(step, left_tree=None, right_tree=None)


def _limit_memory() -> None:
    if sys.platform != "linux":
        return
    import resource

    most = resource.getrlimit(resource.RLIMIT_AS)[1]
    limit = MEMORY if most == resource.RLIM_INFINITY else min(MEMORY, most)
    resource.setrlimit(resource.RLIMIT_AS, (limit, most))
