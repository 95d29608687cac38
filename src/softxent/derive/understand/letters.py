"""Names of symbols: which part of a subscript is an index, and which is only a label."""

from __future__ import annotations

from collections.abc import Iterable

from softxent.derive.trees import (
    Applied,
    Big,
    Call,
    Derivative,
    Expr,
    Group,
    Negative,
    Number,
    Opaque,
    Over,
    Power,
    Product,
    Relation,
    Sum,
    Symbol,
    Transpose,
    Tuple,
)

VECTOR_ACCENTS = frozenset(
    ("vec", "mathbf", "boldsymbol", "bm", "bf", "pmb", "overrightarrow", "underline", "symbf")
)
PLAIN_ACCENTS = frozenset(
    ("mathrm", "mathit", "text", "textbf", "textit", "operatorname", "rm", "it")
)
GREEK = frozenset(
    """alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi
    pi rho sigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi
    Omega ell hbar""".split()
)
PARAMETERS = frozenset("theta vartheta phi varphi psi omega Theta Omega".split())


def is_word(name: str) -> bool:
    """Whether a name is a word, such as "CE" or "softmax", and no letter."""
    return len(name) > 1 and name not in GREEK and name[0] != "·"


def base_name(symbol: Symbol) -> str:
    r"""Return a symbol's name with the accents that tell quantities apart: `\hat{y}`."""
    name = symbol.name
    if name in GREEK:
        name = "\\" + name
    for accent in reversed(symbol.accents):
        if accent == "prime":
            name += "'"
        elif accent not in VECTOR_ACCENTS and accent not in PLAIN_ACCENTS:
            name = f"\\{accent}{{{name}}}"
    return name


def is_bold(symbol: Symbol) -> bool:
    """Whether it is written as a vector or matrix."""
    return any(accent in VECTOR_ACCENTS for accent in symbol.accents)


def letters_of(tree: Expr) -> frozenset[str]:
    """Return every letter that could be an index in a subscript or a condition."""
    found = set()
    for node in tree.walk():
        if isinstance(node, Symbol) and not node.subs and not is_word(node.name):
            found.add(base_name(node))
    return frozenset(found)


def bare(tree: Expr) -> Expr:
    """Return what is inside brackets that only group."""
    while isinstance(tree, Group) and tree.kind in ("(", "[", "{", "\\{"):
        tree = tree.of
    return tree


class Letters:
    """How the letters of one document are used, gathered from all of its trees."""

    def __init__(self, trees: Iterable[Expr], conditions: Iterable[str] = ()) -> None:
        self.bound: set[str] = set()
        self.sizes: set[str] = set()
        self.in_subscripts: set[str] = set()
        self.exponents: set[str] = set()
        self.logged: set[str] = set()
        self.index_called: set[str] = set()
        self._called: dict[str, list[Expr]] = {}
        self.alone: set[str] = set()
        self.compared: set[str] = set(conditions)
        self.running: set[str] = set()
        self.derived: dict[str, list[tuple[Symbol, Symbol]]] = {}
        self.chained: set[str] = set()
        self._shaped: dict[str, int] = {}
        self._numeric: dict[str, bool] = {}
        self._symbols: list[Symbol] = []
        for tree in trees:
            self._note(tree)
        for name, arguments in self._called.items():
            letters = [base_name(a) for a in arguments if isinstance(a, Symbol) and not a.subs]
            if len(letters) == len(arguments) and set(letters) & self.bound:
                self.index_called.add(name)
        self._both = {
            self.split(symbol)[0] for symbol in self._symbols if symbol.sups and symbol.subs
        }
        self.arities: dict[str, set[int]] = {}
        self.bold: dict[str, set[int]] = {}
        for symbol in self._symbols:
            name, indices = self.split(symbol)
            if name in self.bound and not indices:
                continue
            if indices and symbol.sups and not symbol.subs and name in self._both:
                continue  # x^{(i)} beside x^{(i)}_j is a row of it
            if is_bold(symbol):
                self.bold.setdefault(name, set()).add(len(indices))
            elif indices:
                self.arities.setdefault(name, set()).add(len(indices))
        for name, rank in self._shaped.items():
            if name not in self.arities and name not in self.bold and name not in self.bound:
                self.arities[name] = {rank}
        for name, counts in self.bold.items():
            plain = self.arities.setdefault(name, set())
            if 0 in counts and not plain:
                plain.update(counts - {0})
            if 0 in counts and not plain:
                plain.add(2 if name.isupper() else 1)
            elif 0 not in counts and not plain:
                plain.update(count + 1 for count in counts)

    def split(self, symbol: Symbol) -> tuple[str, tuple[Expr, ...]]:
        """Return the name of a quantity, labels included, and its indices: outer ones first."""
        name = base_name(symbol)
        numeric = self._numeric.get(name, False)
        indices: list[Expr] = []
        labels = ""
        for sub in _flat(symbol.subs):
            if self._is_label(sub, numeric):
                labels += "_{" + _text(sub) + "}"
            else:
                indices.append(sub)
        outer: list[Expr] = []
        for sup in _flat(symbol.sups):
            if self._is_index_above(sup):
                outer.append(sup)
            else:
                labels += "^{(" + _text(sup) + ")}"
        return name + labels, tuple(outer + indices)

    def _is_label(self, sub: Expr, numeric: bool) -> bool:
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
                if node.relation in ("=", "") and isinstance(node.upper, Symbol):
                    self.sizes.add(base_name(node.upper))
                if node.relation == "in" and isinstance(node.lower, Symbol):
                    self.sizes.add(base_name(node.lower))
            elif isinstance(node, Symbol):
                self._symbols.append(node)
                name = base_name(node)
                subs = _flat(node.subs)
                if subs:
                    only = all(isinstance(sub, Number) for sub in subs)
                    self._numeric[name] = self._numeric.get(name, True) and only
                    for sub in subs:
                        self.in_subscripts |= letters_of(sub)
                elif not node.sups:
                    self.alone.add(name)
            elif isinstance(node, Applied):
                if len(node.arguments) == 1:
                    called = self._called.setdefault(base_name(node.head), [])
                    called.append(bare(node.arguments[0]))
            elif isinstance(node, Power):
                if isinstance(node.base, Symbol) and node.base.name == "e" and not node.base.subs:
                    self.exponents |= self._heads(node.exponent)
            elif isinstance(node, Call):
                if node.name == "exp":
                    self.exponents |= self._heads(node.of)
                elif node.name in ("log", "ln", "lg", "sqrt"):
                    self.logged |= self._heads(node.of)
            elif isinstance(node, Derivative):
                self._derivative(node)
            elif isinstance(node, Transpose):
                if isinstance(node.of, Symbol):
                    self._shape(node.of)
            elif isinstance(node, Product):
                self._matrices(node)
                factors = [f.of if isinstance(f, Negative) else f for f in node.factors]
                found = [f for f in factors if isinstance(f, Derivative)]
                if len(found) > 1:
                    heads = [_head(f.of) for f in found]
                    self.chained |= {base_name(head) for head in heads if head is not None}
            elif isinstance(node, Relation):
                self._ellipsis_numbers(node)

    def _shape(self, symbol: Symbol) -> None:
        name, indices = base_name(symbol), _flat(symbol.subs)
        if not indices:
            self._shaped[name] = 2 if symbol.name.isupper() else 1

    def _matrices(self, node: Product) -> None:
        """`W x` with a bold x, `w^T x`, `X^T y`: what stands beside a vector or a transpose."""
        for one, other in zip(node.factors, node.factors[1:], strict=False):
            beside = other.of if isinstance(other, Transpose) else other
            if not isinstance(beside, Symbol) or (len(beside.name) > 1 and is_word(beside.name)):
                continue
            if isinstance(one, Transpose) and isinstance(one.of, Symbol):
                self._shape(beside)
            elif isinstance(one, Symbol) and one.name.isupper() and not is_word(one.name):
                if is_bold(beside) or base_name(one) in self._shaped:
                    self._shape(one)
                    self._shape(beside)

    def _derivative(self, node: Derivative) -> None:
        of = _head(node.of)
        if of is not None:
            for by in node.by:
                variable = _head(by)
                if variable is not None:
                    self.derived.setdefault(base_name(of), []).append((of, variable))

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
                if any(isinstance(sub, Symbol) for sub in _flat(node.subs)):
                    for sub in _flat(node.subs):
                        if isinstance(sub, Symbol) and (
                            sub.name.isupper() or sub.name in ("n", "m", "d", "k")
                        ):
                            self.sizes.add(base_name(sub))


def _head(tree: Expr | None) -> Symbol | None:
    if isinstance(tree, Applied):
        return tree.head
    return tree if isinstance(tree, Symbol) else None


def _flat(parts: tuple[Expr, ...]) -> list[Expr]:
    out: list[Expr] = []
    for part in parts:
        inner = bare(part)
        if isinstance(inner, Tuple):
            out.extend(_flat(inner.items))
        elif isinstance(inner, Relation) and inner.first is not None:
            if all(link.relation == "to" for link in inner.links):
                out.extend(_flat((inner.first, *(link.right for link in inner.links))))
            else:
                out.append(inner)
        else:
            out.append(inner)
    return out


def _text(tree: Expr) -> str:
    if isinstance(tree, Symbol):
        return base_name(tree) + "".join("_" + _text(sub) for sub in tree.subs)
    if isinstance(tree, Number):
        return str(tree.value)
    if isinstance(tree, Opaque):
        return tree.text
    if isinstance(tree, Big):
        return tree.name
    return "".join(_text(part) for part in tree.parts()) or type(tree).__name__
