r"""The scanner: finds every formula in a text, whatever the delimiters, and what lies between.

One pass from left to right over the tokens that may begin something. `_base` reads what all
dialects share, `_fences` what Markdown adds, `_rst` what reStructuredText and docstrings do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from softxent.derive.scan import _fences, _rst
from softxent.derive.scan._base import Piece, Reader, Rules
from softxent.derive.scan._macros import Macros
from softxent.derive.scan._view import View

__all__ = ["Piece", "Rules", "read"]

_TOKEN = r"""
  (?P<begin>\\begin[ ]?\{(?P<env>[A-Za-z]+\*?)\})
| (?P<open>%s\\[(\[])
| (?P<escape>\\.)
| (?P<dollars>\$\$?)
"""
_FLAGS = re.VERBOSE | re.MULTILINE | re.DOTALL
_DOUBLED = r"\\\\[(\[]|"


def read(view: View, rules: Rules, macros: Macros) -> Iterator[Piece]:
    """Yield formulas, pins and the prose between them, in order."""
    reader, token = Reader, _TOKEN % ""
    if rules.markdown:
        reader, token = _fences.Markdown, _TOKEN % _DOUBLED + _fences.TOKEN
    elif rules.rst:
        reader, token = _rst.Rst, _TOKEN % "" + _rst.TOKEN
    return reader(view, rules, macros, re.compile(token, _FLAGS)).pieces()
