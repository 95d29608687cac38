"""The options of every loss: one frozen dataclass, checked once, the only place that lists them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import InitVar, dataclass, fields
from math import inf
from numbers import Real
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from softxent.contracts.arrays import Array, as_array, is_float_dtype
from softxent.errors import describe, error, nearest

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

IGNORE = -100  # PyTorch's default ignore_index
REDUCTIONS = ("mean", "sum", "none")
EMPTIES = ("zero", "nan", "raise")


@dataclass(frozen=True, slots=True, eq=False)
class Options:
    """The options of every loss, checked when they are made. Scalars are float64 throughout.

    They act in this order: ``softcap``, ``temperature``, softmax; ``label_smoothing``, ``weight``,
    ``z_loss``, ``row_weight``, ``reduction``.

    Raises TypeError for an option of the wrong type, ValueError for one that is NaN, infinite,
    outside its range or of the wrong shape, NotImplementedError for a weight that requires grad.

    >>> Options(label_smoothing=1.5)
    Traceback (most recent call last):
    ValueError: Options: label_smoothing is 1.5; expected a number in [0, 1]. \
0.0 turns smoothing off. [option-range]
    """

    weight: Array | None = None
    """(V,) class weights w_k >= 0; None is all ones."""
    ignore_index: int = IGNORE
    """The class index whose rows count nothing and are not read; None means -100."""
    label_smoothing: float = 0.0
    """eps in [0, 1]: the target becomes (1 - eps) t_k + eps / V."""
    reduction: str = "mean"
    """"mean" (over the sum of r_n w_{t_n}; of r_n for soft targets), "sum" or "none"."""
    temperature: float = 1.0
    """T > 0: the logits are divided by it."""
    softcap: float | None = None
    """c > 0: the logits become c tanh(z / c), before the temperature; None leaves them."""
    z_loss: float = 0.0
    """lambda >= 0: adds lambda lse^2 to each row that counts, neither class-weighted nor smoothed;
    under "mean" averaged over the number of rows that count."""
    row_weight: Array | None = None
    """r_n >= 0, of the rows' shape: multiplies each row's loss, z_loss and gradient."""
    empty: str = "zero"
    """What a mean over no rows, or over weights that sum to 0, is: "zero", "nan" or "raise"."""
    where: InitVar[str] = "Options"

    def __post_init__(self, where: str) -> None:
        """Check every option, and store it in the one form that kernels know."""

        def store(name: str, value: object) -> None:
            object.__setattr__(self, name, value)

        if self.weight is not None:
            store("weight", _weights(where, "weight", self.weight))
        store("ignore_index", _ignore_index(where, self.ignore_index))
        store("label_smoothing", checked_number(where, "label_smoothing", self.label_smoothing))
        _check_choice(where, "reduction", self.reduction, REDUCTIONS)
        store("temperature", checked_number(where, "temperature", self.temperature))
        if self.softcap is not None:
            store("softcap", checked_number(where, "softcap", self.softcap))
        store("z_loss", checked_number(where, "z_loss", self.z_loss))
        if self.row_weight is not None:
            store("row_weight", _weights(where, "row_weight", self.row_weight))
        _check_choice(where, "empty", self.empty, EMPTIES)

    def with_row_factors(self, factors: Array) -> Options:
        """Return these options with other row factors, unchecked: those of derivatives have signs.

        `factors` (N,) float64, C-contiguous, takes the place of `row_weight`.
        """
        options = object.__new__(Options)
        for field in fields(Options):
            object.__setattr__(options, field.name, getattr(self, field.name))
        object.__setattr__(options, "row_weight", factors)
        return options


class OptionsDict(TypedDict, total=False):
    """The keywords of `Options`, for the signatures of functions that pass them on."""

    weight: ArrayLike | None
    ignore_index: int | None
    label_smoothing: float
    reduction: str
    temperature: float
    softcap: float | None
    z_loss: float
    row_weight: ArrayLike | None
    empty: str


def options_from(where: str, given: Mapping[str, Any]) -> Options:
    """Make the options of a call from its keywords; a name that is no option is a TypeError."""
    if not given:
        return DEFAULTS
    for name in given:
        if name not in _OPTION_NAMES:
            raise error(
                TypeError,
                "option-name",
                where,
                "keyword",
                repr(name),
                "an option",
                nearest(name, _OPTION_NAMES),
            )
    return Options(**given, where=where)


def checked_number(where: str, name: str, value: object) -> float:
    """Return the option `name` as a float inside its range; NumPy scalars are numbers too."""
    inside, domain, fix = _RANGES[name]
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    # The first test spares plain floats the slow second one.
    if type(value) is not float and (isinstance(value, bool) or not isinstance(value, Real)):
        raise error(TypeError, "option-type", where, name, describe(value), domain, fix)
    try:
        number = float(value) + 0.0  # -0.0 becomes 0.0
    except OverflowError:  # an int past 1.8e308
        number = inf
    if not inside(number):
        raise error(ValueError, "option-range", where, name, describe(value), domain, fix)
    return number


_INT64_MAX = 2**63 - 1

# Each test is False for NaN.
_RANGES: dict[str, tuple[Callable[[float], bool], str, str]] = {
    "label_smoothing": (
        lambda x: 0.0 <= x <= 1.0,
        "a number in [0, 1]",
        "0.0 turns smoothing off.",
    ),
    "temperature": (
        lambda x: 0.0 < x < inf,
        "a finite number > 0",
        "1.0 leaves the logits as they are.",
    ),
    "softcap": (lambda x: 0.0 < x < inf, "a finite number > 0", "None turns the cap off."),
    "z_loss": (lambda x: 0.0 <= x < inf, "a finite number >= 0", "0.0 turns z-loss off."),
}


def _check_choice(where: str, name: str, value: object, choices: tuple[str, ...]) -> None:
    if not isinstance(value, str) or value not in choices:
        raise error(
            ValueError,
            "option-range",
            where,
            name,
            describe(value),
            " or ".join(repr(choice) for choice in choices),
            nearest(str(value), choices),
        )


def _ignore_index(where: str, value: object) -> int:
    if value is None:
        return IGNORE
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        index = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise error(
            TypeError,
            "option-type",
            where,
            "ignore_index",
            describe(value),
            "an integer or None",
            "None means -100.",
        ) from None
    if not -_INT64_MAX - 1 <= index <= _INT64_MAX:
        raise error(
            ValueError,
            "option-range",
            where,
            "ignore_index",
            describe(value),
            "an integer in [-2**63, 2**63)",
            "None means -100.",
        )
    return index


def _weights(where: str, name: str, value: object) -> Array:
    array = as_array(where, name, value)
    if array.dtype.kind not in "iuf" and not is_float_dtype(array.dtype):
        raise error(
            TypeError,
            "option-type",
            where,
            name,
            describe(array),
            "real numbers",
            f"Convert it, for example {name}.astype(np.float64).",
        )
    if name == "weight" and array.ndim != 1:
        raise error(
            ValueError,
            "option-shape",
            where,
            name,
            describe(array),
            "one weight per class, shape (V,)",
            "Weights of rows go in row_weight.",
        )
    array = np.array(array, np.float64, order="C")  # a copy: options do not change afterwards
    array += 0.0  # -0.0 becomes 0.0, so that no loss is -0.0
    bad = ~((array >= 0.0) & (array < inf))  # True for NaN as well
    if bad.any():
        index = np.unravel_index(int(bad.argmax()), array.shape)
        place = ", ".join(str(i) for i in index)
        raise error(
            ValueError,
            "option-range",
            where,
            f"{name}[{place}]",
            str(array[index]),
            "a finite number >= 0",
            "0.0 leaves a class or a row out.",
        )
    return array


DEFAULTS = Options()
_OPTION_NAMES = tuple(field.name for field in fields(Options))
