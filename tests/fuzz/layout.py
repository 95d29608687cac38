"""An array laid out in any way NumPy has, in memory that shows what was written beside it."""

from __future__ import annotations

import random
from typing import NamedTuple

import numpy as np

GUARD = 64  # bytes on both sides of the array
FILL = 0xA5


class Laid(NamedTuple):
    """An array, and all the memory it stands in."""

    array: np.ndarray
    memory: np.ndarray
    before: bytes

    @property
    def untouched(self) -> bool:
        """Whether the memory holds what it held at first."""
        return self.memory.tobytes() == self.before

    def restore(self) -> None:
        """Write back what the array held, so that only the guards can differ."""
        held = np.frombuffer(self.before, np.uint8).copy()
        place = self.array.__array_interface__["data"][0] - self.memory.ctypes.data
        a = self.array
        self.array[...] = np.ndarray(a.shape, a.dtype, held, place, a.strides)


def lay(r: random.Random, x: np.ndarray, *, output: bool = False) -> Laid:
    """A copy of `x`: contiguous, or with axes in any order, of any sign and step, at any byte.

    Inputs may also be read-only, big-endian or of stride 0. Without guards the array ends where its
    memory does, so that AddressSanitizer sees a read past it.
    """
    dtype, ndim = x.dtype, x.ndim
    odd = r.random() < 0.55
    strides, start, extent = [0] * ndim, 0, dtype.itemsize
    order = list(range(ndim - 1, -1, -1))
    if odd and r.random() < 0.4:
        r.shuffle(order)
    for axis in order:
        size = x.shape[axis]
        if odd and not output and size > 1 and r.random() < 0.1 and _is_constant(x, axis):
            continue  # stride 0
        stride = extent * (r.choice((1, 1, 2, 3)) if odd else 1)
        reach = stride * max(size - 1, 0)
        if odd and r.random() < 0.25:
            start, stride = start + reach, -stride
        strides[axis] = stride
        extent += reach
    if odd and not output and dtype.kind != "V" and r.random() < 0.1:
        dtype = dtype.newbyteorder()
    guard = GUARD if output or r.random() < 0.5 else 0
    lead = guard + (r.choice((0, 0, 1, 3, dtype.itemsize)) if odd else 0)
    memory = np.full(lead + extent + guard, FILL, np.uint8)
    array: np.ndarray = np.ndarray(x.shape, dtype, memory, lead + start, strides)
    if not output:
        array[...] = x
        if odd and r.random() < 0.2:
            array.flags.writeable = False
    return Laid(array, memory, memory.tobytes())


def _is_constant(x: np.ndarray, axis: int) -> bool:
    first = np.take(x, [0], axis)
    return np.broadcast_to(first, x.shape).tobytes() == x.tobytes()
