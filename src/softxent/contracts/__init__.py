"""Room 3: the options, and the rules for shapes, dtypes and targets.

May import errors and reference. Read `options` first, then `rows`: what a kernel is handed. To add
an option, add a field to `options.Options`, its check and its key in `OptionsDict`.
"""

from softxent.contracts.arrays import (
    Array,
    as_array,
    bind_logits,
    class_axis_last,
    float_array,
    is_float_dtype,
    loss_dtype,
)
from softxent.contracts.options import (
    DEFAULTS,
    EMPTIES,
    IGNORE,
    REDUCTIONS,
    Options,
    OptionsDict,
    checked_number,
    options_from,
)
from softxent.contracts.rows import Rows, bind_rows, class_index_error

__all__ = [
    "DEFAULTS",
    "EMPTIES",
    "IGNORE",
    "REDUCTIONS",
    "Array",
    "Options",
    "OptionsDict",
    "Rows",
    "as_array",
    "bind_logits",
    "bind_rows",
    "checked_number",
    "class_axis_last",
    "class_index_error",
    "float_array",
    "is_float_dtype",
    "loss_dtype",
    "options_from",
]
