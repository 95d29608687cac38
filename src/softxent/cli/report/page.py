"""A page from its template: the same words for numbers, everything else escaped."""

from __future__ import annotations

from importlib import resources

from jinja2 import Environment, FunctionLoader, StrictUndefined

from softxent.cli.report import numbers

FILTERS = {
    "fixed": numbers.fixed,
    "ulp": numbers.ulp,
    "ms": numbers.milliseconds,
    "count": numbers.count,
    "percent": numbers.percent,
    "times": numbers.times,
}


def page(template: str, **values: object) -> str:
    """The page, as text to be written as UTF-8; whatever is not `Markup` becomes plain text."""
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FunctionLoader(_source),
    )
    environment.filters |= FILTERS
    return environment.get_template(template).render(**values)


def _source(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
