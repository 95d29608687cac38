"""The options: defaults, what is accepted, what is refused and in which words."""

from dataclasses import FrozenInstanceError, fields
from fractions import Fraction
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from softxent.contracts import DEFAULTS, Options, OptionsDict, options_from


def test_defaults_are_those_of_the_contract() -> None:
    assert {f.name: f.default for f in fields(Options)} == {
        "weight": None,
        "ignore_index": -100,
        "label_smoothing": 0.0,
        "reduction": "mean",
        "temperature": 1.0,
        "softcap": None,
        "z_loss": 0.0,
        "row_weight": None,
        "empty": "zero",
    }


def test_keywords_for_signatures_are_the_same_names() -> None:
    assert list(OptionsDict.__annotations__) == [f.name for f in fields(Options)]


def test_no_keywords_make_no_new_options() -> None:
    assert options_from("f", {}) is DEFAULTS


def test_options_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        DEFAULTS.temperature = 2.0  # type: ignore[misc]


@pytest.mark.parametrize(
    "value",
    [
        0.5,
        np.float32(0.5),
        np.float16(0.5),
        np.array(0.5),
        np.array(0.5, np.float32),
        Fraction(1, 2),
        np.longdouble(0.5),
    ],
)
@pytest.mark.parametrize("name", ["label_smoothing", "temperature", "softcap", "z_loss"])
def test_any_real_number_is_a_number(name: str, value: Any) -> None:
    stored = getattr(Options(**{name: value}), name)
    assert type(stored) is float
    assert stored == 0.5


def test_scalars_are_not_rounded_to_float32() -> None:
    assert Options(temperature=0.1).temperature == 0.1
    assert Options(label_smoothing=1).label_smoothing == 1.0


@pytest.mark.parametrize("name", ["label_smoothing", "z_loss"])
def test_negative_zero_is_zero(name: str) -> None:
    assert str(getattr(Options(**{name: -0.0}), name)) == "0.0"


RANGES = {
    "label_smoothing": "a number in [0, 1]. 0.0 turns smoothing off.",
    "temperature": "a finite number > 0. 1.0 leaves the logits as they are.",
    "softcap": "a finite number > 0. None turns the cap off.",
    "z_loss": "a finite number >= 0. 0.0 turns z-loss off.",
}
OUTSIDE = [
    ("label_smoothing", -1e-300, "-1e-300"),
    ("label_smoothing", 1.0000000000000002, "1.0000000000000002"),
    ("temperature", 0.0, "0.0"),
    ("temperature", -1, "-1"),
    ("softcap", 0, "0"),
    ("softcap", -2.5, "-2.5"),
    ("z_loss", -1e-4, "-0.0001"),
    *(
        (name, value, str(value))
        for name in RANGES
        for value in (float("nan"), float("inf"), -float("inf"))
    ),
    ("temperature", np.float32("nan"), "float32(nan)"),
    ("temperature", 10**400, "1" + 56 * "0" + "..."),
]


@pytest.mark.parametrize(("name", "value", "shown"), OUTSIDE)
def test_number_outside_its_range(name: str, value: Any, shown: str) -> None:
    with pytest.raises(ValueError) as caught:
        options_from("cross_entropy", {name: value})
    assert str(caught.value) == (
        f"cross_entropy: {name} is {shown}; expected {RANGES[name]} [option-range]"
    )


@pytest.mark.parametrize("value", [True, np.True_, "0.5", 1 + 0j, [0.5], np.array([0.5]), object()])
@pytest.mark.parametrize("name", RANGES)
def test_what_is_no_number(name: str, value: Any) -> None:
    with pytest.raises(TypeError, match=rf"^cross_entropy: {name} is .*; .*\[option-type\]$"):
        options_from("cross_entropy", {name: value})


@pytest.mark.parametrize("name", ["label_smoothing", "temperature", "z_loss"])
def test_only_softcap_may_be_none(name: str) -> None:
    assert Options(softcap=None).softcap is None
    with pytest.raises(TypeError, match=f"Options: {name} is None"):
        Options(**{name: None})


@pytest.mark.parametrize("value", [-100, 3, np.int8(3), np.uint64(3), -(2**63), 2**63 - 1])
def test_ignore_index_is_any_int64(value: Any) -> None:
    stored = Options(ignore_index=value).ignore_index
    assert type(stored) is int
    assert stored == value


def test_ignore_index_none_is_minus_100() -> None:
    assert Options(ignore_index=None).ignore_index == -100  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [True, np.False_, 1.0, "1"])
def test_ignore_index_of_another_type(value: Any) -> None:
    with pytest.raises(TypeError) as caught:
        options_from("cross_entropy", {"ignore_index": value})
    assert "; expected an integer or None. None means -100. [option-type]" in str(caught.value)


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, np.uint64(2**63)])
def test_ignore_index_past_int64(value: Any) -> None:
    with pytest.raises(ValueError) as caught:
        options_from("cross_entropy", {"ignore_index": value})
    assert "expected an integer in [-2**63, 2**63)" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("reduction", "avg", "'avg'; expected 'mean' or 'sum' or 'none'. Choose from 'mean', "),
        ("reduction", "meen", "'meen'; expected 'mean' or 'sum' or 'none'. Did you mean 'mean'?"),
        ("reduction", None, "None; expected 'mean' or 'sum' or 'none'. Did you mean 'none'?"),
        ("empty", "zeros", "'zeros'; expected 'zero' or 'nan' or 'raise'. Did you mean 'zero'?"),
        ("empty", 0, "0; expected 'zero' or 'nan' or 'raise'. Choose from "),
    ],
)
def test_unknown_choice(name: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        options_from("cross_entropy", {name: value})
    assert str(caught.value).startswith(f"cross_entropy: {name} is {message}")
    assert str(caught.value).endswith("[option-range]")


def test_unknown_option_names_the_nearest() -> None:
    with pytest.raises(TypeError) as caught:
        options_from("cross_entropy", {"temprature": 2.0})
    assert str(caught.value) == (
        "cross_entropy: keyword is 'temprature'; expected an option. Did you mean 'temperature'? "
        "[option-name]"
    )


def test_where_is_no_option() -> None:
    with pytest.raises(TypeError, match="keyword is 'where'"):
        options_from("cross_entropy", {"where": "here"})


@pytest.mark.parametrize(
    "weight",
    [
        [0, 1, 2],
        (0.0, 1.0, 2.0),
        np.array([0, 1, 2], np.float16),
        np.array([0, 1, 2], np.uint8),
        np.array([0, 1, 2], ml_dtypes.bfloat16),
        np.array([0, 1, 2], ">f8"),
        np.array([2.0, 1.0, 0.0])[::-1],
    ],
)
def test_weights_become_contiguous_float64(weight: Any) -> None:
    stored = Options(weight=weight).weight
    assert stored is not None
    assert stored.dtype == np.float64
    assert stored.flags.c_contiguous
    assert stored.tolist() == [0.0, 1.0, 2.0]


def test_weights_are_the_options_own() -> None:
    weight = np.array([1.0, 2.0])
    options = Options(weight=weight, row_weight=weight)
    weight[0] = -1.0
    assert options.weight is not None and options.weight[0] == 1.0
    assert options.row_weight is not None and options.row_weight[0] == 1.0


def test_negative_zero_weight_is_zero() -> None:
    stored = Options(weight=np.array([-0.0, 1.0])).weight
    assert stored is not None
    assert not np.signbit(stored).any()


@pytest.mark.parametrize("bad", [-1.0, float("nan"), float("inf")])
def test_weights_outside_their_range(bad: float) -> None:
    with pytest.raises(ValueError) as caught:
        options_from("cross_entropy", {"weight": [1.0, bad, 2.0]})
    assert str(caught.value) == (
        f"cross_entropy: weight[1] is {bad}; expected a finite number >= 0. "
        "0.0 leaves a class or a row out. [option-range]"
    )
    with pytest.raises(ValueError, match=r"cross_entropy: row_weight\[1, 0\] is "):
        options_from("cross_entropy", {"row_weight": [[1.0, 2.0], [bad, 2.0]]})


@pytest.mark.parametrize("weight", [1.0, np.ones((2, 2))])
def test_class_weights_have_one_axis(weight: Any) -> None:
    with pytest.raises(ValueError) as caught:
        options_from("cross_entropy", {"weight": weight})
    assert str(caught.value).endswith(
        "expected one weight per class, shape (V,). Weights of rows go in row_weight. "
        "[option-shape]"
    )


@pytest.mark.parametrize("weight", [[True, False], ["a"], [1j], [None]])
def test_weights_that_are_no_numbers(weight: Any) -> None:
    with pytest.raises(TypeError, match=r"expected real numbers\. .*\[option-type\]$"):
        options_from("cross_entropy", {"weight": weight})


@pytest.mark.parametrize("name", ["weight", "row_weight"])
def test_weight_that_requires_grad_is_not_followed(name: str) -> None:
    class Tensor:
        dtype, shape, requires_grad = np.dtype(np.float32), (3,), True

    with pytest.raises(NotImplementedError) as caught:
        options_from("cross_entropy", {name: Tensor()})
    assert str(caught.value) == (
        f"cross_entropy: {name} is a tensor float32[3] with requires_grad=True; expected an array "
        f"that records no gradient. Pass {name}.detach(); this function returns gradients, it does "
        "not record them. [requires-grad]"
    )
