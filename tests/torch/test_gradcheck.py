"""PyTorch's own check of derivatives by differences, in float64, for every set of options.

The matrix compares with exact numbers; this one asks PyTorch whether backward, forward mode,
batched gradients and second derivatives agree with the values and with each other.
"""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")
ours = pytest.importorskip("softxent.torch")
gradcheck, gradgradcheck = torch.autograd.gradcheck, torch.autograd.gradgradcheck

N, V, D = 3, 4, 2
generator = torch.Generator().manual_seed(7)


def uniform(*shape: int) -> Any:
    return torch.rand(*shape, generator=generator, dtype=torch.float64) + 0.2


def normal(*shape: int) -> Any:
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


Z, SOFT, X, W, B = normal(N, V), uniform(N, V), normal(N, D), normal(V, D), normal(V)
INDEX = torch.tensor([3, -100, 0])
WEIGHT, ROW_WEIGHT = uniform(V), uniform(N)
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "sum": {"reduction": "sum"},
    "none": {"reduction": "none"},
    "weight": {"weight": WEIGHT},
    "label_smoothing": {"label_smoothing": 0.2},
    "temperature": {"temperature": 0.7},
    "softcap": {"softcap": 2.0},
    "z_loss": {"z_loss": 0.3},
    "row_weight": {"row_weight": ROW_WEIGHT},
    "normalizer": {"normalizer": 4.5},
    "all": {
        "weight": WEIGHT, "label_smoothing": 0.2, "temperature": 0.7, "softcap": 2.0,
        "z_loss": 0.3, "row_weight": ROW_WEIGHT,
    },
}  # fmt: skip
OPTIONS["all, none"] = {**OPTIONS["all"], "reduction": "none"}
TARGETS = {"index": INDEX, "soft": SOFT}

every_option = pytest.mark.parametrize("option_set", OPTIONS)


def leaves(*tensors: Any) -> tuple[Any, ...]:
    return tuple(x.clone().requires_grad_() for x in tensors)


def check(f: Any, *inputs: Any) -> None:
    """First and second derivatives, both modes, batched.

    The second ones in fast mode, by random directions; the matrix has them entry by entry.
    """
    assert gradcheck(f, inputs, check_forward_ad=True, check_batched_grad=True)
    assert gradcheck(
        f, inputs, check_forward_ad=True, check_batched_forward_grad=True, fast_mode=True
    )
    assert gradgradcheck(
        f, inputs, check_fwd_over_rev=True, check_rev_over_rev=True, fast_mode=True
    )


@every_option
@pytest.mark.parametrize("kind", TARGETS)
def test_cross_entropy(kind: str, option_set: str, implementation: str) -> None:
    """By the logits; by a soft target too."""
    options = {**OPTIONS[option_set], "implementation": implementation}
    if kind == "soft":
        check(lambda z, t: ours.cross_entropy(z, t, **options), *leaves(Z, SOFT))
    else:
        check(lambda z: ours.cross_entropy(z, INDEX, **options), *leaves(Z))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("kind", TARGETS)
def test_row_weight(kind: str, reduction: str, implementation: str) -> None:
    """By the row weights, which the mean also divides by."""

    def f(z: Any, r: Any) -> Any:
        return ours.cross_entropy(
            z,
            TARGETS[kind],
            row_weight=r,
            reduction=reduction,
            z_loss=0.1,
            implementation=implementation,
        )

    check(f, *leaves(Z, ROW_WEIGHT))


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("options", [{}, {"temperature": 0.7}, {"softcap": 2.0, "dim": 0}], ids=str)
def test_softmax(name: str, options: dict[str, Any], implementation: str) -> None:
    """Softmax and its logarithm, along either axis."""
    check(lambda z: getattr(ours, name)(z, implementation=implementation, **options), *leaves(Z))


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("option_set", ["plain", "none", "z_loss", "normalizer", "all"])
def test_linear_cross_entropy(kind: str, option_set: str, implementation: str) -> None:
    """By input, weight and bias; by a soft target too."""
    options = {**OPTIONS[option_set], "implementation": implementation}

    def f(x: Any, w: Any, b: Any, t: Any = INDEX) -> Any:
        return ours.linear_cross_entropy(x, w, t, linear_bias=b, **options)

    check(f, *leaves(X, W, B, *([SOFT] if kind == "soft" else [])))


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("linear", [False, True], ids=["logits", "linear"])
def test_stats(linear: bool, kind: str, implementation: str) -> None:
    """The five statistics that are differentiable."""
    options = {"z_loss": 0.3, "temperature": 0.7, "softcap": 2.0, "implementation": implementation}

    def of_logits(z: Any) -> Any:
        return ours.cross_entropy_stats(z, TARGETS[kind], **options)[:5]

    def of_features(x: Any, w: Any) -> Any:
        return ours.linear_cross_entropy_stats(x, w, TARGETS[kind], **options)[:5]

    if linear:
        check(of_features, *leaves(X, W))
    else:
        check(of_logits, *leaves(Z))


def test_a_wrong_derivative_is_caught() -> None:
    """The check that these tests trust does fail: a detached factor is a missing term."""
    z = Z.clone().requires_grad_()
    with pytest.raises(RuntimeError, match=r"(?i)jacobian"):
        check(lambda z: (z.detach() * z).sum(), z)
