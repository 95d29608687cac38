"""The loss modules: PyTorch's in all that PyTorch knows of them, and every option of ours."""

from __future__ import annotations

import copy
import inspect
import io
import pickle
from typing import Any

import pytest

torch = pytest.importorskip("torch")
ours = pytest.importorskip("softxent.torch")

generator = torch.Generator().manual_seed(3)
LOGITS = torch.randn(6, 5, generator=generator, dtype=torch.float64)
X = torch.randn(6, 3, generator=generator, dtype=torch.float64)
TARGET = torch.tensor([0, 4, 3, 2, 1, 1])
WEIGHT = torch.rand(5, generator=generator, dtype=torch.float64) + 0.1
OPTIONS: dict[str, Any] = {
    "ignore_index": 2,
    "reduction": "sum",
    "label_smoothing": 0.1,
    "temperature": 0.7,
    "softcap": 3.0,
    "z_loss": 0.2,
    "empty": "nan",
    "axis": -1,
    "inplace": True,
    "check_targets": True,
    "implementation": "reference",
    "max_memory": "1MiB",
}
PLAIN = {"CrossEntropyLoss": (), "LinearCrossEntropyLoss": (3, 5)}
FUNCTIONS = {
    "CrossEntropyLoss": "cross_entropy",
    "LinearCrossEntropyLoss": "linear_cross_entropy",
}
every_module = pytest.mark.parametrize("name", PLAIN)


def keywords(name: str) -> dict[str, Any]:
    """The options that the module's constructor has."""
    known = inspect.signature(getattr(ours, name)).parameters
    return {key: value for key, value in OPTIONS.items() if key in known}


def make(name: str, **options: Any) -> Any:
    torch.manual_seed(0)
    more = {"dtype": torch.float64, "bias": True} if name.startswith("Linear") else {}
    return getattr(ours, name)(*PLAIN[name], **more, **options)


def inputs(name: str) -> Any:
    return X if name.startswith("Linear") else LOGITS


def call_function(name: str, module: Any, **options: Any) -> Any:
    function = getattr(ours, FUNCTIONS[name])
    if name.startswith("Linear"):
        linear = module.linear
        return function(X, linear.weight, TARGET, linear_bias=linear.bias, **options)
    return function(LOGITS, TARGET, **options)


@every_module
@pytest.mark.parametrize("option", [None, "weight", *OPTIONS])
def test_every_option_reaches_the_function(name: str, option: str | None) -> None:
    """A module with an option is the function with it; one by one, so none is forgotten."""
    options: dict[str, Any] = {"weight": WEIGHT} if option == "weight" else {}
    if option in OPTIONS:
        if option not in keywords(name):
            pytest.skip(f"{name} has no {option}")
        options = {option: OPTIONS[option]}
    module = make(name, **options)
    got, right = module(inputs(name), TARGET), call_function(name, module, **options)
    torch.testing.assert_close(got, right, rtol=0.0, atol=0.0)
    if option in ("weight", "reduction", "label_smoothing", "temperature", "softcap", "z_loss"):
        assert not torch.allclose(got, call_function(name, module)), "the option does something"


@every_module
def test_module_takes_every_option_of_the_function(name: str) -> None:
    """All but what belongs to a batch: that is an argument of the call."""
    module = set(inspect.signature(getattr(ours, name)).parameters)
    function = set(inspect.signature(getattr(ours, FUNCTIONS[name])).parameters)
    batch = {"input", "target", "linear_weight", "linear_bias", "row_weight", "normalizer"}
    assert function - batch <= module
    forward = inspect.signature(getattr(ours, name).forward).parameters
    assert {"row_weight", "normalizer"} <= set(forward)
    theirs = inspect.signature(getattr(torch.nn, name).forward).parameters
    assert list(forward)[: len(theirs)] == list(theirs)


@every_module
def test_batch_arguments(name: str) -> None:
    """row_weight and normalizer are given with the batch."""
    module, row_weight = make(name), torch.rand(6, dtype=torch.float64)
    for options in ({"row_weight": row_weight}, {"normalizer": 3.5}):
        got = module(inputs(name), TARGET, **options)
        right = call_function(name, module, **options)
        torch.testing.assert_close(got, right, rtol=0.0, atol=0.0)


@every_module
def test_is_the_module_of_pytorch(name: str) -> None:
    """isinstance holds, and state_dicts load in both directions."""
    module = make(name, weight=WEIGHT)
    theirs_class = getattr(torch.nn, name)
    more = {"dtype": torch.float64, "bias": True} if name.startswith("Linear") else {}
    theirs = theirs_class(*PLAIN[name], weight=torch.ones(5, dtype=torch.float64), **more)
    assert isinstance(module, theirs_class)
    assert list(module.state_dict()) == list(theirs.state_dict())
    theirs.load_state_dict(module.state_dict())
    torch.testing.assert_close(
        theirs(inputs(name), TARGET), module(inputs(name), TARGET), rtol=1e-13, atol=0.0
    )
    fresh = make(name, weight=torch.ones(5, dtype=torch.float64))
    fresh.load_state_dict(theirs.state_dict())
    assert torch.equal(fresh(inputs(name), TARGET), module(inputs(name), TARGET))


@every_module
def test_copies(name: str) -> None:
    """deepcopy, pickle and torch.save keep every option; a copy's parameters are its own."""
    module = make(name, weight=WEIGHT, **keywords(name))
    stream = io.BytesIO()
    torch.save(module, stream)
    stream.seek(0)
    right = module(inputs(name) * 1.0, TARGET)
    for twin in (
        copy.deepcopy(module),
        pickle.loads(pickle.dumps(module)),
        torch.load(stream, weights_only=False),
    ):
        assert torch.equal(twin(inputs(name) * 1.0, TARGET), right)
        assert repr(twin) == repr(module)
        for mine, theirs in zip(module.parameters(), twin.parameters(), strict=True):
            assert mine.data_ptr() != theirs.data_ptr()


@every_module
def test_repr_names_every_option(name: str) -> None:
    """What differs from the default is told."""
    text = repr(make(name, **keywords(name)))
    for option in keywords(name):
        assert option in text
    plain = repr(make(name))
    assert plain.startswith(name)
    assert "temperature" not in plain


@every_module
def test_dtype_and_device_of_the_buffer(name: str) -> None:
    """The class weights move with the module; `.to` changes nothing but the dtype."""
    module = make(name, weight=WEIGHT).float()
    assert module.weight.dtype == torch.float32
    loss = module(inputs(name).float(), TARGET)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(
        loss.double(), make(name, weight=WEIGHT)(inputs(name), TARGET), rtol=1e-5, atol=0.0
    )


@every_module
def test_in_a_model(name: str) -> None:
    """A few steps of an optimiser lower the loss, gradients reach every parameter."""
    torch.manual_seed(1)
    head = make(name)
    body = torch.nn.Linear(3, 3 if name.startswith("Linear") else 5, dtype=torch.float64)
    parameters = [*body.parameters(), *head.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=0.5)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = head(body(X), TARGET)
        loss.backward()
        assert all(parameter.grad is not None for parameter in parameters)
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
    assert losses == sorted(losses, reverse=True)


def test_k_dimensional_linear_module() -> None:
    """out_features: K dimensions and their bias, as PyTorch stores and computes them."""
    torch.manual_seed(0)
    module = ours.LinearCrossEntropyLoss(
        3, 5, out_features=(2, 4), bias=True, dtype=torch.float64, weight=WEIGHT
    )
    theirs = torch.nn.LinearCrossEntropyLoss(
        3, 5, out_features=(2, 4), bias=True, dtype=torch.float64, weight=WEIGHT
    )
    theirs.load_state_dict(module.state_dict())
    rng = torch.Generator().manual_seed(0)
    index = torch.randint(5, (6, 2, 4), generator=rng)
    soft = torch.rand(6, 5, 2, 4, generator=rng, dtype=torch.float64)
    for target in (index, soft):
        results = []
        for each in (module, theirs):
            each.zero_grad()
            x = X.clone().requires_grad_()
            loss = each(x, target)
            loss.backward()
            results.append([loss.detach(), x.grad, *(p.grad for p in each.parameters())])
        for mine, right in zip(*results, strict=True):
            torch.testing.assert_close(mine, right, rtol=1e-11, atol=1e-14)
