r"""What the words in a formula do: begin a remark, join two statements, or name a quantity."""

from __future__ import annotations

from softxent.derive.parse import names
from softxent.derive.parse.tokens import Token


def role(text: str, *, first: bool) -> str:
    """Return what words do to the formula behind them.

    "reason": it belongs to the remark they begin; "and": it is one more statement, or one more
    formula of the remark that is open; "then": it is a statement; "label": they say nothing of it.
    first: nothing stands before them in the row.
    """
    words = text.lower().strip(" .,:;()[]~\u2014\u2013-").split()
    if not words:
        return "label"
    begin, end = words[0].strip(",:"), words[-1].strip(",:")
    if len(words) == 1 and begin in names.JOINED:
        return "and"
    if first and begin in names.LEADING:
        return "label"
    if begin in names.REASON:
        return "reason"
    if end in names.THEN or begin in names.THEN:
        return "then"
    if begin in names.JOINED:
        return "and"
    return "label" if first else "reason"


def is_symbol(token: Token, before: Token | None, behind: Token | None) -> bool:
    r"""Tell `\text{CE} = ..`, a quantity, from `\text{Softmax } y_k = ..`, words."""
    words = token.text.split()
    if not words or words[0].lower().strip(".,:;()") in names.STOP:
        return False
    single = len(words) == 1 and names.is_name(words[0])
    related = behind is not None and (
        behind.kind in ("relation", "_", "^") or (behind.kind == "open" and behind.text == "(")
    )
    if not single:
        if any(word.lower().strip(".,:;()") in names.STOP for word in words):
            return False
        if before is None:
            return behind is not None and behind.kind == "relation"
        return _is_operator(before) and (behind is None or _is_operator(behind))
    if related:
        return True
    operand = before is None or _is_operator(before)
    last = behind is None or _is_operator(behind) or behind.kind in ("close", "right", "}")
    if token.text[-1].isspace() or (behind is not None and behind.gap):
        return operand and last and before is not None
    if token.text[0].isspace():
        return operand and last
    return True


def _is_operator(token: Token) -> bool:
    return (
        token.kind in ("relation", "open", "left", "{")
        or token.is_sign("+-*/,")
        or (token.kind == "command" and token.text in ("cdot", "times", "odot", "circ"))
    )
