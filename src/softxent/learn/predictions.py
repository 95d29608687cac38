"""What every classifier of the room shares: what it takes, and its answers from its logits."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted, validate_data

import softxent
from softxent.kernels.budget import parse_memory
from softxent.learn.layer import Array
from softxent.learn.parts import chunks
from softxent.learn.scales import check_features

FLOATS = (np.float64, np.float32)


class Predictions:
    """Of a classifier that has `classes_`, `dtype`, `max_memory`, and `_logits(X)`."""

    classes_: Array
    dtype: str | None
    max_memory: int | str

    def decision_function(self, X: Any) -> Array:
        """Return the logits z (N, V); for two classes (N,), where z > 0 says classes_[1]."""
        z = self._logits(self._checked(X))
        return z[:, 0] if z.shape[1] == 1 else z

    def predict(self, X: Any) -> Array:
        """Return the most probable class of each row; never more than `max_memory` of logits."""
        X = self._checked(X)
        found = np.empty(X.shape[0], np.int64)
        budget = parse_memory(type(self).__name__, self.max_memory)
        for rows in chunks(X, budget, len(self.classes_)):
            z = self._logits(X[rows])
            found[rows] = z[:, 0] > 0 if z.shape[1] == 1 else np.argmax(z, axis=1)
        labels: Array = self.classes_[found]
        return labels

    def predict_proba(self, X: Any) -> Array:
        """Return (N, V) probabilities, softmax(z)."""
        probabilities: Array = softxent.softmax(self._all_logits(X))
        return probabilities

    def predict_log_proba(self, X: Any) -> Array:
        """Return (N, V) logarithms of the probabilities: finite also where they round to 0."""
        logarithms: Array = softxent.log_softmax(self._all_logits(X))
        return logarithms

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted model to a file, whole or not at all; `softxent.learn.load` reads it.

        The file is safetensors with a JSON among its metadata, no pickle (see files.py).
        """
        from softxent.learn import files

        files.write(path, self)  # type: ignore[arg-type]

    def _logits(self, X: Any) -> Array:
        raise NotImplementedError

    def _all_logits(self, X: Any) -> Array:
        z = self._logits(self._checked(X))
        # two classes: (0, z)
        return np.concatenate([np.zeros_like(z), z], axis=1) if z.shape[1] == 1 else z

    def _checked(self, X: Any) -> Any:
        check_is_fitted(self)
        return validate_data(self, X, accept_sparse="csr", dtype=FLOATS, reset=False)

    def _validated(self, X: Any, y: Any, reset: bool) -> tuple[Any, Any]:
        """X and y of a fit; X in the estimator's dtype, float32 and float64 as they are."""
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse="csr",
            dtype=self._dtypes(),
            order="C",
            multi_output=True,
            reset=reset,
        )
        check_features(type(self).__name__, X)
        return X, y

    def _dtypes(self) -> Any:
        return np.dtype(self.dtype) if self.dtype else FLOATS

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.input_tags.sparse = True
        return tags
