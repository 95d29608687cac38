"""Labels and single values as JSON has them, exactly: what they were they are again."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

import numpy as np

from softxent.learn.layer import Array

# NumPy gives every text of an array the room of the longest one, 4 bytes a character. Where that is
# more than so many bytes, and so many times the texts themselves, they are read as Python's own.
ROOM, TIMES = 16 << 20, 64


class NotStorable(Exception):
    """What was to be stored, and what can be."""


class Damaged(Exception):
    """What a file holds, and what it should."""


def labels_record(classes: Array) -> dict[str, Any]:
    """Return kind ("bool", "int", "float" or "str"), dtype and values."""
    kind = {"b": "bool", "i": "int", "u": "int", "f": "float"}.get(classes.dtype.kind, "str")
    values = classes.tolist()
    if kind == "str" and not all(isinstance(one, str) for one in values):
        raise NotStorable(f"a model with classes of dtype {classes.dtype}", "texts or numbers")
    if kind == "float" and classes.dtype.itemsize > 8:
        raise NotStorable(f"a model with classes of dtype {classes.dtype}", "float64 at most")
    dtype = (
        classes.dtype.name if kind != "str" else "str" if classes.dtype.kind == "U" else "object"
    )
    return {"kind": kind, "dtype": dtype, "values": values}


def labels_from(record: Mapping[str, Any]) -> Array:
    """Return the labels (V,) that `labels_record` told of."""
    kind, dtype = take(record, "kind", str), take(record, "dtype", str)
    values = take(record, "values", list)
    types: dict[str, Any] = {"bool": bool, "int": int, "float": (float, int), "str": str}
    fits = {"b": "bool", "i": "int", "u": "int", "f": "float", "U": "str", "O": "str"}
    try:
        wanted = np.dtype(dtype)
    except TypeError:
        raise Damaged(
            f"a file with classes of dtype {dtype[:40]!r}", "bool, int, float or str"
        ) from None
    if kind not in types or fits.get(wanted.kind) != kind or dtype not in (wanted.name, "str"):
        raise Damaged(
            f"a file with classes of kind {kind[:40]!r}, {dtype[:40]!r}", "a kind and its dtype"
        )
    for one in values:
        if not isinstance(one, types[kind]) or (isinstance(one, bool) and kind != "bool"):
            raise Damaged(f"a file with a class that is no {kind}", f"{kind} throughout")
    if len(values) < 2 or len(set(values)) < len(values):
        raise Damaged(
            f"a file with {len(set(values))} different classes", "at least two, each once"
        )
    if wanted.kind == "U":
        lengths = [len(one) for one in values]
        room = 4 * len(values) * max(lengths)
        if room > max(ROOM, TIMES * sum(lengths)):
            wanted = np.dtype(object)
    try:
        labels: Array = np.array(values, wanted)
    except (OverflowError, ValueError):
        raise Damaged(f"a file with classes beyond {dtype}", f"values of {dtype}") from None
    if not all(a == b for a, b in zip(labels.tolist(), values, strict=True)):
        raise Damaged(f"a file with classes that are no {dtype}", f"values of {dtype}")
    return labels


def plain(value: Any) -> bool | int | float | str | None:
    """Return a scalar as Python's own type; numbers are finite."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float) and isfinite(value):
        return value
    raise NotStorable(f"a value {value!r:.60}", "a finite number, a text, a truth value or None")


def take(
    record: Mapping[str, Any], key: str, kind: Any, low: float = 0, high: float = 2**62
) -> Any:
    """Return record[key] of this type; an integer within [low, high]."""
    if key not in record:
        raise Damaged(f"a file without {key!r}", f"{key!r} among its metadata")
    value = record[key]
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if type(value) not in kinds:
        raise Damaged(f"a file with {key!r} of type {type(value).__name__}", "what `save` writes")
    if type(value) is int and not low <= value <= high:
        raise Damaged(f"a file with {key!r} = {str(value)[:20]}", f"an integer in [{low}, {high}]")
    return value
