"""A docstring that lost a sign and a factor."""


def loss(scores: list[float], label: int) -> float:
    r"""Return the cross-entropy.

    With probabilities $p_k = \frac{e^{z_k}}{\sum_j e^{z_j}}$ and targets $t_k$ that sum to 1,

    $$L = -\sum_k t_k \log p_k = \sum_k t_k \left( z_k - \log \sum_j e^{z_j} \right)$$

    $$\frac{\partial L}{\partial z_k} = p_k - t_k$$

    $$\frac{\partial^2 L}{\partial z_k \partial z_l} = p_k (1 - p_l)$$
    """
    return -scores[label]
