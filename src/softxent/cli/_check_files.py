"""Which files `softxent check` reads: files, folders, patterns, standard input."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

# Where nobody keeps text of their own.
_SKIPPED = {"node_modules", "__pycache__", "site-packages", "build", "dist", "venv"}


class Source(NamedTuple):
    """A file to check; named: by the user, rather than found in a folder or by a pattern."""

    path: str
    named: bool


def find(arguments: Iterable[str]) -> list[Source]:
    """Return every file that the arguments name, each once, in their order."""
    found: dict[str, Source] = {}
    for argument in arguments:
        for source in _of(argument):
            found.setdefault(source.path, source)
    return list(found.values())


def _of(argument: str) -> Iterator[Source]:
    if argument == "-" or os.path.isfile(argument):
        yield Source(argument, True)
    elif os.path.isdir(argument):
        inside = sorted(_in_folder(argument))
        yield from (Source(path, False) for path in inside)
        if not inside:  # so that it is told, as a file without formulas would be
            yield Source(argument, True)
    elif glob.has_magic(argument):
        matches = sorted(glob.glob(argument, recursive=True))
        yield from (Source(path, False) for path in matches if os.path.isfile(path))
        if not matches:
            yield Source(argument, True)
    else:
        yield Source(argument, True)  # reading it will say why not


def _in_folder(folder: str) -> Iterator[str]:
    from softxent.derive.scan import SUFFIXES

    for place, folders, files in os.walk(folder):
        folders[:] = [f for f in folders if f not in _SKIPPED and not f.startswith(".")]
        for name in files:
            if Path(name).suffix.lower() in {*SUFFIXES, ".txt"} and not name.startswith("."):
                yield os.path.join(place, name)


def read(path: str, most: int) -> tuple[str, str | None]:
    """Return the text of a file, or why there is none."""
    try:
        if path == "-":
            content = sys.stdin.buffer.read(most + 1)
        else:
            if os.path.isdir(path):
                return "", "a folder without a file of a known suffix"
            with open(path, "rb") as file:
                content = file.read(most + 1)
    except OSError as error:
        return "", f"cannot be read: {error.strerror or error}"
    if len(content) > most:
        return "", f"larger than {most} bytes (--max-bytes)"
    return _decoded(content)


def _decoded(content: bytes) -> tuple[str, str | None]:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    else:
        encodings = ["utf-8-sig", "cp1252"]
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            # Line ends of before 2001; the others are counted right as they are.
            return (text if "\n" in text else text.replace("\r", "\n")), None
    return "", "no text: it is written in no encoding that is known here"
