"""The rows of the benchmark: what is in them, and what is left out with which reason."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

import softxent
from softxent.measure import linear, peers, record, speed, timing, worker
from softxent.measure.machine import machine_card
from softxent.measure.peers.base import Peer

KEYS = {"op", "shape", "dtype", "peer", "allocator"} | {
    "ours_ms",
    "ours_min_ms",
    "peer_ms",
    "peer_min_ms",
    "ratio",
}


class Made(Peer):
    """A peer that takes a millisecond, or raises."""

    def prepare(self, op, logits, target):
        if self.key == "absent":
            raise peers.Unavailable("no compiler")
        if self.key == "broken":
            raise RuntimeError("out of memory\nand a page of traces")
        return lambda: time.sleep(1.5e-3)

    def functions(self):
        return {}


def made(key="made", dtypes=("float32",)):
    return Made(key, key.title(), key, key, frozenset(dtypes))


def collect(*asked, **options):
    options = {"shapes": [(50, 7)], "rounds": 2, "pause": 0.0, "ops": ["out"]} | options
    return speed.collect(asked, **options)


def triples(found):
    return [(row["op"], row["dtype"], row["peer"]) for row in found["rows"]]


def test_a_row():
    found = collect(made(), allocator="warm")
    assert triples(found) == [("out", "float32", "made"), ("out", "float32", "np.copyto")]
    row = found["rows"][0]
    assert set(row) == KEYS
    assert row["shape"] == [50, 7] and row["allocator"] == "warm"
    assert row["ratio"] == row["peer_ms"] / row["ours_ms"]
    assert 1.5 <= row["peer_min_ms"] <= row["peer_ms"]
    assert 0.0 < row["ours_min_ms"] <= row["ours_ms"]
    assert found["missing"] == {} and found["skipped"] == []
    json.dumps(found)


def test_every_op_against_every_peer():
    found = collect(made(), ops=speed.OPS, dtypes=["float32"], shapes=[(20, 5), (8, 4, 16)])
    assert {(op, peer) for op, _, peer in triples(found)} == {
        *(
            (op, peer)
            for op in ("new", "out", "in place", "loss")
            for peer in ("made", "np.copyto")
        ),
        ("copy", "np.copyto"),
        ("small", "made"),
        ("small", "np.copyto"),
        ("linear", linear.PRODUCTS),
    }
    assert {tuple(row["shape"]) for row in found["rows"] if row["op"] == "small"} == {(8, 10)}
    assert {row["peer_ms"] for row in found["rows"] if row["op"] == "copy"} == {
        row["peer_ms"] for row in found["rows"] if (row["op"], row["peer"]) == ("out", "np.copyto")
    }


def test_copy_alone_asks_no_peer():
    found = collect(made("broken"), ops=["copy"])
    assert triples(found) == [("copy", "float32", "np.copyto")] and found["skipped"] == []


def test_without_peers_ours_is_measured_all_the_same():
    assert triples(collect(ops=["new"])) == [("new", "float32", "np.copyto")]


@pytest.mark.parametrize("dtype", ["float64", "bfloat16", "float16"])
def test_dtypes(dtype):
    if dtype == "bfloat16":
        pytest.importorskip("ml_dtypes")
    found = collect(made(dtypes=["float32", dtype]), dtypes=[dtype])
    assert ("out", dtype, "made") in triples(found)


def test_a_dtype_that_a_peer_does_not_take_is_said_once():
    found = collect(made(), dtypes=["float32", "float64"], shapes=[(5, 3), (6, 3)])
    assert ("out", "float64", "made") not in triples(found)
    assert [(skip["peer"], skip["reason"]) for skip in found["skipped"]] == [
        ("made", "takes no float64")
    ]


def test_a_peer_that_cannot_run_is_missing_and_not_asked_again(monkeypatch):
    asked = []
    prepare = Made.prepare
    monkeypatch.setattr(Made, "prepare", lambda p, *a: (asked.append(p.key), prepare(p, *a))[1])
    found = collect(made("absent"), made(), shapes=[(5, 3), (6, 3)])
    assert found["missing"] == {"absent": "no compiler"}
    assert asked == ["absent", "made", "made"]


def test_a_peer_that_raises_is_skipped_at_that_shape():
    found = collect(made("broken"), made())
    assert found["skipped"] == [
        {
            "kind": "logits",
            "shape": [50, 7],
            "dtype": "float32",
            "allocator": "default",
            "peer": "broken",
            "reason": "RuntimeError: out of memory",
        }
    ]
    assert ("out", "float32", "made") in triples(found)


def test_a_peer_that_takes_too_long_is_not_waited_for_again(monkeypatch):
    monkeypatch.setattr(speed, "TOO_LONG", 1e-3)
    found = collect(made())
    assert triples(found) == [("out", "float32", "np.copyto")]
    assert found["skipped"][0]["reason"] == "takes 0 s a call"


def test_a_shape_that_does_not_fit_is_skipped(monkeypatch):
    monkeypatch.setattr(speed, "available_bytes", lambda: 3 << 30)
    monkeypatch.setattr(speed, "problem", lambda *a: pytest.fail("it was allocated"))
    found = collect(made(), shapes=[(1 << 20, 1000), (4096, 4096, 1 << 20)], ops=["out", "linear"])
    assert found["rows"] == []
    assert [skip["reason"] for skip in found["skipped"]] == [
        "needs about 43.0 GiB; 3.0 GiB are available",
        "needs about 208.5 GiB; 3.0 GiB are available",
    ]


def test_where_the_system_does_not_say_what_is_available(monkeypatch):
    monkeypatch.setattr(speed, "available_bytes", lambda: None)
    assert collect()["rows"]


def test_bfloat16_without_ml_dtypes(monkeypatch):
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    found = collect(dtypes=["bfloat16"])
    assert found["rows"] == []
    assert found["skipped"][0]["reason"] == "needs ml_dtypes: pip install ml_dtypes"


def test_progress_names_every_case():
    steps = []
    collect(ops=["out", "small"], progress=steps.append)
    assert steps == [
        "logits 50 × 7 float32, default allocator",
        "small 8 × 10 float32, default allocator",
    ]


# The linear layer --------------------------------------------------------------------------------


def test_linear_beside_torch():
    torch = pytest.importorskip("torch")
    found = collect(*peers.installed(["torch"]), ops=["linear"], shapes=[(32, 8, 48)])
    expected = [linear.PRODUCTS, "torch"]
    if hasattr(torch.nn, "LinearCrossEntropyOptions"):
        expected += ["torch.chunked", "torch.chunked.auto"]
    assert [row["peer"] for row in found["rows"]] == expected
    assert set(expected) <= set(linear.TITLES)


def test_the_calls_beside_the_linear_loss_do_the_same_work():
    """PyTorch's losses are ours, and the last product writes what it should."""
    torch = pytest.importorskip("torch")
    x, w, t = linear.problem((32, 8, 48))
    ours = float(softxent.linear_cross_entropy(x, w, t))
    for make in linear.torch_calls().values():
        assert float(make(x, w, t)().detach()) == pytest.approx(ours, rel=1e-5)
    assert torch.get_num_threads() == softxent.get_num_threads()


def test_linear_that_takes_too_long_is_found_out_on_a_few_rows(monkeypatch):
    shapes = []

    def slow(x, w, t):
        shapes.append(len(x))
        return lambda: time.sleep(5e-3)

    monkeypatch.setattr(linear, "TOO_LONG", 0.05)
    monkeypatch.setattr(linear, "three_products", slow)
    found = collect(ops=["linear"], shapes=[(64, 4, 16)])
    assert shapes == [4]
    assert found["rows"] == []
    assert found["skipped"][0]["peer"] == linear.PRODUCTS
    assert found["skipped"][0]["reason"] == "takes about 0 s a call"


# A process of its own ----------------------------------------------------------------------------

WORK = {
    "peers": [],
    "shapes": [(20, 5)],
    "dtypes": ["float32"],
    "ops": ["out"],
    "rounds": 1,
    "pause": 0.0,
}


@pytest.mark.parametrize("allocator", timing.ALLOCATORS)
def test_a_worker(allocator):
    steps = []
    found = worker.run(WORK | {"allocator": allocator}, steps.append)
    assert steps == [f"logits 20 × 5 float32, {allocator} allocator"]
    assert [row["allocator"] for row in found["rows"]] == [allocator]
    assert found["missing"] == {}


def test_a_worker_that_fails_says_why():
    with pytest.raises(worker.WorkerFailed, match="failed: ValueError: peer: got 'tensorflow'"):
        worker.run(WORK | {"allocator": "default", "peers": ["tensorflow"]}, lambda step: None)


def test_a_worker_that_is_killed_says_so():
    with pytest.raises(worker.WorkerFailed, match="ended by SIGKILL, probably for want of memory"):
        # From the first step on it has ten seconds to do.
        work = WORK | {"allocator": "default", "rounds": 100, "pause": 0.05}
        worker.run(work, kill_children)


def kill_children(step):
    children = f"/proc/{os.getpid()}/task/{os.getpid()}/children"
    if not os.path.exists(children):
        pytest.skip("needs Linux")
    with open(children) as file:
        for pid in map(int, file.read().split()):
            with open(f"/proc/{pid}/cmdline") as command:
                if "softxent.measure.worker" in command.read():
                    os.kill(pid, 9)


def test_nothing_but_messages_reaches_the_stream():
    """Peers, and the compilers behind them, may print."""
    code = (
        "import os\nfrom softxent.measure import speed, worker\n"
        "def collect(*a, progress, **k):\n"
        "    print('noise'); os.system('echo noise'); progress('a step')\n"
        "    return {'rows': [], 'missing': {}, 'skipped': []}\n"
        "speed.collect = collect\nworker.main()\n"
    )
    work = json.dumps(WORK | {"allocator": "default", "threads": 1})
    done = subprocess.run(
        [sys.executable, "-c", code], input=work, capture_output=True, text=True, check=True
    )
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    assert [set(message) for message in messages] == [{"step"}, {"result"}]
    assert done.stderr.count("noise") == 2


def test_everybody_is_told_how_many_threads(monkeypatch):
    """Whatever the environment of this process says: what starts with it asks only once."""
    seen = {}

    def popen(command, *, env, **options):
        seen.update(env)
        raise KeyboardInterrupt

    monkeypatch.setenv("OMP_NUM_THREADS", "77")
    monkeypatch.setattr(subprocess, "Popen", popen)
    with pytest.raises(KeyboardInterrupt):
        worker.run(WORK | {"allocator": "default"}, lambda step: None)
    n = str(softxent.get_num_threads())
    assert seen["OMP_NUM_THREADS"] == seen["NPROC"] == seen["OPENBLAS_NUM_THREADS"] == n


def test_cases():
    names = [str(case) for case in record.cases([(5, 3), (2, 4, 6)], ["float32"], speed.OPS)]
    assert names == [
        "logits 5 × 3 float32",
        "loss 5 × 3 float32",
        "small 8 × 10 float32",
        "linear 2 × 4 × 6 float32",
    ]


def test_the_machine_card():
    card = machine_card(["numpy", "no-such-package"])
    assert set(card) == {"cpu", "date", "python", "softxent", "instruction set", "numpy"}
    assert f"{softxent.get_num_threads()} threads" in card["softxent"]


def test_a_file_in_the_current_folder_is_not_imported(tmp_path, monkeypatch):
    """A user's statistics.py or numpy.py is none of ours."""
    for name in ("statistics", "numpy", "json"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the user\u2019s file ran')")
    monkeypatch.chdir(tmp_path)
    work = {"peers": ["scipy"], "shapes": [], "dtypes": ["float32"], "ops": ["small"], "rounds": 1}
    found = worker.run(work | {"allocator": "default"}, lambda step: None)
    assert {row["peer"] for row in found["rows"]} >= {"scipy"}
