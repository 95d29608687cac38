"""How errors read: what a message is made of, how values are described, which codes there are."""

import ast
import re
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import softxent
from softxent.errors import CODES, describe, error, nearest

PACKAGE = Path(softxent.__file__).parent
TESTS = Path(__file__).parents[1]


def codes_in_the_package() -> set[str]:
    """Every code that a call of `error` passes, read from the source."""
    return {
        constant.value
        for path in PACKAGE.rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id == "error"
        for constant in ast.walk(call.args[1])
        if isinstance(constant, ast.Constant)
    }


def test_codes_are_exactly_those_in_use() -> None:
    assert codes_in_the_package() == set(CODES)


@pytest.mark.parametrize("code", CODES)
def test_some_test_expects_the_code(code: str) -> None:
    pattern = re.compile(rf"\[{code}\\?\]")
    files = [p for p in TESTS.rglob("*.py") if pattern.search(p.read_text(encoding="utf-8"))]
    assert files, f"no test expects a message that ends with [{code}]"


def test_message_has_all_its_parts() -> None:
    raised = error(ValueError, "axis", "softmax", "axis", "7", "an integer", "Use -1.")
    assert type(raised) is ValueError
    assert str(raised) == "softmax: axis is 7; expected an integer. Use -1. [axis]"


def test_code_that_nobody_listed() -> None:
    with pytest.raises(KeyError, match="unknown error code 'no-such'"):
        error(ValueError, "no-such", "f", "x", "1", "2", "3")


class Tensor:
    """Has a dtype and a shape as torch's tensors have them."""

    def __init__(self, dtype: str, shape: tuple[int, ...]) -> None:
        self.dtype, self.shape = dtype, shape


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.zeros((32, 10), np.float32), "float32[32, 10]"),
        (np.zeros((2, 0), ml_dtypes.bfloat16), "bfloat16[2, 0]"),
        (np.zeros(3, ">f8"), "float64[3]"),
        (np.array(7), "int64(7)"),
        (np.float32(0.5), "float32(0.5)"),
        (Tensor("torch.float16", (4,)), "float16[4]"),
        ([1, [2]], "a list of length 2"),
        ((), "a tuple of length 0"),
        (None, "None"),
        (True, "True"),
        (-0.0, "-0.0"),
        ("mean", "'mean'"),
        ("x" * 100, "'" + "x" * 56 + "..."),
        (object(), "a builtins.object"),
        (Path("/"), f"a {type(Path()).__module__}.{type(Path()).__qualname__}"),
    ],
)
def test_describe(value: Any, text: str) -> None:
    assert describe(value) == text


def test_nearest_names_one_or_all() -> None:
    assert nearest("softcup", ["softcap", "z_loss"]) == "Did you mean 'softcap'?"
    assert nearest("gamma", ["softcap", "z_loss"]) == "Choose from 'softcap', 'z_loss'."
