"""Model files: weights as safetensors, all else as one JSON in their metadata. No pickle.

A file is a safetensors file (8 bytes: the header's length; the header, JSON; the arrays), so any
program that reads those can look into it. Under "softxent" its metadata hold the record of
records.py with `schema_version`, the version of softxent that wrote it, and what the caller added
as `extra`. Nothing in it is run: a file from a stranger can be wrong, but not do anything.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import softxent
from softxent.errors import describe, error
from softxent.learn.labels import Damaged, NotStorable, take
from softxent.learn.layer import Array
from softxent.learn.records import Model, Tensors, model_from, record_of

SCHEMA_VERSION = 1
KEY = "softxent"  # of the metadata
EXTRA = "extra/"  # begins the names of the arrays that the caller added
MAX_HEADER = 100_000_000  # bytes; the limit of the safetensors format
MAX_BYTES = 8 << 30  # of a file, unless the caller says otherwise
STORED = "float64 float32 float16 int64 int32 int16 int8 uint64 uint32 uint16 uint8 bool".split()


@dataclass(frozen=True, slots=True, eq=False)
class Saved:
    """What a model file holds."""

    model: Model
    extra: dict[str, Any] = field(default_factory=dict)
    tensors: Tensors = field(default_factory=dict)


def load(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> Model:
    """Return the model that `save` wrote: it predicts the same, bit for bit.

    `partial_fit` goes on: of a SoftmaxRegression as if it had never stopped; of a NeuralClassifier
    with the weights as they were, but Adam's means and the random state anew. Memory: less than
    four times the size of the file.

    Arguments:
        path: of the file.
        max_bytes: a larger file is refused before it is read; 8 GiB unless said otherwise.

    Raises:
        ValueError: a file of another kind, of a newer schema, truncated, damaged, or too large.
        OSError: it cannot be opened.

    >>> import os, tempfile
    >>> from sklearn.datasets import load_iris
    >>> from softxent.learn import SoftmaxRegression, load
    >>> x, y = load_iris(return_X_y=True)
    >>> path = os.path.join(tempfile.mkdtemp(), "iris.softxent")
    >>> SoftmaxRegression().fit(x, y).save(path)
    >>> load(path).predict(x[:1])
    array([0])
    """
    return read(path, max_bytes=max_bytes).model


def write(
    path: str | os.PathLike[str],
    model: Model,
    *,
    extra: Mapping[str, Any] | None = None,
    tensors: Mapping[str, Array] | None = None,
) -> None:
    """Write a fitted model, with JSON and arrays of the caller's own; whole, or not at all.

    Arguments:
        path: of the file; one that is there is replaced at once, when the new one is complete.
        model: a fitted SoftmaxRegression or NeuralClassifier.
        extra: what JSON can hold; `read` gives it back.
        tensors: arrays of numbers or truth values by name; `read` gives them back.

    Raises:
        ValueError: something that cannot be stored, for example weights that are not finite.
        OSError: the file cannot be written.
    """
    try:
        record, arrays = record_of(model)
        text = _json(
            {"schema_version": SCHEMA_VERSION, "softxent": softxent.__version__} | record, extra
        )
        for name, tensor in (tensors or {}).items():
            array = np.asarray(tensor)
            if array.dtype.name not in STORED:
                raise NotStorable(f"the array {name!r} {describe(array)}", "numbers")
            arrays[EXTRA + name] = array
        _replace(Path(path), arrays, {KEY: text})
    except NotStorable as exc:
        came, expected = exc.args
        raise error(
            ValueError, "model-save", "save", "the model", came, expected, "Nothing was written."
        ) from None


def read(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> Saved:
    """Return the model and what was stored beside it; arguments and errors as `load`."""
    from safetensors import SafetensorError, safe_open

    try:
        _check_sizes(path, max_bytes)
        try:
            # It checks that the arrays' shapes, dtypes and places belong together and fill the file
            with safe_open(os.fspath(path), framework="numpy") as file:
                record = _record(path, file.metadata() or {})
                arrays = {name: _tensor(file, name) for name in file.keys()}
        except SafetensorError as exc:
            raise Damaged(f"no whole safetensors file ({exc})", "what `save` writes") from None
        own = {name: array for name, array in arrays.items() if not name.startswith(EXTRA)}
        added = {name[len(EXTRA) :]: a for name, a in arrays.items() if name.startswith(EXTRA)}
        return Saved(model_from(record, own), take(record, "extra", dict), added)
    except Damaged as exc:
        came, expected = exc.args
        raise error(
            ValueError,
            "model-file",
            "load",
            str(path),
            came,
            expected,
            "It is damaged, or no model of softxent: save the model again.",
        ) from None


def _check_sizes(path: str | os.PathLike[str], max_bytes: int) -> None:
    """Hold the file's size against the cap, and the header's against the file's."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > max_bytes:
            raise error(
                ValueError,
                "model-size",
                "load",
                str(path),
                f"{size} bytes",
                f"at most {max_bytes}",
                f"If you trust it: load(path, max_bytes={size}).",
            )
        start = file.read(8)
    header = int.from_bytes(start, "little")
    if len(start) < 8 or header > MAX_HEADER:
        raise Damaged(f"{size} bytes that do not begin as a model does", "what `save` writes")
    if 8 + header > size:
        raise Damaged(f"{size} bytes, truncated in a header of {header}", "the whole file")


def _record(path: str | os.PathLike[str], metadata: Mapping[str, str]) -> dict[str, Any]:
    if KEY not in metadata:
        raise Damaged("a safetensors file of another program", f"metadata under {KEY!r}")
    try:
        record = json.loads(metadata[KEY], parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Damaged("a file with metadata that are no JSON", "what `save` writes") from None
    if not isinstance(record, dict):
        raise Damaged("a file with metadata that are no object", "what `save` writes")
    version = take(record, "schema_version", int, 1)
    if version > SCHEMA_VERSION:
        by = str(record.get("softxent"))[:20]
        raise error(
            ValueError,
            "model-version",
            "load",
            str(path),
            f"of schema {str(version)[:20]}, written by softxent {by}",
            f"schema {SCHEMA_VERSION} at most, that of softxent {softxent.__version__}",
            "Upgrade softxent, or save the model with this version.",
        )
    return record


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _tensor(file: Any, name: str) -> Array:
    try:
        tensor = file.get_tensor(name)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        tensor = None  # a dtype that NumPy does not have
    if not isinstance(tensor, np.ndarray) or tensor.dtype.name not in STORED:
        raise Damaged(f"a file with an array {name[:40]!r} of a foreign dtype", "numbers")
    return tensor


def _json(record: Mapping[str, Any], extra: Mapping[str, Any] | None) -> str:
    try:
        text = json.dumps(dict(extra or {}), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as exc:
        raise NotStorable(
            f"extra that JSON cannot hold ({exc})", "finite numbers, texts, lists and dicts"
        ) from None
    return json.dumps({**record, "extra": json.loads(text)}, allow_nan=False, sort_keys=True)


def _replace(path: Path, tensors: Tensors, metadata: dict[str, str]) -> None:
    """Write beside the target, then put it in place at once; a link stays a link."""
    from safetensors.numpy import save_file

    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise error(
            OSError, "model-path", "save", "path", str(path), "a file", "Name one in that folder."
        )
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as exc:
        raise error(
            type(exc),
            "model-path",
            "save",
            "path",
            f"{path} ({exc.strerror})",
            "a folder that takes a new file",
            "Make the folder, or name another one.",
        ) from None
    os.close(handle)
    try:
        # safetensors reads the memory as it lies: it must be contiguous, and stay until the end
        contiguous = {key: np.asarray(tensor, order="C") for key, tensor in tensors.items()}
        save_file(contiguous, name, metadata)
        with open(name, "rb") as file:
            header = int.from_bytes(file.read(8), "little")
            if header > MAX_HEADER:
                raise NotStorable(f"with {header} bytes of metadata", f"at most {MAX_HEADER}")
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(name, target.stat().st_mode if target.exists() else 0o666 & ~mask)
        os.replace(name, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise
