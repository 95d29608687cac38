r"""Softmax cross-entropy of a linear layer, without ever holding its N by V logits.

The logits are made, used and forgotten some rows at a time, inside a memory budget. The keywords
of every function here are those of `softxent.Options`, described there once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from softxent.contracts import Array, OptionsDict, loss_dtype
from softxent.errors import describe, error, nearest
from softxent.frontends.cross_entropy import CrossEntropyStats
from softxent.frontends.linear_steps import (
    PARTS,
    bind_linear,
    checked_directions,
    outputs,
    zero,
)
from softxent.frontends.steps import Loss, empty_loss, reduced, rounded
from softxent.kernels import chunks
from softxent.kernels.budget import LinearPlan
from softxent.kernels.walk import NONE, LinearGrads, Problem, Walk

if TYPE_CHECKING:
    from typing_extensions import Unpack


def linear_cross_entropy(
    input: object,
    linear_weight: object,
    target: object,
    *,
    linear_bias: object = None,
    max_memory: int | str = "64MiB",
    implementation: str | None = None,
    **options: Unpack[OptionsDict],
) -> Loss:
    r"""Softmax cross-entropy of the logits of a linear layer and a target.

    .. math:: z_{no} = \sum_{d} x_{nd} W_{od} + b_o

    .. math:: C = -\sum_{k} t_k \log y_k

    Arguments:
        input: (..., D) float32, float64, bfloat16 or float16.
        linear_weight: (V, D), of the input's dtype; V >= 1.
        target: (...) class indices in [0, V) of any integer dtype, or (..., V) floats, a soft
            target. A row of class `ignore_index` counts nothing and is not read.
        linear_bias: (V,), of the input's dtype; None is zero. -inf masks a class.
        max_memory: how many bytes of scratch at most: an integer, or text such as "64MiB", "1GiB",
            "500MB". More of it is fewer chunks, and less time where V is much larger than the rows
            in a chunk; `linear_cross_entropy_plan` says what a call does with it.
        implementation: "native", "numpy", or None for the best that runs here.
        **options: see `softxent.Options`.

    Returns:
        The loss in nats, as `cross_entropy` returns it: float64 for float64 inputs, float32
        otherwise.

    Raises:
        TypeError: an input of a dtype that is not accepted, inputs of different dtypes.
        ValueError: shapes that do not fit, an option outside its range, a max_memory that cannot
            hold one row (it says how many bytes would).
        IndexError: a class index outside [0, V); its row is named.
        NotImplementedError: a tensor that requires grad.

    Accuracy and memory: that of `cross_entropy` given the logits that the product returned; they
    are float64 for float64 inputs and float32 otherwise. Equal from run to run for the same
    shapes, budget, threads and BLAS. `max_memory`, and a few numbers per row.

    Source: `softxent.formula`, "output-neuron", "cross-entropy".

    >>> from softxent import linear_cross_entropy
    >>> x, w = [[1.0, 2.0], [0.5, -1.0]], [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]
    >>> round(float(linear_cross_entropy(x, w, [2, 0])), 6)
    0.435987
    """
    where = "linear_cross_entropy"
    problem, scale = bind_linear(
        where, input, linear_weight, target, linear_bias, max_memory, implementation, options
    )
    if scale.empty:
        return empty_loss(problem.rows)
    by_row = _per_row(problem)
    return reduced(problem.rows, scale, chunks.loss(problem, by_row), by_row)


def linear_cross_entropy_with_grad(
    input: object,
    linear_weight: object,
    target: object,
    *,
    linear_bias: object = None,
    max_memory: int | str = "64MiB",
    grads: Iterable[str] = PARTS,
    out: LinearGrads | Sequence[Array | None] | None = None,
    implementation: str | None = None,
    **options: Unpack[OptionsDict],
) -> tuple[Loss, LinearGrads]:
    r"""Softmax cross-entropy of a linear layer, and its gradients by input, weight and bias.

    .. math:: \frac{\partial L}{\partial x_{nd}} =
              \sum_{o} \frac{\partial L}{\partial z_{no}} W_{od}

    .. math:: \frac{\partial L}{\partial W_{od}} =
              \sum_{n} \frac{\partial L}{\partial z_{no}} x_{nd}

    .. math:: \frac{\partial L}{\partial b_o} = \sum_{n} \frac{\partial L}{\partial z_{no}}

    through the logits, :math:`z_{no} = \sum_{d} x_{nd} W_{od} + b_o`.

    Arguments, errors: as `linear_cross_entropy`, and
        grads: which gradients, some of "input", "linear_weight" and "linear_bias". What is not
            asked for costs nothing: a frozen weight, for example, saves one product of three.
        out: three arrays to write the gradients to, each of its part's shape and dtype, or None
            for a new one. After an exception their content is undefined; errors of the arguments
            come before anything is written.

    Returns:
        (loss, gradients): the loss of `linear_cross_entropy`, and `LinearGrads`, which has None
        for what was not asked for, and for a bias that is not there. They are gradients of the
        reduced loss; with reduction="none" of the sum of the rows' losses.

    Accuracy and memory: given the logits, the gradient by them as `cross_entropy_with_grad`; the
    products have the usual bound of the BLAS. Sums over chunks are in the inputs' dtype, but for
    bfloat16 and float16 in float32 with one rounding; that sum takes 4 V D bytes beside
    `max_memory`. The bias gradient is summed in float64.

    Source: `softxent.formula`, "linear-input-gradient", "linear-weight-gradient",
    "linear-bias-gradient".

    >>> from softxent import linear_cross_entropy_with_grad
    >>> x, w = [[1.0, 2.0], [0.5, -1.0]], [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]
    >>> loss, grads = linear_cross_entropy_with_grad(x, w, [2, 0], grads=["linear_weight"])
    >>> grads.linear_weight.round(4), grads.input
    (array([[-0.0479,  0.2758],
           [ 0.1574,  0.1746],
           [-0.1096, -0.4504]]), None)
    """
    where = "linear_cross_entropy_with_grad"
    problem, scale = bind_linear(
        where, input, linear_weight, target, linear_bias, max_memory, implementation, options
    )
    arrays = outputs(problem, grads, out)
    if scale.empty:
        return empty_loss(problem.rows), zero(arrays)
    by_row = _per_row(problem)
    if arrays.nothing:
        sums = chunks.loss(problem, by_row)
    else:
        sums = chunks.loss_and_gradients(problem, arrays, by_row, **scale.factors)
    return reduced(problem.rows, scale, sums, by_row), arrays


def linear_cross_entropy_stats(
    input: object,
    linear_weight: object,
    target: object,
    *,
    linear_bias: object = None,
    max_memory: int | str = "64MiB",
    implementation: str | None = None,
    **options: Unpack[OptionsDict],
) -> CrossEntropyStats:
    r"""Loss, log-probability, entropy, log-sum-exp, prediction and rank of each row.

    .. math:: H = -\sum_{k} y_k \log y_k

    Arguments, errors: as `linear_cross_entropy`; `reduction` and `empty` change nothing here.

    Returns:
        CrossEntropyStats: arrays of the rows' shape, its floats in the loss's dtype.

    Accuracy and memory: given the logits, as `cross_entropy_stats`; `max_memory`, and 7 numbers
    per row.

    Source: `softxent.formula`, "entropy".

    >>> from softxent import linear_cross_entropy_stats
    >>> x, w = [[1.0, 2.0], [0.5, -1.0]], [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]
    >>> stats = linear_cross_entropy_stats(x, w, [2, 2])
    >>> stats.prediction, stats.rank
    (array([2, 0]), array([0, 1]))
    """
    where = "linear_cross_entropy_stats"
    options = {**options, "empty": "zero"}  # nothing is averaged
    problem, _ = bind_linear(
        where, input, linear_weight, target, linear_bias, max_memory, implementation, options
    )
    rows = problem.rows
    floats = np.zeros((5, rows.n_rows), loss_dtype(problem.input.dtype))
    ints = np.full((2, rows.n_rows), -1, np.int64)
    chunks.stats(problem, floats, ints)
    return CrossEntropyStats(*floats.reshape(5, *rows.lead), *ints.reshape(2, *rows.lead))


def linear_cross_entropy_jvp(
    input: object,
    linear_weight: object,
    target: object,
    directions: Sequence[object],
    *,
    linear_bias: object = None,
    max_memory: int | str = "64MiB",
    implementation: str | None = None,
    **options: Unpack[OptionsDict],
) -> Loss:
    r"""Directional derivative of the loss along directions of input, weight and bias.

    .. math:: \dot z_{no} = \sum_{d} \left(\dot x_{nd} W_{od} + x_{nd} \dot W_{od}\right)
              + \dot b_o

    Arguments, errors: as `linear_cross_entropy`, and
        directions: (of the input, of the weight, of the bias), each of the shape and dtype of what
            it moves; None is zero and costs no product.

    Returns:
        The derivative of the reduced loss, in the loss's dtype; with reduction="none" an array of
        the rows' shape. 0 where the mean is empty.

    Accuracy and memory: given the logits and their direction, as `cross_entropy_jvp`. The budget
    holds half as many rows as for the loss.

    Source: `softxent.formula`, "linear-tangent".

    >>> from softxent import linear_cross_entropy_jvp
    >>> x, w = [[1.0, 2.0]], [[1.0, 0.0], [1.0, 0.0]]
    >>> float(linear_cross_entropy_jvp(x, w, [0], (None, [[1.0, 0.0], [0.0, 0.0]], None)))
    -0.5
    """
    where = "linear_cross_entropy_jvp"
    problem, scale = bind_linear(
        where, input, linear_weight, target, linear_bias, max_memory, implementation, options
    )
    along = checked_directions(problem, directions)
    by_row = _per_row(problem)
    total = 0.0
    if not (along.nothing or scale.empty):
        total = chunks.jvp(problem, along, by_row, **scale.factors)
    return rounded(problem.rows, total) if by_row is None else by_row.reshape(problem.rows.lead)


def linear_cross_entropy_hvp(
    input: object,
    linear_weight: object,
    target: object,
    directions: Sequence[object],
    *,
    linear_bias: object = None,
    max_memory: int | str = "64MiB",
    grads: Iterable[str] = PARTS,
    implementation: str | None = None,
    **options: Unpack[OptionsDict],
) -> LinearGrads:
    r"""Hessian of the loss by input, weight and bias together, times a direction of them.

    With g the gradient by the logits, and its derivative along the direction:

    .. math:: \dot h_{nd} = \sum_{o} \left(\dot g_{no} W_{od} + g_{no} \dot W_{od}\right)

    .. math:: \dot G_{od} = \sum_{n} \left(\dot g_{no} x_{nd} + g_{no} \dot x_{nd}\right)

    .. math:: \dot q_o = \sum_{n} \dot g_{no}

    Arguments, errors: as `linear_cross_entropy_jvp`, and
        grads: which parts of the product, some of "input", "linear_weight" and "linear_bias".

    Returns:
        LinearGrads: the parts of the product, each of its part's shape and dtype; None for what
        was not asked for, and for a bias that is not there. With reduction="none" that of the sum
        of the rows' losses. Exactly 0 where the mean is empty.

    Accuracy and memory: given the logits and their direction, as `cross_entropy_hvp`. The budget
    holds half as many rows as for the loss.

    Source: `softxent.formula`, "linear-input-hvp", "linear-weight-hvp", "linear-bias-hvp".

    >>> from softxent import linear_cross_entropy_hvp
    >>> x, w = [[2.0]], [[0.0], [0.0]]
    >>> hvp = linear_cross_entropy_hvp(x, w, [0], (None, [[1.0], [0.0]], None))
    >>> hvp.linear_weight, hvp.input
    (array([[ 1.],
           [-1.]]), array([[-0.5]]))
    """
    where = "linear_cross_entropy_hvp"
    problem, scale = bind_linear(
        where, input, linear_weight, target, linear_bias, max_memory, implementation, options
    )
    along = checked_directions(problem, directions)
    arrays = outputs(problem, grads)
    if scale.empty or along.nothing:
        return zero(arrays)
    chunks.hvp(problem, along, arrays, **scale.factors)
    return arrays


def linear_cross_entropy_plan(
    input: object,
    linear_weight: object,
    target: object,
    *,
    linear_bias: object = None,
    max_memory: int | str = "64MiB",
    function: str = "linear_cross_entropy_with_grad",
    grads: Iterable[str] = PARTS,
    implementation: str | None = None,
    **options: Unpack[OptionsDict],
) -> LinearPlan:
    """Say what a linear loss would do with its memory budget, and who makes its products.

    Arguments, errors: as the function that is planned, and
        function: the name of one of the linear functions; directions count as all given, and
            outputs as new arrays.

    Returns:
        LinearPlan: rows per chunk, chunks, scratch and accumulator in bytes, tile, who multiplies.

    Accuracy and memory: the scratch is what the call will allocate; no product is computed.

    >>> import numpy as np
    >>> from softxent import linear_cross_entropy_plan
    >>> x, w = np.zeros((2048, 512), np.float32), np.zeros((32000, 512), np.float32)
    >>> plan = linear_cross_entropy_plan(x, w, np.zeros(2048, int), implementation="numpy")
    >>> plan.rows, plan.chunks, plan.scratch_bytes
    (512, 4, 65536000)
    """
    if function not in _PLANNED:
        raise error(
            ValueError,
            "option-range",
            "linear_cross_entropy_plan",
            "function",
            describe(function),
            "the name of a linear function",
            nearest(str(function), _PLANNED),
        )
    problem, _ = bind_linear(
        function, input, linear_weight, target, linear_bias, max_memory, implementation, options
    )
    out = along = NONE
    if function in ("linear_cross_entropy_with_grad", "linear_cross_entropy_hvp"):
        out = outputs(problem, grads)
    if function == "linear_cross_entropy_stats":
        return chunks.stats_walk(problem).plan
    if function in ("linear_cross_entropy_jvp", "linear_cross_entropy_hvp"):
        along = LinearGrads(problem.input, problem.weight, problem.bias)
    return Walk(problem, out, along).plan


_PLANNED = (
    "linear_cross_entropy",
    "linear_cross_entropy_with_grad",
    "linear_cross_entropy_stats",
    "linear_cross_entropy_jvp",
    "linear_cross_entropy_hvp",
)


def _per_row(problem: Problem) -> Array | None:
    if problem.rows.options.reduction != "none":
        return None
    return np.zeros(problem.rows.n_rows, loss_dtype(problem.input.dtype))
