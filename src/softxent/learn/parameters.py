"""Check the parameters of an estimator at `fit`, where scikit-learn wants them checked."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from math import inf, isfinite
from numbers import Integral, Real
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

import softxent
from softxent.errors import describe, error, nearest


def check_number(
    where: str, name: str, value: object, low: float, high: float = inf, *, above: bool = False
) -> None:
    """Raise unless value is a finite number in [low, high] (`above`: in (low, high])."""
    domain = f"a number {'>' if above else '>='} {low:g}"
    domain += f" and <= {high:g}" if isfinite(high) else ""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise error(TypeError, "parameter", where, name, describe(value), domain, "Set it anew.")
    number = float(value)
    if not (isfinite(number) and low <= number <= high) or (above and number == low):
        raise error(ValueError, "parameter", where, name, describe(value), domain, "Set it anew.")


def check_count(where: str, name: str, value: object, low: int = 1) -> None:
    """Raise unless value is an integer of at least `low`."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise error(
            TypeError, "parameter", where, name, describe(value), "an integer", "Set it anew."
        )
    if value < low:
        raise error(
            ValueError,
            "parameter",
            where,
            name,
            describe(value),
            f"an integer >= {low}",
            "Set it anew.",
        )


def check_choice(where: str, name: str, value: object, choices: Collection[str]) -> None:
    """Raise unless value is one of the choices."""
    if value not in choices:
        raise error(
            ValueError,
            "parameter",
            where,
            name,
            describe(value),
            "one of " + ", ".join(repr(choice) for choice in choices),
            nearest(str(value), choices),
        )


def check_dtype(where: str, value: Any) -> None:
    """Raise unless value is None or one of the two dtypes that estimators compute in."""
    if value is None:
        return
    try:
        name = np.dtype(value).name
    except TypeError:
        name = str(value)
    check_choice(where, "dtype", name, ("float32", "float64"))


# Below so many multiplications in one product a second thread does not pay; a second pool of
# threads that waits for the first one costs ten times the product (12 ms for 1797 x 64 x 10).
SMALL = 20_000_000


@contextmanager
def threads(where: str, count: object, work: float = float(SMALL)) -> Iterator[None]:
    """Work with so many threads, ours and the BLAS's; None: one for little `work`, else as set."""
    if count is not None:
        check_count(where, "n_threads", count)
    wanted = count if count is not None else 1 if work < SMALL else None
    before = softxent.get_num_threads()
    softxent.set_num_threads(before if wanted is None else int(wanted))  # type: ignore[call-overload]
    pools = ThreadpoolController().select(user_api="blas").lib_controllers
    sizes = [pool.num_threads for pool in pools]
    try:
        for pool, size in zip(pools, sizes, strict=True):
            pool.set_num_threads(_of_pool(pool.filepath, size, wanted))
        yield
    finally:
        for pool, size in zip(pools, sizes, strict=True):
            pool.set_num_threads(size)
        softxent.set_num_threads(before)


def _of_pool(path: str, size: int, wanted: object) -> int:
    """Products are NumPy's; the optimiser's vectors are SciPy's, whose own pool would only wait.

    With both at two threads on two cores a step at 20 000 x 100 x 1000 took three times as long.
    """
    if wanted is not None:
        return int(wanted)  # type: ignore[call-overload, no-any-return]
    return 1 if "scipy.libs" in path else size
