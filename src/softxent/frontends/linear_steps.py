"""The steps that the linear losses share: check the layer, its directions and its outputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from softxent.contracts import Array, bind_rows, float_array, options_from
from softxent.errors import describe, error, nearest
from softxent.frontends.steps import Scale, checked_out, checked_tally, scale_of
from softxent.kernels import blas, memory
from softxent.kernels.budget import parse_memory
from softxent.kernels.registry import pick
from softxent.kernels.walk import NONE, LinearGrads, Problem

PARTS = LinearGrads._fields


def bind_linear(
    where: str,
    input: object,
    linear_weight: object,
    target: object,
    linear_bias: object,
    max_memory: object,
    implementation: str | None,
    options: Mapping[str, Any],
) -> tuple[Problem, Scale]:
    """Check everything there is to check before any output is touched."""
    x = float_array(where, "input", input)
    weight = float_array(where, "linear_weight", linear_weight)
    bias = None if linear_bias is None else float_array(where, "linear_bias", linear_bias)
    _check_dtypes(where, x, {"linear_weight": weight, "linear_bias": bias})
    _check_shapes(where, x, weight, bias)
    # All that the rules of logits need is a shape and a dtype: one number of stride 0 has both.
    stand_in = np.broadcast_to(np.zeros((), x.dtype), (*x.shape[:-1], len(weight)))
    rows = bind_rows(where, stand_in, target, -1, options_from(where, options))
    budget = parse_memory(where, max_memory)
    kernels = pick(implementation)
    tally = checked_tally(where, kernels, rows)
    problem = Problem(where, x, weight, bias, rows, tally.count, kernels, blas.pick(), budget)
    return problem, scale_of(where, rows, tally)


def checked_directions(problem: Problem, directions: object) -> LinearGrads:
    """Check the directions of input, weight and bias; None is a zero one."""
    where = problem.where
    if not isinstance(directions, Sequence) or len(directions) != len(PARTS):
        raise error(
            TypeError,
            "direction-shape",
            where,
            "directions",
            describe(directions),
            f"a tuple of three, one for each of {', '.join(PARTS)}",
            "None stands for a direction of zero.",
        )
    checked: list[Array | None] = []
    for name, value, moves in zip(PARTS, directions, _parts_of(problem), strict=True):
        argument = f"directions[{len(checked)}] (of {name})"
        if value is None:
            checked.append(None)
            continue
        array = float_array(where, argument, value)
        if moves is None or array.shape != moves.shape:
            raise error(
                ValueError,
                "direction-shape",
                where,
                argument,
                describe(array),
                "None, there being no bias" if moves is None else f"{describe(moves)}, as {name}",
                "A direction has an entry for every number it moves.",
            )
        _check_dtypes(where, problem.input, {argument: array})
        checked.append(array)
    return LinearGrads(*checked)


def outputs(
    problem: Problem, grads: Iterable[str], out: object = None, along: LinearGrads = NONE
) -> LinearGrads:
    """Return an array for each part asked for that exists: a new one, or the caller's, checked."""
    asked = _asked(problem.where, grads)
    given = _given(problem.where, out, asked)
    parts = _parts_of(problem)
    options = problem.rows.options
    targets = (problem.rows.target, problem.rows.soft)
    inputs = (*parts, *along, *targets, options.weight, options.row_weight)
    arrays: list[Array | None] = []
    for name, part, array in zip(PARTS, parts, given, strict=True):
        if part is None or name not in asked:
            arrays.append(None)
        elif array is None:
            arrays.append(memory.empty(part.shape, part.dtype))
        else:
            others = (*inputs, *arrays)
            checked_out(problem.where, f"out.{name}", array, part.shape, part.dtype, inputs=others)
            arrays.append(array)
    return LinearGrads(*arrays)


def zero(arrays: LinearGrads) -> LinearGrads:
    """Fill every gradient with +0."""
    for array in arrays:
        if array is not None:
            array.fill(0)
    return arrays


def _parts_of(problem: Problem) -> LinearGrads:
    return LinearGrads(problem.input, problem.weight, problem.bias)


def _check_dtypes(where: str, x: Array, others: Mapping[str, Array | None]) -> None:
    for name, array in others.items():
        if array is not None and array.dtype != x.dtype:
            raise error(
                TypeError,
                "linear-dtype",
                where,
                name,
                describe(array),
                f"{x.dtype.name}, the dtype of input, which is {describe(x)}",
                f"Convert one of them, for example {name.split('[')[0]}.astype(input.dtype).",
            )


def _check_shapes(where: str, x: Array, weight: Array, bias: Array | None) -> None:
    came = expected = ""
    name, array = "linear_weight", weight
    if weight.ndim != 2 or len(weight) == 0:
        expected = "a matrix (V, D) with a row for each class, at least one"
    elif x.ndim == 0 or x.shape[-1] != weight.shape[1]:
        name, array = "input", x
        expected = f"shape (..., {weight.shape[1]}), linear_weight being {describe(weight)}"
    elif bias is not None and bias.shape != (len(weight),):
        name, array = "linear_bias", bias
        expected = f"shape ({len(weight)},), linear_weight being {describe(weight)}"
    if expected:
        came = describe(array)
        fix = "The logits are input @ linear_weight.T + linear_bias."
        raise error(ValueError, "linear-shape", where, name, came, expected, fix)


def _asked(where: str, grads: Iterable[str]) -> set[str]:
    names = [grads] if isinstance(grads, str) else list(grads)
    for name in names:
        if name not in PARTS:
            raise error(
                ValueError,
                "grads",
                where,
                "grads",
                describe(name),
                f"some of {', '.join(repr(part) for part in PARTS)}",
                nearest(str(name), PARTS),
            )
    return set(names)


def _given(where: str, out: object, asked: set[str]) -> LinearGrads:
    if out is None:
        return NONE
    if not isinstance(out, Sequence) or len(out) != len(PARTS):
        raise error(
            TypeError,
            "out-type",
            where,
            "out",
            describe(out),
            f"softxent.LinearGrads, or a tuple of three: {', '.join(PARTS)}",
            "None in it stands for a new array.",
        )
    for name, array in zip(PARTS, out, strict=True):
        if array is not None and name not in asked:
            raise error(
                ValueError,
                "grads",
                where,
                f"out.{name}",
                describe(array),
                f"None, {name!r} not being in grads",
                "Ask for it, or leave it out.",
            )
    return LinearGrads(*out)
