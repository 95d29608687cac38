"""A text cut out of a document and changed on the way, which still knows where it came from."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import overload


class View:
    """A text, and the offset in the document of each of its characters.

    Characters that follow each other in the document too are kept as one run, so a view of 10 MB
    costs little more than its text.
    """

    __slots__ = ("_at", "_origin", "end", "text")

    def __init__(self, text: str, at: list[int], origin: list[int], end: int) -> None:
        self.text = text
        self.end = end
        """The offset in the document of the view's end."""
        self._at = at  # where runs begin in the view, from 0
        self._origin = origin  # and in the document

    @classmethod
    def of(cls, document: str) -> View:
        """Return the whole document."""
        return cls(document, [0], [0], len(document))

    def place(self, index: int) -> int:
        """Return the offset in the document of a character."""
        if index >= len(self.text):
            return self.end
        run = bisect_right(self._at, index) - 1
        return self._origin[run] + index - self._at[run]

    def places(self) -> Sequence[int]:
        """Return the offset of each character, and of the end."""
        begin = self._origin[0] if self.text else self.end
        if len(self._at) == 1 and self.end == begin + len(self.text):
            return range(begin, self.end + 1)
        return Places(self)

    def cut(self, start: int, stop: int) -> View:
        """Return a part."""
        first = bisect_right(self._at, start) - 1
        last = bisect_right(self._at, max(start, stop - 1)) - 1
        at = [max(self._at[run] - start, 0) for run in range(first, last + 1)]
        origin = [self.place(start), *self._origin[first + 1 : last + 1]]
        return View(self.text[start:stop], at, origin, self.place(stop))

    def strip(self) -> View:
        """Return it without white space at its ends."""
        start = len(self.text) - len(self.text.lstrip())
        return self.cut(start, max(start, len(self.text.rstrip())))

    def sub(self, pattern: re.Pattern[str], change: Callable[[re.Match[str]], str | None]) -> View:
        """Replace what the pattern finds; None leaves it as it is."""
        build, last = Builder(), 0
        for found in pattern.finditer(self.text):
            new = change(found)
            if new is None:
                continue
            build.keep(self, last, found.start())
            last = found.end()
            if new and found.group().endswith(new):  # an escape undone: the characters are the same
                build.keep(self, last - len(new), last)
            else:
                build.put(new, self.place(found.start()))
        if last == 0:
            return self
        build.keep(self, last, len(self.text))
        return build.view(self.end)


class Places(Sequence[int]):
    """The offsets of a view's characters as a sequence, looked up when asked for."""

    __slots__ = ("_view",)

    def __init__(self, view: View) -> None:
        self._view = view

    def __len__(self) -> int:
        return len(self._view.text) + 1

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[int, ...]: ...
    def __getitem__(self, index: int | slice) -> int | tuple[int, ...]:
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(len(self))))
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return self._view.place(index % len(self))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return f"Places({tuple(self)})"


class Builder:
    """Puts a view together from parts of others and from new text."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._at: list[int] = []
        self._origin: list[int] = []
        self._length = 0

    def keep(self, source: View, start: int, stop: int) -> None:
        """Append a part of a view."""
        if start >= stop:
            return
        part = source if start == 0 and stop == len(source.text) else source.cut(start, stop)
        for at, origin in zip(part._at, part._origin, strict=True):
            self._run(self._length + at, origin)
        self._texts.append(part.text)
        self._length += len(part.text)

    def put(self, text: str, origin: int) -> None:
        """Append new text, which stands for what is at `origin` in the document."""
        for number in range(len(text)):
            self._run(self._length + number, origin)
        self._texts.append(text)
        self._length += len(text)

    def _run(self, at: int, origin: int) -> None:
        if self._at and origin - self._origin[-1] == at - self._at[-1]:
            return
        self._at.append(at)
        self._origin.append(origin)

    def view(self, end: int) -> View:
        """Return what was put together; it ends at `end` in the document."""
        return View("".join(self._texts), self._at or [0], self._origin or [end], end)


def join(views: Iterable[View], end: int) -> View:
    """Return several views as one."""
    build = Builder()
    for view in views:
        build.keep(view, 0, len(view.text))
    return build.view(end)
