"""The linear layer and its loss as a module: `torch.nn.LinearCrossEntropyLoss`, and more."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from softxent.frontends.torch.linear import linear_cross_entropy
from softxent.frontends.torch.settings import MAX_MEMORY, bind_settings, check_weights
from softxent.kernels.budget import parse_memory


class LinearCrossEntropyLoss(torch.nn.LinearCrossEntropyLoss):
    r"""A linear layer and the softmax cross-entropy of its logits, which are never all there.

    .. math:: z_{no} = \sum_{d} x_{nd} W_{od} + b_o

    .. math:: C = -\sum_{k} t_k \log y_k

    Arguments: up to `options` those of `torch.nn.LinearCrossEntropyLoss`, whose parameters have the
        same names, so that a state_dict of one loads into the other; all are described at
        `softxent.torch.linear_cross_entropy`. `row_weight` and `normalizer`, which belong to a
        batch, are arguments of the call.

    Returns, raises, accuracy, source: as `softxent.torch.linear_cross_entropy`. Bad options raise
    when the module is made.

    >>> import torch
    >>> from softxent.torch import LinearCrossEntropyLoss
    >>> loss = LinearCrossEntropyLoss(2, 3, bias=True, max_memory="1MiB")
    >>> sorted(loss.state_dict())
    ['linear.bias', 'linear.weight']
    >>> loss(torch.ones(4, 2), torch.tensor([0, 1, 2, -100])).shape
    torch.Size([])
    """

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        out_features: tuple[int, ...] = (),
        bias: bool = False,
        device: Any = None,
        dtype: torch.dtype | None = None,
        reduction: str = "mean",
        weight: Tensor | None = None,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        options: Any = None,
        temperature: float = 1.0,
        softcap: float | None = None,
        z_loss: float = 0.0,
        empty: str = "zero",
        max_memory: int | str = MAX_MEMORY,
        check_targets: bool = False,
        implementation: str | None = None,
    ) -> None:
        where = "LinearCrossEntropyLoss"
        settings = bind_settings(
            where,
            weight=weight,
            ignore_index=ignore_index,
            label_smoothing=label_smoothing,
            reduction=reduction,
            temperature=temperature,
            softcap=softcap,
            z_loss=z_loss,
            empty=empty,
        )
        check_weights(where, settings, (), num_classes)
        parse_memory(where, max_memory)
        super().__init__(
            in_features,
            num_classes,
            out_features=tuple(out_features),
            bias=bias,
            device=device,
            dtype=dtype,
            reduction=reduction,
            weight=weight,
            ignore_index=ignore_index,
            label_smoothing=label_smoothing,
            options=options,
        )
        self.temperature, self.softcap, self.z_loss = temperature, softcap, z_loss
        self.empty, self.max_memory = empty, max_memory
        self.check_targets, self.implementation = check_targets, implementation

    def forward(
        self,
        input: Tensor,
        target: Tensor,
        *,
        row_weight: Tensor | None = None,
        normalizer: float | Tensor | None = None,
    ) -> Tensor:
        """Return the loss of an input and a target; `softxent.torch.linear_cross_entropy`."""
        # The parameters are flat, as torch.nn.Linear's: views of them have the heads' axes.
        shape = (self.num_classes, *self.out_features)
        bias = self.linear.bias
        return linear_cross_entropy(
            input,
            self.linear.weight.view(*shape, self.linear.in_features),
            target,
            linear_bias=None if bias is None else bias.view(shape),
            weight=self.weight,
            reduction=self.reduction,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
            temperature=self.temperature,
            softcap=self.softcap,
            z_loss=self.z_loss,
            row_weight=row_weight,
            empty=self.empty,
            normalizer=normalizer,
            max_memory=self.max_memory,
            check_targets=self.check_targets,
            implementation=self.implementation,
        )

    def extra_repr(self) -> str:
        """Name the sizes, and what differs from the defaults."""
        told = {
            "out_features": (self.out_features, ()),
            "reduction": (self.reduction, "mean"),
            "ignore_index": (self.ignore_index, None),
            "label_smoothing": (self.label_smoothing, 0.0),
            "temperature": (self.temperature, 1.0),
            "softcap": (self.softcap, None),
            "z_loss": (self.z_loss, 0.0),
            "empty": (self.empty, "zero"),
            "max_memory": (self.max_memory, MAX_MEMORY),
            "check_targets": (self.check_targets, False),
            "implementation": (self.implementation, None),
        }
        changed = [f"{name}={value!r}" for name, (value, plain) in told.items() if value != plain]
        return ", ".join([f"num_classes={self.num_classes}", *changed])
