"""Names of symbols: which part of a subscript is an index, and which is only a label."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from softxent.derive.trees import (
    Applied,
    Call,
    Derivative,
    Ellipsis,
    Expr,
    Negative,
    Number,
    Opaque,
    Over,
    Power,
    Product,
    Relation,
    Sum,
    Symbol,
)
from softxent.derive.understand.operators import Operators
from softxent.derive.understand.shapes import Shapes
from softxent.derive.understand.symbols import (
    GREEK,
    PARAMETERS,
    PLAIN_ACCENTS,
    bare,
    base_name,
    flat,
    is_bold,
    is_capital,
    is_word,
    letters_of,
    mean_size,
    text_of,
)

__all__ = ["GREEK", "Letters", "bare", "base_name", "is_bold", "is_word", "letters_of"]


class Letters:
    """How the letters of one document are used, gathered from all of its trees."""

    def __init__(
        self,
        trees: Iterable[Expr],
        conditions: Iterable[str],
        operators: Operators,
    ) -> None:
        self.operators = operators
        self.bound: set[str] = set()
        self.sizes: set[str] = set()
        self.in_subscripts: set[str] = set()
        self.exponents: set[str] = set()
        self.logged: set[str] = set()
        self.index_called: set[str] = set()
        self.called: dict[str, list[Expr]] = {}
        """What stands in the bracket behind a letter, where that is one thing."""
        self._calls: list[Applied] = []
        self.generic: set[str] = set()
        """Heads of brackets that are called like functions: f(g(x)), f'(x), f(x + h)."""
        self.alone: set[str] = set()
        self.entries: dict[str, str] = {}
        """Small letters that are the entries of a matrix with the capital's name."""
        self._lowered: set[str] = set()
        self.factors: set[str] = set()
        self.trigonometric = False
        """Whether there are sines, to which pi is more than a letter."""
        self.bare_uses: dict[str, int] = {}
        """How often letters stand without index or bracket, outside subscripts."""
        """Letters that stand by themselves outside subscripts: numbers, vectors."""
        self.compared: set[str] = set(conditions)
        self.running: set[str] = set()
        self.derived: dict[str, list[tuple[Symbol, Symbol]]] = {}
        self.chained: set[str] = set()
        self._numeric: dict[str, bool] = {}
        self.symbols: list[Symbol] = []
        """All symbols of the document, again for every time."""
        trees = list(trees)
        for tree in trees:
            self._note(tree)
            self._factors(tree)
        self._generic()
        shapes = Shapes(trees)
        self.linear = shapes.linear
        """Whether there are vectors and matrices written whole."""
        for name, arguments in self.called.items():
            letters = [base_name(a) for a in arguments if isinstance(a, Symbol) and not a.subs]
            if len(letters) == len(arguments) and set(letters) & self.bound:
                self.index_called.add(name)
        self._apart: frozenset[str] = frozenset()
        self._both = {
            self.split(symbol)[0] for symbol in self.symbols if symbol.sups and symbol.subs
        }
        self._apart = self._twofold(trees)
        self.arities: dict[str, set[int]] = {}
        self.bold: dict[str, set[int]] = {}
        for symbol in self.symbols:
            name, indices = self.split(symbol)
            if name in self.bound and not indices:
                continue
            if indices and symbol.sups and not symbol.subs and name in self._both:
                continue  # x^{(i)} beside x^{(i)}_j is a row of it
            if is_bold(symbol):
                self.bold.setdefault(name, set()).add(len(indices))
            elif indices and (symbol.subs or base_name(symbol) not in shapes.rank):
                self.arities.setdefault(name, set()).add(len(indices))
        self.elements = {name: frozenset(counts) for name, counts in self.arities.items()}
        """With how many indices quantities are written that are not in bold."""
        self._whole(shapes)
        for name, counts in self.bold.items():
            if name in self.sizes and name.islower() and counts == {0}:
                continue  # a differential in bold beside the size d
            plain = self.arities.setdefault(name, set())
            if 0 in counts and not plain:
                plain.update(counts - {0})
            if 0 in counts and not plain:
                plain.add(2 if is_capital(name) else 1)
            elif 0 not in counts and not plain:
                plain.update(count + 1 for count in counts)
        self._entries()

    def _twofold(self, trees: list[Expr]) -> frozenset[str]:
        """Return the names that have an index above here and below there, in one expression.

        These are two quantities: S^{j-1} + S_j, the sum so far and what comes to it.
        """
        out: set[str] = set()
        for tree in trees:
            above: set[str] = set()
            below: set[str] = set()
            for node in tree.walk():
                if isinstance(node, Symbol) and bool(node.sups) != bool(node.subs):
                    if self.split(node)[1]:
                        (above if node.sups else below).add(base_name(node))
            out |= above & below
        return frozenset(out)

    @property
    def counters(self) -> frozenset[str]:
        """Letters that run in sums and are no size."""
        return frozenset(self.bound - self.sizes)

    def counts(self, name: str) -> set[int]:
        """Return with how many arguments a name is called: P(x) and P(x, y)."""
        return {len(call.arguments) for call in self._calls if base_name(call.head) == name}

    def _generic(self) -> None:
        variables = {base_name(by) for pairs in self.derived.values() for _, by in pairs}
        for call in self._calls:
            if call.head == Symbol(call.head.name, call.head.accents):
                name = base_name(call.head)
                self.bare_uses[name] = self.bare_uses.get(name, 0) - 1
            composite = False
            for one in map(bare, call.arguments):
                head = one.head if isinstance(one, Applied) else one  # the x(t) of f(x(t), y(t))
                named = isinstance(head, Symbol) and (head is one or base_name(head) in variables)
                composite = composite or not (named or isinstance(one, Number | Ellipsis))
            if composite or "prime" in call.head.accents:
                self.generic.add(base_name(call.head).rstrip("'"))

    def _whole(self, shapes: Shapes) -> None:
        """Enter how many indices those have that are vectors and matrices by their company."""
        found: dict[str, set[int]] = {}
        for symbol in self.symbols:
            rank = shapes.rank.get(base_name(symbol))
            name, indices = self.split(symbol)
            if rank and not symbol.subs and not is_bold(symbol) and name not in self.bound:
                found.setdefault(name, set()).add(len(indices) + rank)
        for name, ranks in found.items():
            if name not in self.bold and not self.arities.get(name, set()) - {0}:
                self.arities[name] = ranks

    def _entries(self) -> None:
        """Let x_{ij} be the entries of the matrix X, where x is nothing else."""
        for name, ranks in list(self.arities.items()):
            letter, label = name[0], name[1:]
            whole = letter.upper() + label
            if label and not label.startswith("^{("):
                continue
            if not letter.islower() or ranks != {2} or letter in self.factors:
                continue
            if self.arities.get(whole) == {2} and whole[0] not in self._lowered:
                self.entries[name] = whole

    def split(self, symbol: Symbol) -> tuple[str, tuple[Expr, ...]]:
        """Return the name of a quantity, labels included, and its indices: outer ones first."""
        name = base_name(symbol)
        numeric = self._numeric.get(name, False)
        indices: list[Expr] = []
        labels = ""
        subs = flat(symbol.subs)
        doubled = len(subs) > 1 and all(
            isinstance(sub, Symbol) and base_name(sub) in self._lowered for sub in subs
        )
        for sub in subs:
            if isinstance(sub, Symbol) and is_word(sub.name) and sub.subs:
                labels += "_{" + base_name(sub) + "}"  # the node of E_{node_i}
                indices.extend(flat(sub.subs))
            elif self._is_label(sub, numeric, doubled):
                labels += "_{" + text_of(sub) + "}"
            else:
                indices.append(sub)
        outer: list[Expr] = []
        for sup in flat(symbol.sups):
            if self._is_index_above(sup):
                outer.append(sup)
            else:
                labels += "^{(" + text_of(sup) + ")}"
        if outer and not indices and name in self._apart:
            labels += "^{()}"
        whole = name + labels
        return self.entries.get(whole, whole), tuple(outer + indices)

    def _is_label(self, sub: Expr, numeric: bool, doubled: bool = False) -> bool:
        if isinstance(sub, Number):
            return numeric
        if isinstance(sub, (Opaque, Applied)):
            return True
        if isinstance(sub, Symbol):
            name = base_name(sub)
            if is_word(sub.name) or any(accent in PLAIN_ACCENTS for accent in sub.accents):
                return True
            if name in self.bound or name in self.sizes or name in self.compared:
                return False
            if doubled and name in self._lowered:
                return True  # the h and x of W_{hh} and W_{xh}, beside h_t and x_t
            if sub.name in GREEK and name in self.factors:
                return True  # the beta of S_beta is a number
            return sub.name in PARAMETERS or (sub.name.isupper() and not sub.subs)
        return not isinstance(sub, (Sum, Negative, Relation))

    def _is_index_above(self, sup: Expr) -> bool:
        letters = letters_of(sup)
        return bool(letters) and letters <= self.bound

    def _note(self, tree: Expr) -> None:
        for node in tree.walk():
            if isinstance(node, Over):
                self.bound.update(base_name(letter) for letter in node.index)
                if node.upper is None and node.relation in ("", "=", "neq", "with"):
                    self.running.update(base_name(letter) for letter in node.index)
                if node.relation in ("=", "") and node.upper is not None:
                    self._end(node.upper)
                if node.relation == "in" and isinstance(node.lower, Symbol):
                    self.sizes.add(base_name(node.lower))
            elif isinstance(node, Symbol):
                if self.operators.derives(node):
                    continue
                self.symbols.append(node)
                name = base_name(node)
                subs = flat(node.subs)
                if subs:
                    self._lowered.add(name)
                    only = all(isinstance(sub, Number) for sub in subs)
                    self._numeric[name] = self._numeric.get(name, True) and only
                    for sub in subs:
                        self.in_subscripts |= letters_of(sub)
                elif not node.sups:
                    self.alone.add(name)
            elif isinstance(node, Applied):
                self._calls.append(node)
                if len(node.arguments) == 1:
                    called = self.called.setdefault(base_name(node.head), [])
                    called.append(bare(node.arguments[0]))
            elif isinstance(node, Power):
                if isinstance(node.base, Symbol) and node.base.name == "e" and not node.base.subs:
                    self.exponents |= self._heads(node.exponent)
            elif isinstance(node, Call):
                if node.name == "exp":
                    self.exponents |= self._heads(node.of)
                elif node.name in ("sin", "cos", "tan", "cot", "sec", "csc"):
                    self.trigonometric = True
                elif node.name in ("log", "ln", "lg", "sqrt"):
                    self.logged |= self._positive(node.of)
            elif isinstance(node, Derivative):
                self._derivative(node)
            elif isinstance(node, Product):
                for one, other in zip(node.factors, node.factors[1:], strict=False):
                    size = mean_size(one, other)
                    if size is not None:
                        self.sizes.add(base_name(size))
                factors = [f.of if isinstance(f, Negative) else f for f in node.factors]
                found = [f for f in factors if isinstance(f, Derivative)]
                if len(found) > 1:
                    heads = [_head(f.of) for f in found]
                    self.chained |= {base_name(head) for head in heads if head is not None}
            elif isinstance(node, Relation):
                self._ellipsis_numbers(node)

    def _factors(self, tree: Expr) -> None:
        """Note the letters that stand outside subscripts and bounds."""
        if isinstance(tree, Symbol):
            if not tree.subs and not tree.sups:
                name = base_name(tree)
                self.factors.add(name)
                self.bare_uses[name] = self.bare_uses.get(name, 0) + 1
        elif not isinstance(tree, (Over, Relation)):
            for part in tree.parts():
                self._factors(part)

    def _end(self, upper: Expr) -> None:
        """Note the size in which a sum ends: K, or K - 1."""
        if isinstance(upper, Sum) and upper.terms[1:] == (Negative(Number(Fraction(1))),):
            first = upper.terms[0]
            upper = first if isinstance(first, Symbol) and first.name.isupper() else upper
        if isinstance(upper, Symbol):
            self.sizes.add(base_name(upper))

    def _derivative(self, node: Derivative) -> None:
        of = _head(node.of)
        if of is not None:
            for by in node.by:
                variable = _head(by.base if isinstance(by, Power) else by)
                if variable is not None:
                    self.derived.setdefault(base_name(of), []).append((of, variable))

    def _positive(self, tree: Expr) -> set[str]:
        """Return what must be positive in a logarithm: the y of y^t, the p of p(x)."""
        if isinstance(tree, Applied):
            return {base_name(tree.head)}
        if isinstance(tree, Power):
            even = isinstance(tree.exponent, Number) and tree.exponent.value % 2 == 0
            return set() if even else self._positive(tree.base)
        own = {base_name(tree)} if isinstance(tree, Symbol) else set()
        return own.union(*(self._positive(part) for part in tree.parts()))

    def _heads(self, tree: Expr) -> set[str]:
        return {base_name(node) for node in tree.walk() if isinstance(node, Symbol)}

    def _ellipsis_numbers(self, relation: Relation) -> None:
        """`z_1 + ... + z_K` uses z with a running index, though only numbers are seen."""
        from softxent.derive.trees import Ellipsis

        nodes = list(relation.walk())
        if not any(isinstance(node, Ellipsis) for node in nodes):
            return
        for node in nodes:
            if isinstance(node, Symbol) and node.subs:
                if any(isinstance(sub, Symbol) for sub in flat(node.subs)):
                    for sub in flat(node.subs):
                        if isinstance(sub, Symbol) and (
                            sub.name.isupper() or sub.name in ("n", "m", "d", "k")
                        ):
                            self.sizes.add(base_name(sub))


def _head(tree: Expr | None) -> Symbol | None:
    if isinstance(tree, Applied):
        return tree.head
    return tree if isinstance(tree, Symbol) else None
