"""Logits and labels for the tests of calibration."""

import numpy as np


def noisy(rows=300, n_classes=4, sharpness=3.0, seed=0):
    """Logits that are `sharpness` times those that the labels were drawn from."""
    random = np.random.default_rng(seed)
    z = random.normal(size=(rows, n_classes)) * 1.5
    y = np.array([random.choice(n_classes, p=np.exp(r) / np.exp(r).sum()) for r in z])
    return sharpness * z, y
