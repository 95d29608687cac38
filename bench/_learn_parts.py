"""What bench/learn.py measures: one function a part, each run in a process of its own."""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse
from sklearn import datasets
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedShuffleSplit, train_test_split
from sklearn.neural_network import MLPClassifier

import softxent
from softxent.learn import NeuralClassifier, SoftmaxRegression
from softxent.measure.machine import STATUS, entry

warnings.filterwarnings("ignore")  # that 20 iterations are not enough
MIB = 2**20


def optimum(small: bool) -> list[dict[str, Any]]:
    """Both minimised as far as they go: objectives and coefficients apart."""
    rows = []
    for name, (x, y) in _problems().items():
        alpha = 1 / len(x)  # C = 1
        peer = LogisticRegression(tol=1e-12, max_iter=100_000, solver="newton-cholesky").fit(x, y)
        ours = SoftmaxRegression(alpha, tol=1e-9, max_iter=100_000).fit(x, y)
        f_ours, f_peer = (objective(x, y, model, alpha) for model in (ours, peer))
        rows.append(
            {
                "name": name,
                "shape": [*x.shape, len(ours.classes_)],
                "objective": f_ours,
                "apart": abs(f_ours / f_peer - 1),
                "coefficients": _apart(ours, peer),
                "iterations": int(ours.n_iter_[0]),
            }
        )
    return rows


def digits(small: bool) -> list[dict[str, Any]]:
    """The time to scikit-learn's objective after its own iterations, greys as given and scaled."""
    rows = []
    x, y = datasets.load_digits(return_X_y=True)
    for name, scale in (("0 ... 16", 1.0), ("0 ... 1", 16.0)):
        rows.append({"name": name} | _race(x / scale, y, 1000, 2 if small else 11))
    return rows


def thousand(small: bool) -> list[dict[str, Any]]:
    """20 iterations on 20 000 rows of 100 features and 1000 classes."""
    n, d, v = (2500, 100, 100) if small else (20_000, 100, 1000)
    rows = []
    for dtype in ("float32", "float64"):
        x, y = linear_problem(n, d, v, dtype)
        rows.append({"name": dtype, "shape": [n, d, v]} | _race(x, y, 20, 1 if small else 3))
    return rows


def memory(small: bool) -> dict[str, Any]:
    """Peak memory of a fit of 10 000 classes, and of a single iteration of scikit-learn's."""
    n, d, v = (6250, 64, 1000) if small else (50_000, 64, 10_000)
    found: dict[str, Any] = {"shape": [n, d, v], "logits_mib": n * v * 8 / MIB}
    code = f"import _learn_parts as p; p.fit_and_tell({{!r}}, {n}, {d}, {v}, {{}})"
    found["ours"] = _child(code.format("ours", 20))
    found["scikit-learn"] = _child(code.format("scikit-learn", 1), limit=16 * 2**30)
    return found


def million(small: bool) -> dict[str, Any]:
    """One epoch of partial_fit with 200 000 classes on sparse rows."""
    n, d, v, nonzero = (1000, 500, 20_000, 20) if small else (50_000, 500, 200_000, 20)
    rng = np.random.default_rng(0)
    features = np.stack([rng.choice(d, nonzero, replace=False) for _ in range(n)])
    x = sparse.csr_array(
        (rng.normal(size=n * nonzero).astype(np.float32), features.ravel(),
         np.arange(0, n * nonzero + 1, nonzero)), shape=(n, d),
    )  # fmt: skip
    y, classes = rng.integers(0, v, n), np.arange(v)
    model = SoftmaxRegression()
    begin = time.perf_counter()
    at_once = max(1, n // 10)
    for start in range(0, n, at_once):
        part = slice(start, start + at_once)
        model.partial_fit(x[part], y[part], classes if start == 0 else None)
    return {
        "shape": [n, d, v],
        "nonzero": nonzero,
        "seconds": time.perf_counter() - begin,
        "peak_mib": peak_mib(),
        "weights_mib": v * d * 4 / MIB,
        "first_loss": model.loss_curve_[0],
        "last_loss": model.loss_curve_[-1],
    }


def moons(small: bool) -> dict[str, Any]:
    """Ten seeds of two moons, half held out; MLPClassifiers beside it.

    scikit-learn's as it comes, and of our size: with 200 epochs, with all it wants, by lbfgs.
    """
    found: dict[str, Any] = {}
    for seed in range(2 if small else 10):
        x, y = datasets.make_moons(2000, noise=0.2, random_state=seed)
        a, b, c, d = train_test_split(x, y, test_size=0.5, stratify=y, random_state=seed)
        models = {
            "NeuralClassifier()": NeuralClassifier(random_state=seed),
            "MLPClassifier()": MLPClassifier(random_state=seed),
            'MLPClassifier((64,), "tanh")': MLPClassifier((64,), "tanh", random_state=seed),
            'MLPClassifier((64,), "tanh", max_iter=5000)': MLPClassifier(
                (64,), "tanh", max_iter=5000, random_state=seed
            ),
            'MLPClassifier((64,), "tanh", solver="lbfgs", max_iter=5000)': MLPClassifier(
                (64,), "tanh", solver="lbfgs", max_iter=5000, random_state=seed
            ),
        }
        for name, model in models.items():
            begin = time.perf_counter()
            model.fit(a, c)
            run = [float(model.score(b, d)), time.perf_counter() - begin]
            found.setdefault(name, []).append(run)
    return found


def thirds(small: bool) -> dict[str, list[float]]:
    """Accuracy on five stratified held-out thirds of the digits."""
    x, y = datasets.load_digits(return_X_y=True)
    x = x / 16
    splits = StratifiedShuffleSplit(2 if small else 5, test_size=1 / 3, random_state=0)
    found: dict[str, list[float]] = {"SoftmaxRegression": [], "LogisticRegression": []}
    found["NeuralClassifier"] = []
    for train, test in splits.split(x, y):
        for model in (
            SoftmaxRegression(1 / len(train)),
            LogisticRegression(max_iter=1000),
            NeuralClassifier(random_state=0),
        ):
            score = model.fit(x[train], y[train]).score(x[test], y[test])
            found[type(model).__name__].append(float(score))
    return found


def table(small: bool) -> dict[str, Any]:
    """`softxent fit` on a CSV file larger than what it may hold."""
    rows, columns = (50_000, 20) if small else (1_000_000, 20)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        _write_table(path, rows, columns)
        command = [sys.executable, "-m", "softxent", "fit", str(path), "--target", "label"]
        command += ["--model", str(Path(folder) / "rows.softxent"), "--json", "--memory", "64MiB"]
        with tempfile.TemporaryFile("w+") as answer:
            process = subprocess.Popen(command, stdout=answer)
            _, status, usage = os.wait4(process.pid, 0)
            if status:
                raise SystemExit(f"softxent fit failed: {status}")
            answer.seek(0)
            found = json.load(answer)
        size = path.stat().st_size / MIB
    names = ("rows_per_second", "training_rows_per_second", "seconds")
    return {name: found[name] for name in names} | {
        "shape": [rows, columns],
        "file_mib": size,
        "peak_mib": usage.ru_maxrss / 1024,
        "streamed": found["training"]["streamed"],
        "epochs": found["training"]["epochs"],
        "accuracy": found["scores"]["accuracy"],
    }


PARTS: dict[str, Callable[[bool], Any]] = {
    "optimum": optimum,
    "digits": digits,
    "thousand": thousand,
    "memory": memory,
    "million": million,
    "moons": moons,
    "thirds": thirds,
    "table": table,
}


def objective(x: Any, y: Any, model: Any, alpha: float) -> float:
    """Mean cross-entropy + alpha / 2 |W|^2 of a fitted model, in float64, some rows at a time."""
    t = np.searchsorted(model.classes_, y)
    w, b = (np.asarray(part, np.float64) for part in (model.coef_, model.intercept_))
    penalty = alpha / 2 * float(np.vdot(w, w))
    if len(model.classes_) == 2:
        w, b = np.concatenate([0 * w, w]), np.concatenate([0 * b, b])
    total = 0.0
    for start in range(0, len(x), 4096):
        rows = slice(start, start + 4096)
        z = np.asarray(x[rows], np.float64) @ w.T + b
        m = z.max(axis=1)
        given = z[np.arange(len(z)), t[rows]]
        total += float(np.sum(m + np.log(np.exp(z - m[:, None]).sum(axis=1)) - given))
    return total / len(x) + penalty


def linear_problem(n: int, d: int, v: int, dtype: str) -> tuple[Any, Any]:
    """Rows, and labels that a linear model finds in part; every class is there."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, d)).astype(dtype)
    w = rng.normal(size=(v, d)).astype(dtype)
    y = np.concatenate(
        [np.argmax(x[i : i + 1000] @ w.T + 3 * rng.normal(size=(len(x[i : i + 1000]), v)), axis=1)
         for i in range(0, n, 1000)]
    )  # fmt: skip
    y[rng.choice(n, v, replace=False)] = np.arange(v)
    return x, y


def fit_and_tell(who: str, n: int, d: int, v: int, iterations: int) -> None:
    """For `memory`: fit in this process and print what it took."""
    x, y = linear_problem(n, d, v, "float32")
    begin = time.perf_counter()
    if who == "ours":
        model = SoftmaxRegression(1 / n, max_iter=iterations).fit(x, y)
    else:
        model = LogisticRegression(max_iter=iterations).fit(x, y)
    seconds = time.perf_counter() - begin
    found = {"seconds": seconds, "peak_mib": peak_mib(), "iterations": int(model.n_iter_[0])}
    print(json.dumps(found))


def peak_mib() -> float:
    """The most that this process has had, code and data."""
    return (entry(STATUS, "VmHWM:", 1024) or 0) / MIB


def _race(x: Any, y: Any, max_iter: int, rounds: int) -> dict[str, Any]:
    """Seconds of scikit-learn, and of ours to an objective that is not above its."""
    alpha = 1 / len(x)
    peer = LogisticRegression(max_iter=max_iter).fit(x, y)
    goal = objective(x, y, peer, alpha)
    enough = _enough(x, y, alpha, goal)
    calls = {
        "ours": lambda: SoftmaxRegression(alpha, tol=0, max_iter=enough).fit(x, y),
        "scikit-learn": lambda: LogisticRegression(max_iter=max_iter).fit(x, y),
    }
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            begin = time.perf_counter()
            model = call()
            seconds[name].append(time.perf_counter() - begin)
            if name == "ours":
                reached = objective(x, y, model, alpha)
    return {
        "goal": goal,
        "reached": reached,
        "iterations": {"ours": enough, "scikit-learn": int(peer.n_iter_[0])},
        "seconds": {name: statistics.median(found) for name, found in seconds.items()},
        "threads": softxent.get_num_threads(),
    }


def _enough(x: Any, y: Any, alpha: float, goal: float) -> int:
    """How many iterations of ours it takes to come as low as scikit-learn."""
    curve = SoftmaxRegression(alpha, tol=1e-9, max_iter=60).fit(x, y).loss_curve_
    first = next((k for k, loss in enumerate(curve) if loss <= goal), 1000)
    while first < 1000:  # rounding may ask for one more
        model = SoftmaxRegression(alpha, tol=0, max_iter=first).fit(x, y)
        if objective(x, y, model, alpha) <= goal:
            break
        first += 1
    return first


def _problems() -> dict[str, tuple[Any, Any]]:
    synthetic = datasets.make_classification(
        4000, 30, n_informative=20, n_classes=20, n_clusters_per_class=1, random_state=0
    )
    x, y = datasets.load_digits(return_X_y=True)
    return {
        "iris": datasets.load_iris(return_X_y=True),
        "wine": datasets.load_wine(return_X_y=True),
        "breast cancer": datasets.load_breast_cancer(return_X_y=True),
        "digits": (x / 16, y),
        "20 classes, synthetic": synthetic,
    }


def _apart(ours: Any, peer: Any) -> float:
    """The largest difference of a coefficient, intercepts centred where they have a freedom."""
    b_ours, b_peer = ours.intercept_, peer.intercept_
    if len(b_ours) > 1:
        b_ours, b_peer = b_ours - b_ours.mean(), b_peer - b_peer.mean()
    pairs = ((ours.coef_, peer.coef_), (b_ours, b_peer))
    return max(float(np.max(np.abs(a - b))) for a, b in pairs)


def _child(code: str, limit: int | None = None) -> dict[str, Any]:
    """What a process prints as JSON; `limit` is the memory that it may ask for, so much at most."""

    def bounded() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    answer = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parent,
        preexec_fn=bounded,
        capture_output=True,
        text=True,
    )
    if answer.returncode:
        return {"failed": answer.stderr.strip().splitlines()[-1:] or [str(answer.returncode)]}
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def _write_table(path: Path, rows: int, columns: int) -> None:
    """A CSV of numbers with a column of three labels, written some rows at a time."""
    import pyarrow as pa
    from pyarrow import csv

    rng = np.random.default_rng(0)
    w = rng.normal(size=(columns, 3))
    names = [f"x{k}" for k in range(columns)]
    schema = pa.schema([*((name, pa.float32()) for name in names), ("label", pa.string())])

    def pieces() -> Iterator[Any]:
        for start in range(0, rows, 50_000):
            x = rng.normal(size=(min(50_000, rows - start), columns)).astype(np.float32)
            label = np.array(["low", "middle", "high"])[
                np.argmax(x @ w + rng.gumbel(size=(len(x), 3)), axis=1)
            ]
            yield pa.record_batch([*map(pa.array, x.T.copy()), pa.array(label)], schema=schema)

    with csv.CSVWriter(path, schema) as file:
        for piece in pieces():
            file.write_batch(piece)
