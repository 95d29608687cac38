"""Which equalities define something: an unseen symbol on the left."""

from __future__ import annotations

from fractions import Fraction

from softxent.derive.trees import (
    Applied,
    Big,
    Call,
    Derivative,
    Ellipsis,
    Expr,
    Group,
    Number,
    Opaque,
    Power,
    Product,
    Relation,
    Symbol,
)
from softxent.derive.understand.book import Book, Definition, Function
from softxent.derive.understand.letters import GREEK, Letters, bare, base_name
from softxent.derive.understand.outline import Outline, Statement
from softxent.derive.understand.sums import letters_free


def read(outline: Outline, plain: bool = False) -> Book:
    """Return the book of a document: letters, definitions, targets."""
    trees: list[Expr] = [side.tree for one in outline.statements for side in one.sides]
    compared: set[str] = set()
    for statement in outline.statements:
        for sign in statement.signs:
            for condition in sign.conditions:
                compared |= condition.letters()
    for relation in outline.asides:
        if len(relation.links) == 1 and relation.links[0].relation in ("=", "neq"):
            for side in (relation.first, relation.links[0].right):
                if isinstance(side, Symbol) and not side.subs:
                    compared.add(base_name(side))
    compared = {one for one in compared if len(one) == 1 or one.startswith("\\")}
    letters = Letters([*trees, *outline.asides], {c for c in compared if not c.isupper()})
    book = Book(outline, letters, plain)
    for statement in outline.statements:
        book.roles[statement.number] = define(book, statement)
    book.find_targets()
    _pins(book)
    return book


def define(book: Book, statement: Statement, again: bool = False) -> str:
    """Enter what a statement defines; returns what it is: "definition", ..., or "".

    again: also where the symbol has a definition already.
    """
    if len(statement.sides) < 2 or not statement.signs:
        return ""
    relation = statement.signs[0].relation
    if relation not in ("=", "define", "to"):
        return ""
    head = _head(statement.sides[0].tree)
    body = statement.sides[1].tree
    if isinstance(body, Opaque) and len(statement.sides) > 2:
        body = statement.sides[2].tree
    if isinstance(body, Opaque):
        return ""
    if isinstance(head, Power) and isinstance(head.base, Symbol):
        if head.exponent == Number(Fraction(2)):  # sigma^2 = ... defines sigma
            head, body = head.base, Call("sqrt", body, span=body.span)
    if isinstance(head, Call) and head.name in ("log", "ln") and isinstance(bare(head.of), Symbol):
        head, body = bare(head.of), Call("exp", body, span=body.span)  # log y = ... defines y
    if isinstance(head, Symbol):
        return _quantity(book, statement, head, (), body, again or relation != "=")
    if isinstance(head, Applied):
        return _applied(book, statement, head, body, again or relation != "=")
    if isinstance(head, Product) and isinstance(body, Derivative):
        return _operator(book, head, body)
    return _reversed(book, statement)


def _operator(book: Book, head: Product, body: Derivative) -> str:
    r"""`D_j S_i = \frac{\partial S_i}{\partial a_j}` defines the operator D."""
    if len(head.factors) != 2 or len(body.by) != 1 or body.of != head.factors[1]:
        return ""
    operator, variable = head.factors[0], body.by[0]
    if not isinstance(operator, Symbol) or not isinstance(variable, Symbol):
        return ""
    if len(operator.subs) != 1 or operator.subs != variable.subs:
        return ""
    book.operators[base_name(operator)] = variable
    return "definition"


def _head(tree: Expr) -> Expr:
    while isinstance(tree, Group):
        tree = tree.of
    return tree


def _quantity(
    book: Book,
    statement: Statement,
    head: Symbol,
    arguments: tuple[Symbol, ...],
    body: Expr,
    again: bool,
) -> str:
    name, indices = book.letters.split(head)
    if name in book.letters.bound and not indices and not arguments:
        return ""
    if "prime" in head.accents and arguments:
        return ""
    if _is_delta(head):
        return "delta"
    if _numbers(body) and not arguments:
        return "instance" if not indices or not isinstance(bare(body), Number) else ""
    if book.letters.bold.get(name) and _listed(body):
        return "instance"
    arity = len(indices)
    if not indices and not arguments:
        arity = _vector_arity(book, name, body)
    if statement.signs[0].relation == "to" or _mentions(book, body, name, arity):
        return "update" if not book.definitions.get((name, len(indices))) else ""
    if not all(isinstance(bare(sub), Symbol) for sub in indices):
        if any(isinstance(bare(sub), Relation) for sub in indices):
            return ""
        if book.definitions.get((name, len(indices))):
            return ""
        book.partly.add(name)
        return "element"
    names = tuple(base_name(bare(sub)) for sub in indices)  # type: ignore[arg-type]
    if len(set(names)) != len(names):
        return ""
    key = (name, arity)
    if book.definitions.get(key) and not again:
        return ""
    found = Definition(name, names, body, statement.number, "quantity", arguments, arity)
    book.definitions.setdefault(key, []).append(found)
    return "definition"


def _vector_arity(book: Book, name: str, body: Expr) -> int:
    """Return how many indices a quantity without one has: y = softmax(z) is a vector."""
    from softxent.derive.understand.translate import Translator
    from softxent.derive.understand.values import Mismatch, NotDefined, Unreadable

    try:
        return Translator(book, f"probe/{name}", 10**6).value(body).rank
    except (Mismatch, NotDefined, Unreadable):
        return book.rank(name, 0)


def _applied(book: Book, statement: Statement, head: Applied, body: Expr, again: bool) -> str:
    arguments = tuple(bare(argument) for argument in head.arguments)
    if not all(isinstance(argument, Symbol) for argument in arguments):
        return ""
    symbols = tuple(a for a in arguments if isinstance(a, Symbol))
    name, indices = book.letters.split(head.head)
    if "prime" in head.head.accents:
        return ""
    if indices:
        return _quantity(book, statement, head.head, symbols, body, again)
    if not again and (book.functions.get(name) or book.family(name, statement.number)):
        return ""
    if name in book.letters.index_called:
        return _indexed(book, statement, name, symbols, body, again)
    own = [book.letters.split(symbol) for symbol in symbols]
    if len(symbols) == 1 and own[0][1] and _others(book, body, symbols[0]):
        return _family(book, statement, name, symbols, body)
    inside = all(any(node == symbol for node in body.walk()) for symbol in symbols)
    if inside and all(not _others(book, body, symbol) for symbol in symbols):
        function = Function(name, symbols, body, statement.number)
        book.functions.setdefault(name, []).append(function)
        if all(not indices for _, indices in own):
            scalars = book.scalars([side.tree for side in statement.sides])
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
    return _quantity(book, statement, head.head, symbols, body, again)


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


def _reversed(book: Book, statement: Statement) -> str:
    r"""`\frac{\partial E}{\partial z_j} = \delta_j`: an unseen symbol on the right."""
    if len(statement.sides) != 2:
        return ""
    head = _head(statement.sides[1].tree)
    left = statement.sides[0].tree
    if not isinstance(head, Symbol) or isinstance(bare(left), Number):
        return ""
    name, indices = book.letters.split(head)
    key = (name, len(indices))
    if book.definitions.get(key) or name in book.letters.bound or name in book.letters.sizes:
        return ""
    if _is_delta(head) or _mentions(book, left, name, len(indices)):
        return ""
    for earlier in book.outline.statements[: statement.number]:
        for side in earlier.sides:
            if _mentions(book, side.tree, name, len(indices)):
                return ""
    if not all(isinstance(bare(sub), Symbol) for sub in indices):
        return ""
    names = tuple(base_name(bare(sub)) for sub in indices)  # type: ignore[arg-type]
    if len(set(names)) != len(names) or _stray(book, left, set(names)):
        return ""
    if not indices and _vector_arity(book, name, left) and not book.rank(name, 0):
        return ""
    if letters_free(left, book.letters.split) != frozenset(names):
        return ""
    found = Definition(name, names, left, statement.number, "quantity", (), len(names))
    book.definitions.setdefault(key, []).append(found)
    return "definition"


def _stray(book: Book, tree: Expr, names: set[str]) -> bool:
    return bool(names - letters_free(tree, book.letters.split))


def _is_delta(head: Symbol) -> bool:
    if head.name == "delta" and len(head.subs) == 2:
        return True
    return (
        len(head.subs) == 1 and isinstance(head.subs[0], Relation) and head.name in ("delta", "1")
    )


def _numbers(body: Expr) -> bool:
    """Whether there is nothing but numbers in a body."""
    return not any(isinstance(node, Symbol | Opaque | Big) for node in body.walk())


def _listed(body: Expr) -> bool:
    from softxent.derive.trees import Matrix, Tuple

    inner = bare(body)
    return isinstance(inner, Tuple | Matrix) or (
        isinstance(inner, Group) and isinstance(inner.of, Tuple | Matrix)
    )


def _mentions(book: Book, body: Expr, name: str, arity: int) -> bool:
    for node in body.walk():
        if isinstance(node, Symbol):
            other, indices = book.letters.split(node)
            if other == name and book.rank(other, len(indices)) == arity:
                return True
    return False


def _others(book: Book, body: Expr, symbol: Symbol) -> bool:
    """Whether a body holds a symbol's quantity otherwise than in that very form."""
    name, _ = book.letters.split(symbol)
    for node in body.walk():
        if isinstance(node, Symbol) and node != symbol and book.letters.split(node)[0] == name:
            return True
    return any(isinstance(node, Ellipsis) for node in body.walk())


def _pins(book: Book) -> None:
    """Read what the author pinned: "y is target", "K is size", "x is positive"."""
    for pin in book.outline.pins:
        words = pin.replace("softxent:", "").replace("$", "").split()
        if len(words) < 3 or words[1] not in ("is", "are"):
            continue
        name, role = words[0], words[-1].strip(".,;")
        if name in GREEK:
            name = "\\" + name
        if role in ("target", "targets", "label", "labels"):
            book.targets.add(name)
        elif role in ("size", "count"):
            book.letters.sizes.add(name)
        elif role in ("logit", "logits", "score", "scores"):
            book.letters.exponents.add(name)
            book.targets.discard(name)
        elif role in ("positive", "probability", "probabilities", "output", "outputs"):
            book.letters.logged.add(name)
            book.targets.discard(name)
        elif role in ("index", "letter"):
            book.letters.bound.add(name)
