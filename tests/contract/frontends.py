"""The front ends that the contract tests drive: a later one joins with one line in FRONT_ENDS.

An adapter takes and returns NumPy arrays, whatever its framework computes with, so the tests never
name a framework: `front("cross_entropy", logits, target, reduction="sum")`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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
    deterministic: bool = True  # the same bits in any batch and layout
    threads: bool = False  # set_num_threads changes how it runs; long calls are interruptible
    exact: tuple[str, ...] = DTYPES  # the dtypes in which it promises the contract's ULP
    thorough: bool = True  # False: over kernels that another drives through every width and case
    lacks: frozenset[str] = frozenset()  # functions, layouts and dtypes that its world has not
    words: Mapping[str, str] = field(default_factory=dict)  # what its messages call things

    def __call__(self, function: str, *arrays: Any, **options: Any) -> Any:
        """Call the public function of that name."""
        return self.call(function, *arrays, **options)

    def has(self, name: str) -> bool:
        """Whether there is a function, layout or dtype of that name."""
        return name not in self.lacks

    def needs(self, *names: str) -> str:
        """Skip the test if this front end lacks one of them; else return the last."""
        for name in names:
            if not self.has(name) or (name in DTYPES and name not in self.dtypes):
                pytest.skip(f"{self.name} has no {name}")
        return names[-1]

    def samples(self, everything: bool) -> None:
        """Skip the test if it is one for thorough front ends only."""
        if everything and not self.thorough:
            pytest.skip(f"{self.name} is driven through a sample of these")

    def needs_exact(self, dtype: str) -> str:
        """Skip the test if this front end does not promise the contract's ULP in the dtype."""
        if dtype not in self.exact:
            pytest.skip(f"{self.name} promises no ULP in {dtype}")
        return self.needs(dtype)

    def says(self, word: str) -> str:
        """What its messages say where NumPy's say `word`."""
        return self.words.get(word, word)


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


def _call_torch(implementation: str, function: str, *arrays: Any, **options: Any) -> Any:
    from contract import torch_adapter

    return torch_adapter.call(implementation, function, *arrays, **options)


def _missing_torch(implementation: str) -> str | None:
    if importlib.util.find_spec("torch") is None:
        return "PyTorch is not installed"
    return _missing_numpy(implementation) if implementation == "native" else None


TARGET_GRAD = "target gradient of class indices"
# What PyTorch itself has not: logsumexp is in the statistics, a diagonal is no derivative of
# autograd's, class indices have no gradient, and tensors have neither these layouts nor dtypes.
_NOT_IN_TORCH = frozenset(
    {
        "logsumexp", "cross_entropy_hessian_diag", TARGET_GRAD, "big_endian", "reversed_axes",
        "U1", "object", "datetime64[s]", "longdouble",
        "reduction of cross_entropy_stats", "empty of cross_entropy_stats",
    }
)  # fmt: skip
_TORCH_WORDS = {
    "logits": "input",
    **dict.fromkeys(("softmax_jacobian", "softmax_jvp", "softmax_vjp"), "softmax"),
    **{
        f"cross_entropy_{derivative}": "cross_entropy"
        for derivative in ("with_grad", "jvp", "hvp", "hessian", "target_grad")
    },
    "astype": "long()",
}


def _torch(implementation: str, *lacks: str, **features: Any) -> FrontEnd:
    return FrontEnd(
        f"torch-{implementation}",
        partial(_call_torch, implementation),
        partial(_missing_torch, implementation),
        has_out=False,
        thorough=False,
        lacks=_NOT_IN_TORCH.union(lacks),
        words=_TORCH_WORDS,
        **features,
    )


FRONT_ENDS = (
    _numpy("native", threads=True),
    _numpy("numpy"),
    _torch("native", threads=True),
    # PyTorch's own operations hang in a forked child after large ones in the parent.
    _torch("reference", "fork", deterministic=False, exact=("float32", "bfloat16", "float16")),
)
