"""Random steps: what is called false differs by another evaluation too, what is true agrees."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

import pytest
from derive.exact_builder import SOFTMAX, E, d, defined, delta, el, exp, fn, free, given, sigma
from derive.slow_evaluation import MP, Slow, at_witness

from softxent.derive.core import Given
from softxent.derive.exact import decide

QUANTITIES = {
    **SOFTMAX,
    "x": free("N K"),
    "c": free("", "positive"),
    "u": defined("n k", "N K", el("x", "n", "k") * el("y", "k")),
    "m": defined("n", "N", sigma("k", "K", el("u", "n", "k") * el("t", "k"))),
}
GIVEN = given(QUANTITIES, {"i": "K", "n": "N"})
SMOOTH = ("sigmoid", "tanh", "softplus", "exp", "arctan")


def expression(draw: random.Random, depth: int, letters: dict[str, list[str]]) -> E:
    """Return a random expression in the letters of each set."""
    k, n = (lambda: draw.choice(letters["K"])), (lambda: draw.choice(letters["N"]))
    if depth <= 0:
        leaves = (
            lambda: el("z", k()),
            lambda: el("t", k()),
            lambda: el("y", k()),
            lambda: el("x", n(), k()),
            lambda: el("u", n(), k()),
            lambda: el("m", n()),
            lambda: el("c"),
            lambda: delta(k(), k()),
            lambda: exp(el("z", k())),
            lambda: E(el("c").real) * draw.randint(-2, 3),
        )
        return draw.choice(leaves)()
    inner = lambda: expression(draw, depth - 1, letters)  # noqa: E731
    kind = draw.randrange(9)
    if kind < 2:
        return inner() + inner()
    if kind < 4:
        return inner() * inner()
    if kind == 4:
        return inner() / (fn("sigmoid", el("z", k())) + el("c"))
    if kind == 5:
        set = draw.choice("KN")
        letter = f"{set.lower()}{depth}"
        wider = {**letters, set: [*letters[set], letter]}
        return sigma(letter, set, expression(draw, depth - 1, wider))
    if kind == 6:
        by = draw.choice((el("z", k()), el("y", k()), el("x", n(), k()), el("c")))
        return d(inner(), by)
    if kind == 7:
        return fn(draw.choice(SMOOTH), inner() * Fraction(1, 8))
    return fn("sqrt", inner() ** 2 + 1)


def rewritten(draw: random.Random, of: E) -> E:
    """Return the expression in another form that is equal everywhere."""
    other = el("y", "i") + el("c")
    forms = (
        lambda: (of * other + of) / (other + 1),
        lambda: of * sigma("q", "K", el("y", "q")),
        lambda: (of - other) + other,
        lambda: sigma("q", "K", of * delta("q", "i")),
        lambda: sigma("q", "N", of * delta("q", "n")) * (1 - fn("tanh", 0)),
        lambda: of * (fn("sigmoid", el("z", "i")) + fn("sigmoid", -el("z", "i"))),
    )
    return draw.choice(forms)()


def random_values(draw: random.Random, sizes: dict[str, int], given: Given) -> dict[str, Any]:
    def array(sets: tuple[str, ...], positive: bool) -> Any:
        if not sets:
            return MP.mpf(draw.uniform(0.1 if positive else -1.5, 1.5))
        return [array(sets[1:], positive) for _ in range(sizes[sets[0]])]

    frees = ("z", "t", "x", "c")
    return {name: array(given.quantities[name].sets, name == "c") for name in frees}


@pytest.mark.parametrize("seed", range(60))
def test_random_step(seed: int) -> None:
    draw = random.Random(seed)
    left = expression(draw, draw.randint(1, 3), {"K": ["i"], "N": ["n"]})
    true = rewritten(draw, left)
    decision = decide(left.real, true.real, GIVEN, seed=seed)
    assert decision.equal is not False, decision
    assert decision.equal or "too" in decision.why or "time" in decision.why, decision

    other = expression(draw, draw.randint(1, 3), {"K": ["i"], "N": ["n"]})
    decision = decide(left.real, other.real, GIVEN, seed=seed)
    if decision.equal is False:
        assert decision.witness is not None
        a, b = at_witness(left.real, other.real, GIVEN, decision.witness)
        assert abs(a - b) > 1e-12 * max(1, abs(a), abs(b))
    elif decision.equal is True:
        sizes = {"K": 3, "N": 2}
        slow = Slow(GIVEN, random_values(draw, sizes, GIVEN), sizes)
        slow.letters = {"i": 2, "n": 1}
        a, b = slow(left.real, slow.letters), slow(other.real, slow.letters)
        assert abs(a - b) < 1e-9 * max(1, abs(a), abs(b))
