"""A small causal language model, up to its last hidden layer, and the two heads it is trained with.

B sequences of T tokens, N = B T rows, D features, V classes: the vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

from lm.settings import Settings
from softxent.torch import linear_cross_entropy

Head = Callable[[Tensor, Tensor, Tensor], Tensor]


def naive_head(hidden: Tensor, weight: Tensor, target: Tensor) -> Tensor:
    """All N by V logits at once, their log-softmax, and in the backward their gradient."""
    return F.cross_entropy(F.linear(hidden, weight), target)


def softxent_head(max_memory: int | str) -> Head:
    """The same loss, logits made, used and forgotten some rows at a time."""

    def head(hidden: Tensor, weight: Tensor, target: Tensor) -> Tensor:
        return linear_cross_entropy(hidden, weight, target, max_memory=max_memory)

    return head


class LanguageModel(nn.Module):
    """Token and position embeddings, then blocks. The head's weight is the token embedding."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        d = settings.d_model
        self.token = nn.Embedding(settings.vocab, d)
        self.position = nn.Embedding(settings.context, d)
        self.blocks = nn.ModuleList(
            Block(d, settings.attention_heads) for _ in range(settings.layers)
        )
        self.norm = nn.LayerNorm(d)
        for embedding in (self.token, self.position):
            nn.init.normal_(embedding.weight, std=0.02)

    @property
    def head_weight(self) -> Tensor:
        """(V, D). Tied: one matrix reads tokens and tells them apart."""
        return self.token.weight

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T) tokens -> (B T, D), the input of the head."""
        x = self.token(tokens) + self.position.weight[: tokens.shape[1]]
        for block in self.blocks:
            x = block(x)
        return self.norm(x).flatten(0, 1)


class Block(nn.Module):
    """Attention over what came before, then two dense layers; each adds to its input."""

    def __init__(self, d_model: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_1, self.norm_2 = nn.LayerNorm(d_model), nn.LayerNorm(d_model)
        self.queries_keys_values = nn.Linear(d_model, 3 * d_model)
        self.merge = nn.Linear(d_model, d_model)
        self.dense = nn.Sequential(
            nn.Linear(d_model, 4 * d_model), nn.GELU(), nn.Linear(4 * d_model, d_model)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, D)."""
        parts = self.queries_keys_values(self.norm_1(x)).chunk(3, dim=-1)
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.merge(seen.transpose(1, 2).flatten(2))
        return x + self.dense(self.norm_2(x))
