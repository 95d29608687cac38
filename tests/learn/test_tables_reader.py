"""Reading tables: formats, types found from whole files, and what is no table."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

pa = pytest.importorskip("pyarrow")

from pyarrow import parquet  # noqa: E402

from softxent.learn.tables import How, TableError, open_table, read, text  # noqa: E402

ROWS = "n,flag,word,gap\n1,true,a,\n2.5,false,b,3\n-1e3,TRUE,a,NA\n"
KINDS = {"n": "number", "flag": "boolean", "word": "category", "gap": "number"}
VALUES = {
    "n": [1.0, 2.5, -1000.0],
    "flag": [True, False, True],
    "word": ["a", "b", "a"],
    "gap": [None, 3.0, None],
}


def write(path, content):
    if isinstance(content, str):
        content = content.encode()
    path.write_bytes(content)
    return path


def contents(path, how=None):
    source = open_table(path, how)
    kinds = source.kinds(source.names)
    table = pa.Table.from_batches(source.batches(kinds))
    return kinds, table.to_pydict()


def failure(path, how=None):
    with pytest.raises(TableError) as caught:
        contents(path, how)
    return str(caught.value)


@pytest.fixture(params=["csv", "csv.gz", "tsv", "semicolons", "parquet", "arrow", "stream", "lz4"])
def same_table(request, tmp_path):
    """The table of ROWS in every format; the suffix never matters."""
    path = tmp_path / "table.dat"
    table = pa.table(VALUES | {"gap": pa.array([None, 3, None], pa.int32())})
    if request.param == "csv":
        return write(path, ROWS)
    if request.param == "csv.gz":
        return write(path, gzip.compress(ROWS.encode()))
    if request.param == "tsv":
        return write(path, ROWS.replace(",", "\t"))
    if request.param == "semicolons":
        return write(path, b"\xef\xbb\xbf" + ROWS.replace(",", ";").replace("\n", "\r\n").encode())
    if request.param == "parquet":
        parquet.write_table(table, path)
    elif request.param == "arrow":
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table)
    elif request.param == "stream":
        with pa.ipc.new_stream(path, table.schema) as writer:
            writer.write_table(table)
    else:
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        with pa.ipc.new_file(path, table.schema, options=options) as writer:
            writer.write_table(table)
    return path


def test_every_format_gives_the_same_rows(same_table):
    assert contents(same_table) == (KINDS, VALUES)
    batches = list(read(same_table, ["word", "n"]))
    assert pa.Table.from_batches(batches).to_pydict() == {k: VALUES[k] for k in ("word", "n")}


def test_a_column_is_what_all_of_its_rows_are(tmp_path, monkeypatch):
    """Arrow alone would take the type of the first block, and fail in a later one."""
    monkeypatch.setattr(text, "BLOCK", 1000)
    rows = [f"{k},{k}" for k in range(3000)] + ["3000,unknown"]
    path = write(tmp_path / "drift.csv", "n,late\n" + "\n".join(rows))
    source = open_table(path)
    kinds = source.kinds(source.names)
    assert kinds == {"n": "number", "late": "category"}
    assert source.doubts == {"late": (3001, "unknown")}
    batches = list(source.batches(kinds))
    assert len(batches) > 5 and sum(map(len, batches)) == 3001


def test_quoted_line_ends_across_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(text, "BLOCK", 200)
    rows = [f'{k},"a, b\nc ""{k % 3}"""' for k in range(200)]
    path = write(tmp_path / "quoted.csv", "n,t\n" + "\n".join(rows) + "\n")
    _, found = contents(path)
    assert found["n"] == list(range(200))
    assert set(found["t"]) == {f'a, b\nc "{k}"' for k in range(3)}


def test_numbers_that_are_names(tmp_path):
    path = write(tmp_path / "a.csv", "zip,n\n01234,1\n98765,2\n")
    kinds, found = contents(path, How(categories=("zip",)))
    assert kinds == {"zip": "category", "n": "number"} and found["zip"] == ["01234", "98765"]
    file = tmp_path / "a.parquet"
    parquet.write_table(pa.table({"zip": [1, 2], "f": [3.0, None], "g": [0.5, 1.0]}), file)
    _, found = contents(file, How(categories=("zip", "f", "g")))
    assert found == {"zip": ["1", "2"], "f": ["3", None], "g": ["0.5", "1"]}


def test_types_of_arrow(tmp_path):
    decimals = pa.array([1, 2]).cast(pa.decimal128(22, 1))
    table = pa.table(
        {
            "dictionary": pa.array(["a", "b"]).dictionary_encode(),
            "large": pa.array(["a", None], pa.large_string()),
            "decimal": decimals,
            "nan": [np.nan, 1.0],
            "small": pa.array([1, 2], pa.uint8()),
            "nothing": pa.nulls(2),
        }
    )
    path = tmp_path / "a.parquet"
    parquet.write_table(table, path)
    _, found = contents(path)
    assert found == {
        "dictionary": ["a", "b"],
        "large": ["a", None],
        "decimal": [1.0, 2.0],
        "nan": [None, 1.0],
        "small": [1.0, 2.0],
        "nothing": [None, None],
    }
    dates = pa.table({"day": pa.array([1, 2], pa.date32()), "list": [[1], [2]]})
    parquet.write_table(dates, path)
    assert "column 'day' is of type date32[day]; expected numbers, booleans or text." in failure(
        path
    )


def test_missing_and_delimiter_as_told(tmp_path):
    path = write(tmp_path / "a.csv", "a|b,c\n1|?\n-|2\n")
    kinds, found = contents(path, How(missing=("?", "-"), delimiter="|"))
    assert kinds == {"a": "number", "b,c": "number"}
    assert found == {"a": [1.0, None], "b,c": [None, 2.0]}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "file is empty; expected a table"),
        ("\n \n", "file is blank"),
        ("a,b\n", "file is a header and no rows"),
        ("a,b", "file is a header and no rows"),
        ("a,b\n\n\n", "file is a header and no rows"),
        (b"PK\x03\x04xyz", "file is a zip archive or a spreadsheet"),
        (b"a\0b", "file is binary data"),
        ("a,b\n1,2\n".encode("utf-16"), "file is UTF-16 text"),
        ("a,b\n1,2\n3,café\n".encode("latin1"), "file is not UTF-8 in line 3"),
        (b"PAR1" + b"x" * 50, "file is damaged or cut short (Parquet magic"),
        (b"ARROW1\0\0xyz", "file is damaged or cut short"),
        (b"\xff\xff\xff\xff\x10\0\0\0abc", "file is damaged or cut short"),
        (b"\x1f\x8b" + b"x" * 50, "file is damaged gzip"),
        (gzip.compress(ROWS.encode() * 9)[:-20], "file is damaged gzip"),
    ],
)
def test_what_is_no_table(tmp_path, content, said):
    message = failure(write(tmp_path / "a.csv", content))
    assert said in message and message.endswith("[table-file]")
    assert message.startswith(str(tmp_path / "a.csv"))


def test_latin1_deep_in_the_file_and_in_a_letter_cut_in_two(tmp_path):
    many = "a,b\n" + "1,ä\n" * 40_000  # 'ä' lies across the end of what is looked at first
    for shift in ("", "x"):
        assert contents(write(tmp_path / "good.csv", "a" + shift + many))
    broken = many.encode() + b"2,\xe9\n" + many[4:].encode()
    assert "not UTF-8 in line 40002" in failure(write(tmp_path / "a.csv", broken))


def test_folders_and_pipes_and_missing_files(tmp_path):
    assert "file is a folder" in failure(tmp_path)
    assert "not readable (No such file or directory)" in failure(tmp_path / "none.csv")
    assert "no regular file" in failure("/dev/null")


def test_a_cut_parquet_file(tmp_path):
    path = tmp_path / "a.parquet"
    parquet.write_table(pa.table({"a": np.arange(1000.0)}), path)
    whole = path.read_bytes()
    write(path, whole[:20] + b"\xff" * 400 + whole[420:])
    assert "damaged or cut short" in failure(path)


def test_a_column_name_twice(tmp_path):
    message = failure(write(tmp_path / "a.csv", "a,b,a\n1,2,3\n"))
    assert "header is with 'a' more than once" in message and message.endswith("[table-columns]")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("1,2\n3\n", "line 3 is of 1 field; expected 2 fields, as in the header"),
        ('1,2\n\n"3\n4",5\n6,7,8\n', "line 6 is of 3 fields"),
        ('1,2\n"3,4\n5",6,7\n', "the row in lines 3 to 4 is of 3 fields"),
        ('1,2\n3,"4\n5,6\n', "line 3 is with a quote that never closes"),
    ],
)
def test_ragged_rows_by_line(tmp_path, rows, said):
    message = failure(write(tmp_path / "a.csv", "a,b\n" + rows))
    assert said in message and message.endswith("[table-row]")


def test_a_quote_for_inches(tmp_path):
    path = write(tmp_path / "a.csv", 'a,b\n5" pipe,1\n')
    assert contents(path)[1] == {"a": ['5" pipe'], "b": [1.0]}


def test_a_ragged_row_far_down(tmp_path):
    rows = "1,2\n" * 150_000 + "1\n" + "1,2\n" * 10
    for content in (rows.encode(), None):
        path = tmp_path / "a.csv"
        data = ("a,b\n" + rows).encode()
        write(path, data if content else gzip.compress(data))
        assert "line 150002 is of 1 field" in failure(path)


def test_a_bomb_stops_at_the_cap(tmp_path, monkeypatch):
    from softxent.learn.tables import expansion

    monkeypatch.setattr(expansion, "ALWAYS_FINE", 1 << 20)
    packed = gzip.compress(b"a,b\n" + b"0,0\n" * 1_000_000)
    path = write(tmp_path / "bomb.csv.gz", packed)
    message = failure(path)
    assert f"file is {len(packed):,} bytes that expand to more than 1,048,576" in message
    assert "expected at most 200 times its size" in message
    assert message.endswith("--max-expansion, or unpack it first. [table-expansion]")
    assert len(contents(path, How(max_expansion=2000))[1]["a"]) == 1_000_000


def test_bombs_of_parquet_and_arrow(tmp_path, monkeypatch):
    from softxent.learn.tables import expansion

    monkeypatch.setattr(expansion, "ALWAYS_FINE", 1 << 16)
    path = tmp_path / "a.parquet"
    table = pa.table({"a": np.zeros(1_000_000)})
    parquet.write_table(table, path, use_dictionary=False, compression="zstd")
    assert "[table-expansion]" in failure(path)
    zstd = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_file(path, table.schema, options=zstd) as writer:
        writer.write_table(table)
    assert "[table-expansion]" in failure(path)


def test_text_where_training_had_numbers(tmp_path):
    path = write(tmp_path / "a.csv", "n,flag\n1,true\n\n7 apples,false\n")
    source = open_table(path)
    with pytest.raises(TableError, match="column 'n' in line 4 is '7 apples'; expected a number"):
        list(source.batches({"n": "number"}))
    path = write(tmp_path / "a.csv", "n,flag\n1,true\n2,maybe\n")
    with pytest.raises(TableError, match=r"'maybe'; expected true or false.*\[table-value\]"):
        list(open_table(path).batches({"flag": "boolean"}))
    file = tmp_path / "a.parquet"
    parquet.write_table(pa.table({"n": ["a", "b"]}), file)
    with pytest.raises(TableError, match="column 'n' is of type string; expected a number"):
        list(open_table(file).batches({"n": "number"}))
