"""Softmax cross-entropy with one meaning everywhere: exact at the edges, fast on the CPU.

>>> import softxent
>>> loss, grad = softxent.cross_entropy_with_grad([[2.0, 1.0, 0.1]], [0])
>>> round(float(loss), 6), grad.round(4)
(0.41703, array([[-0.341 ,  0.2424,  0.0986]]))
"""

from softxent.contracts import Options
from softxent.frontends.numpy import (
    CrossEntropyStats,
    LinearGrads,
    LinearPlan,
    cross_entropy,
    cross_entropy_hessian,
    cross_entropy_hessian_diag,
    cross_entropy_hvp,
    cross_entropy_jvp,
    cross_entropy_stats,
    cross_entropy_target_grad,
    cross_entropy_with_grad,
    linear_cross_entropy,
    linear_cross_entropy_hvp,
    linear_cross_entropy_jvp,
    linear_cross_entropy_plan,
    linear_cross_entropy_stats,
    linear_cross_entropy_with_grad,
    log_softmax,
    logsumexp,
    one_hot,
    softmax,
    softmax_jacobian,
    softmax_jvp,
    softmax_vjp,
)
from softxent.kernels.memory import (
    get_num_threads,
    release_memory,
    set_num_threads,
)

__version__ = "0.1.0"

__all__ = [
    "CrossEntropyStats",
    "LinearGrads",
    "LinearPlan",
    "Options",
    "__version__",
    "cross_entropy",
    "cross_entropy_hessian",
    "cross_entropy_hessian_diag",
    "cross_entropy_hvp",
    "cross_entropy_jvp",
    "cross_entropy_stats",
    "cross_entropy_target_grad",
    "cross_entropy_with_grad",
    "get_num_threads",
    "linear_cross_entropy",
    "linear_cross_entropy_hvp",
    "linear_cross_entropy_jvp",
    "linear_cross_entropy_plan",
    "linear_cross_entropy_stats",
    "linear_cross_entropy_with_grad",
    "log_softmax",
    "logsumexp",
    "one_hot",
    "release_memory",
    "set_num_threads",
    "softmax",
    "softmax_jacobian",
    "softmax_jvp",
    "softmax_vjp",
]
