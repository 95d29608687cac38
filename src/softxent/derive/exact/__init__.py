"""The exact engine: decides whether two expressions are equal, by computing them exactly at points.

`decide` answers with True, a witness, or the reason why it cannot; `evaluate` gives one value.

The way of a step: `program` makes nodes of its sides and of the definitions that they reach ·
`points` draws sizes and values, small ones first · `machine` computes the `nodes` there, as `jets`
(values with derivatives) of exact `numbers` · `deciding` compares · `wording` writes the witness.
Where the exact form grows too long (`work`), 60 and 120 digits take over (`rounded`, `digits`).
"""

from softxent.derive.exact.deciding import Decision, decide
from softxent.derive.exact.evaluating import At, evaluate

__all__ = ["At", "Decision", "decide", "evaluate"]
