"""What a left side defines: a quantity, a function, a family, an operator."""

from __future__ import annotations

from fractions import Fraction

from softxent.derive.trees import (
    Applied,
    Big,
    Derivative,
    Expr,
    Group,
    Negative,
    Number,
    Over,
    Product,
    Relation,
    Sum,
    Symbol,
)
from softxent.derive.understand import layers
from softxent.derive.understand.bodies import (
    assigned,
    calls_itself,
    is_delta,
    listed,
    mentions,
    numbers,
    others,
    readable,
    recurs,
    scaled,
    solves,
    stray,
)
from softxent.derive.understand.book import Book, Definition, Function
from softxent.derive.understand.constants import value_claimed
from softxent.derive.understand.letters import bare, base_name
from softxent.derive.understand.outline import Statement
from softxent.derive.understand.reach import letters_free
from softxent.derive.understand.symbols import is_bold


def unwrapped(tree: Expr) -> Expr:
    """Return what stands in brackets of any kind."""
    while isinstance(tree, Group):
        tree = tree.of
    return tree


def operator(book: Book, head: Product, body: Derivative) -> str:
    r"""`D_j S_i = \frac{\partial S_i}{\partial a_j}` defines the operator D."""
    if len(head.factors) != 2 or len(body.by) != 1 or body.of != head.factors[1]:
        return ""
    return "definition" if book.operators.derives(head.factors[0]) else ""


def quantity(
    book: Book,
    statement: Statement,
    head: Symbol,
    arguments: tuple[Symbol, ...],
    body: Expr,
    again: bool,
) -> str:
    """Enter what an equality with a symbol on its left defines."""
    name, indices = book.letters.split(head)
    if name in book.letters.bound and not indices and not arguments:
        statement.doubt = statement.doubt or "it says which value an index has"
        return ""
    if "prime" in head.accents and arguments:
        return ""
    if is_delta(head):
        return "delta"
    if numbers(body) and not arguments:
        if value_claimed(book, statement, name, len(indices), body):
            return ""
        lettered = any(isinstance(bare(sub), Symbol) for sub in indices)
        return "" if lettered and isinstance(bare(body), Number) else "instance"
    if listed(body) and (book.letters.bold.get(name) or book.letters.arities.get(name)):
        return "instance"  # p = (y, 1 - y), where p_i is what the text is about
    arity = len(indices)
    if not indices:
        arity = _vector_arity(book, name, body)
    elif not is_bold(head) and _vector_arity(book, name, body, 0):
        return ""  # a vector is no element: p_j = e^{a_j} / sum_k e^a
    if assigned(head, body) or _renewed(head, body):
        return "update"
    if _circular(book, name, body):
        return ""
    to = statement.signs[0].relation == "to"
    if not to and solves(head, body):
        statement.doubt = statement.doubt or "its left side stands on the right as well"
        return ""
    if not to and restated(book, name, arity, body):
        return ""
    if to or mentions(book, body, name, arity):
        return "update" if again or not book.definitions.get((name, len(indices))) else ""
    if not all(isinstance(bare(sub), Symbol) for sub in indices):
        if any(isinstance(bare(sub), Relation) for sub in indices):
            return ""
        if book.definitions.get((name, len(indices))):
            return "instance" if _of_label(book, name, indices) else ""
        book.partly.add(name)
        return "element"
    names = tuple(base_name(bare(sub)) for sub in indices)  # type: ignore[arg-type]
    if len(set(names)) != len(names):
        return ""
    if len(names) == 1 and _is_last(book, name, names[0]):
        book.last[name] = (names[0], body)
        return "element"
    key = (name, arity)
    known = book.definitions.get(key, [])
    if known and readable(body) and not any(readable(one.body) for one in known):
        known.clear()  # what could not be read defines nothing, once something else does
    if not again and (known or layers.carried(book, head)):
        return ""
    found = Definition(name, names, body, statement.number, "quantity", arguments, arity)
    book.definitions.setdefault(key, []).append(found)
    return "definition"


def restated(book: Book, name: str, arity: int, body: Expr) -> bool:
    r"""Whether x only runs in a sum of the body, beside what is defined by x.

    x_n = \log p_n + \log \sum_m e^{x_m} says something of p_n = e^{x_n} / \sum_m e^{x_m}.
    """
    if not mentions(book, body, name, arity):
        return False
    sums = [node for node in body.walk() if isinstance(node, Big)]
    inside = sum(_count(book, node.of, name) for node in sums)
    if _count(book, body, name) != inside:
        return False
    parts = {book.letters.split(node)[0] for node in body.walk() if isinstance(node, Symbol)}
    return any(
        mentions(book, found.body, name, arity)
        for (known, _), several in book.definitions.items()
        if known in parts
        for found in several
    )


def _count(book: Book, body: Expr, name: str) -> int:
    """How often a body names a quantity."""
    symbols = [node for node in body.walk() if isinstance(node, Symbol)]
    return sum(book.letters.split(node)[0] == name for node in symbols)


def _renewed(head: Symbol, body: Expr) -> bool:
    r"""Whether it is the next value of something: m' = \max(m_i, m)."""
    plain = Symbol(head.name, tuple(one for one in head.accents if one != "prime"))
    return plain != head and not head.subs and any(node == plain for node in body.walk())


def _circular(book: Book, name: str, body: Expr) -> bool:
    """Whether the body is another name only, which the text has introduced as this one."""
    other = bare(body)
    if not isinstance(other, Symbol):
        return False
    known = [
        one
        for (known, _), several in book.definitions.items()
        if known == book.letters.split(other)[0]
        for one in several
    ]
    bodies = [bare(one.body) for one in known]
    return any(isinstance(one, Symbol) and book.letters.split(one)[0] == name for one in bodies)


def _is_last(book: Book, name: str, size: str) -> bool:
    """Whether p_K has a formula of its own, beside one of p_k with a sum that ends before K."""
    if size not in book.letters.sizes or size in book.letters.bound:
        return False
    general = book.definitions.get((name, 1), ())
    before = Sum((Symbol(size), Negative(Number(Fraction(1)))))
    return any(
        isinstance(node, Over) and node.upper == before
        for found in general
        for node in found.body.walk()
    )


def _of_label(book: Book, name: str, indices: tuple[Expr, ...]) -> bool:
    """Whether a sample is taken of what is defined with its label: L_0, of L_i with a y_i in it."""
    if not all(isinstance(bare(sub), Number) for sub in indices):
        return False
    return any(
        isinstance(sub, Symbol) and sub.subs
        for found in book.definitions[(name, len(indices))]
        for node in found.body.walk()
        if isinstance(node, Symbol)
        for sub in node.subs
    )


def _vector_arity(book: Book, name: str, body: Expr, unread: int | None = None) -> int:
    """Return how many indices a quantity without one has: y = softmax(z) is a vector.

    unread: what to return where the body cannot be read.
    """
    from softxent.derive.understand.translate import Translator
    from softxent.derive.understand.values import Mismatch, NotDefined, Unreadable

    try:
        return Translator(book, f"probe/{name}", 10**6).value(body).rank
    except (Mismatch, NotDefined, Unreadable):
        return book.rank(name, 0) if unread is None else unread


def applied(book: Book, statement: Statement, head: Applied, body: Expr, again: bool) -> str:
    """Enter what an equality with a symbol and a bracket on its left defines."""
    arguments = tuple(bare(argument) for argument in head.arguments)
    if not all(isinstance(argument, Symbol) for argument in arguments):
        same = book.function(base_name(head.head), statement.number, len(arguments))
        return "update" if same is None and recurs(head, body) else ""
    symbols = tuple(a for a in arguments if isinstance(a, Symbol))
    name, indices = book.letters.split(head.head)
    if "prime" in head.head.accents:
        return ""
    if isinstance(bare(body), Number) or (statement.doubt and numbers(body)):
        return ""
    if indices:
        return quantity(book, statement, head.head, symbols, body, again)
    if calls_itself(head, body):
        if assigned(head, body) or scaled(head, body):
            return "update"
        if not any(node in symbols for node in body.walk()):
            statement.doubt = statement.doubt or "it says what the function is taken of"
        return ""
    same = book.function(name, statement.number, len(symbols))
    if same is not None and readable(body) and not readable(same.body):
        again = True
    if not again and (same or book.family(name, statement.number)):
        return ""
    if name in book.letters.index_called:
        return _indexed(book, statement, name, symbols, body, again)
    own = [book.letters.split(symbol) for symbol in symbols]
    if len(symbols) == 1 and own[0][1] and others(book, body, symbols[0]):
        return _family(book, statement, name, symbols, body)
    known = book.definitions.get((book.variant(name, len(symbols)), 0))
    if known and not again and known[0].arguments == symbols:
        return ""  # H(p, q) = H(p) + D(p, q), after H(p, q) = -sum_i p_i log q_i
    inside = all(any(node == symbol for node in body.walk()) for symbol in symbols)
    if inside and all(not others(book, body, symbol) for symbol in symbols):
        function = Function(name, symbols, body, statement.number)
        book.functions.setdefault(name, []).append(function)
        if all(not indices for _, indices in own):
            scalars = book.scalars(statement)
            arity = 0 if scalars else _vector_arity(book, name, body)
            plain = Definition(name, (), body, statement.number, "quantity", (), arity)
            book.definitions.setdefault((name, arity), []).append(plain)
        return "definition"
    known = book.definitions.get((name, 0))
    if known and len(known[0].arguments) != len(symbols):
        name = f"{name}|{len(symbols)}"
        known = book.definitions.get((name, 0))
        if not known:
            found = Definition(name, (), body, statement.number, "quantity", symbols, 0)
            book.definitions[(name, 0)] = [found]
            return "definition"
    if known and not again:
        return ""
    return quantity(book, statement, head.head, symbols, body, again)


def _family(
    book: Book, statement: Statement, name: str, symbols: tuple[Symbol, ...], body: Expr
) -> str:
    _, indices = book.letters.split(symbols[0])
    letters = []
    for sub in indices:
        inner = bare(sub)
        if not isinstance(inner, Symbol):
            return ""
        letters.append(base_name(inner))
    found = Definition(
        name, tuple(letters), body, statement.number, "family", symbols, len(letters)
    )
    book.definitions.setdefault((name, len(letters)), []).append(found)
    book.letters.arities.setdefault(name, set()).add(len(letters))
    return "definition"


def _indexed(
    book: Book,
    statement: Statement,
    name: str,
    symbols: tuple[Symbol, ...],
    body: Expr,
    again: bool,
) -> str:
    key = (name, len(symbols))
    if book.definitions.get(key) and not again:
        return ""
    letters = tuple(base_name(symbol) for symbol in symbols)
    found = Definition(name, letters, body, statement.number, "quantity", (), len(letters))
    book.definitions.setdefault(key, []).append(found)
    return "definition"


def reversed_side(book: Book, statement: Statement) -> str:
    r"""`\frac{\partial E}{\partial z_j} = \delta_j`: an unseen symbol on the right."""
    if len(statement.sides) != 2:
        return ""
    head = unwrapped(statement.sides[1].tree)
    left = statement.sides[0].tree
    if not isinstance(head, Symbol) or isinstance(bare(left), Number):
        return ""
    name, indices = book.letters.split(head)
    key = (name, len(indices))
    if name in book.letters.bound or name in book.letters.sizes:
        return ""
    if any(known == name and (arity == key[1] or not indices) for known, arity in book.definitions):
        return ""
    rank = book.rank(name, len(indices))
    if is_delta(head) or head.name in ("I", "1") or mentions(book, left, name, rank):
        return ""
    for earlier in book.outline.statements[: statement.number]:
        for side in earlier.sides:
            if mentions(book, side.tree, name, rank):
                return ""
    if not all(isinstance(bare(sub), Symbol) for sub in indices):
        return ""
    names = tuple(base_name(bare(sub)) for sub in indices)  # type: ignore[arg-type]
    if len(set(names)) != len(names) or stray(book, left, set(names)):
        return ""
    if not indices and _vector_arity(book, name, left) and not book.rank(name, 0):
        return ""
    if letters_free(left, book.letters.split) != frozenset(names):
        return ""
    found = Definition(name, names, left, statement.number, "quantity", (), len(names))
    book.definitions.setdefault(key, []).append(found)
    return "definition"
