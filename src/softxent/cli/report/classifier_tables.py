"""What a classifier got right and wrong, as tables: 2 classes or thousands."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.metrics import precision_recall_fscore_support

from softxent.cli.report.drawing import Floats

Ints = np.ndarray[Any, np.dtype[np.int64]]

IN_CELLS = 12  # classes whose confusions are counts in a table
IN_PICTURE = 1000  # classes whose confusions are a picture; beyond, only pairs
MOST_CLASSES = 150  # lines of the table by class
MOST_PAIRS, FEW_PAIRS, MOST_MISTAKES = 20, 8, 15
MOST_FEATURES, LARGEST = 24, 3
LONGEST = 60  # characters of a name


def readable(name: object, longest: int = LONGEST) -> str:
    """A name as text that a page can hold: no control characters, not too long, never empty.

    >>> readable("a\\nb"), readable(""), readable("x" * 99)[-3:]
    ('a�b', '(empty)', 'xx…')
    """
    text = "".join("�" if unicodedata.category(c) in ("Cc", "Cs") else c for c in str(name))
    if not text.strip():
        return "(empty)"
    return text if len(text) <= longest else text[: longest - 1] + "…"


def losses(y_true: Ints, probabilities: Floats) -> Floats:
    """−log of the probability given to the truth; at most that of the smallest float."""
    given = probabilities[np.arange(len(y_true)), y_true].astype(np.float64)
    found: Floats = -np.log(np.maximum(given, np.finfo(np.float64).tiny))
    return found


def per_class(y_true: Ints, predicted: Ints, names: Sequence[str]) -> dict[str, Any]:
    """Precision, recall, F1 and rows of each class, and their means; None where undefined.

    Of many classes those that are recognised worst, and how many were left out.
    """
    labels = np.arange(len(names))
    scores = precision_recall_fscore_support(y_true, predicted, labels=labels, zero_division=np.nan)
    lines = [
        {"name": name, "scores": [_defined(x) for x in line[:3]], "rows": int(line[3])}
        for name, line in zip(names, zip(*scores, strict=True), strict=True)
    ]
    rows = scores[3]
    seen = rows > 0
    means = [
        ("mean of the classes", [_mean(column, seen) for column in scores[:3]]),
        ("mean of the rows", [_mean(column, seen, rows) for column in scores[:3]]),
    ]
    shown = lines
    if len(lines) > MOST_CLASSES:
        worst = np.argsort(np.where(seen, np.nan_to_num(scores[2]), 2.0), kind="stable")
        shown = [lines[k] for k in worst[:MOST_CLASSES] if seen[k]]
    return {"lines": shown, "means": means, "left_out": len(lines) - len(shown)}


def _defined(x: float) -> float | None:
    return None if np.isnan(x) else float(x)


def _mean(column: Floats, seen: Any, rows: Ints | None = None) -> float:
    """Mean over the classes that have rows; an undefined score counts as 0 there."""
    weights = None if rows is None else rows[seen]
    return float(np.average(np.nan_to_num(column[seen]), weights=weights))


def confusion(y_true: Ints, predicted: Ints, names: Sequence[str]) -> dict[str, Any]:
    """Counts for a table of few classes, a matrix for a picture of more, and the worst pairs."""
    size = len(names)
    pairs, counts = np.unique(y_true * size + predicted, return_counts=True)
    true, said = np.divmod(pairs, size)
    support = np.bincount(y_true, minlength=size)
    table = picture = None
    if size <= IN_PICTURE:
        matrix = np.zeros((size, size), np.int64)
        matrix[true, said] = counts
        if size <= IN_CELLS:
            table = [
                [(int(n), n / max(1, support[k])) for n in line] for k, line in enumerate(matrix)
            ]
        else:
            picture = matrix / np.maximum(1, support)[:, None]
    wrong = np.flatnonzero(true != said)
    order = wrong[np.argsort(-counts[wrong], kind="stable")]
    worst = [
        {
            "true": names[true[i]],
            "said": names[said[i]],
            "rows": int(counts[i]),
            "share": float(counts[i] / support[true[i]]),
        }
        for i in order[: MOST_PAIRS if table is None else FEW_PAIRS]
    ]
    short = all(len(name) <= 7 for name in names)  # else the heads of the columns are numbers
    return {
        "table": table,
        "picture": picture,
        "pairs": worst,
        "short": short,
        "left_out": len(order) - len(worst),
    }


def mistakes(
    y_true: Ints, probabilities: Floats, names: Sequence[str], rows: Sequence[str] | None
) -> list[dict[str, Any]]:
    """The rows that were read wrong with the greatest confidence, the surest first."""
    said = np.argmax(probabilities, axis=1)
    wrong = np.flatnonzero(said != y_true)
    sure = probabilities[wrong, said[wrong]]
    order = wrong[np.argsort(-sure, kind="stable")][:MOST_MISTAKES]
    return [
        {
            "row": readable(rows[n]) if rows is not None else f"{n + 1}",
            "true": names[y_true[n]],
            "said": names[said[n]],
            "sure": float(probabilities[n, said[n]]),
            "given": float(probabilities[n, y_true[n]]),
        }
        for n in order
    ]


def weights(found: tuple[Sequence[str], Floats] | None, names: Sequence[str]) -> Any:
    """The weights as a table of features by classes where both are few, else each class's largest.

    Of two classes with one vector, it speaks for the second.
    """
    if found is None or not len(found[0]):
        return None
    features, matrix = [readable(name) for name in found[0]], np.asarray(found[1], np.float64)
    names = list(names) if len(matrix) == len(names) else [names[-1]]
    largest = float(np.abs(matrix).max()) or 1.0
    if len(names) <= IN_CELLS:
        strength = np.abs(matrix).max(axis=0)
        order = np.argsort(-strength, kind="stable")[:MOST_FEATURES]
        lines = [
            (features[d], [(float(w), float(abs(w)) / largest) for w in matrix[:, d]])
            for d in order
        ]
        left_out = len(features) - len(lines)
        return {"names": names, "lines": lines, "classes": None, "left_out": left_out}
    classes = [_largest(row, features) for row in matrix[:MOST_CLASSES]]
    return {
        "names": names,
        "lines": None,
        "classes": list(zip(names[:MOST_CLASSES], classes, strict=True)),
        "left_out": len(names) - len(classes),
    }


def _largest(row: Floats, features: Sequence[str]) -> dict[str, list[tuple[str, float]]]:
    order = np.argsort(-row, kind="stable")
    pairs = [(features[d], float(row[d])) for d in order]
    return {
        "for": [pair for pair in pairs[:LARGEST] if pair[1] > 0],
        "against": [pair for pair in pairs[::-1][:LARGEST] if pair[1] < 0],
    }


def are_pixels(features: Sequence[str], matrix: Floats) -> bool:
    """Whether the features look like a square picture: numbered names, a square number of them.

    >>> are_pixels([f"pixel{i}" for i in range(64)], np.zeros((10, 64)))
    True
    >>> are_pixels(["a", "b", "c", "d"] * 4, np.zeros((10, 16)))
    False
    """
    side = round(len(features) ** 0.5)
    numbers = [re.search(r"^(.*?)(\d+)(_\d+)?$", str(name)) for name in features]
    stems = {m[1] for m in numbers if m}
    return (
        side >= 4 and side * side == len(features) and all(numbers) and len(stems) == 1
        and len(matrix) <= 50
    )  # fmt: skip
