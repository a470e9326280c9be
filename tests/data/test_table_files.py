import csv
import io
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from studio.data.downloads import CSV, DOWNLOADS, EXCEL, JSON_LINES
from studio.data.examples import TEXT, Example, Message, ToolCall
from studio.data.library import DatasetLibrary
from studio.data.table_files import columns_for, rows_of, write_excel_file
from studio.errors import DataError

PAIR = Example((Message("user", "Why?"), Message("assistant", "So,\nand so.")))
SYSTEM = replace(PAIR, messages=(Message("system", "Be kind."), *PAIR.messages))
LONG = replace(PAIR, messages=(*PAIR.messages, *PAIR.messages))
PLAIN = Example((Message(TEXT, "Once."),))
TOOLS = replace(PAIR, tools='[{"type": "function"}]')
UNLEARNED = replace(PAIR, messages=(PAIR.messages[0], Message("assistant", "So.", learned=False)))
CALLS = replace(PAIR, messages=(PAIR.messages[0], Message("assistant", "", (ToolCall("f", "{}"),))))


@pytest.mark.parametrize(
    ("examples", "columns"),
    [
        ((PAIR,), ("question", "answer")),
        ((PAIR, SYSTEM), ("system", "question", "answer")),
        ((PLAIN,), ("text",)),
        *(((PAIR, other), ("messages",)) for other in (LONG, PLAIN, UNLEARNED, CALLS)),
        ((PAIR, LONG, TOOLS), ("messages", "tools")),
        ((), ("question", "answer")),
    ],
)
def test_the_columns_hold_all_examples(examples: tuple[Example, ...], columns: tuple[str, ...]) -> None:
    assert columns_for(examples) == columns
    assert all(len(row) == len(columns) for row in rows_of(examples, columns))


def test_a_missing_system_message_is_an_empty_cell() -> None:
    columns = columns_for((PAIR, SYSTEM))
    assert [row[0] for row in rows_of((PAIR, SYSTEM), columns)] == ["", "Be kind."]


@pytest.mark.parametrize("kind", DOWNLOADS)
@pytest.mark.parametrize(
    "lines", [["{n}. Why, <b>Ä & {n}</b>?", "So {n},\n“{n}”."], ["{n}. _x0041_ is?", "tab\there {n}"]]
)
def test_what_is_downloaded_can_be_added_again(kind: str, lines: list[str], tmp_path: Path) -> None:
    library = DatasetLibrary(tmp_path / "home", samples_folder=tmp_path)
    file = tmp_path / "shop.csv"
    with file.open("w", encoding="utf-8", newline="") as written:
        csv.writer(written).writerows(
            [["question", "answer"], *([each.format(n=n) for each in lines] for n in range(9))]
        )
    added = library.add(file)
    again = library.add(library.download(added.id, kind))
    said = [[message.content for message in each.messages] for each in library.examples(added.id)]
    assert [[message.content for message in each.messages] for each in library.examples(again.id)] == said


@pytest.mark.parametrize("kind", [JSON_LINES, CSV, EXCEL])
def test_conversations_and_plain_text_can_be_added_again(kind: str, tmp_path: Path) -> None:
    from studio.data.example_lines import as_messages

    library = DatasetLibrary(tmp_path / "home", samples_folder=tmp_path)
    for name, some in (("talk", LONG), ("plain", PLAIN)):
        file = tmp_path / f"{name}.jsonl"
        numbered = [
            replace(some, messages=tuple(replace(each, content=f"{each.content} {n}") for each in some.messages))
            for n in range(12)
        ]
        file.write_text("".join(as_messages(each) + "\n" for each in numbered), encoding="utf-8")
        added = library.add(file)
        again = library.add(library.download(added.id, kind))
        assert [each.messages for each in library.examples(again.id)] == [each.messages for each in numbered]


@pytest.mark.parametrize("start", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "  =1", "＝1"])  # noqa: RUF001
def test_no_cell_of_the_csv_begins_a_formula(start: str, tmp_path: Path) -> None:
    library = DatasetLibrary(tmp_path / "home", samples_folder=tmp_path)
    file = tmp_path / "shop.jsonl"
    file.write_text("".join(f'{{"question": "Why {n}?", "answer": {start!a}}}\n'.replace("'", '"') for n in range(3)))
    written = library.download(library.add(file).id, CSV).read_text(encoding="utf-8-sig")
    cells = [row[1] for row in csv.reader(io.StringIO(written, newline=""))][1:]
    assert len(cells) == 3
    assert all(cell.startswith("'") or cell.lstrip()[0] not in "=+-@＝" for cell in cells)  # noqa: RUF001


def test_cells_of_excel_are_texts_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    write_excel_file(path, ("question", "answer"), [("=1+1", "a\x07</t></is></c><c><f>1</f></c>")])
    with zipfile.ZipFile(path) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
    assert sheet.count('t="inlineStr"') == sheet.count("<c ") == 4
    assert "<f>" not in sheet
    assert "_x0007_" in sheet


def test_what_excel_does_not_hold_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="at B2 would have 32,768") as raised:
        write_excel_file(tmp_path / "a.xlsx", ("question", "answer"), [("a", "b" * 32_768)])
    assert "CSV" in raised.value.hint
