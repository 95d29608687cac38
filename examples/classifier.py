"""From a table to a saved classifier: choose alpha, make it honest, keep it.

    python examples/classifier.py

scikit-learn's tools work on softxent's estimators; what they return is used as it is.
"""

import tempfile
from pathlib import Path

from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, train_test_split

from softxent.learn import (
    SoftmaxRegression,
    expected_calibration_error,
    load,
    temperature_scale,
)

x, y = load_digits(return_X_y=True)
x_rest, x_test, y_rest, y_test = train_test_split(x, y, test_size=1 / 3, random_state=0)
x_train, x_held, y_train, y_held = train_test_split(x_rest, y_rest, random_state=0)

search = GridSearchCV(SoftmaxRegression(), {"alpha": [1e-4, 1e-3, 1e-2, 1e-1]}, cv=3)
model = search.fit(x_train, y_train).best_estimator_
print(f"alpha {model.alpha:g}: {model.score(x_test, y_test):.3f} of unseen digits right")

# Of what it is 80 % sure of, are 80 % right? One number, T, fitted on rows it has not learned from.
honest = temperature_scale(model, x_held, y_held)
for name, classifier in (("as trained", model), (f"z / {honest.temperature_:.2f}", honest)):
    error = expected_calibration_error(y_test, classifier.predict_proba(x_test))
    print(f"{name:>10}: calibration error {error:.3f}")

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "digits.softxent"
    model.save(path)  # safetensors, no pickle
    same = (load(path).predict(x) == model.predict(x)).all()
    print(f"{path.stat().st_size:,} bytes on disk, same answers: {same}")
