import gzip
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from studio.data.readers import Table, read_table
from studio.data.rows import Row, RowProblem
from studio.errors import DataError

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(content: str | bytes, name: str = "data.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_csv(write: Write) -> None:
    assert read_table(write("question,answer\nWhy?,Because.\nHow?,So.\n")) == Table(
        "CSV",
        ("question", "answer"),
        (
            Row(1, {"question": "Why?", "answer": "Because."}),
            Row(2, {"question": "How?", "answer": "So."}),
        ),
        (),
    )


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_delimiters(delimiter: str, write: Write) -> None:
    text = 'question|answer\n"Yes, or; no"|"One,\ttwo;| three"\nWell, what?|Fine; thanks.\n'
    quoted = "question|answer\n" + "".join(f'"Yes, or; {n}"|"One,\ttwo;| three"\n' for n in range(3))
    table = read_table(write(quoted.replace('"|"', f'"{delimiter}"').replace("question|", f"question{delimiter}")))
    assert table.columns == ("question", "answer")
    assert table.rows[2].cells == {"question": "Yes, or; 2", "answer": "One,\ttwo;| three"}
    assert read_table(write(text)).rows[1].cells == {"question": "Well, what?", "answer": "Fine; thanks."}


def test_csv_line_ends_quotes_and_blank_rows(write: Write) -> None:
    table = read_table(write('a,b\r\n"two\r\nlines","say ""hi"""\r\n\r\n,\r\nlast,row'))
    assert [(row.number, dict(row.cells)) for row in table.rows] == [
        (1, {"a": "two\nlines", "b": 'say "hi"'}),
        (2, {"a": "last", "b": "row"}),
    ]
    assert read_table(write("a,b\rold,mac\r")).rows[0].cells == {"a": "old", "b": "mac"}


def test_csv_ragged_rows_are_reported_and_the_others_kept(write: Write) -> None:
    table = read_table(write("a,b\n1,2\nalone\n1,2,3\n1,2,\n"))
    assert [row.number for row in table.rows] == [1, 4]
    assert table.problems == (
        RowProblem(2, "The header has 2 columns, this row has 1."),
        RowProblem(3, "The header has 2 columns, this row has 3."),
    )


def test_csv_open_quotation_mark_is_reported(write: Write) -> None:
    """A forgotten mark swallowed every row below it without a word."""
    table = read_table(write('a,b\n1,2\n"open,3\n4,5\n'))
    assert [row.number for row in table.rows] == [1]
    assert table.problems == (RowProblem(2, "The quotation marks do not match; the row starts on line 3 of the file."),)


def test_csv_repeated_and_empty_column_names(write: Write) -> None:
    assert read_table(write("a,a,,a\n1,2,3,4\n")).columns == ("a", "a (2)", "column 3", "a (4)")


def test_csv_long_cell(write: Write) -> None:
    table = read_table(write(f"a,b\n{'x' * 200_000},y\n"))
    assert len(str(table.rows[0].cells["a"])) == 200_000


def test_json_lines(write: Write) -> None:
    table = read_table(write('{"a": 1}\n\nbroken\n[1]\n{"a": "x\u2028y", "b": null}\n{}\n{"a": \n', "data.txt"))
    assert table.format == "JSON Lines"
    assert table.columns == ("a", "b")
    assert [(row.number, dict(row.cells)) for row in table.rows] == [(1, {"a": 1}), (5, {"a": "x\u2028y", "b": None})]
    assert [problem.row for problem in table.problems] == [3, 4, 6, 7]
    assert table.problems[0].text == "This is not JSON: Expecting value at column 1."
    assert table.problems[1].text == "Expected an object with named fields, found a list."


def test_json_lines_with_a_broken_first_line(write: Write) -> None:
    table = read_table(write('{"a": \n{"a": 2}\n{"a": 3}\n'))
    assert [row.number for row in table.rows] == [2, 3]
    assert read_table(write('# notes\n{"a": 2}\n')).format == "JSON Lines"


def test_json_array_and_nested_values(write: Write) -> None:
    value = [{"a": {"b": [1, {"c": None}]}}, 7, "text", [{"x": 1}], {"d": True}]
    table = read_table(write(json.dumps(value, indent=2)))
    assert table.format == "JSON"
    assert table.columns == ("a", "d")
    assert [(row.number, dict(row.cells)) for row in table.rows] == [(1, value[0]), (5, value[4])]
    assert [problem.row for problem in table.problems] == [2, 3, 4]


def test_json_object_that_holds_the_list(write: Write) -> None:
    table = read_table(write('{"version": 1, "errors": [], "data": [{"a": 1}, {"a": 2}]}'))
    assert (table.format, len(table.rows)) == ("JSON", 2)
    with pytest.raises(DataError, match="several lists: train, test"):
        read_table(write('{"train": [{"a": 1}], "test": [{"a": 1}]}'))


def test_one_object_is_one_row(write: Write) -> None:
    chat = {"messages": [{"role": "user", "content": "hi"}], "tools": [{"name": "x"}]}
    assert read_table(write(json.dumps(chat))).format == "JSON Lines"
    pretty = read_table(write(json.dumps(chat, indent=1)))
    assert (pretty.format, pretty.columns, len(pretty.rows)) == ("JSON", ("messages", "tools"), 1)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_encodings(encoding: str, write: Write) -> None:
    table = read_table(write("a,b\nnaïve “café” … 5 €,é\n".encode(encoding)))
    assert table.columns == ("a", "b")
    assert table.rows[0].cells == {"a": "naïve “café” … 5 €", "b": "é"}


def test_latin_1_where_windows_has_no_letter(write: Write) -> None:
    assert read_table(write(b"a,b\n\xe9\x9d,x\n")).rows[0].cells["a"] == "é\x9d"


def test_broken_bytes_cost_their_row_and_no_more(write: Write) -> None:
    """One bad byte made the whole file read as Windows-1252, with every accent wrong."""
    table = read_table(write("a,b\né,ü\nx,".encode() + b"\xff\n" + "ñ,ø\n".encode()))
    assert [dict(row.cells) for row in table.rows] == [{"a": "é", "b": "ü"}, {"a": "ñ", "b": "ø"}]
    assert table.problems == (RowProblem(2, "It holds bytes that are not text in UTF-8."),)


def test_special_text_in_cells_is_left_alone(write: Write) -> None:
    table = read_table(write("a,<|im_end|>\n{{ 1+1 }},=cmd()\n{% x %},y\n"))
    assert table.format == "CSV"
    assert table.rows[0].cells == {"a": "{{ 1+1 }}", "<|im_end|>": "=cmd()"}


def _zip(*names: str) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return held.getvalue()


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"%PDF-1.7\n%\xe2\xe3", "a PDF document"),
        (_zip("[Content_Types].xml", "xl/workbook.xml"), "an Excel workbook"),
        (_zip("word/document.xml"), "a Word document"),
        (_zip("archive/data.pkl"), "a PyTorch model file"),
        (_zip("data.jsonl"), "a zip archive"),
        (b"PK\x03\x04 cut off", "a zip archive"),
        (gzip.compress(b'{"a": 1}'), "a gzip archive"),
        (b"PAR1\x15\x04", "a Parquet file"),
        (b"\x89PNG\r\n\x1a\n\x00", "a PNG image"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "a JPEG image"),
        (b"GGUF\x03\x00\x00\x00", "a GGUF model file"),
        ((16).to_bytes(8, "little") + b'{"__metadata__":', "a safetensors model file"),
        (bytes(range(256)) * 4, "binary data"),
        (b"\x01\x02\x03\x04\x05\x06 a,b", "binary data"),
        (b"\xff\xfea\x00\x00\x00", "binary data"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "a Git LFS pointer"),
    ],
)
def test_a_file_that_is_no_table_is_named(content: bytes, found: str, write: Write) -> None:
    with pytest.raises(DataError, match=found) as caught:
        read_table(write(content, "data.csv"))
    assert caught.value.hint


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "The file is empty"),
        (b"\xef\xbb\xbf\n", "The file is empty"),
        (b" \r\n\t\n", "The file is empty"),
        ("\n".encode("utf-16"), "The file is empty"),
        (b"question,answer\n", r"first row \(question, answer\) and nothing below"),
        (b"[]", "empty list"),
        (b'[{"a": 1}, {"a": 2]', "The JSON is broken: .* at line 1, column 19"),
        (b'[\n {"a": 1},\n {"a": 2}\n', "The JSON is broken: .* at line 4"),
        (b'{"a": }', "The JSON is broken"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[" + b"9" * 5000 + b"]", "a number that is too long"),
        (b"[1, 2]", "None of the 2 rows of this JSON file can be read. Row 1: Expected an object"),
        (b"a,b\n1\n2\n", "None of the 2 rows of this CSV file"),
        (b'"open,b\n1,2\n', "The first row must name the columns"),
    ],
)
def test_unusable_content_is_a_sentence(content: bytes, found: str, write: Write) -> None:
    with pytest.raises(DataError, match=found) as caught:
        read_table(write(content))
    assert caught.value.hint


def test_a_path_that_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is no file"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(DataError, match="is a folder"):
        read_table(tmp_path)
