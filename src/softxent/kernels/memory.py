"""Memory and threads: the native module's where it is built, NumPy's own and one thread else."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from softxent.contracts import Array
from softxent.errors import error

try:
    from softxent import _native
except ImportError:
    _native = None  # type: ignore[assignment]

# Below this NumPy's allocator reuses freed blocks by itself and page faults are few.
POOLED_BYTES = 1 << 20


def empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Return a new C-contiguous array, not filled.

    Large ones come from a pool of freed blocks, in huge pages where the system allows them: into
    256 MB of fresh memory the page faults alone cost several times the arithmetic.
    """
    n_bytes = math.prod(shape) * dtype.itemsize
    if _native is None or n_bytes < POOLED_BYTES:
        return np.empty(shape, dtype)
    return np.ndarray(shape, dtype, buffer=memoryview(_native.Storage(n_bytes)))


def release_memory() -> int:
    """Give the memory kept for reuse back to the system and return how many bytes that was.

    Freed outputs of at least 1 MiB are kept for the next call, up to 512 MiB in all, and given back
    after ten idle seconds or when the system runs short. ``SOFTXENT_POOL_BYTES`` changes the limit;
    0 keeps nothing. Arrays in use are not touched.

    >>> import softxent
    >>> softxent.release_memory() >= 0
    True
    """
    return 0 if _native is None else _native.release_memory()


def set_num_threads(n: int) -> None:
    """Set how many threads a call may use; results do not depend on it.

    The default is what the process may use (affinity and cgroup quota), or ``SOFTXENT_NUM_THREADS``
    where that is set. The plain NumPy implementation always uses one.

    Raises
    ------
    ValueError
        If `n` is not an integer between 1 and 1024.

    """
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or not 1 <= n <= 1024:
        raise error(
            ValueError,
            "threads",
            "softxent.set_num_threads",
            "n",
            repr(n),
            "an integer in [1, 1024]",
            "",
        )
    if _native is not None:
        _native.set_num_threads(int(n))


def get_num_threads() -> int:
    """Return how many threads a call may use: 1 without the native kernels or after a fork."""
    return 1 if _native is None else _native.get_num_threads()
