"""Which implementation runs, and what is said where one cannot."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from softxent.kernels import registry


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry that has picked nothing yet, in an environment that names nothing."""
    monkeypatch.setattr(registry, "_picked", {})
    monkeypatch.delenv("SOFTXENT_IMPLEMENTATION", raising=False)


@pytest.fixture
def broken_native(fresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry whose native module is not there."""
    monkeypatch.setitem(registry.MODULES, "native", "softxent.kernels.no_such_module")


def test_named_one_is_the_one_that_runs(implementation: str) -> None:
    assert registry.pick(implementation).name == implementation


def test_plain_numpy_always_loads() -> None:
    assert registry.available()["numpy"] is None


def test_default_is_the_first_that_loads(fresh: None) -> None:
    loads = [name for name, reason in registry.available().items() if reason is None]
    assert registry.pick().name == loads[0]
    assert registry.pick() is registry.pick(None)


def test_default_falls_back_where_native_cannot_load(broken_native: None) -> None:
    reasons = registry.available()
    assert "no_such_module" in (reasons["native"] or "")
    assert reasons["numpy"] is None
    assert registry.pick().name == "numpy"


def test_named_one_never_falls_back(broken_native: None) -> None:
    with pytest.raises(RuntimeError) as caught:
        registry.pick("native")
    assert str(caught.value) == (
        "softxent: implementation is 'native', which cannot load (No module named "
        "'softxent.kernels.no_such_module'); expected one that loads here. Use None for the best "
        "that does; `softxent doctor` says why each other cannot. [implementation]"
    )


def test_environment_names_the_default(fresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOFTXENT_IMPLEMENTATION", "numpy")
    assert registry.pick().name == "numpy"


def test_environment_with_an_unknown_name(fresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOFTXENT_IMPLEMENTATION", "nunpy")
    with pytest.raises(ValueError) as caught:
        registry.pick()
    assert str(caught.value) == (
        "softxent: SOFTXENT_IMPLEMENTATION is 'nunpy'; expected one of native, numpy, or nothing "
        "for the best that runs here. Did you mean 'numpy'? [implementation]"
    )


def test_import_failures_inside_an_implementation_are_reported(
    fresh: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "softxent.kernels.half_built", SimpleNamespace())
    monkeypatch.setitem(registry.MODULES, "native", "softxent.kernels.half_built")
    # A module without KERNELS is a fault of the package, not a reason to fall back in silence.
    with pytest.raises(AttributeError, match="KERNELS"):
        registry.pick()


def test_importing_softxent_imports_no_kernel() -> None:
    code = (
        "import sys, softxent; "
        "print([m for m in sys.modules if m in ('softxent.kernels.plain', 'softxent.kernels.cpu')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
