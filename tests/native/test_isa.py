"""Every instruction set that this processor has, and the name of one that it has not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

native = pytest.importorskip("softxent._native", exc_type=ImportError)

COMPILED: list[str] = native.info()["isa_compiled"]
SUPPORTED: list[str] = native.info()["isa_supported"]

CHECK = """
import ml_dtypes
import numpy as np
import softxent
from softxent import _native, reference

print(_native.info()["isa"])
rng = np.random.default_rng(0)
options = {
    "label_smoothing": 0.1, "temperature": 1.3, "softcap": 25.0, "z_loss": 1e-2,
    "weight": rng.uniform(0.5, 2, 4200),
}
digits = {np.float32: 23, np.float64: 52, ml_dtypes.bfloat16: 7, np.float16: 10}

def close(got, exact, bits):
    # One rounding to the dtype, a few in float32 or float64 before it.
    got, exact = np.asarray(got, np.float64), np.asarray(exact)
    size = max(1.0, float(np.abs(exact).max(initial=0.0)))
    np.testing.assert_allclose(got, exact, rtol=8 * 2.0**-bits, atol=8 * 2.0**-bits * size)

for dtype, bits in digits.items():
    loss_bits = max(bits, 23)
    for rows, classes in ((37, 1), (37, 10), (13, 301), (3, 4200)):  # tiles, rows, blocks
        z, v = (rng.normal(size=(rows, classes), scale=3).astype(dtype) for _ in range(2))
        wide, wide_v = z.astype(np.float64), v.astype(np.float64)
        index = rng.integers(classes, size=rows)
        index[::5] = -100
        soft = rng.uniform(size=(rows, classes)).astype(dtype)
        run = {"implementation": "native"}
        close(softxent.softmax(z, **run), reference.softmax(wide), bits)
        close(softxent.log_softmax(z, **run), reference.log_softmax(wide), bits)
        close(softxent.logsumexp(z, **run), reference.logsumexp(wide), loss_bits)
        for target in (index, soft):
            seen = target if target is index else target.astype(np.float64)
            for chosen in ({}, options):
                keep = {**chosen, "reduction": "none"}
                if chosen:
                    keep["weight"] = chosen["weight"][:classes]
                loss, grad = softxent.cross_entropy_with_grad(z, target, **keep, **run)
                exact = reference.cross_entropy_with_grad(wide, seen, **keep)
                close(loss, exact[0], loss_bits)
                close(grad, exact[1], bits)
                for name in ("cross_entropy_jvp", "cross_entropy_hvp"):
                    got = getattr(softxent, name)(z, target, v, **keep, **run)
                    right = getattr(reference, name)(wide, seen, wide_v, **keep)
                    close(got, right, loss_bits - 4 if name.endswith("jvp") else bits)
                for name in ("cross_entropy_hessian_diag", "cross_entropy_target_grad"):
                    got = getattr(softxent, name)(z, target, **keep, **run)
                    close(got, getattr(reference, name)(wide, seen, **keep), bits)
                keep.pop("reduction")
                got = softxent.cross_entropy_stats(z, target, **keep, **run)
                right = reference.cross_entropy_stats(wide, seen, **keep)
                for name in ("loss", "z_loss", "logprob", "entropy", "lse"):
                    close(getattr(got, name), getattr(right, name), loss_bits)
                assert (got.prediction == right.prediction).all()
                assert (got.rank == right.rank).all()
print("fine")
"""


@pytest.mark.parametrize("isa", COMPILED)
def test_instruction_set_agrees_with_the_reference(
    fresh_python: Callable[..., str], isa: str
) -> None:
    if isa not in SUPPORTED:
        pytest.skip(f"this processor has no {isa}")
    assert fresh_python(CHECK, SOFTXENT_ISA=isa).split() == [isa, "fine"]


def test_best_is_the_default(fresh_python: Callable[..., str]) -> None:
    script = "from softxent import _native; print(_native.info()['isa'])"
    assert fresh_python(script).strip() == SUPPORTED[-1]
    assert fresh_python(script, SOFTXENT_ISA="").strip() == SUPPORTED[-1]


UNKNOWN = """
import numpy as np
import softxent
from softxent.kernels import registry

try:
    from softxent import _native
except ImportError as error:
    print(error)
reasons = registry.available()
print(reasons["native"])
print(reasons["numpy"])
print(softxent.cross_entropy(np.zeros((2, 4)), np.array([0, 1])) == np.log(4))
softxent.set_num_threads(3)
print(softxent.get_num_threads(), softxent.release_memory())
try:
    softxent.softmax(np.zeros(3), implementation="native")
except RuntimeError as error:
    print(error)
"""


@pytest.mark.parametrize("isa", ["avx9000", "AVX2", "avx"])
def test_unknown_instruction_set(fresh_python: Callable[..., str], isa: str) -> None:
    """The native module says what is wrong and does not load; plain NumPy runs instead."""
    error, reason, plain, right, threads, named = fresh_python(
        UNKNOWN, SOFTXENT_ISA=isa
    ).splitlines()
    assert error == reason
    assert reason.startswith("softxent: SOFTXENT_ISA names an instruction set that is not compiled")
    assert (plain, right, threads) == ("None", "True", "1 0")
    assert reason in named


@pytest.mark.parametrize("isa", [name for name in COMPILED if name not in SUPPORTED])
def test_instruction_set_that_this_processor_lacks(
    fresh_python: Callable[..., str], isa: str
) -> None:
    assert "not supported by this processor" in fresh_python(UNKNOWN, SOFTXENT_ISA=isa)
