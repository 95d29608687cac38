"""Classifiers with a softmax on top, as scikit-learn has them: any number of classes.

>>> from sklearn.datasets import load_iris
>>> from softxent.learn import SoftmaxRegression
>>> x, y = load_iris(return_X_y=True)
>>> bool(SoftmaxRegression().fit(x, y).score(x, y) > 0.95)
True
"""

from softxent.learn.calibration import (
    ReliabilityCurve,
    brier_score,
    expected_calibration_error,
    reliability_curve,
)
from softxent.learn.files import load
from softxent.learn.neural import NeuralClassifier
from softxent.learn.regression import SoftmaxRegression
from softxent.learn.temperature import TemperatureScaled, temperature_scale

__all__ = [
    "NeuralClassifier",
    "ReliabilityCurve",
    "SoftmaxRegression",
    "TemperatureScaled",
    "brier_score",
    "expected_calibration_error",
    "load",
    "reliability_curve",
    "temperature_scale",
]
