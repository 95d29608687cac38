"""`softxent bench`: options, table and chart; the measuring itself is in tests/measure."""

from __future__ import annotations

import json
import re
import sys
import xml.etree.ElementTree as ElementTree

import pytest

from softxent.cli import _bench_chart, _bench_plan
from softxent.measure import speed, worker
from softxent.measure.record import COPY

TINY = ("--shape", "20,5", "--op", "out", "--dtype", "float32", "--rounds", "1")
PEERS = {"scipy": 20.0, "torch": 8.0, "torch.compile": 5.0}
MACHINE = {
    "cpu": "2 cores of an Example",
    "date": "2026-01-31",
    "softxent": "0.1.0, 2 threads",
    "instruction set": "avx2",
    "numpy": "2.4.6",
    "scipy": "1.17.1",
    "torch": "2.13.0",
    "timing": "medians of 5, everybody taking turns",
}


def row(op, shape, dtype, peer, ours, ratio, allocator="default"):
    return {
        "op": op,
        "shape": list(shape),
        "dtype": dtype,
        "peer": peer,
        "allocator": allocator,
        "ours_ms": ours,
        "ours_min_ms": ours,
        "peer_ms": ours * ratio,
        "peer_min_ms": ours * ratio,
        "ratio": ratio,
    }


def measured():
    """A result with everything in it; every time of ours is easy to find again."""
    rows = []
    for allocator in ("default", "warm"):
        for dtype in ("float32", "bfloat16"):
            for k, shape in enumerate(speed.SHAPES):
                for op, ours in (("new", 12.0), ("out", 10.0), ("in place", 8.0)):
                    for peer, ratio in PEERS.items():
                        if (peer, dtype) != ("scipy", "bfloat16"):
                            rows.append(row(op, shape, dtype, peer, ours, ratio * 2**k, allocator))
                    rows.append(row(op, shape, dtype, COPY, ours, 0.5, allocator))
                rows.append(row("copy", shape, dtype, COPY, 10.0, 0.5, allocator))
    rows += [row("small", (8, 10), "float32", peer, 0.011, 3.0) for peer in (*PEERS, COPY)]
    rows += [row("loss", (64, 1000), "float32", peer, 2.5, 4.0) for peer in (*PEERS, COPY)]
    rows += [row("linear", (2048, 512, 32_000), "float32", "three products", 900.0, 0.95)]
    nowhere = {"kind": None, "shape": None, "dtype": None, "allocator": "default", "peer": None}
    case = {"kind": "logits", "shape": [10, 4], "dtype": "float32"}
    skipped = [
        nowhere | {"dtype": "bfloat16", "peer": "scipy", "reason": "takes no bfloat16"},
        nowhere | {"allocator": "warm", "reason": "only glibc has it"},
        nowhere | case | {"reason": "needs about 9 GiB; 1 GiB is available"},
        nowhere | case | {"peer": "torch", "reason": "takes 57 s a call"},
        nowhere | case | {"peer": "torch", "shape": [20, 4], "reason": "takes 57 s a call"},
    ]
    missing = {"jax": "not installed; pip install jax"}
    parts = {"rows": rows, "machine": MACHINE, "missing": missing, "skipped": skipped}
    return {"schema_version": 1} | parts


@pytest.fixture
def saved(tmp_path):
    """Write a result to a file and return its name."""

    def saved(result=None):
        path = tmp_path / "bench.json"
        path.write_text(json.dumps(measured() if result is None else result))
        return str(path)

    return saved


@pytest.fixture
def works(monkeypatch):
    """What the workers were asked for, without any work."""
    asked = []

    def run(work, progress):
        asked.append(work)
        return {
            "rows": [row("out", (20, 5), "float32", "torch", 1.0, 2.0, work["allocator"])],
            "missing": {"jax": "not installed; pip install jax"},
            "skipped": [],
        }

    monkeypatch.setattr(worker, "run", run)
    return asked


# Measuring ---------------------------------------------------------------------------------------


def test_it_measures(call):
    code, out, err = call("bench", *TINY, "--allocator", "default", "--peer", "scipy", "--json")
    result = json.loads(out)
    assert (code, err) == (0, "")
    assert set(result) == {"schema_version", "rows", "machine", "missing", "skipped"}
    assert result["schema_version"] == 1
    here = {"scipy", COPY} - set(result["missing"])
    assert {(row["op"], tuple(row["shape"]), row["peer"]) for row in result["rows"]} == {
        ("out", (20, 5), peer) for peer in here
    }
    assert result["machine"]["timing"] == "medians of 1, everybody taking turns"
    assert "threads" in result["machine"] and "date" in result["machine"]


def test_what_is_measured_unless_told_otherwise(call, works):
    code, out, _ = call("bench", "--json")
    assert code == 0
    default, warm = works
    assert (default["allocator"], warm["allocator"]) == ("default", "warm")
    assert set(default["ops"]) == {"new", "out", "in place", "copy", "small", "linear"}
    assert set(warm["ops"]) == {"new", "out", "in place", "copy"}
    assert default["dtypes"] == ["float32", "bfloat16"]
    assert {(1 << 20, 2), (65_536, 1000), (256, 262_144), (2048, 512, 32_000)} <= set(
        default["shapes"]
    )
    assert default["peers"] == ["scipy", "sklearn", "torch", "torch.compile", "jax"]
    assert [row["allocator"] for row in json.loads(out)["rows"]] == ["default", "warm"]


def test_quick(call, works):
    assert call("bench", "--quick")[0] == 0
    (work,) = works
    assert work["allocator"] == "default" and work["dtypes"] == ["float32"]
    assert "linear" not in work["ops"] and work["rounds"] < _bench_plan.ROUNDS


def test_the_options_reach_the_worker(call, works):
    options = ["--shape", "4,5", "--shape", "6,7", "--dtype", "float64", "--peer", "jax"]
    assert call("bench", *options, "--rounds", "9", "--allocator", "warm", "--op", "new")[0] == 0
    assert works == [
        {
            "peers": ["jax"],
            "shapes": [(4, 5), (6, 7)],
            "dtypes": ["float64"],
            "ops": ["new"],
            "rounds": 9,
            "allocator": "warm",
        }
    ]


def test_a_shape_alone_leaves_the_small_call_out(call, works):
    call("bench", "--shape", "4,5", "--allocator", "default")
    assert "small" not in works[0]["ops"]


def test_a_worker_that_fails_is_a_tool_error_and_the_rest_is_kept(call, monkeypatch, works):
    good = worker.run

    def run(work, progress):
        if work["allocator"] == "warm":
            raise worker.WorkerFailed("the measuring process was ended by SIGKILL")
        return good(work, progress)

    monkeypatch.setattr(worker, "run", run)
    code, out, err = call("bench", *TINY)
    assert code == 2
    assert "20 × 5" in out
    assert err == "softxent bench: error: the measuring process was ended by SIGKILL\n"


def test_nothing_measured_is_a_finding(call):
    options = ("--op", "out", "--dtype", "float32", "--peer", "scipy")
    code, out, err = call("bench", "--shape", "1000000000,1000", *options)
    if "needs about" not in out:
        pytest.skip("this system does not say what memory is available")
    assert code == 1
    assert "logits 1,000,000,000 × 1,000 float32: needs about" in out
    assert err == "softxent bench: nothing could be measured; the output says why\n"


def test_without_glibc(call, works, monkeypatch):
    monkeypatch.setattr(_bench_plan, "can_be_warm", lambda: False)
    code, out, _ = call("bench", *TINY)
    assert code == 0 and [work["allocator"] for work in works] == ["default"]
    assert "warm allocator: only glibc has this state" in out
    code, _, err = call("bench", *TINY, "--allocator", "warm")
    assert code == 2 and "--allocator warm: only glibc has this state" in err


def test_progress_on_a_terminal(on_terminal):
    code, text = on_terminal("bench", *TINY, "--allocator", "default", "--peer", "scipy")
    assert code == 0
    assert "logits 20 × 5 float32" in text and "\r" in text


# Usage -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--shape", "4096"], "got '4096', expected N,V (logits) or N,D,V (a linear layer)"),
        (["--shape", "4,x"], "got '4,x', expected N,V"),
        (["--shape", "0,5"], "got '0,5', expected N,V"),
        (["--rounds", "0"], "got '0', expected an integer of at least 1"),
        (["--rounds", "many"], "got 'many', expected an integer of at least 1"),
        (["--chart", "a.pdf"], "got 'a.pdf', expected a name that ends in .svg or .png"),
        (["--chart", "no/such/a.svg"], "there is no folder no/such"),
        (["--op", "grad"], "invalid choice: 'grad'"),
        (["--dtype", "int8"], "invalid choice: 'int8'"),
        (["--peer", "tensorflow"], "invalid choice: 'tensorflow'"),
        (["--allocator", "hot"], "invalid choice: 'hot'"),
        (["--op", "out", "--shape", "1,2,3"], "--op linear goes with shapes N,D,V"),
        (["--op", "linear", "--shape", "1,2"], "--op linear goes with shapes N,D,V"),
        (["--from", "no.json"], "--from no.json: [Errno 2]"),
        (["--from", "a.json", "--quick"], "--from measures nothing, so --quick has no meaning"),
        (["--from", "a.json", "--rounds", "3"], "so --rounds has no meaning with it"),
    ],
)
def test_usage(call, works, options, message):
    code, out, err = call("bench", *options)
    assert (code, out, works) == (2, "", [])
    assert message in err


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ([], "expected an object with machine, missing, rows, schema_version, skipped"),
        ({"rows": []}, "expected an object with"),
        (measured() | {"schema_version": 2}, "got schema_version 2, expected 1"),
        (measured() | {"rows": [{"op": "out"}]}, "expected rows with allocator, dtype"),
    ],
)
def test_a_file_that_bench_did_not_write(call, saved, result, message):
    code, out, err = call("bench", "--from", saved(result))
    assert (code, out) == (2, "")
    assert message in err


@pytest.mark.parametrize(
    ("module", "options"), [("tqdm", []), ("matplotlib", ["--chart", "a.svg"])]
)
def test_missing_packages(call, works, monkeypatch, module, options):
    monkeypatch.setitem(sys.modules, module, None)
    code, out, err = call("bench", *options)
    assert (code, out, works) == (2, "", [])
    assert f"softxent bench needs {module}" in err
    assert 'pip install "softxent[demo]"' in err


# The table ---------------------------------------------------------------------------------------


@pytest.fixture
def lines(call, saved):
    code, out, err = call("bench", "--from", saved())
    assert (code, err) == (0, "")
    return out.splitlines()


def under(lines, title):
    """The lines below a heading, up to the next one."""
    start = lines.index(title) + 2
    return lines[start : lines.index("", start)]


def test_no_line_is_too_long(lines):
    assert max(map(len, lines)) <= 80


def test_a_table_of_the_gradient(lines):
    over, heads, *rows = under(lines, "Loss and gradient, float32, default allocator")
    assert re.split("  +", over) == ["milliseconds", "times as long as softxent, out="]
    assert heads.split() == ["new", "out=", "in", "place", "copy", "scipy", "torch", "compile"]
    assert rows[1].split("  ")[0] == "1,048,576 × 10"
    assert rows[1].split()[3:] == ["12.0", "10.0", "8.0", "5.0", "40.0×", "16.0×", "10.0×"]
    # 20 × 2^k for k = 0 ... 6
    assert [row.split()[-3:] for row in rows[-3:]] == [["160×", "64.0×", "40.0×"]] * 3
    assert [row[:29].strip() for row in rows[-3:]] == [
        "geometric mean, against new",
        "geometric mean, against out=",
        "geometric mean, against in pl",
    ]


def test_a_peer_without_a_dtype_has_no_column(lines):
    _, heads, *_ = under(lines, "Loss and gradient, bfloat16, warm allocator")
    assert "scipy" not in heads and "torch" in heads


def test_without_peers_ours_is_shown(call, saved):
    rows = [row("out", (20, 5), "float32", COPY, 10.0, 0.5)]
    code, out, _ = call("bench", "--from", saved(measured() | {"rows": rows}))
    table = under(out.splitlines(), "Loss and gradient, float32, default allocator")
    assert (code, table) == (0, ["milliseconds", "        out=  copy", "20 × 5  10.0   5.0"])


def test_small_calls_in_microseconds(lines):
    over, _, line = under(lines, "A small call: loss and gradient of 8 × 10 logits")
    assert over.startswith("microseconds")
    assert line.split() == ["float32", "11.0", "33.0", "3.0×", "3.0×", "3.0×"]


def test_the_loss_alone(lines):
    _, heads, line = under(lines, "Loss alone, float32, default allocator")
    assert heads.split()[0] == "loss" and line.split()[3:5] == ["2.5", "10.0"]


def test_the_linear_loss(lines):
    rows = under(lines, "The linear loss and its gradients, float32")
    assert [re.split("  +", line.strip()) for line in rows[1:]] == [
        ["2,048 × 512 × 32,000"],
        ["softxent, 64 MiB", "900"],
        ["its three products alone", "855", "0.95×"],
    ]


def test_what_was_left_out(lines):
    assert under(lines, "Not measured") == [
        "  JAX (XLA): not installed; pip install jax",
        "  SciPy recipe: takes no bfloat16",
        "  warm allocator: only glibc has it",
        "  logits 10 × 4 float32: needs about 9 GiB; 1 GiB is available",
        "  PyTorch eager: takes 57 s a call (10 × 4, 20 × 4)",
    ]


def test_the_machine(lines):
    below = lines[lines.index("Machine") + 2 :]
    assert below[0].split("  ")[-1] == "2 cores of an Example"
    assert len(below) == len(MACHINE)


def test_letters_that_the_stream_has(spawn, saved):
    done = spawn("-m", "softxent", "bench", "--from", saved(), PYTHONIOENCODING="ascii")
    assert done.code == 0 and "1,048,576 x 2" in done.out


def test_json_of_a_saved_result_is_that_result(call, saved):
    code, out, _ = call("bench", "--from", saved(), "--json")
    assert code == 0 and json.loads(out) == measured()


# The chart ---------------------------------------------------------------------------------------


def test_the_chart(call, saved, tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "chart.svg"
    code, _, err = call("bench", "--from", saved(), "--chart", str(path))
    assert (code, err) == (0, f"chart: {path}\n")
    svg = path.read_text(encoding="utf-8")
    root = ElementTree.fromstring(svg)
    assert float(root.get("width")) == 800.0
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts.count("10.0") == len(speed.SHAPES)  # ours, out=
    assert {"softxent", "torch.compile", "SciPy recipe", "copying the logits"} <= set(texts)
    assert {"1,048,576", "× 262,144", "160×", "64.0×", "40.0×"} <= set(texts)
    caption = " ".join(filter(None, texts))
    for words in ("float32", "out=", "2 cores of an Example", "torch 2.13.0", "2026-01-31"):
        assert words in caption
    assert "prefers-color-scheme:dark" in svg
    # Every colour that is used has a dark one, and nothing is fetched from anywhere.
    used = set(re.findall(r"fill: (#[0-9a-f]+)", svg.partition("</style>")[2]))
    assert used <= set(_bench_chart.LIGHT.values())
    assert not re.search(r"(href|src|url)\s*[=(]\s*['\"]?https?:", svg)


def test_the_same_chart_twice(call, saved, tmp_path):
    pytest.importorskip("matplotlib")
    for name in ("a.svg", "b.svg"):
        assert call("bench", "--from", saved(), "--chart", str(tmp_path / name))[0] == 0
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_a_png(call, saved, tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "chart.png"
    assert call("bench", "--from", saved(), "--chart", str(path))[0] == 0
    assert path.read_bytes().startswith(b"\x89PNG")


def test_more_shapes_than_a_line_holds(saved, call, tmp_path):
    pytest.importorskip("matplotlib")
    result = measured()
    result["rows"] = [row("out", (n, 3), "float32", "torch", 1.0, 2.0) for n in range(1, 20)]
    path = tmp_path / "chart.svg"
    assert call("bench", "--from", saved(result), "--chart", str(path))[0] == 0
    assert path.read_text().count(">softxent<") == 3


def test_the_chart_prefers_out_float32_default():
    chosen = _bench_chart.select(measured()["rows"])
    assert (chosen.op, chosen.dtype, chosen.allocator) == ("out", "float32", "default")
    assert chosen.peers == ["torch.compile", "torch", "scipy"]  # the fastest first
    assert chosen.means["torch"] == pytest.approx(64.0)
    others = [row("new", (5, 3), "float64", "torch", 1.0, 2.0, "warm")]
    chosen = _bench_chart.select(others)
    assert (chosen.op, chosen.dtype, chosen.allocator) == ("new", "float64", "warm")


def test_nothing_to_draw(call, saved, tmp_path):
    pytest.importorskip("matplotlib")
    result = measured()
    result["rows"] = [row("small", (8, 10), "float32", "torch", 1.0, 2.0)]
    code, _, err = call("bench", "--from", saved(result), "--chart", str(tmp_path / "a.svg"))
    assert code == 2
    assert "has no rows of the operations new, out or in place to draw" in err
