import datetime
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import openpyxl
import pytest

from studio.data.reading_choices import Choices
from studio.data.rows import CancelledError
from studio.data.sources.archives import Limits
from studio.data.sources.readers import open_source
from studio.errors import DataError
from tests.data.sources.sources import Folder, read

OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def workbook(**sheets: Sequence[Sequence[object]]) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    held = io.BytesIO()
    book.save(held)
    return held.getvalue()


def test_a_sheet(folder: Folder) -> None:
    rows = [
        ("question", "answer", "when", "number"),
        ("Why?", "Because.", datetime.datetime(2024, 2, 29), 3),
        (),
        ("How?", None, datetime.datetime(2024, 1, 2, 3, 4), 2.5),
        (None, "So", datetime.time(8, 30), True),
    ]
    found = folder.read(workbook(Sheet=rows), "data.csv")
    assert (found.source.format, found.source.notes) == ("Excel", ())
    assert found.numbered == [
        (2, {"question": "Why?", "answer": "Because.", "when": "2024-02-29", "number": 3}),
        (4, {"question": "How?", "answer": None, "when": "2024-01-02T03:04:00", "number": 2.5}),
        (5, {"question": None, "answer": "So", "when": "08:30:00", "number": True}),
    ]


def test_an_open_document_sheet(folder: Folder) -> None:
    kinds = "urn:oasis:names:tc:opendocument:xmlns"
    cells = [["question", "answer"], ["Why?", "Because."]]
    rows = "".join(
        "<table:table-row>"
        + "".join(
            f'<table:table-cell office:value-type="string"><text:p>{cell}</text:p></table:table-cell>' for cell in row
        )
        + "</table:table-row>"
        for row in cells
    )
    content = (
        f'<office:document-content xmlns:office="{kinds}:office:1.0" xmlns:table="{kinds}:table:1.0" '
        f'xmlns:text="{kinds}:text:1.0"><office:body><office:spreadsheet><table:table table:name="One">{rows}'
        "</table:table></office:spreadsheet></office:body></office:document-content>"
    )
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", content)
        archive.writestr("META-INF/manifest.xml", f'<manifest:manifest xmlns:manifest="{kinds}:manifest:1.0"/>')
    found = folder.read(held.getvalue())
    assert found.numbered == [(2, {"question": "Why?", "answer": "Because."})]


def test_the_sheet_with_the_most_rows_is_read_and_the_others_are_named(folder: Folder) -> None:
    found = folder.read(workbook(Notes=[("hello",)], Data=[("a", "b"), (1, 2)], Empty=[]))
    assert found.cells == [{"a": 1, "b": 2}]
    assert found.source.notes == ("Read the sheet 'Data'; 'Notes' was not read.",)


def test_a_title_above_the_table_and_a_table_without_names(folder: Folder) -> None:
    titled = folder.read(workbook(Data=[("My examples",), (), ("a", "b"), ("x", "y")]))
    assert titled.numbered == [(4, {"a": "x", "b": "y"})]
    assert titled.source.notes == ("The table begins in row 3; what stands above it was passed over.",)
    rows = [(f"What is number {n} good for?", f"It is good for counting to {n}.") for n in range(4)]
    nameless = folder.read(workbook(Data=rows))
    assert (nameless.rows[0].number, nameless.rows[0].cells["column 2"]) == (1, rows[0][1])


def test_columns_without_names(folder: Folder) -> None:
    found = folder.read(workbook(Data=[("a", None, "b", None), ("x", None, "y", None), ("x", None, "y", "z")]))
    assert found.cells[1] == {"a": "x", "b": "y", "column 4": "z"}
    late = [("a", "b")] + [("x", "y")] * 80 + [("x", "y", "z")]
    found = folder.read(workbook(Data=late))
    assert len(found.rows) == 80
    assert [(problem.row, problem.kind) for problem in found.problems] == [(82, "wrong-columns")]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (workbook(Data=[]), "The spreadsheet holds nothing"),
        (workbook(Data=[("a", "b")]), r"first row \(a, b\) and nothing below"),
        (workbook(Data=[("a", "b"), ("x", "y")])[:-200], "damaged"),
        (OFFICE + bytes(2000), "damaged or of a kind that cannot be read"),
        (
            OFFICE + bytes(2000) + "EncryptedPackage".encode("utf-16-le"),
            "an Office file with a password",
        ),
        (
            OFFICE + bytes(2000) + "WordDocument".encode("utf-16-le"),
            "an old Word document",
        ),
    ],
)
def test_an_unusable_spreadsheet_is_a_sentence(content: bytes, reason: str, folder: Folder) -> None:
    with pytest.raises(DataError, match=reason) as caught:
        folder.read(content)
    assert caught.value.hint


def _changed(book: bytes, name: str, change: tuple[bytes, bytes]) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(book)) as old, zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.namelist():
            data = old.read(member)
            new.writestr(member, data.replace(*change) if member == name else data)
    return held.getvalue()


def test_two_cells_that_span_a_huge_sheet_are_refused(folder: Folder) -> None:
    """A cell in the last corner made the library ask for memory for 17,000,000,000 cells, and the process ended."""
    book = workbook(Data=[("a", "b"), ("x", "y")])
    huge = _changed(book, "xl/worksheets/sheet1.xml", (b'r="B2"', b'r="XFD1048576"'))
    with pytest.raises(DataError, match="too large to be read as it is, or damaged"):
        folder.read(huge)


def test_a_spreadsheet_that_unpacks_to_too_much_is_refused(folder: Folder) -> None:
    book = workbook(Data=[("a", "b"), ("x" * 30_000, "y")])
    with pytest.raises(DataError, match="unpacks to more than"):
        read(folder.write(book), Limits(total_bytes=20_000))


def test_reading_a_spreadsheet_can_be_cancelled(folder: Folder) -> None:
    path = folder.write(workbook(Data=[("a", "b")] + [("x", "y")] * 20_000))

    def report(what: str, done: int, total: int) -> None:
        if what == "Opening the file":
            raise CancelledError("Cancelled.")

    with pytest.raises(CancelledError), open_source([path], report=report):
        pass


@pytest.mark.case("31-excel")
def test_the_sheet_that_looks_like_examples_is_read_and_another_can_be_chosen(folder: Folder) -> None:
    """The longer sheet of notes was learned as text, and the questions could not be chosen."""
    notes = [(f"Note {number}: this book holds questions.",) for number in range(12)]
    path = folder.write(workbook(Notes=notes, FAQ=[("question", "answer"), ("Why?", "So."), ("Who?", "Me.")]), "b.xlsx")
    with open_source([path]) as source:
        assert source.columns == ("question", "answer")
        (question,) = source.questions
        assert (question.about, question.chosen, question.is_open) == ("sheet", "FAQ", False)
        assert [option.value for option in question.options] == ["Notes", "FAQ"]
        assert question.options[1].lines[:2] == ("question | answer", "Why? | So.")
    with open_source([path], choices=Choices(sheet="Notes")) as source:
        assert len(list(source.rows())) == 12
    with pytest.raises(DataError, match="no sheet 'Other'"), open_source([path], choices=Choices(sheet="Other")):
        pass


@pytest.mark.case("31-excel")
def test_formulas_without_a_value_are_named(folder: Folder) -> None:
    rows = [("question", "answer"), ("How?", '="In "&2'), ("Why?", "So.")]
    found = folder.read(workbook(Sheet=rows), "data.xlsx")
    assert found.source.notes == (
        "1 cell holds a formula without a value, which is read as empty. Open the file in its own program, and save it "
        "there again.",
    )
