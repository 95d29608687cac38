"""docs/pytorch.md: its Python runs and prints what it says, and its tables name what exists."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from doc_examples import blocks, printed, promised

torch = pytest.importorskip("torch", reason="the page is about PyTorch")
forward_ad = pytest.importorskip("torch.autograd.forward_ad")

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "pytorch.md").read_text(encoding="utf-8")
BLOCKS = blocks(DOCUMENT)


def section(title: str) -> str:
    return DOCUMENT.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_every_block_promises_something() -> None:
    assert len(BLOCKS) >= 10
    assert all(promised(code) for code in BLOCKS)


@pytest.mark.parametrize("code", BLOCKS)
def test_examples_print_what_they_promise(code: str) -> None:
    lines = printed(code)
    for i, text in promised(code):
        assert lines[i].startswith(text), f"print {i}: {lines[i]!r} for {text!r}"


def test_every_function_and_option_is_named() -> None:
    import softxent.torch as ours

    for name in ours.__all__:
        assert f"`{name}`" in DOCUMENT, name
    told = set(re.findall(r"^\| `(\w+)` \|", section("Options"), re.MULTILINE))
    taken: set[str] = set()
    for function in (ours.cross_entropy, ours.linear_cross_entropy):
        taken |= set(inspect.signature(function).parameters)
    not_options = {"input", "target", "linear_weight", "linear_bias"}
    as_in_pytorch = {"size_average", "reduce", "options"}
    assert told == taken - not_options - as_in_pytorch


def test_defaults_are_those_of_the_signatures() -> None:
    import softxent.torch as ours

    defaults: dict[str, object] = {}
    for function in (ours.linear_cross_entropy, ours.cross_entropy):
        parameters = inspect.signature(function).parameters
        defaults |= {name: parameter.default for name, parameter in parameters.items()}
    rows = re.findall(r"^\| `(\w+)` \| (\S+) \|", section("Options"), re.MULTILINE)
    assert len(rows) > 10
    for name, told in rows:
        default = defaults[name]
        text = f'`"{default}"`' if isinstance(default, str) else str(default)
        assert told == re.sub(r"\.0$", "", text).replace("-", "−"), name


def test_links_lead_somewhere() -> None:
    headings = re.findall(r"^##+ (.*)$", DOCUMENT, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
    for link in re.findall(r"\]\(([^)]+)\)", DOCUMENT):
        name, _, anchor = link.partition("#")
        assert not name or (ROOT / "docs" / name).exists(), link
        assert not anchor or name or anchor in anchors, link
    for name in re.findall(r"`((?:tests|bench|examples)/[\w/]+\.py)`", DOCUMENT):
        assert (ROOT / name).exists(), name


def test_the_language_models_table_is_there() -> None:
    block = DOCUMENT.split("<!-- begin: language model")[1].split("<!-- end -->")[0]
    for name in ("held-out perplexity", "seconds a step", "peak memory"):
        assert name in block


def cells(how: str) -> list[str]:
    """The row of the table of derivatives that says so."""
    rows = [line.split("|")[1:-1] for line in section("Derivatives").splitlines()]
    (found,) = [row for row in rows if len(row) > 2 and row[1].strip() == how]
    return [cell.strip() for cell in found[2:]]


def functions() -> list[tuple[torch.Tensor, Callable[[torch.Tensor], torch.Tensor]]]:
    """Something to differentiate for each column of the table, and where."""
    from softxent import torch as ours

    rng = torch.Generator().manual_seed(0)
    x, w = (torch.randn(n, 3, dtype=torch.float64, generator=rng) for n in (4, 5))
    z, t = x @ w.T, torch.tensor([1, 0, 4, 2])
    return [
        (z, lambda z: ours.cross_entropy(z, t)),
        (x, lambda x: ours.linear_cross_entropy(x, w, t)),
        (z, lambda z: ours.cross_entropy_stats(z, t).logprob.sum()),
        (x, lambda x: ours.linear_cross_entropy_stats(x, w, t).logprob.sum()),
        (z, lambda z: ours.softmax(z).square().sum()),
    ]


def by_backward(f: Callable[[torch.Tensor], torch.Tensor], p: torch.Tensor) -> torch.Tensor:
    p = p.clone().requires_grad_()
    compiled(f)(p).backward()
    return p.grad


def by_func(f: Callable[[torch.Tensor], torch.Tensor], p: torch.Tensor) -> torch.Tensor:
    return compiled(torch.func.grad(f))(p)


def by_dual_numbers(f: Callable[[torch.Tensor], torch.Tensor], p: torch.Tensor) -> torch.Tensor:
    """The gradient, entry by entry."""
    compiled_f, found = compiled(f), []
    for direction in torch.eye(p.numel(), dtype=p.dtype):
        with forward_ad.dual_level():
            dual = forward_ad.make_dual(p, direction.view_as(p))
            found.append(forward_ad.unpack_dual(compiled_f(dual)).tangent)
    assert None not in found, "no tangent"
    return torch.stack(found).view_as(p)


def compiled(f: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    torch._dynamo.reset()
    return torch.compile(f, fullgraph=True, backend="aot_eager")


@pytest.mark.parametrize(
    ("how", "gradient"),
    [
        ("`torch.compile(fullgraph=True)`, `backward`", by_backward),
        ("`torch.func` inside", by_func),
        ("dual numbers into it", by_dual_numbers),
    ],
)
def test_what_is_said_of_the_compiler_is_true(
    how: str, gradient: Callable[..., torch.Tensor]
) -> None:
    for cell, (p, f) in zip(cells(how), functions(), strict=True):
        if cell == "✓":
            torch.testing.assert_close(gradient(f, p), torch.func.grad(f)(p))
        else:
            assert cell == "raises"
            with pytest.raises((RuntimeError, NotImplementedError)):
                gradient(f, p)


def test_everything_else_in_the_table_works() -> None:
    matrix = (ROOT / "tests" / "torch" / "test_matrix.py").read_text(encoding="utf-8")
    table = matrix.split('\nTABLE = """')[1].split('"""')[0]
    assert table.count("✓") > 100
    assert "raises" not in table
    for how in re.findall(r"^\| (?!compiled)[^|]+ \| ([^|]+) \| ✓", section("Derivatives"), re.M):
        assert set(cells(how)) == {"✓"}, how
