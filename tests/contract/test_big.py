"""What only shows at size, over time or in another process: offsets, threads, fork, Ctrl-C."""

from __future__ import annotations

import mmap
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from contract.frontends import DTYPES, FRONT_ENDS, FrontEnd, dtype_of

TESTS = Path(__file__).parents[1]
THREADS = (1, 2, 3, 8)


@pytest.fixture(autouse=True)
def _same_number_of_threads() -> Iterator[None]:
    """Whatever a test sets, the next one finds what was there."""
    import softxent

    before = softxent.get_num_threads()
    yield
    softxent.set_num_threads(before)


# ------------------------------------------------------------------ 64-bit offsets


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_more_than_2_to_the_31_logits(threaded: FrontEnd, dtype: str) -> None:
    """N V = 2.6e9 with a stride-0 view: every row's loss is the row's, also past 2^31 and 2^32."""
    rows, classes = 20_000, 131_072
    assert rows * classes > 2**31
    one = np.random.default_rng(0).normal(size=classes).astype(dtype_of(threaded.needs(dtype)))
    target = np.random.default_rng(1).integers(classes, size=rows)
    logits = np.broadcast_to(one, (rows, classes))
    loss = threaded("cross_entropy", logits, target, reduction="none")
    asked = [0, 1, 16_383, 16_384, 16_385, rows - 1]  # 16 384 V = 2^31
    alone = threaded("cross_entropy", logits[asked].copy(), target[asked], reduction="none")
    np.testing.assert_array_equal(loss[asked], alone)
    log_y = threaded("log_softmax", one.astype(np.float64))
    np.testing.assert_allclose(loss, -log_y[target], rtol=5e-7)


@pytest.mark.skipif(sys.platform != "linux", reason="needs memory that is only mapped")
@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_far_apart(threaded: FrontEnd, dtype: str) -> None:
    """Input and output rows 4 GiB apart, in memory of which a few pages are touched."""
    if not threaded.has_out:
        pytest.skip(f"{threaded.name} has no out=")
    kind, classes = dtype_of(threaded.needs(dtype)), 1000
    apart, flags = 2**32 + 64, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000  # MAP_NORESERVE
    plain = np.random.default_rng(0).normal(size=(4, classes)).astype(kind)
    with mmap.mmap(-1, 8 * apart, flags) as memory:
        far = np.ndarray((8, classes), kind, memory, strides=(apart, kind.itemsize))
        logits, out = far[::2], far[1::2]
        logits[...] = plain
        loss, _ = threaded("cross_entropy_with_grad", logits, np.arange(4), out=out)
        expected = threaded("cross_entropy_with_grad", plain, np.arange(4))
        same = loss == expected[0] and out.tobytes() == expected[1].tobytes()
        del far, logits, out
    assert same


# ------------------------------------------------------------------ threads

SHAPES = {  # every road: tiny rows, rows of the usual size, fewer rows than threads
    "tiny": (10_007, 10),
    "usual": (67, 3001),
    "long": (3, 100_003),
}


def results(front: FrontEnd, shape: tuple[int, int], dtype: str) -> dict[str, bytes]:
    """The bits of every output, per row and reduced."""
    rng = np.random.default_rng(0)
    z, v = (rng.normal(size=shape).astype(dtype_of(dtype)) for _ in range(2))
    index = rng.integers(shape[1], size=shape[0])
    index[::7] = -100
    soft = rng.uniform(size=shape).astype(dtype_of(dtype))
    options = {
        "z_loss": 1e-3, "label_smoothing": 0.1, "softcap": 20.0, "temperature": 0.9,
        "weight": rng.uniform(size=shape[1]), "row_weight": rng.uniform(size=shape[0]),
    }  # fmt: skip
    found: dict[str, bytes] = {}
    for kind, target in (("index", index), ("soft", soft)):
        for chosen, some in (("plain", {}), ("options", options)):
            for reduction in ("mean", "none"):
                keep = {**some, "reduction": reduction}
                loss, grad = front("cross_entropy_with_grad", z, target, **keep)
                key = f"{kind} {chosen} {reduction}"
                found[f"loss {key}"] = np.asarray(loss).tobytes()
                found[f"grad {key}"] = grad.tobytes()
                jvp = front("cross_entropy_jvp", z, target, v, **keep)
                found[f"jvp {key}"] = np.asarray(jvp).tobytes()
            found[f"hvp {key}"] = front("cross_entropy_hvp", z, target, v, **keep).tobytes()
            stats = front("cross_entropy_stats", z, target, **some)
            found[f"stats {key}"] = b"".join(value.tobytes() for value in stats)
    found["softmax"] = front("softmax", z).tobytes()
    for name, arrays in (("logsumexp", (z,)), ("cross_entropy_hessian_diag", (z, index))):
        if front.has(name):
            found[name] = front(name, *arrays).tobytes()
    found["by target"] = front("cross_entropy_target_grad", z, soft).tobytes()
    return found


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_any_number_of_threads_gives_the_same_bits(
    threaded: FrontEnd, shape: str, dtype: str
) -> None:
    """1, 2, 3 and 8 threads, twice each."""
    import softxent

    threaded.samples((shape, dtype) != ("usual", "float32"))
    threaded.needs(dtype)
    right: dict[str, bytes] = {}
    for count in (*THREADS, THREADS[-1]):
        softxent.set_num_threads(count)
        assert softxent.get_num_threads() == count
        found = results(threaded, SHAPES[shape], dtype)
        right = right or found
        assert [name for name in right if found[name] != right[name]] == [], f"{count} threads"


def test_two_python_threads_at_once(front: FrontEnd) -> None:
    """Threads that call at the same time each get their own right results."""
    rng = np.random.default_rng(0)
    problems = [
        (rng.normal(size=shape).astype(np.float32), rng.integers(shape[1], size=shape[0]))
        for shape in ((300, 1000), (20_000, 10), (2, 200_000), (64, 4000))
    ]
    right = [front("cross_entropy_with_grad", *problem) for problem in problems]
    wrong: list[str] = []
    start = threading.Barrier(2)

    def work(first: int) -> None:
        start.wait()
        for n in range(first, first + 12):
            loss, grad = front("cross_entropy_with_grad", *problems[n % 4])
            if loss != right[n % 4][0] or grad.tobytes() != right[n % 4][1].tobytes():
                wrong.append(f"thread {first}, problem {n % 4}")

    workers = [threading.Thread(target=work, args=(first,)) for first in (0, 1)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert not any(worker.is_alive() for worker in workers)
    assert not wrong


def test_other_python_threads_run_meanwhile(threaded: FrontEnd) -> None:
    """The interpreter lock is released: this thread goes on while a long call runs."""
    logits = np.broadcast_to(np.zeros(2**20, np.float32), (1500, 2**20))
    target = np.zeros(1500, np.int64)
    worker = threading.Thread(target=lambda: threaded("cross_entropy", logits, target))
    begin = last = time.perf_counter()
    longest = 0.0
    worker.start()
    while worker.is_alive():
        time.sleep(0.001)
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
    took = time.perf_counter() - begin
    assert took > 0.2, "too short a call to show anything"
    assert longest < took / 3


# ------------------------------------------------------------------ other processes


def run(script: str, front: FrontEnd, timeout: float = 60.0) -> str:
    """Run a script in a fresh interpreter, with `front` the front end of that name."""
    done = subprocess.run(
        [sys.executable, "-c", PREPARE + script, front.name],
        env={**os.environ, "PYTHONPATH": python_path()},
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def python_path() -> str:
    return os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])


PREPARE = """
import os, signal, sys, time
import numpy as np
from contract.frontends import FRONT_ENDS
front = {found.name: found for found in FRONT_ENDS}[sys.argv[1]]
"""

FORK = """
import softxent
softxent.set_num_threads(2)
logits = np.random.default_rng(0).normal(size=(2000, 1000)).astype(np.float32)
target = np.arange(2000) % 1000
right = front("cross_entropy_with_grad", logits, target)  # the pool exists now

def check():
    loss, grad = front("cross_entropy_with_grad", logits, target)
    return loss == right[0] and grad.tobytes() == right[1].tobytes()

def wait(child):
    end = time.monotonic() + 30
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "hangs"

child = os.fork()
if child == 0:
    try:
        fine = check()
        grandchild = os.fork()  # a fork of a fork
        if grandchild == 0:
            os._exit(0 if check() else 5)
        fine = fine and wait(grandchild) == 0
        os._exit(0 if fine else 4)
    except BaseException:
        os._exit(3)
print("child", wait(child), "parent", check())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_fork(front: FrontEnd) -> None:
    """After a large call, a forked child (and its child) computes the same; the parent goes on."""
    front.needs("fork")
    assert run(FORK, front).split() == ["child", "0", "parent", "True"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_fork_while_another_thread_is_in_a_call(threaded: FrontEnd) -> None:
    """A fork in the middle of somebody else's call does not leave the child hanging."""
    script = FORK.replace(
        "child = os.fork()\n",
        "import threading\n"
        "view = np.broadcast_to(np.zeros(2**20, np.float32), (1000, 2**20))\n"
        "call = lambda: front('cross_entropy', view, np.zeros(1000, np.int64))\n"
        "busy = threading.Thread(target=call)\n"
        "busy.start()\n"
        "time.sleep(0.05)\n"
        "assert busy.is_alive()\n"
        "child = os.fork()\n",
        1,
    )
    assert run(script, threaded).split() == ["child", "0", "parent", "True"]


MEMORY = """
import resource

def peak():  # MB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3

def grows(call):
    before = peak()
    call()
    return peak() - before

logits = np.random.default_rng(0).normal(size=(16, 2**16)).astype(np.float32)  # 4 MiB
target = np.arange(16)
functions = {
    "softmax": (logits,),
    "cross_entropy_with_grad": (logits, target),
    "cross_entropy_jvp": (logits, target, logits),
    "cross_entropy_hvp": (logits, target, logits),
    "cross_entropy_target_grad": (logits, logits),
}

def repeat(times):
    for name, arrays in functions.items():
        for _ in range(times):
            front(name, *arrays)

repeat(3 if front.thorough else 1)
print(grows(lambda: repeat(20 if front.thorough else 3)))
rows = 20_000 if front.thorough else 3_000  # 1.6 GB, or 240 MB, if it were copied
view = np.broadcast_to(logits[0, :20_000], (rows, 20_000))
print(grows(lambda: front("cross_entropy", view, np.zeros(rows, np.int64))))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no getrusage")
def test_memory(front: FrontEnd) -> None:
    """Calls give back what they take, and a loss keeps O(N) and a row per thread, never N V."""
    repeated, beside = map(float, run(MEMORY, front).split())
    assert repeated < 64, "15 calls and more with outputs of 4 MiB left memory behind"
    assert beside < 32


INTERRUPT = """
import softxent
rows, classes = map(int, os.environ["SHAPE"].split())
logits = np.broadcast_to(np.zeros(classes, np.float32), (rows, classes))
target = np.zeros(rows, np.int64)
front("cross_entropy", logits[:10], target[:10])
print("ready", flush=True)
try:
    front("cross_entropy", logits, target)
    print("finished")
except KeyboardInterrupt:
    print("interrupted", time.monotonic())
small = front("cross_entropy", logits[:10], target[:10])  # and the next call works
print(abs(small - np.log(classes)) < 1e-4)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("shape", ["8388608 1000", "262144 1048576"])
def test_ctrl_c(front: FrontEnd, shape: str) -> None:
    """Ctrl-C in a call that would take minutes: KeyboardInterrupt within half a second."""
    child = subprocess.Popen(
        [sys.executable, "-c", PREPARE + INTERRUPT, front.name],
        env={**os.environ, "PYTHONPATH": python_path(), "SHAPE": shape},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        time.sleep(0.3)
        sent = time.monotonic()
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=30)
    finally:
        child.kill()
    assert child.returncode == 0, err
    first, last = out.splitlines()
    word, when = first.split()
    assert word == "interrupted"
    assert last == "True"
    assert float(when) - sent < 0.5  # the clock is the machine's, the same in both processes


STATE = """
import ctypes, ctypes.util

def state():
    tiny = np.float32(1e-38) * np.float32(0.1), np.float64(1e-308) * 0.1, 1e-308 * 0.1
    denormal = np.float32(1e-40) * np.float32(8.0), np.full(64, 1e-40, np.float32).sum()
    sums = np.float32(1) + np.float32(9e-8), np.float32(-1) - np.float32(9e-8), 1.0 + 1.7e-16
    libm = ctypes.util.find_library("m")
    rounding = ctypes.CDLL(libm).fegetround() if libm else 0
    return [float(x) for x in (*tiny, *denormal, *sums)] + [rounding]

before = state()
assert all(before[:-1]), before
import softxent
assert state() == before
for shape in ((2000, 1000), (40000, 10), (2, 300000)):
    logits = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    front("cross_entropy_with_grad", logits, np.zeros(shape[0], np.int64))
    assert state() == before
print("unchanged")
"""


def test_import_leaves_the_floating_point_state(front: FrontEnd) -> None:
    """Flush-to-zero, denormals-are-zero and rounding: as before import, and after large calls."""
    assert run(STATE, front) == "unchanged\n"


def test_names_of_front_ends_differ() -> None:
    """The scripts above find their front end by name."""
    assert len({front.name for front in FRONT_ENDS}) == len(FRONT_ENDS)
