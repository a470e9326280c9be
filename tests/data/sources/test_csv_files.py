import time
from pathlib import Path

import pytest

from studio.data.rows import RowProblem
from studio.errors import DataError
from tests.data.sources.sources import Folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_a_table(folder: Folder) -> None:
    found = folder.read("question,answer\nWhy?,Because.\nHow?,So.\n")
    assert (found.source.format, found.source.columns, found.source.notes) == ("CSV", ("question", "answer"), ())
    assert found.numbered == [
        (2, {"question": "Why?", "answer": "Because."}),
        (3, {"question": "How?", "answer": "So."}),
    ]
    assert found.problems == ()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "^", "~", "\x1f"])
def test_delimiters(delimiter: str, folder: Folder) -> None:
    text = 'question|answer\n"Yes, or; no"|"One,\ttwo;| three"\nWell, what?|Fine; thanks.\n'
    quoted = "question|answer\n" + "".join(f'"Yes, or; {n}"|"One,\ttwo;| three"\n' for n in range(3))
    found = folder.read(quoted.replace('"|"', f'"{delimiter}"').replace("question|", f"question{delimiter}"))
    assert found.source.columns == ("question", "answer")
    assert found.rows[2].cells == {"question": "Yes, or; 2", "answer": "One,\ttwo;| three"}
    assert folder.read(text).rows[1].cells == {"question": "Well, what?", "answer": "Fine; thanks."}


def test_line_ends_quotes_and_blank_rows_count_as_in_a_spreadsheet(folder: Folder) -> None:
    found = folder.read('a,b\r\n"two\r\nlines","say ""hi"""\r\n\r\n,\r\nlast,row')
    assert found.numbered == [(2, {"a": "two\nlines", "b": 'say "hi"'}), (5, {"a": "last", "b": "row"})]
    assert folder.read("a,b\rold,mac\r").rows[0].cells == {"a": "old", "b": "mac"}


def test_ragged_rows_are_reported_and_the_others_kept(folder: Folder) -> None:
    found = folder.read("a,b\n1,2\nalone\n1,2,3\n1,2,\n")
    assert [row.number for row in found.rows] == [2, 5]
    assert found.problems == (
        RowProblem(3, "The table has 2 columns, this row has 1.", "", "wrong-columns"),
        RowProblem(4, "The table has 2 columns, this row has 3.", "", "wrong-columns"),
    )


def test_an_open_quotation_mark_costs_its_row_and_no_more(folder: Folder) -> None:
    """A forgotten mark swallowed every row below it."""
    found = folder.read('a,b\n1,2\n"open,3\n4,5\n6,7\n')
    assert [row.number for row in found.rows] == [2, 4, 5]
    text = "The quotation marks do not match; the row starts on line 3 of the file."
    assert found.problems == (RowProblem(3, text, "", "unreadable"),)


def test_open_quotation_marks_in_every_row_do_not_take_for_ever(folder: Folder) -> None:
    started = time.monotonic()
    folder.read("a,b\n1,2\n" + 'x,"y\n""\n' * 30_000 + 'a","b\n' * 60_000)
    assert time.monotonic() - started < 20


def test_repeated_and_empty_column_names(folder: Folder) -> None:
    found = folder.read("a,a,,a\n1,2,3,4\n")
    assert found.source.columns == ("a", "a (2)", "column 3", "a (4)")


def test_a_long_cell(folder: Folder) -> None:
    assert len(str(folder.read(f"a,b\n{'x' * 200_000},y\n").rows[0].cells["a"])) == 200_000


def test_a_cell_that_is_too_long_is_reported(folder: Folder) -> None:
    found = folder.read(f"a,b\n1,2\n{'x' * 17_000_000},y\n3,4\n")
    assert [row.number for row in found.rows] == [2, 4]
    assert "longer than 16 million characters" in found.problems[0].text


def test_an_excel_hint_names_the_delimiter(folder: Folder) -> None:
    found = folder.read("sep=;\na;b\n1,5;2\n")
    assert found.numbered == [(2, {"a": "1,5", "b": "2"})]


def test_other_ways_to_quote(folder: Folder) -> None:
    escaped = folder.read('a,b\n"say \\"hi\\", please",x\n"no",y\n')
    assert escaped.rows[0].cells == {"a": 'say "hi", please', "b": "x"}
    spaced = folder.read('name, text\nx, "one, two"\ny, "three, four"\n')
    assert spaced.rows[0].cells == {"name": "x", "text": "one, two"}
    unquoted = folder.read('text\tlabel\n"Hello" he said\tgood\nbye\tbad\n', "data.tsv")
    assert unquoted.rows[0].cells == {"text": '"Hello" he said', "label": "good"}


def test_a_table_without_names_gets_numbered_columns(folder: Folder) -> None:
    rows = "".join(f"What is the number {n} good for?,It is good for counting up to {n}.\n" for n in range(5))
    found = folder.read(rows)
    assert found.source.columns == ("column 1", "column 2")
    assert [row.number for row in found.rows] == [1, 2, 3, 4, 5]
    assert found.source.notes == ("The first row holds no names, so the columns are numbered.",)


@pytest.mark.parametrize(
    "text",
    [
        "What is your name?,How old are you?\nAnna,34\nBob,27\nCarl,41\n",
        "Frage,Antwort\nWas ist das?,Ein Test.\nUnd das?,Noch einer.\nUnd nun?,Schluss.\n",
        "question,answer\nquestion,answer\nquestion,answer\nx,y\nz,w\n",
        "2023,2024\nten,eleven\ntwelve,thirteen\n",
    ],
)
def test_a_first_row_of_names_is_not_taken_for_data(text: str, folder: Folder) -> None:
    assert folder.read(text).source.columns == tuple(text.split("\n")[0].split(","))


@pytest.mark.parametrize(
    "text",
    [
        "Roses are red,\nViolets are blue,\nSugar is sweet,\nAnd so are you.\n",
        "Hello, world.\nGoodbye, moon.\n",
        "User: hi, there\nBot: hello, you\nUser: how, why\n",
        "One line only, and no more.",
        "| name | what |\n|------|------|\n| a | b |\n| c | d |\n",
        "a; b\nand so on\n",
    ],
)
def test_prose_is_not_taken_for_a_table(text: str, folder: Folder) -> None:
    found = folder.read(text, "data.txt")
    assert found.source.columns == ("text",)
    assert found.source.format in ("text", "Markdown")


@pytest.mark.parametrize(
    "text",
    [
        "question,answer\nWhat is red, round and sweet?,An apple\n" + "Why?,So.\n" * 30,
        "Frage\tAntwort\nWas, bitte, ist das?\tEin Test, ja.\nUnd das?\tNoch einer.\n",
        'one,two\n"a, b","c, d"\n"e, f","g, h"\n',
    ],
)
def test_a_table_is_found_whatever_its_name(text: str, folder: Folder) -> None:
    assert folder.read(text, "notes.txt").source.format == "CSV"


def test_one_column_in_a_csv_is_a_table(folder: Folder) -> None:
    found = folder.read('text\nHello, you\nBye\n"So, ""yes"""\n')
    assert found.cells == [{"text": "Hello, you"}, {"text": "Bye"}, {"text": 'So, "yes"'}]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("question,answer\n", r"first row \(question, answer\) and nothing below"),
        ('"open,b\n1,2\n', "The first row must name the columns"),
        ("a,b\n1\n2\n", "None of the 2 rows of this CSV file can be read. Row 2: The table has 2 columns"),
    ],
)
def test_an_unusable_table_is_a_sentence(content: str, reason: str, folder: Folder) -> None:
    with pytest.raises(DataError, match=reason) as caught:
        folder.read(content)
    assert caught.value.hint


def test_special_text_in_cells_is_left_alone(folder: Folder) -> None:
    found = folder.read("a,<|im_end|>\n{{ 1+1 }},=cmd()\n{% x %},y\n")
    assert found.rows[0].cells == {"a": "{{ 1+1 }}", "<|im_end|>": "=cmd()"}
