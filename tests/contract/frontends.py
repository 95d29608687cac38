"""The front ends that the contract tests drive: a later one joins with one line in FRONT_ENDS.

An adapter takes and returns NumPy arrays, whatever its framework computes with, so the tests never
name a framework: `front("cross_entropy", logits, target, reduction="sum")`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import ml_dtypes
import numpy as np
import pytest

DTYPES = ("float32", "float64", "bfloat16", "float16")


def dtype_of(name: str) -> np.dtype[Any]:
    """The NumPy dtype of one of the four names; bfloat16 is ml_dtypes's."""
    return np.dtype(ml_dtypes.bfloat16) if name == "bfloat16" else np.dtype(name)


def loss_name(dtype: str) -> str:
    """The dtype of losses for logits of that dtype."""
    return "float64" if dtype == "float64" else "float32"


@dataclass(frozen=True)
class FrontEnd:
    """One way to call the public functions, and what of NumPy's world it has."""

    name: str
    call: Callable[..., Any]  # (function name, *arrays, **options) -> NumPy array(s)
    missing: Callable[[], str | None]  # why it cannot run here; None when it can
    dtypes: tuple[str, ...] = DTYPES
    has_out: bool = True  # out=, in place, and nothing written before an error
    any_layout: bool = True  # negative strides, misaligned, big-endian arrays come in
    deterministic: bool = True  # the same bits in any batch and layout
    threads: bool = False  # set_num_threads changes how it runs; long calls are interruptible

    def __call__(self, function: str, *arrays: Any, **options: Any) -> Any:
        """Call the public function of that name."""
        return self.call(function, *arrays, **options)

    def needs(self, dtype: str) -> str:
        """Skip the test if this front end lacks the dtype; else return it."""
        if dtype not in self.dtypes:
            pytest.skip(f"{self.name} has no {dtype}")
        return dtype


def _call_numpy(implementation: str, function: str, *arrays: Any, **options: Any) -> Any:
    import softxent

    return getattr(softxent, function)(*arrays, implementation=implementation, **options)


def _missing_numpy(implementation: str) -> str | None:
    from softxent.kernels import registry

    return registry.available()[implementation]


def _numpy(implementation: str, **features: Any) -> FrontEnd:
    return FrontEnd(
        f"numpy-{implementation}",
        partial(_call_numpy, implementation),
        partial(_missing_numpy, implementation),
        **features,
    )


FRONT_ENDS = (
    _numpy("native", threads=True),
    _numpy("numpy"),
)
