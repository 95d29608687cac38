"""Many problems on several processes; one that crashes is noticed, and its problem known."""

from __future__ import annotations

import faulthandler
import multiprocessing
import warnings
from collections.abc import Iterator
from multiprocessing.connection import Connection, wait
from typing import Any

from .run import CALLS, Finding, run

Message = Finding | int
"""Something wrong, or how many problems are done since the last message."""

REPORT = 50  # problems from one message to the next


def spread(seed: int, numbers: range, jobs: int) -> Iterator[Message]:
    """Run the problems of these numbers, `jobs` at a time."""
    context = multiprocessing.get_context("spawn")
    running: dict[Any, tuple[Any, Any]] = {}
    for share in range(jobs):
        ours, theirs = context.Pipe(duplex=False)
        at = context.Value("q", numbers.start, lock=False)
        mine = numbers[share::jobs]
        process = context.Process(target=_work, args=(seed, mine, theirs, at), daemon=True)
        process.start()
        theirs.close()
        running[ours] = process, at
    while running:
        for connection in wait(list(running)):
            assert isinstance(connection, Connection)
            process, at = running[connection]
            try:
                message: Message | None = connection.recv()
            except EOFError:  # it ended without a farewell
                process.join()
                yield Finding(at.value * CALLS, "one of the 8 calls from here", _end_of(process))
                message = None
            if message is None:
                del running[connection]
            else:
                yield message


def _work(seed: int, numbers: range, connection: Any, at: Any) -> None:
    faulthandler.enable()
    warnings.simplefilter("error")
    done = 0
    for number in numbers:
        at.value = number
        for finding in run(seed, number):
            connection.send(finding)
        done += 1
        if done == REPORT:
            connection.send(done)
            done = 0
    connection.send(done)
    connection.send(None)


def _end_of(process: Any) -> str:
    code = process.exitcode
    return f"CRASH: the process ended with {f'signal {-code}' if code < 0 else f'code {code}'}"
