"""Formulas in the addresses of pictures, as codecogs, GitHub and zhihu draw them."""

from __future__ import annotations

import re
from urllib.parse import unquote

from softxent.derive.scan._view import View

ADDRESS = re.compile(
    r"https?://(?:latex\.codecogs\.com/[\w.]{1,20}(?:/[\w.]{1,20})?\?|i\.upmath\.me/\w{1,9}/|"
    r"render\.githubusercontent\.com/render/math\?math=|www\.zhihu\.com/equation\?tex=|"
    r"math\.now\.sh/?\?(?:from|inline)=|chart\.(?:googleapis|apis\.google)\.com/chart\?cht=tx&chl=)"
    r"(?P<query>[^\s\"'<>]{1,4000})"
)
_END = re.compile(r"&(?!(?:plus|space|amp|lt|gt|nbsp);|#)")
_CODE = re.compile(r"(?:%[0-9A-Fa-f]{2})+|\+|&(?:plus|space|amp|lt|gt|nbsp);")
_CODES = {"+": " ", "&plus;": "+", "&space;": " ", "&amp;": "&", "&lt;": "<", "&gt;": ">",
          "&nbsp;": " "}  # fmt: skip
_SETTING = re.compile(
    r"\A(?:\s*(?:\\(?:inline|large|small|Large|huge|tiny)(?![A-Za-z])|\\dpi\s*\{?\d+\}?"
    r"|\\(?:bg|fn)_\w{1,20}|\\fg_\w{1,20}|\\color\{(?:white|black)\}|\\displaystyle(?![A-Za-z])))+"
)


def drawn(address: View) -> View:
    """Return the TeX in the part of an address that says what is drawn."""
    end = _END.search(address.text)
    if end:
        address = address.cut(0, end.start())
    tex = address.sub(_CODE, _character)
    return tex.sub(_SETTING, lambda found: "").strip()


def _character(found: re.Match[str]) -> str:
    return _CODES.get(found.group()) or unquote(found.group(), errors="replace")
