"""Every loss in torch operations, some rows at a time: right under every transform, on any device.

Nothing here reads a value in Python, so `torch.compile` and `torch.func` see through it, and
derivatives of every order are those of the formulas as they are written. Logits are lead + (V,),
class axis last; results are in the wide dtype: float64, or float32 on a device without it. Written
for differentiation: no term is added only to be subtracted again, in the value or the derivative.

Accuracy: float32, bfloat16 and float16 logits, on a device with float64: the contract's bounds
after one rounding. float64 logits: (z - m) / T is rounded twice, and what that does to an exponent
of -g is up to 2g ULP of the probability e^-g (measured: 102 at g = 150), softcap the same.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from softxent.frontends.torch.chunked import chunked_rows
from softxent.frontends.torch.reduction import wide_dtype
from softxent.frontends.torch.settings import Scalars


class RowStats(NamedTuple):
    """What `row_stats` returns, each of the rows' shape."""

    loss: Tensor
    z_loss: Tensor
    logprob: Tensor
    entropy: Tensor
    lse: Tensor
    prediction: Tensor
    rank: Tensor


def row_losses(
    z: Tensor, target: Tensor | None, soft: Tensor | None, weight: Tensor | None, s: Scalars
) -> tuple[Tensor, Tensor | None]:
    """Return C_n and lambda lse_n^2 of each row; None for the second where lambda is 0.

    One of target (class indices of the rows' shape) and soft (of the logits' shape) is None.
    weight: (V,) or None. Ignored rows are 0, with derivatives of 0; a class index out of range
    makes its row NaN, as NaN or +inf in it does, or a row of only -inf.
    """
    keep, index, z = _readable(z, target, soft, s)
    p = _shifted(z, s.temperature, s.softcap)
    ce = _counted(keep, _cross_entropy(p, index, soft, weight, s.label_smoothing))
    if s.z_loss == 0.0:
        return ce, None
    return ce, _counted(keep, s.z_loss * p.lse * p.lse)


def chunked_row_losses(
    z: Tensor, target: Tensor | None, soft: Tensor | None, weight: Tensor | None, s: Scalars
) -> tuple[Tensor, Tensor | None]:
    """Do as `row_losses`, some rows at a time, and keep nothing but the inputs for derivatives."""

    def losses(
        z: Tensor, target: Tensor | None, soft: Tensor | None, weight: Tensor | None
    ) -> tuple[Tensor, ...]:
        ce, z_loss = row_losses(z, target, soft, weight, s)
        return (ce,) if z_loss is None else (ce, z_loss)

    ce, *rest = chunked_rows(losses, z, (target, soft), (weight,))
    return ce, rest[0] if rest else None


def row_stats(
    z: Tensor, target: Tensor | None, soft: Tensor | None, weight: Tensor | None, s: Scalars
) -> RowStats:
    """Return the statistics of each row; prediction and rank are int64 and have no derivative.

    Arguments as `row_losses`. Ignored rows: floats 0, integers -1; NaN rows: NaN and -1.
    """
    keep, index, z = _readable(z, target, soft, s)
    p = _shifted(z, s.temperature, s.softcap)
    # The transform is strictly increasing, so the logits decide even where the cap saturates.
    prediction = p.top[..., 0]
    rank = torch.full_like(prediction, -1)
    if index is not None:
        rank = (z > z.gather(-1, index)).sum(-1)
    poisoned = z[..., 0].isnan()
    hidden = poisoned if keep is None else poisoned | ~keep
    return RowStats(
        loss=_counted(keep, _cross_entropy(p, index, soft, weight, s.label_smoothing)),
        z_loss=_counted(keep, s.z_loss * p.lse * p.lse),
        logprob=_counted(keep, -_cross_entropy(p, index, soft, None, 0.0)),
        entropy=_counted(keep, _entropy(p)),
        lse=_counted(keep, p.lse),
        prediction=torch.where(hidden, -1, prediction),
        rank=torch.where(hidden, -1, rank),
    )


class RowGradients(NamedTuple):
    """What `row_gradients` returns; None for what was not asked for."""

    loss: Tensor
    """C_n, without a factor."""
    z_loss: Tensor | None
    """lambda lse_n^2, likewise; None where lambda is 0."""
    logits: Tensor | None
    """In the dtype of the logits."""
    soft: Tensor | None
    """In the dtype of the soft target."""


@torch.no_grad()
def row_gradients(
    z: Tensor,
    target: Tensor | None,
    soft: Tensor | None,
    weight: Tensor | None,
    s: Scalars,
    u_ce: Tensor | None = None,
    u_z: Tensor | None = None,
    wants: tuple[bool, bool] = (True, False),
) -> RowGradients:
    """Return the losses of `row_losses`, and the gradients of u_ce_n C_n + u_z_n lambda lse_n^2.

    By the formulas, without autograd, each rounded once. u_ce, u_z: of the rows' shape, None is 1.
    wants: the gradients by logits and by soft target.
    """
    keep, index, x = _readable(z, target, soft, s)
    p = _shifted(x, s.temperature, s.softcap)
    weight = None if weight is None else weight.to(x.device, x.dtype)
    u_ce = torch.ones_like(p.base) if u_ce is None else u_ce.to(x.dtype)
    ce = _counted(keep, _cross_entropy(p, index, soft, weight, s.label_smoothing))
    z_loss = None if s.z_loss == 0.0 else _counted(keep, s.z_loss * p.lse * p.lse)
    d_soft = None
    if wants[1] and soft is not None:
        # dC/dt_k = -(1 - eps) w_k log y_k
        factor = u_ce[..., None] * (1.0 - s.label_smoothing)
        factor = factor if weight is None else factor * weight
        log_y = torch.where(p.is_top, -p.log_top[..., None], 2.0 * p.half - p.log_all[..., None])
        d_soft = torch.where((factor == 0) & log_y.isinf(), 0.0, -factor * log_y).to(soft.dtype)
    if not wants[0]:
        return RowGradients(ce, z_loss, None, d_soft)
    total = 1.0 + p.others_of_top
    rest_of_top = (p.others_of_top / total)[..., None]
    y = p.others.div_(total[..., None]).scatter_(-1, p.top, 1.0 / total[..., None])
    # 2 lambda lse u_z, what the z-loss multiplies y by
    lift = None
    if s.z_loss != 0.0:
        lift = 2.0 * s.z_loss * p.lse
        lift = lift if u_z is None else lift * u_z.to(x.dtype)
    if index is not None and s.label_smoothing == 0.0:
        # dC/da_i = w_t y_i, and at the target -w_t times the sum of the others' y
        y_t = y.gather(-1, index)
        u = u_ce if weight is None else u_ce * weight[index[..., 0]]
        at_t = -u[..., None] * torch.where(index == p.top, rest_of_top, 1.0 - y_t)
        if lift is not None:
            u, at_t = u + lift, at_t + lift[..., None] * y_t
        grad = y.mul_(u[..., None]).scatter_(-1, index, at_t)
    else:
        # dC/da_i = y_i sum_{j != i} w~_j - w~_i sum_{j != i} y_j
        t = _weighted_target(p, index, soft, weight, s.label_smoothing)
        t_top = t.gather(-1, p.top)
        t_rest = torch.where(p.is_top, 0.0, t).sum(-1, keepdim=True)
        at_top = t_rest / total[..., None] - t_top * rest_of_top
        grad = torch.addcmul(t, y, t_rest + t_top, value=-1).mul_(-1.0)  # t may be the caller's
        grad = grad.scatter_(-1, p.top, at_top).mul_(u_ce[..., None])
        if lift is not None:
            grad = grad.addcmul_(y, lift[..., None])
    # dC/dz_i = dC/da_i J_i, J_i = sech^2(z_i / c) / T
    if s.softcap is not None:
        e = x.abs().mul_(-2.0 / s.softcap).exp_()
        grad = grad.mul_(e).mul_(4.0).div_(e.add_(1.0).square_())
    grad = grad.div_(s.temperature)
    if keep is not None:
        grad = grad.masked_fill_(~keep[..., None], 0.0)
    return RowGradients(ce, z_loss, grad.to(z.dtype), d_soft)


def softmax(z: Tensor, temperature: float = 1.0, softcap: float | None = None) -> Tensor:
    """Return y_k = e^{a_k} / sum_j e^{a_j}; NaN for a row of only -inf, or with +inf or NaN."""
    _, _, z = _readable(z)
    p = _shifted(z, temperature, softcap)
    total = (1.0 + p.others_of_top)[..., None]
    return torch.where(p.is_top, 1.0 / total, p.others / (1.0 + p.all_but_one)[..., None])


def log_softmax(z: Tensor, temperature: float = 1.0, softcap: float | None = None) -> Tensor:
    """Return log y_k = a_k - lse; NaN as `softmax` has it."""
    _, _, z = _readable(z)
    p = _shifted(z, temperature, softcap)
    return torch.where(p.is_top, -p.log_top[..., None], 2.0 * p.half - p.log_all[..., None])


class Shifted(NamedTuple):
    """Rows relative to the largest logit of each, the value of which is held as a constant."""

    half: Tensor
    """lead + (V,): (a_k - a_top) / 2, whose derivative by z_k is J_k / 2, at the top too. Halves,
    because the difference of 1e308 and -1e308 is beyond the type and its quotient may not be."""
    top: Tensor
    """lead + (1,): the first arg-max."""
    is_top: Tensor
    """lead + (V,)."""
    u_top: Tensor
    """lead: a_top - a_top, 0 with its derivative."""
    others: Tensor
    """lead + (V,): e^{a_k - a_top}, and 0 at the top."""
    all_but_one: Tensor
    """lead: sum_k e^{a_k - a_top} - 1. Its derivative by the top is that of e^{u_top}."""
    others_of_top: Tensor
    """lead: s = sum over the others of e^{a_k - a_top}; of the same value, for the top alone."""
    base: Tensor
    """lead: a_top, a constant."""

    @property
    def log_all(self) -> Tensor:
        """lse - a_top: its derivatives are y_i, and theirs y_i (1 - y_i), without cancellation."""
        # Where y_top > 1/2: 1 - s / (1 + s), which loses nothing and has the derivative of s.
        sure = self.others_of_top < 1.0
        return torch.where(sure, self.u_top + self.log_top, torch.log1p(self.all_but_one))

    @property
    def log_top(self) -> Tensor:
        """-log y_top: its derivative by the top is minus the others' y, without a subtraction."""
        return torch.log1p(self.others_of_top)

    @property
    def lse(self) -> Tensor:
        """lse = a_top + log1p(s)."""
        return self.base + self.log_all


def _readable(
    z: Tensor, target: Tensor | None = None, soft: Tensor | None = None, s: Scalars | None = None
) -> tuple[Tensor | None, Tensor | None, Tensor]:
    """Return which rows count (None: all), their class indices lead + (1,), and wide logits.

    Logits of rows that do not count are 0 there; rows that have no result are NaN throughout.
    """
    z = z.to(wide_dtype(z.device))
    keep = index = bad = None
    if target is not None and s is not None:
        target = target.long()
        keep = target != s.ignore_index
        inside = (target >= 0) & (target < z.shape[-1])
        index = torch.where(inside & keep, target, 0)[..., None]
        z, bad = torch.where(keep[..., None], z, 0.0), keep & ~inside
    # The largest is not finite in a row with NaN or +inf, and in one of only -inf.
    broken = ~z.detach().amax(-1).isfinite()
    if soft is not None:
        broken = broken | soft.isnan().any(-1)
    bad = broken if bad is None else bad | broken
    return keep, index, z + torch.where(bad, torch.nan, 0.0)[..., None]


def _shifted(z: Tensor, temperature: float, softcap: float | None) -> Shifted:
    top = z.detach().argmax(-1, keepdim=True)
    largest = z.detach().gather(-1, top)
    if softcap is None:
        half = (0.5 * z - 0.5 * largest) / temperature
        base = largest / temperature
    else:
        half = _capped_difference(z, largest, softcap) * (0.5 * softcap / temperature)
        half = torch.where(z == -torch.inf, -torch.inf, half)  # the cap does not lift a mask
        base = softcap * torch.tanh(largest / softcap) / temperature
    is_top = torch.arange(z.shape[-1], device=z.device) == top
    others = torch.where(is_top, 0.0, torch.exp(2.0 * half))
    rest, u_top = others.sum(-1), 2.0 * half.gather(-1, top)[..., 0]
    return Shifted(
        half=half,
        top=top,
        is_top=is_top,
        u_top=u_top,
        others=others,
        all_but_one=rest + torch.expm1(u_top),
        others_of_top=rest * torch.exp(-u_top),
        base=base[..., 0],
    )


def _capped_difference(z: Tensor, largest: Tensor, softcap: float) -> Tensor:
    """Return tanh(z/c) - tanh(m/c) for z <= m, and through it sech^2(z/c), to the last places.

    With x = m/c >= y = z/c and p = max(y, -x, 0):
    tanh x - tanh y = 2 e^-2p (1 - e^-2(x-y)) / ((1 + e^-2|x|) (1 + e^-2|y|)).
    torch.tanh's derivative, 1 - tanh^2, loses all digits from |y| = 18 on.
    """
    x, y = largest / softcap, z / softcap
    gap = (0.5 * largest - 0.5 * z) / (0.5 * softcap)
    # where, not abs and maximum: at y = 0 all factors have to be on the same side.
    above = y > 0
    p = torch.where(above, y, torch.where(x < 0, -x, 0.0))
    near = gap < 0.25  # 1 - e^-2gap loses digits here, the derivative of expm1 loses them elsewhere
    gone = torch.where(near, -torch.expm1(-2.0 * gap), 1.0 - torch.exp(-2.0 * gap))
    e_x = torch.exp(-2.0 * x.abs())
    e_y = torch.exp(-2.0 * torch.where(above, y, -y))
    return -2.0 * torch.exp(-2.0 * p) * gone / ((1.0 + e_x) * (1.0 + e_y))


def _cross_entropy(
    p: Shifted,
    index: Tensor | None,
    soft: Tensor | None,
    weight: Tensor | None,
    smoothing: float,
) -> Tensor:
    """Return C, whose gradient by a_i is y_i sum_{j != i} w~_j - w~_i sum_{j != i} y_j as it is."""
    if weight is not None:
        weight = weight.to(p.base.device, p.base.dtype)
    if index is not None and smoothing == 0.0:
        # C = w_t log1p(s) at the top, w_t (lse - a_t) elsewhere
        w = torch.ones_like(p.base) if weight is None else weight[index[..., 0]]
        at_top = (index == p.top)[..., 0]
        log_rest = torch.where(at_top, p.log_top, p.log_all)
        w_below = torch.where(at_top, 0.0, w)
        return w * log_rest - _times(2.0 * w_below, p.half.gather(-1, index)[..., 0])
    # C = w~_top log1p(s) + sum_{k != top} w~_k ((lse - a_top) - (a_k - a_top)), w~ times 2^40: on
    # the way back to the target, this makes infinity of the number that stands for it in `_times`.
    t = _weighted_target(p, index, soft, weight, smoothing, scale=2.0**40)
    w_top = t.gather(-1, p.top)[..., 0]
    t = torch.where(p.is_top, 0.0, t)
    log_parts = t.sum(-1) * p.log_all + w_top * p.log_top
    return 2.0**-40 * log_parts - _times(t, 2.0**-39 * p.half).sum(-1)


def _weighted_target(
    p: Shifted,
    index: Tensor | None,
    soft: Tensor | None,
    weight: Tensor | None,
    smoothing: float,
    scale: float = 1.0,
) -> Tensor:
    # w~_k = w_k ((1 - eps) t_k + eps / V), times the scale
    n_classes = p.half.shape[-1]
    if soft is not None:
        t = soft.to(p.half.dtype)
    elif index is not None:
        t = (torch.arange(n_classes, device=p.half.device) == index).to(p.half.dtype)
    else:
        raise TypeError("a problem has a target")
    if scale != 1.0:
        t = scale * t
    if smoothing != 0.0:
        t = (1.0 - smoothing) * t + scale * smoothing / n_classes
    return t if weight is None else weight * t


def _entropy(p: Shifted) -> Tensor:
    # H = log1p(s) + sum_{k != top} y_k (a_top - a_k); 0 log 0 = 0
    u_top = p.u_top[..., None]
    gap = torch.where(p.half == -torch.inf, 0.0, u_top - 2.0 * p.half)
    q = p.others * torch.exp(-u_top)
    return p.log_top + (q * gap).sum(-1) / (1.0 + p.others_of_top)


def _times(w: Tensor, u: Tensor) -> Tensor:
    """Return w u with 0 (-inf) = 0 class by class.

    The derivative by such a w, -inf, is the type's most negative number: in the chain of any
    transform 0 times that is 0, where 0 times infinity is NaN.
    """
    lowest = torch.finfo(u.dtype).min
    return w * torch.where((w == 0) & (u == -torch.inf), lowest, u)


def _counted(keep: Tensor | None, x: Tensor) -> Tensor:
    return x if keep is None else torch.where(keep, x, 0.0)
