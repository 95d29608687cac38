r"""Which environments are mathematics, and where each ends."""

from __future__ import annotations

import re

# True: a display of its own, whose name is no part of the TeX; False: it is, as `cases` is.
MATHEMATICS = {
    **dict.fromkeys(
        ("equation", "align", "alignat", "xalignat", "flalign", "gather", "multline", "eqnarray",
         "displaymath", "math", "dmath", "IEEEeqnarray"), True),
    **dict.fromkeys(
        ("aligned", "alignedat", "gathered", "split", "cases", "dcases", "rcases", "array",
         "matrix", "pmatrix", "bmatrix", "Bmatrix", "vmatrix", "Vmatrix", "smallmatrix"), False),
}  # fmt: skip
MATHEMATICS |= {f"{name}*": alone for name, alone in MATHEMATICS.items()}
VERBATIM = {"verbatim", "verbatim*", "lstlisting", "minted", "Verbatim", "tikzpicture", "comment",
            "thebibliography", "algorithmic"}  # fmt: skip
_MARK = re.compile(r"\\\\|\\(begin|end)[ ]?\{([A-Za-z]+\*?)\}")


def matching_ends(text: str) -> dict[int, int]:
    r"""Return where the `\end` of each `\begin` ends; one without its `\end` is left out."""
    ends: dict[int, int] = {}
    if "\\begin" not in text:
        return ends
    opened: list[tuple[str, int]] = []
    count: dict[str, int] = {}
    for mark in _MARK.finditer(text):
        kind, name = mark.groups()
        if kind == "begin":
            opened.append((name, mark.start()))
            count[name] = count.get(name, 0) + 1
        elif kind == "end" and count.get(name):
            while True:
                last, start = opened.pop()
                count[last] -= 1
                if last == name:
                    break
            ends[start] = mark.end()
    return ends
