"""The smallest network that needs a softmax: two moons, one hidden layer, two output neurons.

    python examples/moons.py

The comments give the equations in the letters of ARCHITECTURE.md; `softxent.formula` has them all.
"""

import torch
from sklearn.datasets import make_moons

from softxent.torch import cross_entropy  # before: from torch.nn.functional import cross_entropy

torch.manual_seed(0)
points, classes = make_moons(n_samples=500, noise=0.1, random_state=0)
x, t = torch.tensor(points, dtype=torch.float32), torch.tensor(classes)  # (N, 2) and (N,)

hidden = torch.nn.Linear(2, 16)  # z_j = Σ_i x_i w_ij + b_j
output = torch.nn.Linear(16, 2)  # z_o = Σ_j h_j w_jo + b_o
parameters = [*hidden.parameters(), *output.parameters()]

for epoch in range(501):
    h = torch.tanh(hidden(x))  # h_j = tanh z_j
    z = output(h)  # the logits: no softmax here, the loss has it inside
    z.retain_grad()  # only to look at it below
    loss = cross_entropy(z, t)  # L = −(1/N) Σ_n Σ_o t_no log y_no,  y_o = e^{z_o} / Σ_k e^{z_k}
    loss.backward()  # ∂L/∂z = (y − t)/N, so ∂L/∂w_jo = Σ_n h_nj (y_no − t_no)/N, and so on down
    if epoch % 100 == 0:
        accuracy = (z.argmax(dim=1) == t).float().mean()  # the largest logit is the largest y
        print(f"epoch {epoch:3}   loss {loss.item():.4f}   accuracy {accuracy.item():.3f}")
    with torch.no_grad():
        for p in parameters:
            p -= 1.0 * p.grad  # gradient descent, learning rate 1
            p.grad = None

# The whole derivation in one line: what backward() found at the logits is (y − t)/N.
y_minus_t = torch.softmax(z.detach(), dim=1) - torch.nn.functional.one_hot(t)
print(f"largest |∂L/∂z − (y − t)/N|: {(z.grad - y_minus_t / len(t)).abs().max().item():.0e}")
