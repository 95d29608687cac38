"""The pool of threads: rows cut along the row, callers at once, forks, signals.

`contract/test_big.py` holds what a user sees of it; here is what only the native module's own
limits bring out. All of this runs under ThreadSanitizer too (`make sanitize-thread`).
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import softxent
from softxent import reference

native = pytest.importorskip("softxent._native", exc_type=ImportError)

THREADS = (1, 2, 3, 8)
LONG = 1 << 16  # dispatch.cpp's kLongRow
BLOCK = 4096  # rows.h's kRowBlock
SLOW, SLOW_CAPPED = 1 << 22, 1 << 18  # dispatch.cpp's kSlowRow, kSlowCappedRow

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="POSIX only")


# ------------------------------------------------------------------ how many


def test_number_of_threads() -> None:
    for n in (1, 2, 1024):
        softxent.set_num_threads(n)
        assert softxent.get_num_threads() == native.get_num_threads() == n
    softxent.set_num_threads(np.int64(3))  # type: ignore[arg-type]
    assert softxent.get_num_threads() == 3


@pytest.mark.parametrize("n", [0, -1, 1025, 2**31 - 1])
def test_native_door_checks_the_number(n: int) -> None:
    before = native.get_num_threads()
    with pytest.raises(ValueError, match=r"outside \[1, 1024\]"):
        native.set_num_threads(n)
    assert native.get_num_threads() == before


HOW_MANY = """
import os, softxent
from softxent import _native
print(softxent.get_num_threads(), _native.info()["cpu_limit"])
"""


@pytest.mark.parametrize(("asked", "got"), [("3", 3), ("1024", 1024), ("5000", 1024)])
def test_environment_sets_the_number(
    fresh_python: Callable[..., str], asked: str, got: int
) -> None:
    assert fresh_python(HOW_MANY, SOFTXENT_NUM_THREADS=asked).split()[0] == str(got)


@pytest.mark.parametrize("asked", ["", "0", "-2", "many"])
def test_number_that_is_none_is_passed_over(fresh_python: Callable[..., str], asked: str) -> None:
    threads, limit = fresh_python(HOW_MANY, SOFTXENT_NUM_THREADS=asked).split()
    assert threads == limit


@linux
def test_default_is_what_the_process_may_use(fresh_python: Callable[..., str]) -> None:
    assert 1 <= native.info()["cpu_limit"] <= len(os.sched_getaffinity(0))
    narrow = "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])"
    assert fresh_python(narrow + HOW_MANY).split() == ["1", "1"]


COUNT = """
import os, threading, time
import numpy as np
import softxent

def threads():
    return len(os.listdir("/proc/self/task"))

first = threading.Thread(target=int)  # with it ThreadSanitizer starts one of its own
first.start()
first.join()
time.sleep(0.1)
start = threads()
small, large = np.zeros((8, 10)), np.zeros((2000, 1000))
softxent.set_num_threads(3)
softxent.softmax(small)
print(threads() - start)
softxent.set_num_threads(1)
softxent.softmax(large)
softxent.logsumexp(np.zeros((1, 70_000)))
print(threads() - start)
softxent.set_num_threads(3)
softxent.logsumexp(large)
print(threads() - start)
softxent.set_num_threads(2)
softxent.logsumexp(large)
print(threads() - start)
softxent.set_num_threads(5)
softxent.logsumexp(np.zeros((1, 70_000)))  # one row, cut
print(threads() - start)
"""


@linux
def test_threads_are_made_by_the_first_large_call(fresh_python: Callable[..., str]) -> None:
    """Not at import, not by small calls; as many as are set less the caller, and kept."""
    # Without a pool of blocks there is no janitor to count.
    counts = fresh_python(COUNT, SOFTXENT_POOL_BYTES="0", OPENBLAS_NUM_THREADS="1")
    assert counts.split() == ["0", "0", "2", "2", "4"]


# ------------------------------------------------------------------ along a row

Outputs = dict[str, Any]


def every_output(z: Any, target: Any, **options: Any) -> Outputs:
    """Everything that is computed along a row, without a reduction over rows."""
    v = np.ones_like(z)
    keep = {"reduction": "none", "implementation": "native", **options}
    found: Outputs = {}
    found["loss"], found["gradient"] = softxent.cross_entropy_with_grad(z, target, **keep)
    found["jvp"] = softxent.cross_entropy_jvp(z, target, v, **keep)
    found["hvp"] = softxent.cross_entropy_hvp(z, target, v, **keep)
    found["softmax"] = softxent.softmax(z, implementation="native")
    return found


@pytest.mark.parametrize("classes", [LONG - 1, LONG, LONG + 1, LONG + BLOCK - 1, LONG + BLOCK + 1])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_row_cut_at_its_edges(dtype: type, classes: int) -> None:
    """Around the length from which rows are cut, and where the last block has 1 or 4095 classes."""
    rows = 3  # cut for 8 threads, handed out whole for 1, 2 and 3
    z = np.random.default_rng(0).normal(size=(rows, classes)).astype(dtype)
    z[0, -1] = z[1, BLOCK] = z[2, BLOCK - 1] = 30  # the maximum at the edges of blocks
    z[2, 2 * BLOCK : 3 * BLOCK] = -np.inf  # a block without a maximum of its own
    target = np.array([classes - 1, 0, BLOCK])
    wide = z.astype(np.float64)
    one_hot = (np.arange(classes) == target[:, None]).astype(np.float64)
    exact = reference.cross_entropy_with_grad(wide, one_hot, reduction="none")
    for options in ({}, {"softcap": 20.0, "z_loss": 1e-3}):
        right: Outputs = {}
        for threads in THREADS:
            softxent.set_num_threads(threads)
            found = every_output(z, target, **options)
            right = right or found
            assert all(found[name].tobytes() == right[name].tobytes() for name in right), threads
        if not options:
            close = 16 * np.finfo(dtype).eps
            np.testing.assert_allclose(right["loss"], exact[0], rtol=close, atol=close)
            np.testing.assert_allclose(right["gradient"], exact[1], rtol=close, atol=close)


@pytest.mark.parametrize(
    ("classes", "options"),
    [(SLOW, {}), (SLOW_CAPPED, {"softcap": 20.0}), (SLOW_CAPPED - 1, {"softcap": 20.0})],
)
def test_slow_rows_are_cut_for_any_number_of_threads(
    classes: int, options: dict[str, float]
) -> None:
    one = np.random.default_rng(0).normal(size=classes).astype(np.float32)
    z = np.broadcast_to(one, (2, classes))
    target = np.array([0, classes - 1])
    right: Outputs = {}
    for threads in (1, 2, 8):
        softxent.set_num_threads(threads)
        found = every_output(z, target, **options)
        right = right or found
        assert all(found[name].tobytes() == right[name].tobytes() for name in right), threads


def test_bad_row_among_cut_ones() -> None:
    z = np.zeros((3, LONG + 5))
    z[1, LONG] = np.nan
    softxent.set_num_threads(8)
    found = every_output(z, np.zeros(3, np.int64))
    assert np.isnan(found["gradient"][1]).all()
    assert np.isfinite(found["gradient"][[0, 2]]).all()
    assert (np.isnan(found["loss"]) == [False, True, False]).all()


# ------------------------------------------------------------------ callers at once


def test_callers_at_once_while_everything_changes() -> None:
    """Four callers share the pool and the blocks; a fifth thread turns every knob meanwhile."""
    rng = np.random.default_rng(0)
    problems = [
        (rng.normal(size=shape).astype(np.float32), rng.integers(shape[1], size=shape[0]))
        for shape in ((300, 1000), (20_000, 10), (2, LONG + 7), (1, 5 * LONG))
    ]
    softxent.set_num_threads(1)
    right = [every_output(*problem, label_smoothing=0.1) for problem in problems]
    wrong: list[str] = []
    done = threading.Event()

    def work(first: int) -> None:
        for n in range(first, first + 6):
            found = every_output(*problems[n % 4], label_smoothing=0.1)
            for name, value in right[n % 4].items():
                if found[name].tobytes() != value.tobytes():
                    wrong.append(f"caller {first}, problem {n % 4}, {name}")

    def turn() -> None:
        while not done.is_set():
            for threads in (*THREADS, 32):
                softxent.set_num_threads(threads)
                native.info()
            softxent.release_memory()
            done.wait(0.001)

    workers = [threading.Thread(target=work, args=(first,)) for first in range(4)]
    turning = threading.Thread(target=turn)
    for thread in (turning, *workers):
        thread.start()
    for worker in workers:
        worker.join(120)
    done.set()
    turning.join(60)
    assert not any(thread.is_alive() for thread in (turning, *workers))
    assert not wrong


RACE = """
import threading
import numpy as np, softxent
out = np.empty((64, 1000))
start = threading.Barrier(2)
def write():
    start.wait()
    for _ in range(20):
        softxent.softmax(np.zeros((64, 1000)), out={out})
writers = [threading.Thread(target=write) for _ in range(2)]
for writer in writers:
    writer.start()
for writer in writers:
    writer.join()
print("finished")
"""


@pytest.mark.parametrize("out", ["out", "out.copy()"], ids=["shared", "own"])
def test_sanitizer_sees_two_callers_write_one_array(out: str) -> None:
    """That a run under ThreadSanitizer reports nothing means something: here it has to."""
    if not hasattr(ctypes.CDLL(None), "__tsan_init"):
        pytest.skip("this build is not instrumented; `make sanitize-thread` has one that is")
    script = [sys.executable, "-c", RACE.format(out=out)]
    done = subprocess.run(script, capture_output=True, text=True)
    assert ("data race" in done.stderr) == (out == "out")
    assert ("finished" in done.stdout) == (out != "out")


# ------------------------------------------------------------------ forks

FORKS = """
import os, signal, sys, threading, time
import numpy as np
import softxent
from softxent import _native as native

softxent.set_num_threads(3)
logits = np.random.default_rng(0).normal(size=(300, 1000))
right = softxent.softmax(logits).tobytes()

def child():
    assert softxent.get_num_threads() == 1
    softxent.set_num_threads(4)
    assert softxent.get_num_threads() == 1
    block = native.Storage(4 << 20)
    del block
    assert softxent.softmax(logits).tobytes() == right
    assert softxent.release_memory() >= 4 << 20
    return 0

def wait(pid):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return "hangs"

stop = threading.Event()

def busy():
    while not stop.is_set():
        softxent.softmax(logits)
        native.Storage(3 << 20)

others = [threading.Thread(target=busy) for _ in range(2)]
for other in others:
    other.start()
ends = []
for _ in range(int(sys.argv[1])):
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(child())
        except BaseException as error:
            os.write(2, repr(error).encode())
            os._exit(3)
    ends.append(wait(pid))
stop.set()
for other in others:
    other.join()
print(sorted(set(ends)), softxent.softmax(logits).tobytes() == right)
"""


@posix
def test_forks_while_others_compute_and_take_blocks(fresh_python: Callable[..., str]) -> None:
    """Whatever lock is held at that moment, the child computes alone, and exits."""
    script = FORKS.replace("sys.argv[1]", "20")
    assert fresh_python(script, timeout=280).strip() == "[0] True"


# ------------------------------------------------------------------ signals

SIGNALS = """
import os, signal, sys, threading, time
import numpy as np
import softxent

softxent.set_num_threads({threads})
one = np.random.default_rng(0).normal(size={classes})
logits = np.broadcast_to(one, ({rows}, {classes}))  # a minute or more
target = np.zeros({rows}, np.int64)

def call(rows):
    return softxent.cross_entropy_jvp(logits[:rows], target[:rows], logits[:rows], softcap=30.0)

def send(number, after):
    def kill():
        global sent
        time.sleep(after)
        sent = time.monotonic()
        os.kill(os.getpid(), number)
    threading.Thread(target=kill).start()

class Mine(Exception):
    pass

def mine(*_):
    raise Mine

seen = []
signal.signal(signal.SIGUSR1, mine)
signal.signal(signal.SIGUSR2, lambda *_: seen.append(time.monotonic() - sent))
call({warm})
for number, error in ((signal.SIGINT, KeyboardInterrupt), (signal.SIGUSR1, Mine)):
    send(number, 0.3)
    try:
        call({rows})
        print("finished")
    except error:
        print(time.monotonic() - sent)
"""

GOES_ON = """
right = call({warm})
send(signal.SIGUSR2, 0.05)
print(call({warm}) == right)
print(*seen)
"""


@posix
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(("rows", "classes"), [(40, SLOW), (100_000, 20_000)])
def test_signals_are_seen_inside_rows_and_between_them(
    fresh_python: Callable[..., str], rows: int, classes: int, threads: int
) -> None:
    """A handler that raises ends the call within 0.5 s: rows of a second each are cut for it."""
    script = SIGNALS.format(threads=threads, rows=rows, classes=classes, warm=1)
    delays = fresh_python(script).split()
    assert len(delays) == 2
    assert all(float(delay) < 0.5 for delay in delays), delays


@posix
def test_signal_whose_handler_returns(fresh_python: Callable[..., str]) -> None:
    """The handler runs during the call, which goes on to its right end."""
    sizes = {"threads": 2, "rows": 400, "classes": 20_000, "warm": 400}
    head = SIGNALS.format(**sizes).split("for number, error in")[0]
    same, delay = fresh_python(head + GOES_ON.format(**sizes)).split()
    assert same == "True"
    assert float(delay) < 0.5


@linux
def test_signals_stay_with_pythons_threads() -> None:
    """The pool's threads take none: SIGINT must reach the thread that looks for it."""
    softxent.set_num_threads(3)
    softxent.softmax(np.zeros((2000, 1000)))
    mine, blocked = threading.get_native_id(), {}
    for task in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{task}/status") as lines:
            fields = dict(line.split(":", 1) for line in lines)
        blocked[int(task)] = int(fields["SigBlk"], 16) >> (signal.SIGINT - 1) & 1
    assert blocked[mine] == 0
    assert sum(blocked.values()) >= 2
