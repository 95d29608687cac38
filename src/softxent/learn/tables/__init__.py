"""Tables in files: read in batches, encoded, learned from.

>>> import pathlib, tempfile
>>> path = pathlib.Path(tempfile.mkdtemp(), "flowers.csv")
>>> rows = ["1.4,red,a", "1.3,red,a", "4.7,blue,b", "4.5,blue,b"]
>>> _ = path.write_text("\\n".join(["petal,colour,kind", *rows * 5]))
>>> from softxent.learn.tables import Plan, fit_table, open_table
>>> fitted = fit_table(open_table(path), Plan(target="kind"))
>>> fitted.scores.accuracy
1.0
"""

from softxent.learn.tables.columns import Column, Columns
from softxent.learn.tables.faults import TableError
from softxent.learn.tables.fitting import Fitted, fit_table
from softxent.learn.tables.learning import Learning
from softxent.learn.tables.model import TableModel, load_model
from softxent.learn.tables.reader import How, Source, open_table, read
from softxent.learn.tables.rows import Plan
from softxent.learn.tables.sample import Sample
from softxent.learn.tables.scores import Scores

__all__ = [
    "Column",
    "Columns",
    "Fitted",
    "How",
    "Learning",
    "Plan",
    "Sample",
    "Scores",
    "Source",
    "TableError",
    "TableModel",
    "fit_table",
    "load_model",
    "open_table",
    "read",
]
