"""Python in a document: run it, and compare what it prints with what its comments promise."""

from __future__ import annotations

import contextlib
import io
import re


def blocks(text: str) -> list[str]:
    """The Python of a document, block by block."""
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def printed(code: str) -> list[str]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "document", "exec"), {})
    return out.getvalue().splitlines()


def promised(code: str) -> list[tuple[int, str]]:
    """(number of the print, the text that its comment begins with)."""
    prints = [line for line in code.splitlines() if line.startswith("print(")]
    return [
        (i, line.split("#", 1)[1].split(":")[0].strip())
        for i, line in enumerate(prints)
        if "#" in line
    ]
