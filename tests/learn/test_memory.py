"""The N x V logits are never held, and rows on a disk stay there."""

import os
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from scipy import sparse

from softxent.learn import NeuralClassifier, SoftmaxRegression

pytestmark = pytest.mark.filterwarnings("ignore")

N, V, D = 4000, 2000, 8
LOGITS = N * V * 4  # bytes: 32 MB


def peak(call):
    """Most bytes that Python and NumPy held at a time during the call, beyond those before."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def rows(stored):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N, D)).astype(np.float32)
    x[rng.random((N, D)) < 0.5] = 0
    return stored(x), np.arange(N) % V


@pytest.mark.parametrize("stored", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("way", ["lbfgs", "newton-cg", "partial_fit"])
def test_softmax_regression_stays_within_its_budget(stored, way):
    x, y = rows(stored)
    solver = "auto" if way == "partial_fit" else way
    model = SoftmaxRegression(1e-3, solver=solver, max_iter=2, max_memory="1MiB")
    if way == "partial_fit":
        taken = peak(lambda: model.partial_fit(x, y, classes=np.arange(V)))
    else:
        taken = peak(lambda: model.fit(x, y))
    # beside the budget: copies of the weights, V (D + 1) float64 each, and a few numbers a row
    assert taken < LOGITS / 3
    assert peak(lambda: model.predict(x)) < LOGITS / 8


def test_hidden_layers_of_many_rows_are_not_held():
    x = np.random.default_rng(0).normal(size=(50_000, 2)).astype(np.float32)
    y = (x[:, 0] > 0).astype(int)
    model = NeuralClassifier((256,), max_iter=2).fit(x[:500], y[:500])
    assert peak(lambda: model.predict_proba(x)) < 50_000 * 256 * 4 / 3


CHILD = """
import warnings, numpy as np
from softxent.learn import SoftmaxRegression
warnings.simplefilter("ignore")
def peak():  # not ru_maxrss, which a process inherits from its parent
    return 1024 * int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])
x = np.random.default_rng(0).normal(size=(10_000, 4)).astype(np.float32)
y = np.arange(10_000) % 4000
SoftmaxRegression(max_iter=1).fit(x[:100], y[:100])
before = peak()
SoftmaxRegression(1e-3, max_iter=1, max_memory="4MiB").fit(x, y).predict(x)
print(peak() - before)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="Linux tells the peak there")
def test_the_whole_process_stays_within_it():
    run = subprocess.run([sys.executable, "-c", CHILD], check=True, capture_output=True, text=True)
    assert int(run.stdout) < 10_000 * 4000 * 4 / 4  # a quarter of the logits' 160 MB


@pytest.mark.parametrize("way", ["fit", "partial_fit", "neural"])
def test_memory_mapped_rows_are_not_copied(tmp_path, way):
    x = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float32, (80_000, 40))
    x[:] = np.random.default_rng(0).normal(size=40)
    x[::2] += 1
    y = np.arange(80_000) % 2
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    model = SoftmaxRegression(0.1, max_iter=3, max_memory="1MiB")
    if way == "neural":
        model = NeuralClassifier((4,), max_iter=2)
    if way == "partial_fit":
        taken = peak(lambda: model.partial_fit(x, y, classes=[0, 1]))
    else:
        taken = peak(lambda: model.fit(x, y))
    assert taken < x.nbytes / 2
    assert peak(lambda: model.predict(x)) < x.nbytes / 2
