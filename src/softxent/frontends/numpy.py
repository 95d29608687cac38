"""The NumPy front end: arrays in, arrays out. These names are public as `softxent.<name>`.

One file a family; `steps` holds what they share. A call checks (`contracts`), picks an
implementation (`kernels.registry`), makes the output and hands both to a kernel.
"""

from __future__ import annotations

from softxent.frontends.cross_entropy import (
    CrossEntropyStats,
    cross_entropy,
    cross_entropy_stats,
    cross_entropy_with_grad,
)
from softxent.frontends.derivatives import (
    cross_entropy_hessian,
    cross_entropy_hessian_diag,
    cross_entropy_hvp,
    cross_entropy_jvp,
    cross_entropy_target_grad,
)
from softxent.frontends.linear import (
    linear_cross_entropy,
    linear_cross_entropy_hvp,
    linear_cross_entropy_jvp,
    linear_cross_entropy_plan,
    linear_cross_entropy_stats,
    linear_cross_entropy_with_grad,
)
from softxent.frontends.one_hot import one_hot
from softxent.frontends.softmax import (
    log_softmax,
    logsumexp,
    softmax,
    softmax_jacobian,
    softmax_jvp,
    softmax_vjp,
)
from softxent.kernels.budget import LinearPlan
from softxent.kernels.walk import LinearGrads

__all__ = [
    "CrossEntropyStats",
    "LinearGrads",
    "LinearPlan",
    "cross_entropy",
    "cross_entropy_hessian",
    "cross_entropy_hessian_diag",
    "cross_entropy_hvp",
    "cross_entropy_jvp",
    "cross_entropy_stats",
    "cross_entropy_target_grad",
    "cross_entropy_with_grad",
    "linear_cross_entropy",
    "linear_cross_entropy_hvp",
    "linear_cross_entropy_jvp",
    "linear_cross_entropy_plan",
    "linear_cross_entropy_stats",
    "linear_cross_entropy_with_grad",
    "log_softmax",
    "logsumexp",
    "one_hot",
    "softmax",
    "softmax_jacobian",
    "softmax_jvp",
    "softmax_vjp",
]
