"""Docstrings that cannot drift: equations, options, defaults, argument names."""

import inspect
import re
from typing import Any

import pytest

import softxent
from softxent import formula
from softxent.contracts import Options
from softxent.frontends import numpy as front_end

FUNCTIONS = [n for n in front_end.__all__ if n[0].islower() and not n.startswith("linear_")]


def documented(name: str) -> str:
    text = inspect.getdoc(getattr(softxent, name))
    assert text is not None
    return text


@pytest.mark.parametrize("name", FUNCTIONS)
def test_equation_is_the_formula_it_names(name: str) -> None:
    text = documented(name)
    [source] = re.findall(r'^Source: `softxent\.formula`, "(.+)"\.$', text, re.MULTILINE)
    [equation] = re.findall(r"^\.\. math:: (.+?)\n\n", text, re.MULTILINE | re.DOTALL)
    assert " ".join(equation.split()) == formula.get(source).latex


@pytest.mark.parametrize("name", FUNCTIONS)
def test_has_what_the_house_asks_for(name: str) -> None:
    text = documented(name)
    for part in (
        r"Argument",
        r"(?i)returns",
        r"(?i)raises|errors",
        r"(?i)accuracy",
        r"(?i)memory",
        ">>>",
    ):
        assert re.search(part, text), f"{name} says nothing about {part}"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_documented_arguments_exist(name: str) -> None:
    parameters = set(inspect.signature(getattr(softxent, name)).parameters)
    for line in re.findall(r"^    (\*{0,2}\w+(?:, \w+)*): ", documented(name), re.MULTILINE):
        for argument in line.replace("*", "").split(", "):
            known = (
                argument in parameters
                or argument.endswith("Error")
                or argument == "CrossEntropyStats"
            )
            assert known, f"{name} documents {argument}"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_signature(name: str) -> None:
    parameters = inspect.signature(getattr(softxent, name)).parameters
    assert parameters["implementation"].default is None
    if "axis" in parameters:
        assert parameters["axis"].default == -1
    defaults: dict[str, Any] = {"temperature": 1.0, "softcap": None, "out": None, "keepdims": False}
    for option, default in defaults.items():
        if option in parameters:
            assert parameters[option].default == default
    positional = {"logits", "target", "tangent", "cotangent", "vector", "num_classes"}
    for parameter in parameters.values():
        by_keyword = parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_KEYWORD)
        assert by_keyword == (parameter.name not in positional)


def test_every_option_is_documented_where_it_is_listed() -> None:
    source = inspect.getsource(Options)
    for option in Options.__dataclass_fields__:
        if option != "where":
            assert re.search(rf'^    {option}: .+\n    """', source, re.MULTILINE), option


def test_public_names() -> None:
    assert sorted(softxent.__all__) == sorted(set(softxent.__all__))
    assert set(front_end.__all__) <= set(softxent.__all__)
    for name in softxent.__all__:
        assert hasattr(softxent, name)
