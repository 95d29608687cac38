"""The loss as a module: `torch.nn.CrossEntropyLoss`, and more."""

from __future__ import annotations

import torch
from torch import Tensor

from softxent.contracts import IGNORE
from softxent.frontends.torch.cross_entropy import cross_entropy
from softxent.frontends.torch.settings import bind_settings


class CrossEntropyLoss(torch.nn.CrossEntropyLoss):
    r"""Softmax cross-entropy as a module; a `torch.nn.CrossEntropyLoss` in all it knows.

    .. math:: C = -\sum_{k} t_k \log y_k

    Arguments: up to `label_smoothing` those of `torch.nn.CrossEntropyLoss`, in its order; all are
        described at `softxent.torch.cross_entropy`. `row_weight` and `normalizer`, which belong to
        a batch, are arguments of the call.

    Returns, raises, accuracy, source: as `softxent.torch.cross_entropy`. Bad options raise when the
    module is made.

    >>> import torch
    >>> from softxent.torch import CrossEntropyLoss
    >>> CrossEntropyLoss(label_smoothing=0.1)(torch.tensor([[2.0, 1.0, 0.1]]), torch.tensor([0]))
    tensor(0.5137)
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        ignore_index: int | None = IGNORE,
        reduce: bool | None = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
        *,
        temperature: float = 1.0,
        softcap: float | None = None,
        z_loss: float = 0.0,
        empty: str = "zero",
        axis: int | None = None,
        inplace: bool = False,
        check_targets: bool = False,
        implementation: str | None = None,
    ) -> None:
        settings = bind_settings(
            "CrossEntropyLoss",
            weight=weight,
            ignore_index=ignore_index,
            label_smoothing=label_smoothing,
            reduction=reduction,
            temperature=temperature,
            softcap=softcap,
            z_loss=z_loss,
            empty=empty,
            size_average=size_average,
            reduce=reduce,
        )
        super().__init__(
            weight=weight,
            ignore_index=settings.scalars.ignore_index,
            reduction=settings.reduction,
            label_smoothing=label_smoothing,
        )
        self.temperature, self.softcap, self.z_loss = temperature, softcap, z_loss
        self.empty, self.axis, self.inplace = empty, axis, inplace
        self.check_targets, self.implementation = check_targets, implementation

    def forward(
        self,
        input: Tensor,
        target: Tensor,
        *,
        row_weight: Tensor | None = None,
        normalizer: float | Tensor | None = None,
    ) -> Tensor:
        """Return the loss of logits and a target; see `softxent.torch.cross_entropy`."""
        return cross_entropy(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
            temperature=self.temperature,
            softcap=self.softcap,
            z_loss=self.z_loss,
            row_weight=row_weight,
            empty=self.empty,
            normalizer=normalizer,
            axis=self.axis,
            inplace=self.inplace,
            check_targets=self.check_targets,
            implementation=self.implementation,
        )

    def extra_repr(self) -> str:
        """Name what differs from the defaults."""
        told = {
            "ignore_index": (self.ignore_index, IGNORE),
            "reduction": (self.reduction, "mean"),
            "label_smoothing": (self.label_smoothing, 0.0),
            "temperature": (self.temperature, 1.0),
            "softcap": (self.softcap, None),
            "z_loss": (self.z_loss, 0.0),
            "empty": (self.empty, "zero"),
            "axis": (self.axis, None),
            "inplace": (self.inplace, False),
            "check_targets": (self.check_targets, False),
            "implementation": (self.implementation, None),
        }
        return ", ".join(
            f"{name}={value!r}" for name, (value, plain) in told.items() if value != plain
        )
