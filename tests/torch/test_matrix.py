"""The matrix: what is differentiated × how × with which options × by which implementation.

Each cell of TABLE is right (✓: equal to exact derivatives, from tests/jets.py), or raises an error
that names the function. A silent zero, None or wrong number fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from math import prod
from typing import Any, NamedTuple

import jets
import numpy as np
import pytest
from jets import Jet

from softxent import reference

torch = pytest.importorskip("torch")
ours = pytest.importorskip("softxent.torch")

Function = Callable[[Any], Any]

TABLE = """
                        | index | index ∂r | soft | soft ∂t | softmax | log_softmax | linear | linear ∂t | stats | linear stats
backward                | ✓     | ✓        | ✓    | ✓       | ✓       | ✓           | ✓      | ✓         | ✓     | ✓
backward twice          | ✓     | ✓        | ✓    | ✓       | ✓       | ✓           | ✓      | ✓         | ✓     | ✓
HVP                     | ✓     | ✓        | ✓    | ✓       | ✓       | ✓           | ✓      | ✓         | ✓     | ✓
third backward          | ✓     | ✓        | ✓    | ✓       | ✓       | ✓           | ✓      | ✓         | ✓     | ✓
batched backward        | ✓     | ✓        | ✓    | ✓       | ✓       | ✓           | ✓      | ✓         | ✓     | ✓
dual numbers            | ✓     | ✓        | ✓    | ✓       | ✓       | ✓           | ✓      | ✓         | ✓     | ✓
dual numbers of grad    | ✓     | ✓        | ✓    | ✓       | ✓       | ✓           | ✓      | ✓         | ✓     | ✓
jvp                     | ✓     | ✓        | ✓    | ✓       | ✓       | ✓           | ✓      | ✓         | ✓     | ✓
grad                    | ✓     | ✓        | ✓    | ✓       | ✓       | ✓           | ✓      | ✓         | ✓     | ✓
vmap                    | ✓     | ✓        | ✓    | ✓       | ✓       | ✓           | ✓      | ✓         | ✓     | ✓
vmap(grad)              | ✓     | ✓        | ✓    | ✓       | ✓       | ✓           | ✓      | ✓         | ✓     | ✓
jacrev                  | ✓     | ✓        | ✓    | ✓       | ✓       | ✓           | ✓      | ✓         | ✓     | ✓
jacfwd                  | ✓     | ✓        | ✓    | ✓       | ✓       | ✓           | ✓      | ✓         | ✓     | ✓
hessian                 | ✓     | ✓        | ✓    | ✓       | ✓       | ✓           | ✓      | ✓         | ✓     | ✓
jvp(jvp)                | ✓     | ✓        | ✓    | ✓       | ✓       | ✓           | ✓      | ✓         | ✓     | ✓
jvp(grad)               | ✓     | ✓        | ✓    | ✓       | ✓       | ✓           | ✓      | ✓         | ✓     | ✓
grad(jvp)               | ✓     | ✓        | ✓    | ✓       | ✓       | ✓           | ✓      | ✓         | ✓     | ✓
jacfwd(jacfwd)          | ✓     | ✓        | ✓    | ✓       | ✓       | ✓           | ✓      | ✓         | ✓     | ✓
jacrev(jacrev)          | ✓     | ✓        | ✓    | ✓       | ✓       | ✓           | ✓      | ✓         | ✓     | ✓
vmap(hessian)           | ✓     | ✓        | ✓    | ✓       | ✓       | ✓           | ✓      | ✓         | ✓     | ✓
third: jvp(jvp(grad))   | ✓     | ✓        | ✓    | ✓       | ✓       | ✓           | ✓      | ✓         | ✓     | ✓
third: jvp(jvp(jvp))    | ✓     | ✓        | ✓    | ✓       | ✓       | ✓           | ✓      | ✓         | ✓     | ✓
third: grad(jvp(grad))  | ✓     | ✓        | ✓    | ✓       | ✓       | ✓           | ✓      | ✓         | ✓     | ✓
"""  # noqa: E501

# torch.compile(fullgraph=True). Two words are native's and the reference's; a dot is not tried,
# each cell costs a second.
COMPILED = """
                        | index    | soft ∂t  | softmax | linear   | linear ∂t | stats    | linear stats
backward                | ✓        | ✓        | ✓       | ✓        | ✓         | ✓        | raises
compile(jvp)            | ✓        | ·        | ✓       | raises/✓ | ·         | ✓        | ·
compile(grad)           | ✓        | ✓        | ·       | raises/✓ | ·         | ·        | ·
compile(vmap)           | ✓        | ·        | ·       | ✓        | ·         | ·        | ·
dual numbers            | raises/✓ | ·        | ✓       | raises/✓ | ·         | ✓        | ·
"""  # noqa: E501

# ------------------------------------------------------------------ columns

N, V, D = 3, 3, 2
RNG = np.random.default_rng(12)
INDEX, KEEP = torch.tensor([0, -100, 2]), np.array([1.0, 0.0, 1.0])
ONE_HOT = np.eye(V)[[0, 0, 2]]
SOFT = RNG.uniform(0.1, 1.0, (N, V))  # sums are not 1
SOFT_TENSOR = torch.tensor(SOFT)
WEIGHT, ROW_WEIGHT = RNG.uniform(0.3, 2.0, V), RNG.uniform(0.3, 2.0, N)
SHAPES = {"z": (N, V), "t": (N, V), "r": (N,), "x": (N, D), "w": (V, D), "b": (V,)}

ALL: dict[str, Any] = {
    "weight": WEIGHT,
    "row_weight": ROW_WEIGHT,
    "label_smoothing": 0.2,
    "temperature": 0.7,
    "softcap": 2.0,
    "z_loss": 0.3,
}
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "sum, weight, smoothing": {"reduction": "sum", "weight": WEIGHT, "label_smoothing": 0.2},
    "none, softcap, temperature": {"reduction": "none", "softcap": 2.0, "temperature": 0.7},
    "mean, z_loss, row_weight": {"z_loss": 0.3, "row_weight": ROW_WEIGHT},
    "normalizer, all": {**ALL, "normalizer": 4.5},
    "mean, all": ALL,
    "none, all": {**ALL, "reduction": "none"},
}


class Column(NamedTuple):
    """A function of some inputs, in torch and exactly; the inputs come as one flat vector."""

    inputs: str  # letters of SHAPES
    call: Callable[..., Any]  # (implementation, options, **inputs) -> tensor
    exact: Callable[..., Jet]  # (options, **inputs) -> jet
    named: str  # the public function
    options: tuple[str, ...]  # which options it takes

    def point(self) -> np.ndarray:
        """Where derivatives are taken."""
        rng = np.random.default_rng(5)
        parts = {"t": SOFT, "r": ROW_WEIGHT}
        return np.concatenate(
            [np.ravel(parts.get(name, rng.normal(size=SHAPES[name]))) for name in self.inputs]
        )

    def split(self, p: Any) -> dict[str, Any]:
        """The inputs out of the last axis of a vector, which may have others before it."""
        found, start = {}, 0
        for name in self.inputs:
            shape = SHAPES[name]
            size = prod(shape)
            part = p[..., start : start + size]
            found[name] = part.reshape(*p.shape[:-1], *shape) if p.ndim > 1 else part.reshape(shape)
            start += size
        return found

    def chosen(self, name: str) -> dict[str, Any]:
        return {key: value for key, value in OPTIONS[name].items() if key in self.options}

    def torch(self, options: dict[str, Any], implementation: str) -> Function:
        """The function of a flat tensor, to a flat one."""
        tensors = {
            key: torch.tensor(value) if isinstance(value, np.ndarray) else value
            for key, value in options.items()
        }
        return lambda p: self.call(implementation, tensors, **self.split(p)).reshape(-1)

    def truth(self, options: dict[str, Any]) -> Callable[[Jet], Jet]:
        """The same of jets."""

        def split(p: Jet) -> dict[str, Jet]:
            whole = {mask: self.split(np.asarray(part)) for mask, part in p.parts.items()}
            return {
                name: Jet({mask: part[name] for mask, part in whole.items()})
                for name in self.inputs
            }

        return lambda p: self.exact(options, **split(p))


def stacked(stats: Any) -> Any:
    """The five statistics that have derivatives."""
    return torch.stack(list(stats[:5]))


def flat(x: Jet) -> Jet:
    """The last two axes as one; parts that broadcast along them are written out."""
    shape = x.value.shape[-2:]
    whole = x.map(lambda part: np.broadcast_to(part, (*np.shape(part)[:-2], *shape)))
    return whole.map(lambda part: part.reshape(*part.shape[:-2], -1))


LOSS = (*ALL, "reduction", "normalizer")
STATS = ("weight", "label_smoothing", "temperature", "softcap", "z_loss")
TRANSFORM = ("temperature", "softcap")


def cross_entropy(implementation: str, options: Any, z: Any, t: Any = None, r: Any = None) -> Any:
    target = INDEX if t is None else t
    options = options if r is None else {**options, "row_weight": r}
    return ours.cross_entropy(z, target, axis=-1, implementation=implementation, **options)


def exact_index(options: Any, z: Jet, r: Jet | None = None) -> Jet:
    options = options if r is None else {**options, "row_weight": r}
    return jets.cross_entropy(z, ONE_HOT, KEEP, **options)


def linear(implementation: str, options: Any, x: Any, w: Any, b: Any, t: Any = None) -> Any:
    return ours.linear_cross_entropy(
        x,
        w,
        INDEX if t is None else t,
        linear_bias=b,
        implementation=implementation,
        **options,
    )


def softmax_column(name: str) -> Column:
    return Column(
        "z",
        lambda implementation, options, z: getattr(ours, name)(
            z, implementation=implementation, **options
        ),
        lambda options, z: flat(getattr(jets, name)(z, **options)),
        name,
        TRANSFORM,
    )


COLUMNS = {
    "index": Column("z", cross_entropy, exact_index, "cross_entropy", LOSS),
    "index ∂r": Column(
        "zr", cross_entropy, exact_index, "cross_entropy", (*STATS, "reduction", "normalizer")
    ),
    "soft": Column(
        "z",
        lambda implementation, options, z: cross_entropy(implementation, options, z, SOFT_TENSOR),
        lambda options, z: jets.cross_entropy(z, SOFT, **options),
        "cross_entropy",
        LOSS,
    ),
    "soft ∂t": Column(
        "zt",
        cross_entropy,
        lambda options, z, t: jets.cross_entropy(z, t, **options),
        "cross_entropy",
        LOSS,
    ),
    "softmax": softmax_column("softmax"),
    "log_softmax": softmax_column("log_softmax"),
    "linear": Column(
        "xwb",
        linear,
        lambda options, x, w, b: exact_index(options, jets.linear(x, w, b)),
        "linear_cross_entropy",
        LOSS,
    ),
    "linear ∂t": Column(
        "xwbt",
        linear,
        lambda options, x, w, b, t: jets.cross_entropy(jets.linear(x, w, b), t, **options),
        "linear_cross_entropy",
        LOSS,
    ),
    "stats": Column(
        "z",
        lambda implementation, options, z: stacked(
            ours.cross_entropy_stats(z, INDEX, axis=-1, implementation=implementation, **options)
        ),
        lambda options, z: jets.stats(z, ONE_HOT, KEEP, **options),
        "cross_entropy_stats",
        STATS,
    ),
    "linear stats": Column(
        "xwb",
        lambda implementation, options, x, w, b: stacked(
            ours.linear_cross_entropy_stats(
                x, w, INDEX, linear_bias=b, implementation=implementation, **options
            )
        ),
        lambda options, x, w, b: jets.stats(jets.linear(x, w, b), ONE_HOT, KEEP, **options),
        "linear_cross_entropy_stats",
        STATS,
    ),
}

# ------------------------------------------------------------------ rows


_exact: dict[Any, Any] = {}  # cells of one column and set of options share their truth


class Problem:
    """A function at a point, directions, an upstream factor for each output, and the truth."""

    def __init__(self, column: Column, option_set: str, implementation: str) -> None:
        options = column.chosen(option_set)
        self.f = column.torch(options, implementation)
        self._truth, self._key = column.truth(options), (column.inputs, column.exact, option_set)
        self._point = column.point()
        self.p = torch.tensor(self._point)
        rng = np.random.default_rng(6)
        self.v, self.w, self.y = (torch.tensor(rng.normal(size=self._point.size)) for _ in range(3))
        self.outputs = self.exact(0).numel()
        self.u = torch.tensor(rng.normal(size=self.outputs))
        self.other = self.p + 0.1 * self.v  # a second point, for vmap

    def exact(self, order: int, at: Any = None) -> Any:
        """D^order f, of shape (outputs, inputs, ..., inputs)."""
        point = self._point if at is None else at.numpy()
        key = (*self._key, order, point.tobytes())
        if key not in _exact:
            _exact[key] = torch.tensor(jets.derivative(self._truth, point, order).copy())
        return _exact[key]

    def scalar(self, p: Any) -> Any:
        """<u, f>: each row with an upstream factor of its own."""
        return self.u @ self.f(p)


def backward(q: Problem) -> Iterator[tuple[Any, Any]]:
    p = q.p.clone().requires_grad_()
    value = q.f(p)
    value.backward(q.u)
    yield value, q.exact(0)
    yield p.grad, q.u @ q.exact(1)


def backward_twice(q: Problem) -> Iterator[tuple[Any, Any]]:
    p, other = q.p.clone().requires_grad_(), torch.linspace(-1, 2, q.outputs, dtype=q.p.dtype)
    value = q.f(p)
    (first,) = torch.autograd.grad(value, p, q.u, retain_graph=True)
    kept = first.clone()
    (second,) = torch.autograd.grad(value, p, other, retain_graph=True)
    value.backward(q.u, retain_graph=True)
    value.backward(other)
    yield kept, q.u @ q.exact(1)
    yield second, other @ q.exact(1)
    yield p.grad, kept + second
    yield first, kept  # the later calls left it alone


def hvp(q: Problem) -> Iterator[tuple[Any, Any]]:
    p, u = q.p.clone().requires_grad_(), q.u.clone().requires_grad_()
    (first,) = torch.autograd.grad(q.f(p), p, u, create_graph=True)
    along, by_upstream = torch.autograd.grad(first, (p, u), q.v)
    yield first, q.u @ q.exact(1)
    yield along, torch.einsum("o,oij,j->i", q.u, q.exact(2), q.v)
    yield by_upstream, q.exact(1) @ q.v


def third_backward(q: Problem) -> Iterator[tuple[Any, Any]]:
    p = q.p.clone().requires_grad_()
    (first,) = torch.autograd.grad(q.f(p), p, q.u, create_graph=True)
    (second,) = torch.autograd.grad(first, p, q.v, create_graph=True)
    (third,) = torch.autograd.grad(second, p, q.w)
    yield third, torch.einsum("o,oijk,j,k->i", q.u, q.exact(3), q.v, q.w)


def dual_numbers(q: Problem) -> Iterator[tuple[Any, Any]]:
    with torch.autograd.forward_ad.dual_level():
        made = q.f(torch.autograd.forward_ad.make_dual(q.p, q.v))
        value, tangent = torch.autograd.forward_ad.unpack_dual(made)
    yield value, q.exact(0)
    yield tangent, q.exact(1) @ q.v


def dual_numbers_of_grad(q: Problem) -> Iterator[tuple[Any, Any]]:
    with torch.autograd.forward_ad.dual_level():
        p = torch.autograd.forward_ad.make_dual(q.p.clone().requires_grad_(), q.v)
        (grad,) = torch.autograd.grad(q.f(p), p, q.u, create_graph=True)
        tangent = torch.autograd.forward_ad.unpack_dual(grad).tangent
    yield tangent, torch.einsum("o,oij,j->i", q.u, q.exact(2), q.v)


def batched_backward(q: Problem) -> Iterator[tuple[Any, Any]]:
    p = q.p.clone().requires_grad_()
    each = torch.eye(q.outputs, dtype=p.dtype)
    (rows,) = torch.autograd.grad(q.f(p), p, each, is_grads_batched=True)
    yield rows, q.exact(1)
    (first,) = torch.autograd.grad(q.f(p), p, q.u, create_graph=True)
    (hessian,) = torch.autograd.grad(
        first, p, torch.eye(len(p), dtype=p.dtype), is_grads_batched=True
    )
    yield hessian, torch.einsum("o,oij->ij", q.u, q.exact(2))


def jvp_of(f: Function, v: Any) -> Function:
    return lambda p: torch.func.jvp(f, (p,), (v,))[1]


grad = torch.func.grad
jacrev, jacfwd, vmap = torch.func.jacrev, torch.func.jacfwd, torch.func.vmap


def of_order(order: int, subscripts: str, transform: Callable[[Problem], Any]) -> Any:
    """A row: transform(q) is the order-th derivative with u, v, w, y where the letters say."""

    def check(q: Problem) -> Iterator[tuple[Any, Any]]:
        inputs, out = subscripts.split("->")
        directions = {"o": q.u, "j": q.v, "k": q.w, "l": q.y}
        used = [directions[letter] for letter in inputs]
        letters = ("oijk" if "i" in out else "ojkl")[: order + 1]
        equation = ",".join([letters, *inputs]) + "->" + out
        yield transform(q), torch.einsum(equation, q.exact(order), *used)

    return check


def whole(order: int, transform: Callable[[Function], Function]) -> Any:
    """A row: transform(f)(p) is the whole order-th derivative."""

    def check(q: Problem) -> Iterator[tuple[Any, Any]]:
        yield transform(q.f)(q.p), q.exact(order)

    return check


def batched(
    order: int,
    transform: Callable[[Problem], Function],
    upstream: bool = False,
    around: Callable[[Function], Function] = lambda f: f,
) -> Any:
    """A row: vmap of the order-th derivative over two points."""

    def check(q: Problem) -> Iterator[tuple[Any, Any]]:
        got = around(vmap(transform(q)))(torch.stack([q.p, q.other]))
        right = torch.stack([q.exact(order, at) for at in (q.p, q.other)])
        yield got, torch.einsum("o,bo...->b...", q.u, right) if upstream else right

    return check


ROWS: dict[str, Callable[[Problem], Iterator[tuple[Any, Any]]]] = {
    "backward": backward,
    "backward twice": backward_twice,
    "HVP": hvp,
    "third backward": third_backward,
    "batched backward": batched_backward,
    "dual numbers": dual_numbers,
    "dual numbers of grad": dual_numbers_of_grad,
    "jvp": of_order(1, "j->o", lambda q: jvp_of(q.f, q.v)(q.p)),
    "grad": of_order(1, "o->i", lambda q: grad(q.scalar)(q.p)),
    "vmap": batched(0, lambda q: q.f),
    "vmap(grad)": batched(1, lambda q: grad(q.scalar), upstream=True),
    "jacrev": whole(1, jacrev),
    "jacfwd": whole(1, jacfwd),
    "hessian": whole(2, torch.func.hessian),
    "jvp(jvp)": of_order(2, "jk->o", lambda q: jvp_of(jvp_of(q.f, q.v), q.w)(q.p)),
    "jvp(grad)": of_order(2, "oj->i", lambda q: jvp_of(grad(q.scalar), q.v)(q.p)),
    "grad(jvp)": of_order(2, "oj->i", lambda q: grad(jvp_of(q.scalar, q.v))(q.p)),
    "jacfwd(jacfwd)": whole(2, lambda f: jacfwd(jacfwd(f))),
    "jacrev(jacrev)": whole(2, lambda f: jacrev(jacrev(f))),
    "vmap(hessian)": batched(2, lambda q: torch.func.hessian(q.scalar), upstream=True),
    "third: jvp(jvp(grad))": of_order(
        3, "ojk->i", lambda q: jvp_of(jvp_of(grad(q.scalar), q.v), q.w)(q.p)
    ),
    "third: jvp(jvp(jvp))": of_order(
        3, "jkl->o", lambda q: jvp_of(jvp_of(jvp_of(q.f, q.v), q.w), q.y)(q.p)
    ),
    "third: grad(jvp(grad))": of_order(
        3,
        "ojk->i",
        lambda q: grad(lambda p: jvp_of(grad(q.scalar), q.v)(p) @ q.w)(q.p),
    ),
}


def compiled(f: Function, backend: str = "aot_eager") -> Function:
    """The compiler's front end and its autograd; "inductor" would add minutes of C++."""
    return torch.compile(f, fullgraph=True, backend=backend)


def compiled_backward(q: Problem) -> Iterator[tuple[Any, Any]]:
    f = compiled(q.f)
    for _ in range(2):  # the second call finds what the first compiled
        p = q.p.clone().requires_grad_()
        value = f(p)
        value.backward(q.u)
        yield value, q.exact(0)
        yield p.grad, q.u @ q.exact(1)
    yield f(q.other), q.exact(0, q.other)


def compiled_dual_numbers(q: Problem) -> Iterator[tuple[Any, Any]]:
    with torch.autograd.forward_ad.dual_level():
        made = compiled(q.f)(torch.autograd.forward_ad.make_dual(q.p, q.v))
        yield torch.autograd.forward_ad.unpack_dual(made).tangent, q.exact(1) @ q.v


COMPILED_ROWS: dict[str, Callable[[Problem], Iterator[tuple[Any, Any]]]] = {
    "backward": compiled_backward,
    "compile(jvp)": of_order(1, "j->o", lambda q: compiled(jvp_of(q.f, q.v))(q.p)),
    "compile(grad)": of_order(1, "o->i", lambda q: compiled(grad(q.scalar))(q.p)),
    "compile(vmap)": batched(0, lambda q: q.f, around=compiled),
    "dual numbers": compiled_dual_numbers,
}

# ------------------------------------------------------------------ the tests


def cells(table: str) -> dict[tuple[str, str], str]:
    """(row, column) -> what the cell says."""
    head, *lines = [
        [cell.strip() for cell in line.split("|")] for line in table.strip("\n").splitlines()
    ]
    return {
        (name, column): cell
        for name, *row in lines
        for column, cell in zip(head[1:], row, strict=True)
    }


def option_sets(column: str) -> list[str]:
    """Those that differ for the column."""
    found: dict[str, str] = {}
    for name in OPTIONS:
        found.setdefault(repr(COLUMNS[column].chosen(name)), name)
    return list(found.values())


def close(got: Any, right: Any) -> None:
    assert isinstance(got, torch.Tensor), f"{got} is no tensor"
    assert got.dtype == right.dtype
    assert got.shape == right.shape
    tolerance = 1e-11 * max(1.0, float(right.abs().max()))
    torch.testing.assert_close(got.detach(), right, rtol=1e-10, atol=tolerance)


def check(expected: str, named: str, attempt: Callable[[], Iterator[tuple[Any, Any]]]) -> None:
    """The pairs are equal, or the exception is the one that the cell says."""
    if expected == "✓":
        pairs = list(attempt())
        assert pairs, "a row that compares nothing"
        for got, right in pairs:
            close(got, right)
        return
    assert expected == "raises"
    with pytest.raises((NotImplementedError, RuntimeError), match=f"{named}: .*\\[transform\\]"):
        list(attempt())


@pytest.mark.parametrize("implementation", ["native", "reference"])
@pytest.mark.parametrize(
    ("row", "column", "option_set"),
    [
        pytest.param(row, column, option_set, id=f"{row}-{column}-{option_set}")
        for row, column in cells(TABLE)
        for option_set in option_sets(column)
    ],
)
def test_cell(row: str, column: str, option_set: str, implementation: str) -> None:
    """One cell with one set of options."""
    if reason := ours_missing(implementation):
        pytest.skip(reason)
    if implementation == "reference" and option_set not in option_sets(column)[-2:]:
        pytest.skip("all options at once stand for each, in operations that autograd sees through")
    problem = Problem(COLUMNS[column], option_set, implementation)
    check(cells(TABLE)[row, column], COLUMNS[column].named, partial(ROWS[row], problem))


@pytest.mark.slow
@pytest.mark.parametrize("implementation", ["native", "reference"])
@pytest.mark.parametrize(
    ("row", "column"), [key for key, cell in cells(COMPILED).items() if cell != "·"]
)
def test_compiled_cell(row: str, column: str, implementation: str) -> None:
    """One cell with all options."""
    if reason := ours_missing(implementation):
        pytest.skip(reason)
    words = cells(COMPILED)[row, column].split("/")
    problem = Problem(COLUMNS[column], option_sets(column)[-1], implementation)
    torch._dynamo.reset()
    check(
        words[-1 if implementation == "reference" else 0],
        COLUMNS[column].named,
        partial(COMPILED_ROWS[row], problem),
    )


@pytest.mark.slow
@pytest.mark.parametrize("column", ["index", "linear"])
def test_compiled_to_machine_code(column: str) -> None:
    """The compiler's own back end, once each, inside a function with work around the loss."""
    if reason := ours_missing("native"):
        pytest.skip(reason)
    problem = Problem(COLUMNS[column], "mean, all", "native")
    torch._dynamo.reset()
    p = problem.p.clone().requires_grad_()
    value = torch.compile(lambda p: 2.0 * problem.f(1.0 * p).sum(), fullgraph=True)(p)
    value.backward()
    close(value, 2.0 * problem.exact(0).sum())
    close(p.grad, 2.0 * problem.exact(1).sum(0))


@pytest.mark.slow
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_opcheck(reduction: str) -> None:
    """PyTorch's own check of the operators behind torch.compile: schema, fake tensors, autograd."""
    if reason := ours_missing("native"):
        pytest.skip(reason)
    numbers = (reduction, "zero", -100, 0.1, 0.7, 3.0, 0.2)
    z, x, w, b = (
        torch.randn(*shape, dtype=torch.float64, requires_grad=True)
        for shape in ((N, V), (N, D), (V, D), (V,))
    )
    weights = (torch.tensor(WEIGHT), torch.tensor(ROW_WEIGHT), None)
    ops = torch.ops.softxent
    torch.library.opcheck(ops.cross_entropy, (z, INDEX, *weights, 1, *numbers, None))
    soft = SOFT_TENSOR.clone().requires_grad_()
    torch.library.opcheck(ops.cross_entropy, (z, soft, *weights, 1, *numbers, None))
    torch.library.opcheck(
        ops.linear_cross_entropy, (x, w, b, INDEX, *weights, *numbers, 1 << 26, None)
    )


@pytest.mark.parametrize("implementation", ["native", "reference"])
@pytest.mark.parametrize("linear_layer", [False, True], ids=["logits", "linear"])
def test_vmap_over_rows(linear_layer: bool, implementation: str) -> None:
    """Gradients of each example: logits, class indices and soft targets in the batch, and not."""
    if reason := ours_missing(implementation):
        pytest.skip(reason)
    rng = np.random.default_rng(2)
    x, w = (torch.tensor(rng.normal(size=shape)) for shape in ((4, V if not linear_layer else D),
                                                               (V, D)))  # fmt: skip
    index, soft = torch.tensor([2, 0, -100, 1]), torch.tensor(rng.uniform(size=(4, V)))

    def loss(x: Any, w: Any, t: Any) -> Any:
        if linear_layer:
            return ours.linear_cross_entropy(x, w, t, implementation=implementation)
        return ours.cross_entropy(x, t, implementation=implementation)

    for target in (index, soft):
        each = vmap(torch.func.grad(loss, argnums=(0, 1) if linear_layer else (0,)), (0, None, 0))
        got = each(x, w, target)
        for n in range(4):
            right = reference_gradients(x[n], w if linear_layer else None, target[n])
            for grads, value in zip(got, right, strict=True):
                np.testing.assert_allclose(grads[n].numpy(), value, rtol=1e-11, atol=1e-15)
    # The batch on the weight alone, and on the target alone.
    weights = torch.stack([w, 2.0 * w])
    if linear_layer:
        over_weights = vmap(torch.func.grad(loss), (None, 0, None))(x[0], weights, index[0])
        for n in range(2):
            right = reference_gradients(x[0], weights[n], index[0])[0]
            np.testing.assert_allclose(over_weights[n].numpy(), right, rtol=1e-11, atol=1e-15)
    over_targets = vmap(torch.func.grad(loss), (None, None, 0))(x[0], w, index)
    for n in range(4):
        right = reference_gradients(x[0], w if linear_layer else None, index[n])[0]
        np.testing.assert_allclose(over_targets[n].numpy(), right, rtol=1e-11, atol=1e-15)


def reference_gradients(x: Any, w: Any, target: Any) -> list[np.ndarray]:
    """By x, and by the weight where there is one, of one row."""
    x = x.numpy()
    z = x if w is None else w.numpy() @ x
    _, g = reference.cross_entropy_with_grad(z, target.numpy())
    return [g] if w is None else [w.numpy().T @ g, np.outer(g, x)]


def ours_missing(implementation: str) -> str | None:
    from contract.frontends import FRONT_ENDS

    return {front.name: front for front in FRONT_ENDS}[f"torch-{implementation}"].missing()


@pytest.mark.parametrize("column", COLUMNS)
def test_truth_is_not_zero(column: str) -> None:
    """No cell is right by being zero: each order of derivative has entries, for some options."""
    problem = Problem(COLUMNS[column], option_sets(column)[-1], "native")
    for order in range(4):
        assert problem.exact(order).abs().max() > 1e-3


def test_tables_are_whole() -> None:
    """Every row and every column of the code has a line and a place in the table."""
    assert {row for row, _ in cells(TABLE)} == set(ROWS)
    assert {column for _, column in cells(TABLE)} == set(COLUMNS)
    assert set(cells(TABLE).values()) <= {"✓", "raises"}
    assert {row for row, _ in cells(COMPILED)} == set(COMPILED_ROWS)
    assert {word for cell in cells(COMPILED).values() for word in cell.split("/")} <= {
        "✓", "raises", "·"
    }  # fmt: skip


def test_wrong_numbers_are_caught() -> None:
    """A silent zero, a None, another dtype and a digit in the eighth place fail."""
    right = torch.tensor([1.0, 2.0], dtype=torch.float64)
    for wrong in (None, torch.zeros_like(right), right.float(), right * (1 + 1e-8), right[:1]):
        with pytest.raises(AssertionError):
            check("✓", "", lambda wrong=wrong: iter([(wrong, right)]))
    with pytest.raises(BaseException, match="DID NOT RAISE"):
        check("raises", "cross_entropy", lambda: iter([(right, right)]))
