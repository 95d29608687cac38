"""What PyTorch's front end refuses, and in which words: function, argument, what came, the fix.

The rows of the contract's table that every front end shares are in tests/contract/test_errors.py;
here are those that only tensors can have, and the whole sentence of each kind of message.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf, nan
from typing import Any

import pytest

torch = pytest.importorskip("torch")
ours = pytest.importorskip("softxent.torch")

Z, T = torch.zeros(4, 3), torch.tensor([0, 1, 2, 0])
SOFT = torch.full((4, 3), 0.25)
X, W, B = torch.zeros(4, 2), torch.zeros(3, 2), torch.zeros(3)


def ce(z: Any = Z, t: Any = T, *args: Any, **options: Any) -> Any:
    return ours.cross_entropy(z, t, *args, **options)


def linear(x: Any = X, w: Any = W, t: Any = T, **options: Any) -> Any:
    return ours.linear_cross_entropy(x, w, t, **options)


CE, LINEAR = "cross_entropy: ", "linear_cross_entropy: "
SENTENCES: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "integer logits": (
        lambda: ce(Z.long()),
        TypeError,
        CE + "input is int64[4, 3]; expected a dense tensor of float32, float64, bfloat16 or "
        "float16. Convert it, for example input.float(). [logits-dtype]",
    ),
    "logits are an array": (
        lambda: ce(Z.numpy()),
        TypeError,
        CE + "input is float32[4, 3], a numpy.ndarray; expected a torch.Tensor. Convert it with "
        "torch.as_tensor; softxent's NumPy functions take arrays. [tensor-type]",
    ),
    "logits without an axis": (
        lambda: ce(torch.tensor(1.0), torch.tensor(0)),
        ValueError,
        CE + "input is float32(1.0); expected at least one axis, that of the classes. Pass a "
        "tensor of shape (C,), (N, C) or (N, C, d1, ...). [logits-shape]",
    ),
    "no classes": (
        lambda: ce(torch.zeros(4, 0)),
        ValueError,
        CE + "input is float32[4, 0]; expected at least one class on the class axis. A softmax "
        "over no classes has no value. [logits-shape]",
    ),
    "axis": (
        lambda: ce(axis=2),
        ValueError,
        CE + "axis is 2; expected an integer in [-2, 2). The logits are float32[4, 3]. [axis]",
    ),
    "axis of another type": (
        lambda: ce(axis=1.0),
        TypeError,
        CE + "axis is 1.0; expected an integer in [-2, 2). The logits are float32[4, 3]. [axis]",
    ),
    "target is a list": (
        lambda: ce(Z, [0, 1, 2, 0]),
        TypeError,
        CE + "target is a list of length 4; expected a torch.Tensor. Convert it with "
        "torch.as_tensor; softxent's NumPy functions take arrays. [tensor-type]",
    ),
    "target is bool": (
        lambda: ce(Z, T.bool()),
        TypeError,
        CE + "target is bool[4]; expected integers (class indices) or floats of the logits' shape "
        "(a soft target). A mask is no class index; target.long() says that you mean 0 and 1. "
        "[target-dtype]",
    ),
    "class indices as floats": (
        lambda: ce(Z, T.float()),
        TypeError,
        CE + "target is float32[4]; expected integers (class indices) or floats of the logits' "
        "shape (a soft target). Convert it, for example target.long(). [target-dtype]",
    ),
    "one-hot integers": (
        lambda: ce(Z, torch.zeros(4, 3, dtype=torch.int64)),
        ValueError,
        CE + "target is int64[4, 3]; expected class indices of shape (4,). If it is one-hot, pass "
        "it as floats; class indices have no class axis. [target-shape]",
    ),
    "target with a column": (
        lambda: ce(Z, T[:, None]),
        ValueError,
        CE + "target is int64[4, 1]; expected class indices of shape (4,). Drop its last axis: "
        "target[..., 0]. [target-shape]",
    ),
    "soft target of another shape": (
        lambda: ce(Z, torch.ones(4, 2)),
        ValueError,
        CE + "target is float32[4, 2]; expected class indices of shape (4,) or a soft target of "
        "shape (4, 3). A soft target has a value for every logit. [target-shape]",
    ),
    "soft target and ignore_index": (
        lambda: ce(Z, SOFT, ignore_index=2),
        ValueError,
        CE + "ignore_index is 2; expected None or -100 with a soft target. Leave rows of a soft "
        "target out with row_weight. [option-conflict]",
    ),
    "class index past the end": (
        lambda: ce(Z, torch.tensor([0, 1, 3, 5])),
        IndexError,
        CE + "target[2] is 3; expected a class index in [0, 3) or ignore_index, -100. There are 3 "
        "classes, counted from 0. [target-range]",
    ),
    "negative class index": (
        lambda: ce(Z, torch.tensor([0, -1, 2, 0])),
        IndexError,
        CE + "target[1] is -1; expected a class index in [0, 3) or ignore_index, -100. Negative "
        "class indices do not wrap. [target-range]",
    ),
    "weight requires grad": (
        lambda: ce(weight=torch.ones(3, requires_grad=True)),
        NotImplementedError,
        CE + "weight is float32[3] with requires_grad=True; expected class weights that record no "
        "gradient. Pass weight.detach(); to learn weights, use row_weight, which may require grad. "
        "[requires-grad]",
    ),
    "weight is a list": (
        lambda: ce(weight=[1.0, 1.0, 1.0]),
        TypeError,
        CE + "weight is a list of length 3; expected a torch.Tensor. Convert it with "
        "torch.as_tensor; softxent's NumPy functions take arrays. [tensor-type]",
    ),
    "weight of another length": (
        lambda: ce(weight=torch.ones(4)),
        ValueError,
        CE + "weight is float32[4]; expected one weight per class, shape (3,). Weights of rows go "
        "in row_weight. [option-shape]",
    ),
    "row_weight of another shape": (
        lambda: ce(row_weight=torch.ones(3)),
        ValueError,
        CE + "row_weight is float32[3]; expected one weight per row, shape (4,). It has the shape "
        "of the logits without the class axis. [option-shape]",
    ),
    "complex weight": (
        lambda: ce(weight=torch.ones(3, dtype=torch.complex64)),
        TypeError,
        CE + "weight is complex64[3]; expected a tensor of real numbers. Convert it, for example "
        "weight.float(). [option-type]",
    ),
    "negative weight": (
        lambda: ce(weight=torch.tensor([1.0, -0.5, 1.0])),
        ValueError,
        CE + "weight[1] is -0.5; expected a finite number >= 0. 0.0 leaves a class or a row out. "
        "[option-range]",
    ),
    "smoothing": (
        lambda: ce(label_smoothing=1.5),
        ValueError,
        CE + "label_smoothing is 1.5; expected a number in [0, 1]. 0.0 turns smoothing off. "
        "[option-range]",
    ),
    "normalizer without mean": (
        lambda: ce(normalizer=4, reduction="sum"),
        ValueError,
        CE
        + "normalizer is 4 with reduction='sum'; expected a number >= 0 or a tensor of one, with "
        'reduction="mean". It replaces what the mean divides by, for example with the count of a '
        "larger batch. [option-conflict]",
    ),
    "implementation": (
        lambda: ce(implementation="nativ"),
        ValueError,
        CE + "implementation is 'nativ'; expected one of native, numpy, reference, or None for the "
        "best that can run. Did you mean 'native'? [implementation]",
    ),
    "inplace on a leaf": (
        lambda: ce(torch.zeros(4, 3, requires_grad=True), inplace=True),
        ValueError,
        CE + "input is float32[4, 3], a leaf that requires grad, or a view of one, with "
        "inplace=True; expected the result of an operation, in memory of its own. Leave inplace "
        "out, or pass what a layer returned. [inplace]",
    ),
    "empty": (
        lambda: ce(Z, torch.full((4,), -100), empty="raise"),
        ValueError,
        CE + "target is no row that counts (of 4); expected a mean over some weight, as "
        'empty="raise" demands. empty="zero" makes it 0, empty="nan" NaN. [empty]',
    ),
    "softmax: dim": (
        lambda: ours.softmax(Z, dim=2),
        ValueError,
        "softmax: dim is 2; expected an integer in [-2, 2). The logits are float32[4, 3]. [axis]",
    ),
    "log_softmax: dtype": (
        lambda: ours.log_softmax(T),
        TypeError,
        "log_softmax: input is int64[4]; expected a dense tensor of float32, float64, bfloat16 or "
        "float16. Convert it, for example input.float(). [logits-dtype]",
    ),
}


@pytest.mark.parametrize("case", SENTENCES)
def test_sentence(case: str) -> None:
    """The whole text."""
    call, kind, sentence = SENTENCES[case]
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value) == sentence


PARTS: dict[str, tuple[Callable[..., Any], type[Exception], tuple[str, ...]]] = {
    "sparse logits": (lambda: ce(Z.to_sparse()), TypeError, ("input", "sparse", "dense")),
    "meta target": (lambda: ce(Z, T.to("meta")), ValueError, ("target", "meta", "cpu", ".to(")),
    "normalizer negative": (lambda: ce(normalizer=-1), ValueError, ("normalizer", "-1", ">= 0")),
    "normalizer NaN": (lambda: ce(normalizer=nan), ValueError, ("normalizer", "nan", ">= 0")),
    "normalizer inf": (lambda: ce(normalizer=inf), ValueError, ("normalizer", "inf", ">= 0")),
    "normalizer text": (lambda: ce(normalizer="4"), TypeError, ("normalizer", "'4'")),
    "normalizer bool": (lambda: ce(normalizer=True), TypeError, ("normalizer", "True")),
    "normalizer of two": (
        lambda: ce(normalizer=torch.ones(2)), ValueError, ("normalizer", "float32[2]"),
    ),
    "normalizer requires grad": (
        lambda: ce(normalizer=torch.tensor(3.0, requires_grad=True)),
        ValueError, ("normalizer", "requires_grad"),
    ),
    "normalizer negative tensor": (
        lambda: ce(normalizer=torch.tensor(-2.0)), ValueError, ("normalizer", "-2.0", ">= 0"),
    ),
    "normalizer NaN tensor": (
        lambda: ce(normalizer=torch.tensor(nan)), ValueError, ("normalizer", "nan", ">= 0"),
    ),
    "weight NaN": (
        lambda: ce(weight=torch.tensor([1.0, nan, 1.0])), ValueError, ("weight[1]", "nan"),
    ),
    "row_weight infinite": (
        lambda: ce(row_weight=torch.tensor([1.0, 1.0, inf, 1.0])),
        ValueError, ("row_weight[2]", "inf"),
    ),
    "row_weight bool": (
        lambda: ce(row_weight=torch.ones(4).bool()), TypeError, ("row_weight", "bool[4]"),
    ),
    "reduction": (lambda: ce(reduction="avg"), ValueError, ("reduction", "'avg'", "'mean'")),
    "temperature": (lambda: ce(temperature=0.0), ValueError, ("temperature", "0.0", "> 0")),
    "temperature text": (lambda: ce(temperature="1"), TypeError, ("temperature", "'1'")),
    "softcap": (lambda: ce(softcap=-1.0), ValueError, ("softcap", "-1.0", "> 0")),
    "z_loss": (lambda: ce(z_loss=nan), ValueError, ("z_loss", "nan", ">= 0")),
    "smoothing NaN": (lambda: ce(label_smoothing=nan), ValueError, ("label_smoothing", "nan")),
    "ignore_index": (lambda: ce(ignore_index=0.5), TypeError, ("ignore_index", "0.5")),
    "empty choice": (lambda: ce(empty="one"), ValueError, ("empty", "'one'", "'zero'")),
}  # fmt: skip


@pytest.mark.parametrize("case", PARTS)
def test_parts(case: str, implementation: str) -> None:
    """Each implementation says function, argument, what came and what was expected."""
    call, kind, parts = PARTS[case]
    with pytest.raises(kind) as caught:
        in_implementation(implementation, call)
    for part in ("cross_entropy: ", *parts, "; expected ", ". ", "["):
        assert part in str(caught.value)


def in_implementation(implementation: str, call: Callable[..., Any]) -> None:
    """Run the call with that implementation in place of the default."""
    chosen = ours.cross_entropy

    def with_it(*args: Any, **options: Any) -> Any:
        return chosen(*args, implementation=implementation, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ours, "cross_entropy", with_it)
        call()


LINEAR_PARTS: dict[str, tuple[Callable[[], Any], type[Exception], tuple[str, ...]]] = {
    "integer input": (lambda: linear(X.long()), TypeError, ("input", "int64[4, 2]", "float32")),
    "array": (lambda: linear(X.numpy()), TypeError, ("input", "torch.Tensor")),
    "weight of another dtype": (
        lambda: linear(X, W.double()), TypeError, ("linear_weight", "float64[3, 2]", "float32"),
    ),
    "weight of other features": (
        lambda: linear(X, torch.zeros(3, 5)), ValueError, ("float32[3, 5]", "float32[4, 2]"),
    ),
    "weight without classes": (
        lambda: linear(X, torch.zeros(0, 2)), ValueError, ("linear_weight", "float32[0, 2]"),
    ),
    "weight of one axis": (
        lambda: linear(X, torch.zeros(2)), ValueError, ("linear_weight", "float32[2]"),
    ),
    "bias of another shape": (
        lambda: linear(linear_bias=torch.zeros(4)),
        ValueError, ("linear_bias", "float32[4]", "(3,)"),
    ),
    "bias of another dtype": (
        lambda: linear(linear_bias=B.half()), TypeError, ("linear_bias", "float16[3]", "float32"),
    ),
    "target outside": (
        lambda: linear(X, W, torch.tensor([0, 1, 2, 3])), IndexError, ("target[3]", "3", "[0, 3)"),
    ),
    "target of another shape": (
        lambda: linear(X, W, T[:3]), ValueError, ("target", "int64[3]", "(4,)"),
    ),
    "bool target": (lambda: linear(X, W, T.bool()), TypeError, ("target", "bool[4]")),
    "class weight": (
        lambda: linear(weight=torch.ones(2)), ValueError, ("weight", "float32[2]", "(3,)"),
    ),
    "class weight requires grad": (
        lambda: linear(weight=torch.ones(3, requires_grad=True)),
        NotImplementedError, ("weight", "requires_grad"),
    ),
    "max_memory text": (
        lambda: linear(max_memory="a lot"), ValueError, ("max_memory", "'a lot'", "bytes"),
    ),
    "max_memory too small": (lambda: linear(max_memory=4), ValueError, ("max_memory", "4 bytes")),
    "max_memory type": (lambda: linear(max_memory=1e6), TypeError, ("max_memory", "1000000.0")),
    "ignore_index with a soft target": (
        lambda: linear(X, W, SOFT, ignore_index=1), ValueError, ("ignore_index", "1", "-100"),
    ),
    "normalizer with none": (
        lambda: linear(normalizer=2, reduction="none"), ValueError, ("normalizer", "'none'"),
    ),
    "implementation": (
        lambda: linear(implementation="cuda"), ValueError, ("implementation", "'cuda'"),
    ),
    "K dimensions, input with more axes": (
        lambda: linear(torch.zeros(2, 2, 2), torch.zeros(3, 4, 2), torch.zeros(2, 4).long()),
        ValueError, ("input", "float32[2, 2, 2]"),
    ),
    "K dimensions, target": (
        lambda: linear(X, torch.zeros(3, 5, 2), T), ValueError, ("target", "int64[4]", "(4, 5)"),
    ),
    "K dimensions, bias": (
        lambda: linear(
            X, torch.zeros(3, 5, 2), torch.zeros(4, 5).long(), linear_bias=torch.zeros(3)
        ),
        ValueError, ("linear_bias", "float32[3]", "(3, 5)"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", LINEAR_PARTS)
def test_linear_parts(case: str) -> None:
    """The last layer's own messages."""
    call, kind, parts = LINEAR_PARTS[case]
    with pytest.raises(kind) as caught:
        call()
    for part in ("linear_cross_entropy: ", *parts, "; expected ", ". ", "["):
        assert part in str(caught.value)


MODULES: dict[str, tuple[Callable[[], Any], type[Exception], tuple[str, ...]]] = {
    "smoothing": (
        lambda: ours.CrossEntropyLoss(label_smoothing=2.0),
        ValueError, ("CrossEntropyLoss", "label_smoothing", "2.0", "[0, 1]"),
    ),
    "reduction": (
        lambda: ours.CrossEntropyLoss(reduction="avg"),
        ValueError, ("CrossEntropyLoss", "reduction", "'avg'"),
    ),
    "weight": (
        lambda: ours.CrossEntropyLoss(torch.ones(3, requires_grad=True)),
        NotImplementedError, ("CrossEntropyLoss", "weight", "requires_grad"),
    ),
    "linear, temperature": (
        lambda: ours.LinearCrossEntropyLoss(2, 3, temperature=0.0),
        ValueError, ("LinearCrossEntropyLoss", "temperature", "0.0"),
    ),
    "linear, max_memory": (
        lambda: ours.LinearCrossEntropyLoss(2, 3, max_memory="much"),
        ValueError, ("LinearCrossEntropyLoss", "max_memory", "'much'"),
    ),
    "linear, weight": (
        lambda: ours.LinearCrossEntropyLoss(2, 3, weight=torch.ones(4)),
        ValueError, ("LinearCrossEntropyLoss", "weight", "float32[4]", "(3,)"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MODULES)
def test_modules(case: str) -> None:
    """Bad options raise when the module is made, and name it."""
    call, kind, parts = MODULES[case]
    with pytest.raises(kind) as caught:
        call()
    for part in parts:
        assert part in str(caught.value)


STATS: dict[str, tuple[Callable[[], Any], type[Exception], tuple[str, ...]]] = {
    "target outside": (
        lambda: ours.cross_entropy_stats(Z, torch.tensor([0, 1, 2, 3])),
        IndexError, ("cross_entropy_stats: ", "target[3]", "3"),
    ),
    "dtype": (
        lambda: ours.cross_entropy_stats(Z.long(), T),
        TypeError, ("cross_entropy_stats: ", "int64"),
    ),
    "linear": (
        lambda: ours.linear_cross_entropy_stats(X, W, torch.tensor([0, 1, 2, 3])),
        IndexError, ("linear_cross_entropy_stats: ", "target[3]", "3"),
    ),
    "linear, dtype": (
        lambda: ours.linear_cross_entropy_stats(X, W.double(), T),
        TypeError, ("linear_cross_entropy_stats: ", "linear_weight", "float64[3, 2]"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", STATS)
def test_stats(case: str) -> None:
    """The statistics name themselves."""
    call, kind, parts = STATS[case]
    with pytest.raises(kind) as caught:
        call()
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize("transform", ["grad", "jvp", "vmap", "backward"])
def test_target_outside_under_transforms(transform: str, implementation: str) -> None:
    """A bad class is never a number: IndexError, or NaN in its row where values cannot be read."""
    target = torch.tensor([0, 1, 3, 0])
    z = torch.randn(4, 3, dtype=torch.float64)

    def f(z: Any, t: Any = target) -> Any:
        return ours.cross_entropy(z, t, reduction="none", implementation=implementation)

    def call() -> Any:
        if transform == "grad":
            return torch.func.grad(lambda z: f(z).sum())(z)
        if transform == "jvp":
            return torch.func.jvp(f, (z,), (z,))[1]
        if transform == "vmap":
            return torch.func.vmap(lambda z, t: f(z[None], t[None])[0])(z, target)
        leaf = z.clone().requires_grad_()
        return torch.autograd.grad(f(leaf).sum(), leaf)[0]

    try:
        got = call()
    except IndexError as reason:
        assert "cross_entropy: target" in str(reason)
        assert " is 3;" in str(reason)
        return
    assert transform != "backward", "plain calls raise on the CPU"
    assert got[2].isnan().all()
    assert got[[0, 1, 3]].isfinite().all()


def test_deep_in_a_transform_the_function_is_named() -> None:
    """An option that cannot be followed under vmap says which function and which option."""

    def f(z: Any, t: Any) -> Any:
        return ours.cross_entropy(z[None], t[None], empty="raise")

    with pytest.raises((NotImplementedError, ValueError), match=r"cross_entropy: .*empty"):
        torch.func.vmap(f)(Z, torch.full((4,), -100))


def test_tensors_on_different_devices() -> None:
    target = torch.zeros(2, dtype=torch.long, device="meta")
    with pytest.raises(ValueError, match=r"target is int64\[2\] on meta.*Move it.*\[device\]"):
        ours.cross_entropy(torch.zeros(2, 3), target)


def test_empty_cannot_raise_where_values_are_hidden() -> None:
    def loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return ours.cross_entropy(logits, target, empty="raise")

    logits, targets = torch.zeros(2, 4, 3), torch.zeros(2, 4, dtype=torch.long)
    with pytest.raises(NotImplementedError, match=r"empty is 'raise' under.*\[transform\]"):
        torch.func.vmap(loss)(logits, targets)
