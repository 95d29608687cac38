"""The sentences of the front end: where, what came, what was expected, the fix."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import softxent
from softxent.frontends import numpy as front_end

Z = np.zeros((3, 4), np.float32)
T = np.array([0, 1, 2])
SOFT = np.ones((3, 4), np.float32)
FUNCTIONS = [n for n in front_end.__all__ if n[0].islower() and not n.startswith("linear_")]
LOSSES = [name for name in FUNCTIONS if name.startswith("cross_entropy")]
DIRECTIONS = {"cross_entropy_jvp": "tangent", "cross_entropy_hvp": "vector"}

SENTENCES: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (
        lambda: softxent.cross_entropy_jvp(Z, T, np.zeros(4)),
        ValueError,
        "cross_entropy_jvp: tangent is float64[4]; expected the shape of what it moves, (3, 4). "
        "A direction has an entry for every logit. [direction-shape]",
    ),
    (
        lambda: softxent.cross_entropy_jvp(Z, SOFT, Z, target_tangent=Z.T),
        ValueError,
        "cross_entropy_jvp: target_tangent is float32[4, 3]; expected the shape of what it moves, "
        "(3, 4). A direction has an entry for every logit. [direction-shape]",
    ),
    (
        lambda: softxent.cross_entropy_jvp(Z, T, Z, target_tangent=Z),
        ValueError,
        "cross_entropy_jvp: target_tangent is float32[3, 4]; expected None, the target being class "
        "indices. Class indices do not move; pass a soft target, for example from one_hot. "
        "[option-conflict]",
    ),
    (
        lambda: softxent.cross_entropy_hvp(Z, T, None),
        TypeError,
        "cross_entropy_hvp: vector is object(None); expected float32, float64, bfloat16 or "
        "float16. Convert it, for example vector.astype(np.float32). [logits-dtype]",
    ),
    (
        lambda: softxent.cross_entropy_hvp(Z, T, np.zeros((3, 4), int)),
        TypeError,
        "cross_entropy_hvp: vector is int64[3, 4]; expected float32, float64, bfloat16 or "
        "float16. Convert it, for example vector.astype(np.float32). [logits-dtype]",
    ),
    (
        lambda: softxent.softmax_vjp(Z, Z[:2]),
        ValueError,
        "softmax_vjp: cotangent is float32[2, 4]; expected the shape of what it moves, (3, 4). "
        "A direction has an entry for every logit. [direction-shape]",
    ),
    (
        lambda: softxent.softmax(Z, temperature=0),
        ValueError,
        "softmax: temperature is 0; expected a finite number > 0. "
        "1.0 leaves the logits as they are. [option-range]",
    ),
    (
        lambda: softxent.logsumexp(Z, softcap=True),
        TypeError,
        "logsumexp: softcap is True; expected a finite number > 0. "
        "None turns the cap off. [option-type]",
    ),
    (
        lambda: softxent.softmax(Z, axis=2),
        ValueError,
        "softmax: axis is 2; expected an integer in [-2, 2). The logits are float32[3, 4]. [axis]",
    ),
    (
        lambda: softxent.log_softmax(np.zeros((3, 0))),
        ValueError,
        "log_softmax: logits is float64[3, 0]; expected at least one class on the class axis. "
        "A softmax over no classes has no value. [logits-shape]",
    ),
    (
        lambda: softxent.softmax_jacobian([1, 2]),
        TypeError,
        "softmax_jacobian: logits is int64[2]; expected float32, float64, bfloat16 or float16. "
        "Convert it, for example logits.astype(np.float32). [logits-dtype]",
    ),
    (
        lambda: softxent.one_hot([0.0, 1.0], 3),
        TypeError,
        "one_hot: target is float64[2]; expected class indices of an integer dtype. "
        "Convert it: target.astype(np.int64). [target-dtype]",
    ),
    (
        lambda: softxent.one_hot([[0, 1], [2, 3]], 3),
        IndexError,
        "one_hot: target[1, 1] (row 3) is 3; expected a class index in [0, 3). "
        "There are 3 classes, counted from 0. [target-range]",
    ),
    (
        lambda: softxent.one_hot(-1, 3),
        IndexError,
        "one_hot: target is -1; expected a class index in [0, 3). "
        "Negative class indices do not wrap. [target-range]",
    ),
    (
        lambda: softxent.cross_entropy(Z[0], 4),
        IndexError,
        "cross_entropy: target is 4; expected a class index in [0, 4) or ignore_index, -100. "
        "There are 4 classes, counted from 0. [target-range]",
    ),
    (
        lambda: softxent.one_hot([0], 0),
        ValueError,
        "one_hot: num_classes is 0; expected an integer >= 1. "
        "It is V, the number of classes. [logits-shape]",
    ),
    (
        lambda: softxent.one_hot([0], 3.0),  # type: ignore[arg-type]
        TypeError,
        "one_hot: num_classes is 3.0; expected an integer >= 1. "
        "It is V, the number of classes. [logits-shape]",
    ),
    (
        lambda: softxent.one_hot([0], 3, dtype=int),
        TypeError,
        "one_hot: dtype is int64; expected float32, float64, bfloat16 or float16. "
        "Leave it out for float64. [logits-dtype]",
    ),
]


@pytest.mark.parametrize(("call", "kind", "message"), SENTENCES)
def test_sentence(call: Callable[[], Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind) as caught:
        call()
    assert type(caught.value) is kind
    assert str(caught.value) == message


def call(name: str, logits: Any, target: Any, **keywords: Any) -> Any:
    extra = (logits,) if name in DIRECTIONS else ()
    return getattr(softxent, name)(logits, target, *extra, **keywords)


@pytest.mark.parametrize("name", LOSSES)
def test_bad_class_index_names_function_row_value_and_range(name: str, implementation: str) -> None:
    use: Any = {"implementation": implementation}
    with pytest.raises(IndexError) as caught:
        call(name, Z, [0, 4, -1], **use)
    assert str(caught.value) == (
        f"{name}: target[1] is 4; expected a class index in [0, 4) or ignore_index, -100. "
        "There are 4 classes, counted from 0. [target-range]"
    )
    with pytest.raises(IndexError) as caught:
        call(name, np.zeros((2, 3, 4)), [[0, 1, 2], [3, -1, 9]], ignore_index=9, **use)
    assert str(caught.value) == (
        f"{name}: target[1, 1] (row 4) is -1; expected a class index in [0, 4) or ignore_index, 9. "
        "Negative class indices do not wrap. [target-range]"
    )


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_names_itself(name: str) -> None:
    for wrong in ({"temperature": -1.0}, {"axis": 5}, {"weight": [1.0]}):
        with pytest.raises(ValueError, match=f"^{name}: {next(iter(wrong))} is "):
            call(name, Z, T, **wrong)
    with pytest.raises(TypeError, match=rf"^{name}: keyword is 'reductoin'; .*'reduction'\?"):
        call(name, Z, T, reductoin="sum")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_unknown_implementation(name: str) -> None:
    extra = {"one_hot": (3,)}.get(name, (Z,) if name[-4:] in ("_jvp", "_vjp", "_hvp") else ())
    arrays = (Z, T) if name.startswith("cross_entropy") else (T,) if name == "one_hot" else (Z,)
    with pytest.raises(ValueError) as caught:
        getattr(softxent, name)(*arrays, *extra, implementation="nativ")
    assert str(caught.value) == (
        "softxent: implementation is 'nativ'; expected one of native, numpy, or None for the best "
        "that runs here. Did you mean 'native'? [implementation]"
    )


@pytest.mark.parametrize(
    ("target", "options", "came"),
    [
        ([-100, -100, -100], {}, "no row that counts (of 3)"),
        ([1, 1, -100], {"weight": [1, 0, 1, 1]}, "rows whose weights sum to 0 (of 3)"),
        (SOFT, {"row_weight": [0, 0, 0]}, "rows whose weights sum to 0 (of 3)"),
    ],
)
def test_empty_mean(target: Any, options: dict[str, Any], came: str, implementation: str) -> None:
    with pytest.raises(ValueError) as caught:
        softxent.cross_entropy(Z, target, empty="raise", implementation=implementation, **options)
    assert str(caught.value) == (
        f"cross_entropy: target is {came}; expected a mean over some weight, as "
        'empty="raise" demands. empty="zero" makes it 0, empty="nan" NaN. [empty]'
    )


@pytest.mark.parametrize("n", [0, 1025, True, 2.0])
def test_number_of_threads(n: Any) -> None:
    with pytest.raises(ValueError, match=r"set_num_threads: n is .*; expected .*\[threads\]$"):
        softxent.set_num_threads(n)
