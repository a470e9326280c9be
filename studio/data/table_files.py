"""Tables for a person's own programs: CSV in which no cell begins a formula, and Excel, whose cells are texts.

An example is a row. Questions with their answers have a column each, plain text has one; whole conversations are JSON
in a single cell. What is written can be added again as a data set.
"""

import csv
import json
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from studio.data.example_lines import as_messages
from studio.data.examples import Example
from studio.errors import DataError

PAIRS, WITH_SYSTEM, TEXTS = ("question", "answer"), ("system", "question", "answer"), ("text",)
CONVERSATIONS, WITH_TOOLS = ("messages",), ("messages", "tools")

_TURNS = {("user", "assistant"): PAIRS, ("system", "user", "assistant"): WITH_SYSTEM}
_BEGINS_A_FORMULA = ("=", "+", "-", "@", "\t", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001
"""What a spreadsheet takes for the beginning of a formula; the wide forms are those of Chinese and Japanese fonts."""

_MOST_ROWS = 2**20 - 1
_LONGEST_CELL = 32_767
"""What Excel holds in a sheet and in a cell."""

_ESCAPED = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")
_PARTS = {
    "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.'
    'spreadsheetml.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.'
    'openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>',
    "_rels/.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"'
    ' Target="xl/workbook.xml"/></Relationships>',
    "xl/_rels/workbook.xml.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet"'
    ' Target="worksheets/sheet1.xml"/></Relationships>',
    "xl/workbook.xml": '<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets>'
    '<sheet name="Examples" sheetId="1" r:id="rId1"/></sheets></workbook>',
}
"""What a workbook with one sheet consists of beside the sheet."""

_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_SHEET = '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'


def in_a_cell(value: object) -> object:
    """Return what stands in a cell for a value: a text that a spreadsheet would compute as a formula is quoted.

    All line ends become the same: `csv` does not quote a lone carriage return, after which readers begin another row.
    """
    if not isinstance(value, str):
        return value
    text = _with_plain_lines(value)
    return f"'{text}" if text.lstrip(" ").startswith(_BEGINS_A_FORMULA) else text


def columns_for(examples: Iterable[Example]) -> tuple[str, ...]:
    """Choose the columns that hold all of these examples."""
    found = {_columns_of(example) for example in examples}
    if WITH_TOOLS in found:
        return WITH_TOOLS
    if CONVERSATIONS in found or (TEXTS in found and len(found) > 1):
        return CONVERSATIONS
    return WITH_SYSTEM if WITH_SYSTEM in found else next(iter(found), PAIRS)


def rows_of(examples: Iterable[Example], columns: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield the row of each example in these columns."""
    for example in examples:
        if columns in (CONVERSATIONS, WITH_TOOLS):
            value = json.loads(as_messages(example))
            messages = value.get("messages", [{"role": "text", "content": value.get("text")}])
            yield (json.dumps(messages, ensure_ascii=False), example.tools)[: len(columns)]
        else:
            contents = [message.content for message in example.messages]
            yield [""] * (len(columns) - len(contents)) + contents


def write_csv_file(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a table with the mark by which Excel knows UTF-8. Raises OSError."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(map(in_a_cell, row) for row in rows)


def write_excel_file(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a table as a workbook of texts. Raises OSError, and DataError for more than a sheet or a cell holds."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in _PARTS.items():
            archive.writestr(name, _XML + text)
        with archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as sheet:
            sheet.write((_XML + _SHEET + _excel_row(1, columns)).encode())
            for number, row in enumerate(rows, start=2):
                if number > _MOST_ROWS:
                    raise DataError(f"A sheet of Excel holds {_MOST_ROWS:,} examples.", "Download it as CSV.")
                sheet.write(_excel_row(number, row).encode())
            sheet.write(b"</sheetData></worksheet>")


def _columns_of(example: Example) -> tuple[str, ...]:
    if example.is_text:
        return TEXTS
    if example.tools:
        return WITH_TOOLS
    is_plain = all(
        each.learned and not (each.tool_calls or each.reasoning or each.name or each.tool_call_id)
        for each in example.messages
    )
    return _TURNS.get(tuple(each.role for each in example.messages), CONVERSATIONS) if is_plain else CONVERSATIONS


def _excel_row(number: int, cells: Sequence[str]) -> str:
    written = "".join(_excel_cell(f"{chr(ord('A') + place)}{number}", cell) for place, cell in enumerate(cells))
    return f'<row r="{number}">{written}</row>'


def _excel_cell(place: str, text: str) -> str:
    text = _with_plain_lines(text)
    if len(text) > _LONGEST_CELL:
        raise DataError(
            f"A cell of Excel holds {_LONGEST_CELL:,} letters; the one at {place} would have {len(text):,}.",
            "Download it as CSV or JSON Lines.",
        )
    safe = escape(_ESCAPED.sub(lambda match: f"_x{ord(match.group()):04X}_", text))
    return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{safe}</t></is></c>'


def _with_plain_lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
