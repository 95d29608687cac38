"""Compressed files, read up to a stated size: a few kilobytes can hold gigabytes of nothing."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from softxent.learn.tables.faults import no_table, too_large

MAX_EXPANSION = 200  # times the file; CSV shrinks to a tenth or, if sparse, to a hundredth
MOST = 4 << 20  # bytes read at once
ALWAYS_FINE = 64 << 20  # bytes, whatever the ratio


def cap(path: Path, max_expansion: float) -> float:
    """Return to how many bytes a file may expand."""
    return max(max_expansion * path.stat().st_size, ALWAYS_FINE)


class Bytes(io.RawIOBase):
    """The bytes of a file, unpacked up to the cap; it counts the double quotes among them."""

    def __init__(self, path: Path, packed: bool, max_expansion: float = MAX_EXPANSION) -> None:
        import pyarrow as pa

        self._path, self._packed = path, packed
        self._stream: Any = pa.OSFile(str(path))
        if packed:
            self._stream = pa.CompressedInputStream(self._stream, "gzip")
        self._cap, self._ratio = cap(path, max_expansion), max_expansion
        self._count = self.quotes = 0

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, at most some megabytes."""
        try:
            more: bytes = self._stream.read(size if 0 <= size < MOST else MOST)
        except OSError as damage:
            what = "damaged gzip" if self._packed else "not readable"
            raise no_table(
                str(self._path), f"{what} ({damage})", "Copy it again, or compress it again."
            ) from None
        self._count += len(more)
        self.quotes += more.count(b'"')
        if self._packed and self._count > self._cap:
            size = self._path.stat().st_size
            raise too_large(str(self._path), size, self._cap, self._ratio)
        return more

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            self._stream.close()
        super().close()
