"""What holds for every file: it is read or refused with a sentence, and what a program wrote is read back the same."""

import csv
import io
import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import openpyxl
import pyarrow
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from studio.data.rows import Row, RowProblem
from studio.data.sources.archives import Limits
from studio.data.sources.headers import column_names
from studio.data.sources.readers import open_source
from studio.errors import DataError
from tests.data.sources.sources import Read, read

# One example reads a whole file; the time that takes says nothing on a busy machine.
calm = settings(deadline=None, max_examples=60)
slow = settings(deadline=None, max_examples=12)

text = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff\u2028\u2029\x85"))
names = st.lists(
    st.sampled_from(["question", "answer", "prompt", "text", "label", "id", "système", "Frage"]),
    min_size=2,
    max_size=4,
    unique=True,
)
plain = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | text
nested = st.recursive(plain, lambda each: st.lists(each, max_size=3) | st.dictionaries(text, each, max_size=3))


@st.composite
def tables(draw: st.DrawFn, cells: st.SearchStrategy[object]) -> list[dict[str, object]]:
    columns = draw(names)
    rows = draw(st.lists(st.tuples(*[cells] * len(columns)), min_size=1, max_size=8))
    return [dict(zip(columns, row, strict=True)) for row in rows]


def read_bytes(data: bytes, name: str = "data") -> Read:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        return read(path, Limits(total_bytes=1 << 22))


def seen_whole(data: bytes, name: str) -> None:
    """Read bytes as a file; only a DataError may come, with a sentence and a next step."""
    refusal, found = None, None
    try:
        found = read_bytes(data, name)
    except DataError as error:
        refusal = error
    if found is None:
        assert refusal is not None
        assert refusal.message.endswith((".", "!", "?"))
        assert refusal.hint
        return
    for row in found.rows:
        assert isinstance(row, Row)
        assert row.number > 0
        json.dumps(dict(row.cells), allow_nan=False).encode()
    for problem in found.problems:
        assert isinstance(problem, RowProblem)
        assert problem.text.endswith(".")
        assert problem.kind
        problem.text.encode()
    for line in (*found.source.columns, *found.source.notes, *found.source.files):
        line.encode()


file_names = st.sampled_from(["data.csv", "data.json", "data.txt", "notes.md", "data.parquet", "data"])
starts = st.sampled_from(
    [b"", b"PK\x03\x04", b"PAR1", b"ARROW1\0\0", b"\xff\xff\xff\xff", b"\x1f\x8b\x08", b'{"a": ', b"["]
)


@calm
@given(starts, st.binary(max_size=300), file_names)
@example(b"", b'{"a": 1e999}', "data.json")
@example(b"", b'{"a": "\\ud800"}', "data.json")
@example(b"", b"a,b\n\x00,\xff\n", "data.csv")
def test_any_bytes_are_read_or_refused_with_a_sentence(start: bytes, data: bytes, name: str) -> None:
    seen_whole(start + data, name)


pieces = st.lists(
    st.sampled_from(
        ['"', ",", ";", "\t", "\n", "\r\n", "{", "}", "[", "]", ":", "\\", "\\u", '{"a": 1}', "a,b\n", " ", "#"]
    )
    | text,
    max_size=40,
)


@calm
@given(pieces, st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32", "cp1252"]), file_names)
def test_any_text_is_read_or_refused_with_a_sentence(parts: Sequence[str], encoding: str, name: str) -> None:
    seen_whole("".join(parts).encode(encoding, errors="replace"), name)


def as_csv(table: Iterable[Mapping[str, object]], delimiter: str, line_end: str) -> str:
    rows = list(table)
    held = io.StringIO()
    writer = csv.writer(held, delimiter=delimiter, lineterminator=line_end, quoting=csv.QUOTE_ALL)
    writer.writerow(rows[0])
    writer.writerows(row.values() for row in rows)
    return held.getvalue()


@calm
@given(
    tables(text.map(lambda cell: "x" + cell)),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_csv_comes_back(table: list[dict[str, object]], delimiter: str, line_end: str, encoding: str) -> None:
    found = read_bytes(as_csv(table, delimiter, line_end).encode(encoding), "data.csv")
    assert found.cells == table
    assert found.source.columns == tuple(table[0])
    assert [row.number for row in found.rows] == list(range(2, len(table) + 2))


@calm
@given(tables(nested), st.booleans(), st.sampled_from([None, 1]))
def test_json_and_json_lines_come_back(table: list[dict[str, object]], escaped: bool, indent: int | None) -> None:
    lines = "\n".join(json.dumps(row, ensure_ascii=escaped) for row in table)
    whole = json.dumps(table, ensure_ascii=escaped, indent=indent)
    after_each_other = "\n".join(json.dumps(row, ensure_ascii=escaped, indent=1) for row in [*table, *table])
    assert read_bytes(whole.encode()).cells == table
    assert read_bytes(after_each_other.encode()).cells == table * 2
    if len(table) > 1:
        assert read_bytes(lines.encode()).cells == table


@calm
@given(tables(st.none() | text), tables(st.none() | st.integers(-(2**53), 2**53)))
def test_parquet_and_arrow_come_back(texts: list[dict[str, object]], numbers: list[dict[str, object]]) -> None:
    for rows, kind in ((texts, pyarrow.string()), (numbers, pyarrow.int64())):
        schema = pyarrow.schema([(name, kind) for name in rows[0]])
        table = pyarrow.Table.from_pylist(rows, schema=schema)
        held = io.BytesIO()
        parquet.write_table(table, held)
        assert read_bytes(held.getvalue()).cells == rows
        stream = io.BytesIO()
        with pyarrow.ipc.new_stream(stream, schema) as writer:
            writer.write_table(table)
        assert read_bytes(stream.getvalue()).cells == rows


@slow
@given(tables(st.booleans() | st.integers(-(2**40), 2**40) | text.map(lambda cell: "x" + cell)))
def test_a_spreadsheet_comes_back(table: list[dict[str, object]]) -> None:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.append(list(table[0]))
    for row in table:
        sheet.append(list(row.values()))
    held = io.BytesIO()
    book.save(held)
    assert read_bytes(held.getvalue()).cells == table


@given(st.lists(st.text(max_size=4), min_size=1, max_size=30))
def test_columns_have_names_that_differ(header: list[str]) -> None:
    columns = column_names(header)
    assert len(set(columns)) == len(columns) == len(header)
    assert all(columns)


@calm
@given(pieces.map("".join), st.integers(1, 40))
def test_reading_may_stop_at_any_row(content: str, wanted: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data"
        path.write_text(content, encoding="utf-8")
        try:
            with open_source([path]) as source:
                for _, _ in zip(source.rows(), range(wanted), strict=False):
                    pass
        except DataError:
            pass
