"""How far softxent and its peers are from the exact results, in units in the last place.

Everybody gets the same rows (rows.py) and is held against the same exact values (truth.py), on the
scales of the accuracy bounds: the log-sum-exp relative to the larger of its two terms, a gradient
with options to the largest of its three, JVP and HVP to the sum of the magnitudes of theirs,
everything else to itself. The unit is the last place of the coarser of two dtypes: the one that
softxent returns, and the one that came back. So a peer that returns the loss of bfloat16 logits in
bfloat16 is not blamed for that, nor one that returns more digits than were asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

import softxent
from softxent.measure import rows, truth
from softxent.measure.rows import Batch
from softxent.measure.truth import Floats, Truth

if TYPE_CHECKING:
    from softxent.measure.peers import Peer

Functions = Mapping[str, Callable[..., Any]]

# What each result may be off, in ULP. JVP and HVP are derivatives and held to the gradient's bar.
BARS = {
    "softmax": 6.0,
    "log_softmax": 4.0,
    "logsumexp": 4.0,
    "loss": 4.0,
    "gradient": 6.0,
    "gradient, all options": 6.0,
    "jvp": 6.0,
    "hvp": 6.0,
}
HALF_ULP = 0.51  # gradients in bfloat16 and float16: computed in float64, rounded once
HALF_PRECISION = ("bfloat16", "float16")
PER_ROW = ("logsumexp", "loss", "jvp")  # one number a row: float32 for half-precision logits
# A z-loss as models are trained with.
OPTIONS = {"label_smoothing": 0.1, "temperature": 0.7, "softcap": 30.0, "z_loss": 1e-4}
CONFIDENT_DTYPES = ("float32", "bfloat16")


def collect(
    peers: Sequence[Peer],
    *,
    quick: bool = False,
    implementation: str | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> dict[str, Any]:
    """Measure softxent and the peers; `progress` is called with the share that is done.

    Returns {"rows": [{"op", "dtype", "who", "unit", "max_ulp", "median_ulp", "bar"}], "confident":
    [{"who", "dtype", "rows", "zero_loss", "zero_gradient"}], "failed": {key: why}}. `who` is
    "softxent" or a peer's key, `unit` the dtype whose last places were counted; peers have no bar.
    An error is infinite where NaN or an infinity came back. A peer that raises is left out.
    """
    table: list[dict[str, Any]] = []
    confident: list[dict[str, Any]] = []
    failed: dict[str, str] = {}
    for done, dtype in enumerate(rows.DTYPES):
        able: dict[str, Functions] = {"softxent": ours(implementation)}
        for peer in peers:
            if dtype in peer.dtypes and peer.key not in failed:
                # Anew for each dtype: torch.compile keeps 8 versions of a function, then refuses.
                able[peer.key] = _tried(peer.key, peer.functions, failed) or {}

        def within(share: float, done: int = done) -> None:
            progress((done + share) / len(rows.DTYPES))

        batches = list(rows.batches(dtype, quick=quick))
        table += measure(able, dtype, batches, failed=failed, progress=within)
        if dtype in CONFIDENT_DTYPES:
            batch = rows.confident(dtype)
            for who, functions in able.items():
                if {"loss", "gradient"} <= set(functions):
                    counts = _tried(who, partial(zeros, functions, batch), failed)
                    confident.append({"who": who, "dtype": dtype, **(counts or {})})
    return {
        "rows": [entry for entry in table if entry["who"] not in failed],
        "confident": [entry for entry in confident if entry["who"] not in failed],
        "failed": failed,
    }


def ours(implementation: str | None = None) -> dict[str, Callable[..., Any]]:
    """Return our functions by op, called with the logits, the class indices and a direction."""
    plain: dict[str, Any] = {"implementation": implementation}
    each: dict[str, Any] = plain | {"reduction": "none"}

    def gradient(logits: Any, target: Any, **options: Any) -> Any:
        return softxent.cross_entropy_with_grad(logits, target, **each, **options)[1]

    return {
        "softmax": partial(softxent.softmax, **plain),
        "log_softmax": partial(softxent.log_softmax, **plain),
        "logsumexp": partial(softxent.logsumexp, **plain),
        "loss": partial(softxent.cross_entropy, **each),
        "gradient": gradient,
        "gradient, all options": lambda z, t: gradient(z, t, **options_for(z.shape[1])),
        "jvp": partial(softxent.cross_entropy_jvp, **each),
        "hvp": partial(softxent.cross_entropy_hvp, **each),
    }


def options_for(classes: int) -> dict[str, Any]:
    """Every option that changes the gradient of a row; class weights from 0.5 to 1.5."""
    return {"weight": np.linspace(0.5, 1.5, classes), **OPTIONS}


def measure(
    everybody: Mapping[str, Functions],
    dtype: str,
    batches: Sequence[Batch],
    *,
    failed: dict[str, str],
    progress: Callable[[float], None] = lambda share: None,
) -> list[dict[str, Any]]:
    """Return the rows of the table for one dtype; a peer that raises is noted in `failed`."""
    errors: dict[tuple[str, str], list[Floats]] = {}
    units: dict[tuple[str, str], str] = {}
    numbers = sum(batch.logits.size for batch in batches)
    done = 0
    for batch in batches:
        for op, right in exact(batch, dtype).items():
            for who, functions in everybody.items():
                if op not in functions or who in failed:
                    continue
                got = _tried(who, partial(functions[op], *_arguments(op, batch)), failed)
                if got is not None:
                    units[op, who] = unit = _unit(op, dtype, got)
                    errors.setdefault((op, who), []).append(truth.ulps(got, right, unit).ravel())
        done += batch.logits.size
        progress(done / numbers)
    return [
        {
            "op": op,
            "dtype": dtype,
            "who": who,
            "unit": units[op, who],
            "max_ulp": float(np.concatenate(found).max()),
            "median_ulp": float(np.median(np.concatenate(found))),
            "bar": bar(op, dtype) if who == "softxent" else None,
        }
        for (op, who), found in errors.items()
    ]


def exact(batch: Batch, dtype: str) -> dict[str, Truth]:
    """Return the exact results of a batch by op, in the order of BARS."""
    arithmetic = truth.MPMATH if dtype == "float64" else truth.FLOAT64
    right = truth.Rows(batch.logits, batch.target, arithmetic)
    every = truth.split(*right.gradient_with_options(**options_for(batch.logits.shape[1])))
    if dtype in HALF_PRECISION:
        # The three terms may add up past the largest one's binade, where one rounding is already
        # 1 ULP of that term: what is rounded once counts in its own ULP there.
        every = every._replace(scale=np.maximum(every.scale, np.abs(every.high)))
    return {
        "softmax": truth.split(right.softmax),
        "log_softmax": truth.split(right.log_softmax),
        "logsumexp": truth.split(right.logsumexp, right.logsumexp_scale),
        "loss": truth.split(right.loss),
        "gradient": truth.split(right.gradient),
        "gradient, all options": every,
        "jvp": truth.split(*right.jvp(batch.vector)),
        "hvp": truth.split(*right.hvp(batch.vector)),
    }


def zeros(functions: Functions, batch: Batch) -> dict[str, int]:
    """Count the losses and the target gradients that come back as exactly 0."""
    loss = np.asarray(functions["loss"](batch.logits, batch.target))
    gradient = np.asarray(functions["gradient"](batch.logits, batch.target))
    at_target = gradient[np.arange(len(batch.target)), batch.target]
    return {
        "rows": len(batch.target),
        "zero_loss": int((loss == 0).sum()),
        "zero_gradient": int((at_target == 0).sum()),
    }


def bar(op: str, dtype: str) -> float:
    """Return what softxent promises of an op in a dtype, in ULP."""
    halved = op.startswith("gradient") and dtype in HALF_PRECISION
    return HALF_ULP if halved else BARS[op]


def _arguments(op: str, batch: Batch) -> tuple[Any, ...]:
    if op in ("softmax", "log_softmax", "logsumexp"):
        return (batch.logits,)
    return batch[:3] if op in ("jvp", "hvp") else batch[:2]


def _unit(op: str, dtype: str, got: Any) -> str:
    ours = "float32" if op in PER_ROW and dtype in HALF_PRECISION else dtype
    known = [name for name in (ours, np.asarray(got).dtype.name) if name in truth.FORMATS]
    return min(known, key=lambda name: truth.FORMATS[name][0])


def _tried(who: str, call: Callable[[], Any], failed: dict[str, str]) -> Any:
    """Return what the call returns, or None where a peer raises; ours has to work."""
    try:
        with np.errstate(all="ignore"):  # a peer may overflow; its result shows that
            return call()
    except Exception as error:
        if who == "softxent":
            raise
        failed[who] = f"it failed: {type(error).__name__}: {str(error).partition(chr(10))[0]}"
        return None
