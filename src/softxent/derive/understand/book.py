"""What a document has defined: quantities, functions, sizes, roles; and their translation."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from softxent.derive.core import Defined, Element, Free, Partial, Quantity, Real
from softxent.derive.trees import (
    Applied,
    Call,
    Expr,
    Product,
    Sum,
    Symbol,
    Transpose,
)
from softxent.derive.understand import scalars
from softxent.derive.understand.circles import Before
from softxent.derive.understand.letters import (
    GREEK,
    Letters,
    bare,
    is_word,
)
from softxent.derive.understand.outline import Outline, Statement
from softxent.derive.understand.quantities import Quantities
from softxent.derive.understand.sets import Sets
from softxent.derive.understand.symbols import FUNCTION_LETTERS, is_bold
from softxent.derive.understand.translate import Translator
from softxent.derive.understand.values import Unreadable, Value, scalar
from softxent.derive.understand.whole import composed, repeated


@dataclass(frozen=True, slots=True)
class Definition:
    """name_{letters} = body.

    arguments: what stood in a bracket behind the name; kind: "quantity", "family" (sigma(z_j), an
    element of the softmax of z) or "functional" (E(y, t), which is E).
    """

    name: str
    letters: tuple[str, ...]
    body: Expr
    number: int
    kind: str = "quantity"
    arguments: tuple[Symbol, ...] = ()
    arity: int = 0
    renames: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Function:
    """name(parameters) = body, of numbers: it can be called with anything."""

    name: str
    parameters: tuple[Expr, ...]
    body: Expr
    number: int


_ROWS = re.compile(
    r"\b(?:use|using|assum\w+|treat\w*|all|our|are)\b[^.$]{0,30}\brow[- ](?:vectors|gradients)\b",
    re.I,
)


class Book:
    """All that holds for the whole document; `Translator` asks it what symbols are."""

    def __init__(self, outline: Outline, letters: Letters, plain: bool = False) -> None:
        """plain: a letter neither bold nor indexed is a number, whatever it is elsewhere."""
        self.plain = plain
        self.outline = outline
        self.letters = letters
        self.sets = Sets()
        self.definitions: dict[tuple[str, int], list[Definition]] = {}
        self.functions: dict[str, list[Function]] = {}
        self.targets: set[str] = set()
        self.operators = letters.operators
        self.repeated = repeated(outline)
        """Vectors such as \\mathbf c = (c, ..., c), and the letter that fills them."""
        self.roles: dict[int, str] = {}
        """What each statement is for its left side: "definition", "update", ... or ""."""
        self.partly: set[str] = set()
        """Quantities of which only single elements are defined: z_1 = ..."""
        self.extra: dict[str, Quantity] = {}
        self.last: dict[str, tuple[str, Expr]] = {}
        """Quantities whose last element has a formula of its own: the size, and that."""
        self.labels: dict[str, int] = {}
        """One-hot quantities that stand for class labels, with how many indices they have."""
        self.cores: dict[str, tuple[str, int]] = {}
        self.loose: set[tuple[str, int]] = set()
        """Quantities, and the statements that speak of them as if nothing defined them."""
        self.composed = composed(outline)
        """What is taken of something else, S_i(g(W)), and from which statement on."""
        self.before: dict[str, Before] = {}
        """Letters that mean the layer before in some places, and how to tell."""
        self.quantities = Quantities(self)
        self.final = False
        self.rows = bool(_ROWS.search(outline.prose))
        """Whether vectors lie down."""
        self._counted = 0
        self._inlining: list[Function] = []
        self._scalars: dict[tuple[int, int, int], frozenset[str]] = {}

    # ------------------------------------------------------------------ asked by Translator
    def tex(self, tree: Expr) -> str:
        """Return an expression in TeX."""
        from softxent.derive.parse import unparse

        try:
            return unparse(tree)
        except RecursionError:
            return "…"

    letters_text = tex

    def known(self, name: str) -> bool:
        """Whether a name is a quantity, so that alone it is no index."""
        if any(known == name for known, _ in self.definitions):
            return True
        return bool(self.letters.arities.get(name))

    def known_by_text(self, name: str) -> bool:
        """Whether something defines a quantity of this name."""
        return any(known == name for known, _ in self.definitions)

    def defined(self, name: str, arity: int) -> bool:
        """Whether a quantity has a definition anywhere in the document."""
        return bool(self.definitions.get((name, arity)))

    def overridden(self, name: str, arity: int) -> bool:
        """Whether the text gives a name that we know a meaning of its own."""
        return self.defined(name, arity)

    def lost_index(self, name: str) -> bool:
        """Whether a letter has an index wherever the text uses it, but for one place."""
        if not name.islower() or name in self.letters.bold:
            return False
        return bool(self.letters.arities.get(name)) and self.letters.bare_uses.get(name, 0) == 1

    def rank(self, name: str, given: int, bold: bool = False) -> int:
        """Return how many indices a quantity has that is written with so many.

        bold: written as a vector or matrix, so that it is no number.
        """
        if not given and not bold and (self.plain or name in self.repeated):
            return 0
        known = set(self.letters.arities.get(name, ()))
        known |= {arity for other, arity in self.definitions if other == name}
        if bold and given and given + 1 in self.letters.elements.get(name, ()):
            return given + 1  # the row \mathbf{x}_i of what has the elements x_{ij}
        if given in known and not (bold and not given):
            return given
        larger = sorted(arity for arity in known if arity > given)
        return larger[0] if larger else given

    def core(self, name: str, arity: int) -> str:
        """Return the name of a quantity in `core`."""
        known = {a for a in self.letters.arities.get(name, ()) if a}
        known |= {a for other, a in self.definitions if other == name and a}
        primary = min(known) if known else 0
        core = name if arity == primary else f"{name}#{arity}"
        self.cores[core] = (name, arity)
        return core

    def size(self, name: str, number: int) -> bool:
        """Whether a letter is the size of an index set."""
        if self.defined(name, 0) or self.letters.arities.get(name):
            return False
        if name in self.letters.sizes:
            return True
        return name in ("N", "M", "K") and name.lower() in self.letters.running

    def definition(self, name: str, arity: int, number: int) -> Definition | None:
        """Return the definition that holds at a statement: the last before it, else the next."""
        found = self.definitions.get((name, arity))
        if not found:
            return None
        before = [one for one in found if one.number <= number]
        return before[-1] if before else found[0]

    def function(self, name: str, number: int, count: int) -> Function | None:
        """Return the function of so many numbers that a name is."""
        found = [one for one in self.functions.get(name, ()) if len(one.parameters) == count]
        if not found:
            return None
        before = [one for one in found if one.number <= number]
        if before and self._family_since(name, before[-1].number, number):
            return None
        return before[-1] if before else found[0]

    def _family_since(self, name: str, first: int, number: int) -> bool:
        """Whether a name has become a family in the meantime: g(z_i) = z_i - max(z)."""
        return any(
            one.kind == "family" and first < one.number <= number
            for (known, _), several in self.definitions.items()
            if known == name
            for one in several
        )

    def called(self, name: str) -> bool:
        """Whether the text defines what a name with a bracket is."""
        if name in self.functions or name in self.letters.index_called:
            return True
        return any(known == name or known.startswith(f"{name}|") for known, _ in self.definitions)

    def family(self, name: str, number: int) -> Definition | None:
        r"""Return the definition of a family such as \sigma(z_j)."""
        for (known, arity), _ in self.definitions.items():
            if known == name:
                found = self.definition(name, arity, number)
                if found is not None and found.kind == "family":
                    return found
        return None

    def functional(
        self, name: str, indices: tuple[Expr, ...], number: int, arguments: tuple[Expr, ...]
    ) -> bool:
        """Whether a name with a bracket is a quantity that is defined with one: E(y, t)."""
        found = self.definition(name, self.rank(name, len(indices)), number)
        if found is None or len(found.arguments) != len(arguments):
            return False
        inner = [bare(argument) for argument in arguments]
        symbols = [one for one in inner if isinstance(one, Symbol)]
        if len(symbols) != len(inner):
            return False
        own = [self.letters.split(one)[0] for one in found.arguments]
        return not indices or [self.letters.split(one)[0] for one in symbols] == own

    def functional_renames(
        self, name: str, given: int, number: int, arguments: tuple[Expr, ...]
    ) -> dict[str, str]:
        """Return which of its arguments a quantity is called with instead of its own."""
        found = self.definition(name, self.rank(name, given), number)
        if found is None or len(found.arguments) != len(arguments):
            return {}
        renames: dict[str, str] = {}
        for own, other in zip(found.arguments, arguments, strict=True):
            other = bare(other)
            if isinstance(other, Symbol):
                before, after = self.letters.split(own)[0], self.letters.split(other)[0]
                sizes = [
                    self.rank(n, 0, is_bold(one)) for n, one in ((before, own), (after, other))
                ]
                if before != after and sizes[0] == sizes[1]:  # not the L(W) of L(p)
                    renames[before] = after
            else:
                raise Unreadable(self.tex(other), "an argument that is no symbol", other.span)
        return renames

    def renamed_family(
        self,
        t: Translator,
        name: str,
        renames: dict[str, str],
        indices: tuple[Expr, ...],
        span: tuple[int, int],
    ) -> Value:
        """Return an element of a quantity whose definition is read with other names."""
        found = self.definition(name, len(indices), t.number)
        if found is None:
            raise Unreadable(name, "is not defined with so many indices", span)
        new = f"{name}({', '.join(renames.values())})"
        key = (new, found.arity)
        if key not in self.definitions or self.definitions[key][0].number != found.number:
            self.definitions[key] = [
                replace(found, name=new, renames=tuple(renames.items()), number=found.number)
            ]
            self.letters.arities.setdefault(new, set()).add(found.arity)
        return t.element(new, indices, span)

    def variant(self, name: str, count: int) -> str:
        """Return the name of a quantity by how many arguments it is called with: H(p), H(p, q)."""
        other = f"{name}|{count}"
        return other if (other, 0) in self.definitions else name

    def index_called(self, name: str) -> bool:
        """Whether a bracket behind a name holds an index: p(x) where a sum runs over x."""
        return name in self.letters.index_called

    def variable_of_derivative(self, name: str) -> bool:
        """Whether the text differentiates a quantity of this name."""
        return name in self.letters.derived

    def is_product(self, tree: Applied) -> bool:
        """Whether a bracket behind a symbol is a factor."""
        name, indices = self.letters.split(tree.head)
        if len(tree.arguments) != 1:
            return False
        argument = bare(tree.arguments[0])
        if indices:
            whole = isinstance(argument, Symbol) and is_bold(argument)
            return not whole or name in self.letters.arities
        plain = isinstance(argument, Symbol)
        if self.variable_of_derivative(name) and plain:
            return False
        if self.defined(name, 0) or name in self.letters.sizes or name in self.letters.bound:
            return True
        if tree.head in argument.walk():
            return True  # v (z - v r)
        if plain and not self.letters.bare_uses.get(name):
            return False  # L(\theta), where L never stands without a bracket
        if name in FUNCTION_LETTERS or is_word(tree.head.name):
            return False
        if tree.head.name in GREEK or name in self.letters.alone or self.known(name):
            return True
        return isinstance(argument, Sum)

    def role(self, name: str) -> str | None:
        """Return what a function is that the text only names in words."""
        prose = self.outline.prose
        if name not in ("\\sigma", "S", "s", "g", "h", "f"):
            return None
        near = re.search(
            r"(sigmoid|logistic|softmax)[^.$]{0,60}\$" + re.escape(name) + r"\b", prose, re.I
        ) or re.search(
            re.escape(name) + r"[^.$]{0,20}\$[^.$]{0,40}(sigmoid|logistic|softmax)", prose
        )
        word = near[1].lower() if near else ""
        if not word and name == "\\sigma":
            found = re.search(r"sigmoid|logistic function|softmax", prose, re.I)
            word = found[0].lower() if found else ""
        if word.startswith(("sigmoid", "logistic")):
            return "sigmoid"
        return "softmax" if word else None

    def coefficient(self, name: str, power: int | str) -> str:
        """Return the name of a coefficient of an unknown function."""
        core = f"{name}·{power}"
        self.extra[core] = Free((), "rational")
        return core

    def inlined(self, t: Translator, function: Function, values: list[Value]) -> Value:
        """Return a function's body with its arguments put in."""
        if any(one is function for one in self._inlining):
            raise Unreadable(function.name, "a function that is defined by itself")
        before = t.parameters, t.bound, t.scalars
        t.parameters = list(zip(function.parameters, values, strict=True))
        t.bound, t.scalars = {}, frozenset()
        self._inlining.append(function)
        try:
            return t.value(function.body)
        finally:
            self._inlining.pop()
            t.parameters, t.bound, t.scalars = before

    def slope(self, t: Translator, function: Function, real: Real, order: int = 1) -> Real:
        """Return f'(x) or a higher one: the derivative of the body by its parameter, at x."""
        element = self.variable(t, real)
        body = self._body(t, function, [element])
        for _ in range(order):
            body = Partial(body, element)
        return body

    def variable(self, t: Translator, real: Real) -> Element:
        """Return an expression as a variable, by which one can differentiate."""
        if isinstance(real, Element):
            return real
        self._counted += 1
        name = f"·argument{self._counted}"
        self.extra[name] = Defined((), (), real)
        t.quantities[name] = None
        return Element(name)

    def _body(self, t: Translator, function: Function, reals: list[Real]) -> Real:
        return self.inlined(t, function, [scalar(real) for real in reals]).number()

    def scalars(self, statement: Statement) -> frozenset[str]:
        """Return the letters that are numbers in a statement, though vectors elsewhere."""
        key = statement.number, len(self.functions), len(statement.sides)
        if key not in self._scalars:
            self._scalars[key] = scalars.of(self, [side.tree for side in statement.sides])
        return self._scalars[key]

    def restore(self, sets: Sets) -> None:
        """Go back to an earlier state of the index sets."""
        if self.sets.version != sets.version:
            self.quantities.forget(sets.version)
        self.sets = sets

    # ------------------------------------------------------------------ for the judge
    def find_targets(self) -> None:
        """Find the targets by their role: what multiplies a logarithm and is not defined."""
        for statement in self.outline.statements:
            for side in statement.sides:
                for node in side.tree.walk():
                    logs = (
                        [f for f in node.factors if _logs(f)] if isinstance(node, Product) else []
                    )
                    if isinstance(node, Product) and logs:
                        for factor in node.factors:
                            self._target(bare(factor), logs)

    def _target(self, factor: Expr, logs: list[Expr]) -> None:
        if isinstance(factor, Transpose):
            factor = factor.of
        if not isinstance(factor, Symbol):
            return
        name, indices = self.letters.split(factor)
        rank = self.rank(name, len(indices))
        if rank and not self.defined(name, rank):
            own = any(one == factor for log in logs for one in log.walk())  # p_i log p_i
            if (own or name not in self.letters.logged) and name not in self.letters.exponents:
                self.targets.add(name)


def _logs(tree: Expr) -> bool:
    tree = bare(tree)
    return isinstance(tree, Call) and tree.name in ("log", "ln")
