"""examples/language_model.py, small: two trainings that agree, and a table of what was measured."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="the example is a PyTorch model")
pytest.importorskip("tokenizers", reason="the example builds its vocabulary with it")

EXAMPLE = Path(__file__).parents[2] / "examples" / "language_model.py"
SMALL = {
    "vocab": 1500,
    "d-model": 32,
    "lr": 0.02,
    "batch": 4,
    "context": 64,
    "eval-batches": 4,
    "files": 60,
    "seed": 3,
    "threads": 1,
}
STEPS = 20


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("language-model")


def run(cache: Path, *arguments: object, **changed: object) -> subprocess.CompletedProcess[str]:
    options = {name: changed.get(name.replace("-", "_"), value) for name, value in SMALL.items()}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return subprocess.run(
        [sys.executable, EXAMPLE, *words, "--cache", cache, *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
        timeout=240,
        check=False,
    )


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len(dict(pairs)) == len(pairs), "a key twice"
    return dict(pairs)


@pytest.fixture(scope="module")
def report(cache: Path) -> dict[str, Any]:
    done = run(cache, "--steps", STEPS, "--json")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # not a terminal: no progress bar
    assert done.stdout.count("\n") == 1
    return dict(json.loads(done.stdout, object_pairs_hook=unique))


def test_json_is_one_object_of_a_known_schema(report: dict[str, Any]) -> None:
    assert report["schema_version"] == 1
    assert set(report["heads"]) == {"naive", "softxent"}
    assert report["settings"]["vocab"] == SMALL["vocab"]
    assert report["corpus"]["files"] == SMALL["files"]
    for result in report["heads"].values():
        assert len(result["losses"]) == len(result["seconds"]) == STEPS
        assert all(seconds > 0 for seconds in result["seconds"])


def test_the_two_trainings_agree_and_learn(report: dict[str, Any]) -> None:
    naive, ours = (report["heads"][head]["losses"] for head in ("naive", "softxent"))
    assert ours == pytest.approx(naive, rel=2e-4)
    assert naive[0] == pytest.approx(math.log(SMALL["vocab"]), rel=0.02)  # knows nothing yet
    assert naive[-1] < naive[0] - 0.5


def test_held_out_text_is_the_same_and_its_perplexity_follows(report: dict[str, Any]) -> None:
    naive, ours = report["heads"]["naive"], report["heads"]["softxent"]
    rows = SMALL["eval-batches"] * SMALL["batch"] * SMALL["context"]
    assert naive["held_out_tokens"] == ours["held_out_tokens"] == rows
    assert ours["held_out_loss"] == pytest.approx(naive["held_out_loss"], rel=2e-4)
    for result in (naive, ours):
        assert result["held_out_perplexity"] == pytest.approx(math.exp(result["held_out_loss"]))
        assert 1 < result["held_out_perplexity"] < SMALL["vocab"]


def test_memory_is_that_of_a_process_of_its_own(report: dict[str, Any]) -> None:
    for result in report["heads"].values():
        assert 0 <= result["since_first_step_mib"] < result["peak_mib"]
        assert result["peak_mib"] > 50  # an interpreter with PyTorch


def test_time_can_end_it_and_the_table_shows_what_was_measured(cache: Path) -> None:
    done = run(cache, "--minutes", 0.01)
    assert done.returncode == 0, done.stderr
    rows = dict(re.findall(r"^ *(.*?\S) {2,}(\S.*)$", done.stdout, re.MULTILINE))
    steps = int(re.findall(r"No loss of the (\d+) steps differs", done.stdout)[0])
    assert 1 <= steps < 100
    for name in ("loss, step 1", f"loss, step {steps}", "held-out perplexity"):
        naive, ours = map(float, rows[name].replace(",", "").split())
        assert ours == pytest.approx(naive, rel=1e-3)
    for name in ("seconds a step, median", "peak memory, MiB", "since the first step"):
        assert len([float(cell.replace(",", "")) for cell in rows[name].split()]) == 2


def test_one_head_alone_sees_the_same_batches(cache: Path, report: dict[str, Any]) -> None:
    done = run(cache, "--steps", 3, "--head", "naive", "--json")
    result = json.loads(done.stdout)["heads"]
    assert list(result) == ["naive"]
    assert result["naive"]["losses"] == pytest.approx(report["heads"]["naive"]["losses"][:3])


def test_another_seed_is_another_training(cache: Path, report: dict[str, Any]) -> None:
    done = run(cache, "--steps", 1, "--head", "naive", "--json", seed=4)
    losses = json.loads(done.stdout)["heads"]["naive"]["losses"]
    assert losses != pytest.approx(report["heads"]["naive"]["losses"][:1], rel=1e-6)


def test_the_corpus_is_made_once(cache: Path, report: dict[str, Any]) -> None:
    made = list(cache.iterdir())
    assert len(made) == 1
    assert made[0].name.startswith("corpus-")


def test_too_little_text_is_said_clearly(tmp_path: Path) -> None:
    done = run(tmp_path, "--steps", 1, files=3, vocab=50_000)
    assert done.returncode == 1
    assert re.search(
        r"3 files of [\d.]+ million characters hold [\d,]+ byte pairs, not 50,000", done.stderr
    )
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())
    done = run(tmp_path, "--steps", 1, files=3, vocab=300)  # none of three files is held out
    assert done.returncode == 1
    assert "Of 3 files only 0 tokens train the model or are held out" in done.stderr


@pytest.mark.parametrize(
    "wrong",
    [
        ("--steps", "0"),
        ("--minutes", "nan"),
        ("--attention-heads", "5"),
        ("--head", "both of them"),
    ],
)
def test_wrong_arguments_are_refused(tmp_path: Path, wrong: tuple[str, str]) -> None:
    done = run(tmp_path, *wrong)
    assert done.returncode == 2
    assert wrong[0] in done.stderr


def test_the_library_is_read_without_its_tests_in_one_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLE.parent))
    from lm.corpus import library

    paths = library()
    assert len(paths) > 300
    assert paths == sorted(paths, key=lambda path: path.parts)
    assert not [path for path in paths if {"test", "tests", "site-packages"} & set(path.parts)]
    few = library(10)
    assert len(few) == 10
    assert set(few) < set(paths)
