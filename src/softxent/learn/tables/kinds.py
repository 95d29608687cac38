"""What a column holds: numbers, booleans or categories, and how Arrow's types become those."""

from __future__ import annotations

from typing import Any, Literal

Kind = Literal["number", "boolean", "category"]

# Spellings of a boolean in a CSV file; 0 and 1 are numbers, and learn the same.
TRUE, FALSE = ["true", "True", "TRUE"], ["false", "False", "FALSE"]
# In addition to the empty string
MISSING = ["NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NAN", "-nan", "NULL", "null", "None", "<NA>"]


def arrow_type(kind: Kind) -> Any:
    """In which type batches hold a column of this kind."""
    import pyarrow as pa

    return {"number": pa.float64(), "boolean": pa.bool_(), "category": pa.string()}[kind]


def kind_of(arrow: Any) -> Kind | None:
    """Return the kind of an Arrow type; None where it is none that can be learned from."""
    import pyarrow.types as types

    if types.is_dictionary(arrow):
        return kind_of(arrow.value_type)
    if types.is_boolean(arrow):
        return "boolean"
    if types.is_integer(arrow) or types.is_floating(arrow) or types.is_decimal(arrow):
        return "number"
    if types.is_null(arrow):
        return "number"  # nothing is there; it will be left out
    if types.is_string(arrow) or types.is_large_string(arrow) or types.is_string_view(arrow):
        return "category"
    return None


def converts(arrow: Any, kind: Kind) -> bool:
    """Whether a column of this Arrow type can be taken for one of this kind."""
    found = kind_of(arrow)
    if found is None:
        return False
    # numbers may name categories, and booleans count as 0 and 1
    return found == kind or kind == "category" or {found, kind} == {"number", "boolean"}


def convert(column: Any, kind: Kind) -> Any:
    """Give an Arrow array the type of its kind."""
    import pyarrow.compute as compute
    import pyarrow.types as types

    target = arrow_type(kind)
    if types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if column.type == target and kind != "number":
        return column
    if kind == "category" and types.is_floating(column.type):
        # 3.0 and 3 are one category, as they are in a CSV file that lacks the decimal point
        whole = compute.equal(compute.round(column), column)
        if compute.all(whole).as_py() in (True, None):
            import pyarrow as pa

            column = compute.cast(column, pa.int64())
    column = compute.cast(column, target, safe=False)
    if kind == "number":  # one kind of missing value, not two
        column = compute.if_else(compute.is_nan(column), None, column)
    return column
