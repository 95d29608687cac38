"""softxent for PyTorch: `from softxent.torch import cross_entropy`, and every option is there.

>>> import torch
>>> from softxent.torch import cross_entropy
>>> logits = torch.tensor([[2.0, 1.0, 0.1]], requires_grad=True)
>>> cross_entropy(logits, torch.tensor([0]), label_smoothing=0.1).backward()
>>> logits.grad
tensor([[-0.2743,  0.2091,  0.0652]])
"""

from softxent.frontends.torch.cross_entropy import cross_entropy
from softxent.frontends.torch.linear import linear_cross_entropy, linear_cross_entropy_plan
from softxent.frontends.torch.linear_module import LinearCrossEntropyLoss
from softxent.frontends.torch.modules import CrossEntropyLoss
from softxent.frontends.torch.softmax import log_softmax, softmax
from softxent.frontends.torch.stats import (
    CrossEntropyStats,
    cross_entropy_stats,
    linear_cross_entropy_stats,
)

__all__ = [
    "CrossEntropyLoss",
    "CrossEntropyStats",
    "LinearCrossEntropyLoss",
    "cross_entropy",
    "cross_entropy_stats",
    "linear_cross_entropy",
    "linear_cross_entropy_plan",
    "linear_cross_entropy_stats",
    "log_softmax",
    "softmax",
]
