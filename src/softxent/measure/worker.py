"""A process of its own for each allocator state: `run` starts it, `main` is what it does.

The work comes as one JSON object on stdin; one goes out a line, a step of the progress or, last,
the result. Nothing else reaches that stream: file descriptor 1 is turned over to stderr, since
peers, and compilers behind them, may print.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any

import softxent
from softxent.measure import peers, speed
from softxent.measure.child import command
from softxent.measure.timing import environment


class WorkerFailed(Exception):
    """The process ended without a result; the message has its last words."""


def run(work: dict[str, Any], progress: Callable[[str], None]) -> dict[str, Any]:
    """Do `work` (the arguments of speed.collect, peers as keys) in a process of its own."""
    threads = softxent.get_num_threads()
    # Asked for once, at the start, by XLA, by OpenBLAS, and by OpenMP in whatever uses it.
    names = ("NPROC", "PJRT_NPROC", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    variables = environment(work["allocator"]) | dict.fromkeys(names, str(threads))
    with tempfile.TemporaryFile() as words:
        process = subprocess.Popen(
            command("softxent.measure.worker"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=words,
            env=variables,
            encoding="utf-8",
        )
        try:
            result = _converse(process, json.dumps(work | {"threads": threads}), progress)
        finally:
            process.kill()  # Ctrl-C: it must not go on alone
            process.wait()
        if result is None:
            words.seek(0)
            raise WorkerFailed(_why(process.returncode, words.read().decode(errors="replace")))
    return result


def _converse(
    process: subprocess.Popen[str], work: str, progress: Callable[[str], None]
) -> dict[str, Any] | None:
    if process.stdin is None or process.stdout is None:
        return None
    with contextlib.suppress(BrokenPipeError), process.stdin as stdin:  # it may be gone already
        stdin.write(work)
    for line in process.stdout:
        message = json.loads(line)
        if "result" in message:
            result: dict[str, Any] = message["result"]
            return result
        progress(message["step"])
    process.wait()
    return None


def _why(code: int, words: str) -> str:
    if code < 0:
        name = signal.Signals(-code).name
        memory = ", probably for want of memory" if name == "SIGKILL" else ""
        return f"the measuring process was ended by {name}{memory}"
    last = words.strip().splitlines() or ["no reason given"]
    return f"the measuring process failed: {last[-1]}"


def main() -> None:
    """Be that process."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as channel:
        os.dup2(2, 1)
        work = json.load(sys.stdin)

        def say(message: dict[str, Any]) -> None:
            print(json.dumps(message), file=channel, flush=True)

        keys, threads = work.pop("peers"), work.pop("threads")
        softxent.set_num_threads(threads)
        shapes = [tuple(shape) for shape in work.pop("shapes")]
        result = speed.collect(
            peers.installed(keys), shapes=shapes, progress=lambda text: say({"step": text}), **work
        )
        result["missing"] = peers.missing(keys) | result["missing"]
        say({"result": result})
