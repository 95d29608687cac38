"""Processes that check files, so that one which takes too long, or dies, takes nothing with it."""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import struct
import subprocess
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from typing import IO, Any, NamedTuple

from softxent.cli._check_files import Source, read
from softxent.derive.verdicts import Report, Step
from softxent.measure.child import command

START = 120.0  # seconds for a process to import what it needs
GRACE = 1.0  # seconds beyond the limit for it to end by itself and say what it has found


class Options(NamedTuple):
    """What holds for every file."""

    dialect: str | None
    time_limit: float
    max_bytes: int


def check_all(
    sources: Sequence[Source], options: Options, workers: int, progress: Callable[[str], None]
) -> list[Report]:
    """Return a report of every file, in their order."""
    free: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
    everyone = [_Worker() for _ in range(workers)]
    for worker in everyone:
        free.put(worker)

    def one(path: str) -> Report:
        worker = free.get()
        try:
            return worker.check(path, options)
        finally:
            free.put(worker)

    with ThreadPoolExecutor(max_workers=max(workers, 1)) as threads:
        running = [threads.submit(one, source.path) for source in sources]
        try:
            for done in as_completed(running):
                progress(done.result().path)
        finally:  # also on Ctrl-C
            threads.shutdown(wait=False, cancel_futures=True)
            for worker in everyone:
                worker.end()
    return [done.result() for done in running]


class _Worker:
    """One process; it is started when it is needed, and again when it is gone."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.ready = False
        self.ended = False

    def check(self, path: str, options: Options) -> Report:
        text = None
        if path == "-":  # only this process has the standard input
            text, why = read(path, options.max_bytes)
            if why:
                return Report(path, "", (), stopped=why)
        found: dict[tuple[int, int, str], Step] = {}  # a step may be told again, with more known
        try:
            process = self._started()
            request = {"path": path, "text": text, **options._asdict()}
            report: Report = self._ask(process, request, options.time_limit + GRACE, found)
        except TimeoutError:
            why = f"the time limit of {options.time_limit:g} s was reached"
            if not self.ready:
                why = "the process that was to read it did not start"
            report = Report(path, "", (), stopped=why)
        except (EOFError, OSError):
            code = self.process.wait() if self.process else 1
            self.process = None
            memory = ", probably for want of memory" if code in (-9, 137) else ""
            report = Report(path, "", (), stopped=f"the process that read it died{memory}")
        if found and not report.text:  # what was found until then is told, with its excerpts
            text = text if text is not None else read(path, options.max_bytes)[0]
            report = replace(report, text=text)
        return replace(report, steps=tuple(found[place] for place in sorted(found)))

    def end(self) -> None:
        """Stop the process, whatever it does."""
        self.ended = True
        self._kill()

    def _started(self) -> subprocess.Popen[bytes]:
        if self.process is None:
            if self.ended:
                raise EOFError
            # A file is one thread's work, and libraries reserve memory for each thread.
            one = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
            self.process = subprocess.Popen(
                command("softxent.cli._check_worker"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=os.environ | one,
            )
            self.ready = False
            self._ask(self.process, None, START)
            self.ready = True
        return self.process

    def _ask(
        self,
        process: subprocess.Popen[bytes],
        request: Any,
        limit: float,
        found: dict[tuple[int, int, str], Step] | None = None,
    ) -> Any:
        """Send a request and return the answer; steps that come before it go into `found`."""
        if process.stdin is None or process.stdout is None:
            raise EOFError
        late = threading.Event()

        def stop() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(limit, stop)
        timer.start()
        try:
            send(process.stdin, request)
            while True:
                message = receive(process.stdout)
                if found is None or not isinstance(message, Step):
                    return message
                found[message.line, message.column, message.left] = message
        except (EOFError, OSError):
            if late.is_set():
                self._kill()
                raise TimeoutError from None
            raise
        finally:
            timer.cancel()

    def _kill(self) -> None:
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()


def send(stream: IO[bytes], message: Any) -> None:
    """Write one message, behind its length."""
    content = pickle.dumps(message)
    stream.write(struct.pack("<Q", len(content)) + content)
    stream.flush()


def receive(stream: IO[bytes]) -> Any:
    """Read one message; EOFError if there is none, or half of one."""
    size = stream.read(8)
    if len(size) < 8:
        raise EOFError
    (length,) = struct.unpack("<Q", size)
    content = stream.read(length)
    if len(content) < length:
        raise EOFError
    return pickle.loads(content)  # from our own process
