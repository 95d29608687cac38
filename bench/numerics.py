"""What each step of the kernel is worth: the naive way and ours against exact arithmetic, in ULP.

    python bench/numerics.py            # the table of docs/numerics.md
    python bench/numerics.py --json     # the same as one JSON object
    python bench/numerics.py --write    # the table into docs/numerics.md

A step is a function below: the naive formula in NumPy, in the dtype in question; the same result by
softxent; the exact one by mpmath on the same inputs. Nothing is random, so that every machine
prints the same table, but for the last place of NumPy's own exp and log.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import ml_dtypes
import mpmath
import numpy as np
from _document import ROOT, table, write

import softxent

DOCUMENT, NAME = ROOT / "docs" / "numerics.md", "numerics"
MP = mpmath.MPContext()  # of our own: the global precision stays as it is
MP.prec = 400
PRECISION = {"float64": 53, "float32": 24, "bfloat16": 8}
BF16 = np.dtype(ml_dtypes.bfloat16)


class Line(NamedTuple):
    """One line of the table: the worst entry of a result, computed in two ways."""

    section: str
    """Of docs/numerics.md."""
    what: str
    dtype: str
    row: str
    before: float
    after: float
    unit: str = "ULP"


# ---- exact arithmetic -------------------------------------------------------------------------


def exact(x: Any) -> list[Any]:
    return [MP.mpf(float(value)) for value in np.atleast_1d(x)]


def exact_softmax(z: Any, temperature: float = 1.0, softcap: float | None = None) -> list[Any]:
    a = exact(z)
    if softcap is not None:
        a = [softcap * MP.tanh(x / softcap) for x in a]
    top = max(a)
    e = [MP.exp((x - top) / MP.mpf(temperature)) for x in a]
    total = MP.fsum(e)
    return [x / total for x in e]


def exact_gradient(z: Any, target: int) -> list[Any]:
    """y - t, the target's entry as -(sum of the others)."""
    y = exact_softmax(z)
    others = MP.fsum(y[:target] + y[target + 1 :])
    return [-others if k == target else y_k for k, y_k in enumerate(y)]


def exact_lse(z: Any) -> Any:
    return MP.log(MP.fsum(MP.exp(x) for x in exact(z)))


def worst(got: Any, truth: Any, dtype: Any, scale: Any = None) -> float:
    """Return the largest error, in units in the last place of `scale` (the exact value)."""
    truth = truth if isinstance(truth, list) else [truth]
    errors = []
    for g, x, s in zip(np.atleast_1d(got), truth, scale or truth, strict=True):
        if not math.isfinite(g):
            return math.nan
        last_place = MP.ldexp(1, MP.mag(s) - PRECISION[np.dtype(dtype).name])
        errors.append(float(abs(MP.mpf(float(g)) - x) / last_place))
    return max(errors)


# ---- the naive ways ---------------------------------------------------------------------------


def textbook(z: Any) -> Any:
    e = np.exp(z)
    return e / e.sum()


def shifted(z: Any) -> Any:
    """The usual softmax: shifted by the maximum, and nothing more."""
    e = np.exp(z - z.max())
    return e / e.sum()


def log_sum_exp(z: Any) -> Any:
    return z.max() + np.log(np.exp(z - z.max()).sum())


def many(n: int, dtype: Any) -> Any:
    """n logits between 0 and 10.08, without a pattern that matters."""
    return (np.arange(n) * 7919 % 1009 / 100).astype(dtype)


# ---- the steps, numbered as the sections of the document --------------------------------------


def shift() -> Iterator[Line]:
    for dtype, row in ((np.float32, [88.0, 89.0, 90.0]), (np.float64, [708.0, 709.0, 710.0])):
        z = np.array(row, dtype)
        y = exact_softmax(z)
        with np.errstate(over="ignore", invalid="ignore"):
            before = worst(textbook(z), y, dtype)
        yield line("1", "softmax", z, before, worst(softxent.softmax(z), y, dtype))


def carried_error() -> Iterator[Line]:
    for dtype, row in ((np.float32, [0.1, 37.3, 80.9]), (np.float64, [0.1, -0.7, 700.3])):
        z = np.array(row, dtype)
        y = exact_softmax(z)
        yield line(
            "2",
            "softmax",
            z,
            worst(shifted(z), y, dtype),
            worst(softxent.softmax(z), y, dtype),
        )


def without_the_one() -> Iterator[Line]:
    for dtype in (np.float32, np.float64):
        z = np.array([0.0, 12.0, 0.0], dtype)
        loss = -MP.log(exact_softmax(z)[1])
        before = worst(log_sum_exp(z) - z[1], loss, dtype)
        yield line(
            "3", "loss", z, before, worst(softxent.cross_entropy(z, 1), loss, dtype), "t = 1"
        )
    leads = range(10, 61)
    for dtype in (np.float32, np.float64):
        rows = [np.array([0.0, lead, 0.0], dtype) for lead in leads]
        before = [log_sum_exp(z) - z[1] for z in rows].count(0)
        after = [softxent.cross_entropy(z, 1) for z in rows].count(0)
        unit = f"of {len(rows)} are 0"
        name = np.dtype(dtype).name
        yield Line("3", "losses", name, "[0, L, 0], L = 10 … 60, t = 1", before, after, unit)


def two_terms() -> Iterator[Line]:
    for dtype in (np.float32, np.float64):
        z = np.array([10000.0, 9999.0], dtype)
        loss = -MP.log(exact_softmax(z)[0])
        before = worst(log_sum_exp(z) - z[0], loss, dtype)
        yield line(
            "4", "loss", z, before, worst(softxent.cross_entropy(z, 0), loss, dtype), "t = 0"
        )


def target_entry() -> Iterator[Line]:
    for dtype, lead in ((np.float32, 12.0), (np.float64, 12.0), (np.float64, 40.0)):
        z = np.array([0.0, lead, 0.0], dtype)
        truth = exact_gradient(z, 1)
        before = shifted(z) - np.array([0, 1, 0], dtype)
        after = softxent.cross_entropy_with_grad(z, 1)[1]
        yield line(
            "5", "gradient", z, worst(before, truth, dtype), worst(after, truth, dtype), "t = 1"
        )


def saved_for_backward() -> Iterator[Line]:
    for dtype in (np.float32, np.float64):
        z = np.array([10000.0, 9999.0], dtype)
        y = exact_softmax(z)
        before = worst(np.exp(z - log_sum_exp(z)), y, dtype)
        yield line("6", "softmax", z, before, worst(softxent.softmax(z), y, dtype))


def temperature() -> Iterator[Line]:
    for dtype in (np.float32, np.float64):
        z = np.array([10000.0, 9990.0, 9985.25], dtype)
        y = exact_softmax(z, temperature=0.7)
        before = worst(shifted(z / dtype(0.7)), y, dtype)
        after = worst(softxent.softmax(z, temperature=0.7), y, dtype)
        yield line("7", "softmax", z, before, after, "T = 0.7")


def slope_of_the_cap() -> Iterator[Line]:
    c, t, z = 10.0, 2, np.array([150.0, 40.0, -30.0])
    y = exact_softmax(z, softcap=c)
    minus_t = [y[0], y[1], -(y[0] + y[1])]
    truth = [g / MP.cosh(x / c) ** 2 for g, x in zip(minus_t, exact(z), strict=True)]
    before = (shifted(c * np.tanh(z / c)) - np.eye(3)[t]) * (1 - np.tanh(z / c) ** 2)
    after = softxent.cross_entropy_with_grad(z, t, softcap=c)[1]
    f64 = np.float64
    yield line(
        "8", "gradient", z, worst(before, truth, f64), worst(after, truth, f64), "t = 2, c = 10"
    )
    c, z = 30.0, np.array([80.0, 60.0, 45.0, -70.0])
    y = exact_softmax(z, softcap=c)
    before_y, after_y = shifted(c * np.tanh(z / c)), softxent.softmax(z, softcap=c)
    yield line("8", "softmax", z, worst(before_y, y, f64), worst(after_y, y, f64), "c = 30")


def exact_hvp(z: Any, v: Any) -> tuple[list[Any], list[Any]]:
    """y (v - <y, v>), and the sum of the magnitudes of its terms."""
    y, v = exact_softmax(z), exact(v)
    mean = MP.fsum(a * b for a, b in zip(y, v, strict=True))
    size = MP.fsum(a * abs(b) for a, b in zip(y, v, strict=True))
    return (
        [a * (b - mean) for a, b in zip(y, v, strict=True)],
        [a * (abs(b) + size) for a, b in zip(y, v, strict=True)],
    )


def centred() -> Iterator[Line]:
    for dtype in (np.float32, np.float64):
        z, v = np.array([20.0, 0.0, 0.0], dtype), np.array([1.0, 0.3, -0.2], dtype)
        truth, _ = exact_hvp(z, v)
        y = shifted(z)
        before = worst(y * (v - (y * v).sum()), truth, dtype)
        after = worst(softxent.cross_entropy_hvp(z, 0, v), truth, dtype)
        yield line("9", "HVP", z, before, after, "v = [1, 0.3, −0.2]")


def wide_lanes() -> Iterator[Line]:
    for n in (10, 1000):
        z = many(n, np.float32)
        truth = exact_gradient(z, 3)
        before = shifted(z)
        before[3] -= 1
        after = softxent.cross_entropy_with_grad(z, 3)[1]
        errors = worst(before, truth, np.float32), worst(after, truth, np.float32)
        yield Line("10", "gradient", "float32", f"many({n}), t = 3", *errors)


def pairs_for_float64() -> Iterator[Line]:
    # Section 9's HVP, centred, but every operation rounded to float64.
    z, v = many(1000, np.float64), np.cos(np.arange(1000.0))
    truth, scale = exact_hvp(z, v)
    top = z.argmax()
    e = np.exp(z - z[top])
    e[top] = 0
    w, total = v - v[top], 1 + e.sum()
    mean = (e * w).sum() / total
    e[top] = 1
    errors = (
        worst(e / total * (w - mean), truth, np.float64, scale),
        worst(softxent.cross_entropy_hvp(z, 0, v), truth, np.float64, scale),
    )
    yield Line("11", "HVP, of its terms", "float64", "many(1000), v_k = cos k", *errors)


def rounded_once() -> Iterator[Line]:
    z = np.array([5.0, 0.375, -0.25, 0.0], BF16)
    truth = exact_gradient(z, 0)
    before = shifted(z.astype(np.float32)).astype(BF16)
    before[0] -= BF16.type(1)
    after = softxent.cross_entropy_with_grad(z, 0)[1]
    yield line("12", "gradient", z, worst(before, truth, BF16), worst(after, truth, BF16), "t = 0")
    rows = np.stack([np.roll(many(64, BF16), k) for k in range(48)])
    target = [3] * len(rows)
    mean = [g / len(rows) for z in rows for g in exact_gradient(z, 3)]
    each = softxent.cross_entropy_with_grad(rows, target, reduction="sum")[1]
    before = (each * BF16.type(1 / len(rows))).ravel()
    after = softxent.cross_entropy_with_grad(rows, target)[1].ravel()
    errors = worst(before, mean, BF16), worst(after, mean, BF16)
    yield Line("12", "gradient of a mean", "bfloat16", "48 rotations of many(64), t = 3", *errors)


def sums() -> Iterator[Line]:
    z = many(1 << 17, np.float32) / 10
    e = np.exp(z - z.max())
    # 1009 different values: the exact sum is that of each, as often as it comes
    values, counts = np.unique(z, return_counts=True)
    top = max(exact(z.max()))
    total = MP.fsum(int(c) * MP.exp(x - top) for x, c in zip(exact(values), counts, strict=True))
    y = [MP.exp(x - top) / total for x in exact(z[:1009])]
    before = e[:1009] / np.cumsum(e, dtype=np.float32)[-1]
    errors = worst(before, y, np.float32), worst(softxent.softmax(z)[:1009], y, np.float32)
    yield Line("13", "softmax", "float32", "many(131072) / 10", *errors)


def z_loss() -> Iterator[Line]:
    z, weight, f64 = np.array([-0.6931471805599453, -0.6921471805599453]), 1e4, np.float64
    y, lse, (g0, g1) = exact_softmax(z), exact_lse(z), exact_gradient(z, 0)
    bend = [2 * MP.mpf(weight) * lse * x for x in y]
    truth = [g0 + bend[0], g1 + bend[1]]
    scale = [max(abs(g), b) for g, b in zip((g0, g1), bend, strict=True)]
    rounded = z[1] + np.log1p(np.exp(z[0] - z[1]))
    p = shifted(z)
    before = p - np.array([1, 0]) + 2 * weight * rounded * p
    after = softxent.cross_entropy_with_grad(z, 0, z_loss=weight)[1]
    errors = worst(before, truth, f64, scale), worst(after, truth, f64, scale)
    row = "[−ln 2, −ln 2 + 0.001], t = 0, λ = 10⁴"
    yield Line("14", "gradient, of its terms", "float64", row, *errors)


TWO_SUM = """
#include <cstdio>
double error(double a, double b) { double s = a + b, t = s - a; return (a - (s - t)) + (b - t); }
int main() { std::printf("%a %d\\n", error(0.1, -700.3), 1e-310 * 0.5 != 0); }
"""


def fast_math() -> Iterator[Line]:
    """Section 2 again, with TwoSum compiled in two ways; nothing where there is no compiler."""
    z = np.array([0.1, 700.3])
    truth = exact_softmax(z)[0]
    errors = []
    for flag in ("-ffast-math", "-fno-fast-math"):
        low = compiled_error(flag)
        if low is None:
            return
        e = np.exp(z[0] - z[1])
        errors.append(worst(e + e * low, truth, np.float64))
    yield Line("15", "e^(z − m)", "float64", "[0.1, 700.3], with -ffast-math", *errors)


def compiled_error(flag: str) -> float | None:
    with tempfile.TemporaryDirectory() as folder:
        source, program = Path(folder) / "two_sum.cpp", Path(folder) / "two_sum"
        source.write_text(TWO_SUM)
        try:
            subprocess.run(["c++", "-O2", flag, source, "-o", program], check=True)
            done = subprocess.run([program], check=True, capture_output=True, text=True)
        except (OSError, subprocess.CalledProcessError):
            return None
    return float.fromhex(done.stdout.split()[0])


STEPS: tuple[Callable[[], Iterator[Line]], ...] = (
    shift,
    carried_error,
    without_the_one,
    two_terms,
    target_entry,
    saved_for_backward,
    temperature,
    slope_of_the_cap,
    centred,
    wide_lanes,
    pairs_for_float64,
    rounded_once,
    sums,
    z_loss,
    fast_math,
)


# ---- the table --------------------------------------------------------------------------------


def line(section: str, what: str, z: Any, before: float, after: float, options: str = "") -> Line:
    row = "[" + ", ".join(f"{float(x):g}".replace("-", "−") for x in z) + "]"
    return Line(section, what, z.dtype.name, row + (options and f", {options}"), before, after)


def collect() -> list[Line]:
    return [result for step in STEPS for result in step()]


def text(value: float, unit: str) -> str:
    """Two decimals, or three digits where that is more; counts as they are."""
    if math.isnan(value):
        return "NaN"
    if unit != "ULP":
        return f"{value:.0f} {unit}"
    if value < 10:
        return f"{value:.2f}"
    if value < 1e6:
        return f"{float(f'{value:.3g}'):,.0f}" if value >= 100 else f"{value:.1f}"
    digits = str(math.floor(math.log10(value))).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{value / 10 ** math.floor(math.log10(value)):.1f} · 10{digits}"


def markdown(lines: list[Line]) -> str:
    rows = [
        (x.section, x.row, f"{x.what}; {x.dtype}", text(x.before, x.unit), text(x.after, x.unit))
        for x in lines
    ]
    return table(("§", "row", "result", "naive, ULP", "softxent, ULP"), rows, words=3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--write", action="store_true", help=f"write the table into {DOCUMENT}")
    arguments = parser.parse_args()
    lines = collect()
    if arguments.write:
        write(DOCUMENT, NAME, markdown(lines))
    if arguments.json:
        rows = [
            {k: None if v != v else v for k, v in x._asdict().items()}  # NaN is not JSON
            for x in lines
        ]
        print(json.dumps({"schema_version": 1, "rows": rows}, indent=1, ensure_ascii=False))
    elif not arguments.write:
        print(markdown(lines))


if __name__ == "__main__":
    main()
