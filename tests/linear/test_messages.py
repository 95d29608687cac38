"""The sentences of the linear functions, and docstrings that cannot drift."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import softxent
from softxent import formula

X, W, B = np.zeros((4, 3), np.float32), np.zeros((5, 3), np.float32), np.zeros(5, np.float32)
T = np.array([0, 1, 2, 3])
FUNCTIONS = [name for name in softxent.__all__ if name.startswith("linear_cross_entropy")]


def with_grad(*args: Any, **options: Any) -> Any:
    return softxent.linear_cross_entropy_with_grad(*args, **options)


def jvp(directions: Any, **options: Any) -> Any:
    return softxent.linear_cross_entropy_jvp(X, W, T, directions, **options)


GRADIENTS = "linear_cross_entropy_with_grad: "
SENTENCES: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (
        lambda: softxent.linear_cross_entropy(X, W.astype(np.float64), T),
        TypeError,
        "linear_cross_entropy: linear_weight is float64[5, 3]; expected float32, the dtype of "
        "input, which is float32[4, 3]. Convert one of them, for example "
        "linear_weight.astype(input.dtype). [linear-dtype]",
    ),
    (
        lambda: with_grad(X, W, T, linear_bias=B.astype(np.float16)),
        TypeError,
        GRADIENTS + "linear_bias is float16[5]; expected float32, the dtype of input, which is "
        "float32[4, 3]. Convert one of them, for example linear_bias.astype(input.dtype). "
        "[linear-dtype]",
    ),
    (
        lambda: with_grad(T, W, T),
        TypeError,
        GRADIENTS + "input is int64[4]; expected float32, float64, bfloat16 or float16. "
        "Convert it, for example input.astype(np.float32). [logits-dtype]",
    ),
    (
        lambda: with_grad(X, W[0], T),
        ValueError,
        GRADIENTS + "linear_weight is float32[3]; expected a matrix (V, D) with a row for each "
        "class, at least one. The logits are input @ linear_weight.T + linear_bias. "
        "[linear-shape]",
    ),
    (
        lambda: with_grad(X, W[:0], T),
        ValueError,
        GRADIENTS + "linear_weight is float32[0, 3]; expected a matrix (V, D) with a row for each "
        "class, at least one. The logits are input @ linear_weight.T + linear_bias. "
        "[linear-shape]",
    ),
    (
        lambda: with_grad(X[:, :2], W, T),
        ValueError,
        GRADIENTS + "input is float32[4, 2]; expected shape (..., 3), linear_weight being "
        "float32[5, 3]. The logits are input @ linear_weight.T + linear_bias. [linear-shape]",
    ),
    (
        lambda: with_grad(np.float32(1.0), W, T),
        ValueError,
        GRADIENTS + "input is float32(1.0); expected shape (..., 3), linear_weight being "
        "float32[5, 3]. The logits are input @ linear_weight.T + linear_bias. [linear-shape]",
    ),
    (
        lambda: with_grad(X, W, T, linear_bias=B[:4]),
        ValueError,
        GRADIENTS + "linear_bias is float32[4]; expected shape (5,), linear_weight being "
        "float32[5, 3]. The logits are input @ linear_weight.T + linear_bias. [linear-shape]",
    ),
    (
        lambda: with_grad(X, W, T, max_memory="64 furlongs"),
        ValueError,
        GRADIENTS + "max_memory is '64 furlongs'; expected a number of bytes > 0, or text such as "
        "'64MiB'. Units are B, kB, MB, GB, TB and KiB, MiB, GiB, TiB. [max-memory]",
    ),
    (
        lambda: with_grad(X, W, T, max_memory=6.4e7),
        TypeError,
        GRADIENTS + "max_memory is 64000000.0; expected a number of bytes, or text such as "
        "'64MiB'. Units are B, kB, MB, GB, TB and KiB, MiB, GiB, TiB. [max-memory]",
    ),
    (
        lambda: softxent.linear_cross_entropy(X, W, T, max_memory=16),
        ValueError,
        "linear_cross_entropy: max_memory is 16 bytes; expected at least 20 bytes, which hold one "
        "row of 5 logits and what goes with it. Pass max_memory=20 or more. [max-memory]",
    ),
    (
        lambda: with_grad(X, W, T, grads=["weight"]),
        ValueError,
        GRADIENTS + "grads is 'weight'; expected some of 'input', 'linear_weight', 'linear_bias'. "
        "Did you mean 'linear_weight'? [grads]",
    ),
    (
        lambda: with_grad(X, W, T, grads=["input"], out=(None, W.copy(), None)),
        ValueError,
        GRADIENTS + "out.linear_weight is float32[5, 3]; expected None, 'linear_weight' not being "
        "in grads. Ask for it, or leave it out. [grads]",
    ),
    (
        lambda: with_grad(X, W, T, out=X.copy()),
        TypeError,
        GRADIENTS + "out is float32[4, 3]; expected softxent.LinearGrads, or a tuple of three: "
        "input, linear_weight, linear_bias. None in it stands for a new array. [out-type]",
    ),
    (
        lambda: jvp((None, None, B)),
        ValueError,
        "linear_cross_entropy_jvp: directions[2] (of linear_bias) is float32[5]; expected None, "
        "there being no bias. A direction has an entry for every number it moves. "
        "[direction-shape]",
    ),
    (
        lambda: jvp((X[:2], None, None)),
        ValueError,
        "linear_cross_entropy_jvp: directions[0] (of input) is float32[2, 3]; expected "
        "float32[4, 3], as input. A direction has an entry for every number it moves. "
        "[direction-shape]",
    ),
    (
        lambda: jvp((None, W.astype(np.float64), None)),
        TypeError,
        "linear_cross_entropy_jvp: directions[1] (of linear_weight) is float64[5, 3]; expected "
        "float32, the dtype of input, which is float32[4, 3]. Convert one of them, for example "
        "directions.astype(input.dtype). [linear-dtype]",
    ),
    (
        lambda: softxent.linear_cross_entropy_hvp(X, W, T, X),
        TypeError,
        "linear_cross_entropy_hvp: directions is float32[4, 3]; expected a tuple of three, one "
        "for each of input, linear_weight, linear_bias. None stands for a direction of zero. "
        "[direction-shape]",
    ),
    (
        lambda: softxent.linear_cross_entropy_plan(X, W, T, function="with_grad"),
        ValueError,
        "linear_cross_entropy_plan: function is 'with_grad'; expected the name of a linear "
        "function. Choose from 'linear_cross_entropy', 'linear_cross_entropy_with_grad', "
        "'linear_cross_entropy_stats', 'linear_cross_entropy_jvp', 'linear_cross_entropy_hvp'. "
        "[option-range]",
    ),
]


@pytest.mark.parametrize(("call", "kind", "sentence"), SENTENCES)
def test_sentence(call: Callable[[], Any], kind: type[Exception], sentence: str) -> None:
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("out", "kind", "argument", "code"),
    [
        ((X.copy()[:2], None, None), ValueError, "out.input", "out-shape"),
        ((None, W.astype(np.float64), None), TypeError, "out.linear_weight", "out-type"),
        ((None, None, [0.0] * 5), TypeError, "out.linear_bias", "out-type"),
        ((X, None, None), ValueError, "out.input", "out-memory"),
        ((None, W, None), ValueError, "out.linear_weight", "out-memory"),
        ((None, None, B), ValueError, "out.linear_bias", "out-memory"),
        ((np.broadcast_to(X, X.shape), None, None), ValueError, "out.input", "out-memory"),
    ],
)
def test_outputs_that_cannot_be_written(
    out: Any, kind: type[Exception], argument: str, code: str
) -> None:
    with pytest.raises(kind) as caught:
        with_grad(X, W, T, linear_bias=B, out=out)
    assert str(caught.value).startswith(f"{GRADIENTS}{argument} is ")
    assert str(caught.value).endswith(f"[{code}]")


def test_outputs_that_share_memory_with_each_other() -> None:
    flat = np.zeros(64, np.float32)
    pair = (flat[:12].reshape(4, 3), flat[8:23].reshape(5, 3), None)
    with pytest.raises(ValueError, match=r"out\.linear_weight is .*\[out-memory\]"):
        with_grad(X, W, T, out=pair)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_names_itself_and_checks_its_options(name: str) -> None:
    directions = ((None, None, None),) if name.endswith(("jvp", "hvp")) else ()
    where = "linear_cross_entropy_with_grad" if name.endswith("plan") else name
    call = getattr(softxent, name)
    for options, kind, part in (
        ({"label_smoothing": 1.5}, ValueError, "label_smoothing is 1.5"),
        ({"smoothing": 0.1}, TypeError, "keyword is 'smoothing'"),
        ({"weight": np.ones(3)}, ValueError, "weight is float64[3]"),
        ({"row_weight": np.ones(5)}, ValueError, "row_weight is float64[5]"),
    ):
        with pytest.raises(kind) as caught:
            call(X, W, T, *directions, **options)
        assert str(caught.value).startswith(f"{where}: {part}; expected ")
    with pytest.raises(IndexError, match=rf"^{where}: target\[3\] is 9; expected"):
        call(X, W, [0, 1, 2, 9], *directions)
    with pytest.raises(ValueError, match=rf"^{where}: target is int64\[3\]; expected"):
        call(X, W, T[:3], *directions)


def documented(name: str) -> str:
    text = inspect.getdoc(getattr(softxent, name))
    assert text is not None
    return text


@pytest.mark.parametrize("name", FUNCTIONS)
def test_equations_are_the_formulas_they_name(name: str) -> None:
    text = documented(name)
    sources = re.findall(
        r'"([\w-]+)"', text.partition("Source: `softxent.formula`,")[2].partition("\n\n")[0]
    )
    equations = re.findall(r"^\.\. math:: (.+?)\n\n", text, re.MULTILINE | re.DOTALL)
    assert [" ".join(e.split()) for e in equations] == [formula.get(s).latex for s in sources]
    assert sources or name.endswith("plan")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_documented_arguments_are_the_arguments(name: str) -> None:
    parameters = inspect.signature(getattr(softxent, name)).parameters
    text = documented(name)
    for part in ("Arguments", "Returns:", "Accuracy and memory:", ">>>"):
        assert part in text, f"{name} says nothing about {part}"
    for argument in re.findall(r"^    \*{0,2}(\w+): ", text, re.MULTILINE):
        known = argument in parameters or argument.endswith("Error")
        assert known or argument in ("LinearGrads", "LinearPlan", "CrossEntropyStats")
    assert parameters["max_memory"].default == "64MiB"
    assert parameters["implementation"].default is None
    positional = {"input", "linear_weight", "target", "directions"}
    for parameter in parameters.values():
        by_keyword = parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_KEYWORD)
        assert by_keyword == (parameter.name not in positional)


@pytest.mark.parametrize("kind", [softxent.LinearPlan, softxent.LinearGrads])
def test_every_field_is_documented(kind: Any) -> None:
    for field in kind._fields:
        assert re.search(rf'^    {field}: .+\n    """', inspect.getsource(kind), re.MULTILINE), (
            field
        )
