"""What a file is, told by its content, and so how it is read. Its name only tips the scales between table and prose."""

from dataclasses import dataclass, replace
from pathlib import Path

from studio.data.reading_choices import Choices
from studio.data.rows import Row, RowProblem
from studio.data.sources.archives import Limits, check_zip, compression, names_in_zip
from studio.data.sources.arrow_files import plan_arrow, plan_parquet
from studio.data.sources.csv_files import find_layout, is_called_table, is_table, plan_csv
from studio.data.sources.dialogue_files import plan_dialogue
from studio.data.sources.file_bytes import Progress, Survey
from studio.data.sources.json_files import is_called_json, is_json_lines, looks_like_json, plan_json, plan_json_lines
from studio.data.sources.reading import Reading, Rows
from studio.data.sources.rejected_files import (
    empty_file,
    refuse_binary,
    refuse_in_office,
    refuse_in_zip,
    refuse_text,
    unknown_binary,
)
from studio.data.sources.spreadsheets import plan_spreadsheet
from studio.data.sources.text_encodings import REPLACED, TextEncoding, encoding_question, find_encoding
from studio.data.sources.text_files import TextFile, plan_text
from studio.errors import DataError

_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_WORKBOOKS = {"xl/workbook.xml", "xl/workbook.bin"}
_ARROW_STREAM = b"\xff\xff\xff\xff"


@dataclass(frozen=True)
class FoundFile:
    """A file on disk that has been looked through.

    `name` is its own, `label` is for people; `is_packed` says that it is one of several in an archive.
    """

    path: Path
    name: str
    label: str
    survey: Survey
    is_packed: bool = False


def container(found: FoundFile) -> str:
    """Say what other files a file contains: "zip", a kind of compression, or nothing.

    Raises DataError for a damaged archive, and for one of a kind that holds no examples.
    """
    head = found.survey.head
    if not head.startswith(_ZIP):
        return compression(head)
    names = names_in_zip(found.path)
    refuse_in_zip(names, head)
    is_spreadsheet = bool(_WORKBOOKS & set(names)) or b"opendocument.spreadsheet" in head[:200]
    return "" if is_spreadsheet else "zip"


def plan(found: FoundFile, folder: Path, *, choices: Choices, limits: Limits, progress: Progress) -> Reading:
    """Plan the reading of a file that contains no other files. `folder` is empty, for what reading it needs on disk.

    Raises DataError when it cannot be read or holds no examples.
    """
    head = found.survey.head
    if container(found):
        raise DataError(
            "This is an archive within an archive.", "Unpack the outer one, then choose the files that are inside."
        )
    if head.startswith(_ZIP):
        check_zip(found.path, limits)
        return plan_spreadsheet(found.path, folder, sheet=choices.sheet, progress=progress)
    if head.startswith(_OFFICE):
        refuse_in_office(found.path)
        return plan_spreadsheet(found.path, folder, sheet=choices.sheet, progress=progress)
    if head.startswith(b"PAR1"):
        return plan_parquet(found.path)
    if head.startswith((b"ARROW1", _ARROW_STREAM)):
        return plan_arrow(found.path)
    return _plan_text(found, choices)


def _plan_text(found: FoundFile, choices: Choices) -> Reading:
    head = found.survey.head
    if not head.strip(b" \t\r\n\x00\xef\xbb\xbf\xff\xfe"):
        raise empty_file()
    refuse_binary(head)
    encoding = find_encoding(found.survey, choices.encoding)
    if encoding is None:
        raise unknown_binary()
    file = TextFile(found.path, found.name, encoding, found.survey.size)
    text = file.head()
    if not text.strip():
        raise empty_file()
    refuse_text(text)
    question = encoding_question(encoding, found.survey, choices.encoding)
    reading = _plan_decoded(file, text, choices)
    reading = replace(reading, questions=(*((question,) if question else ()), *reading.questions))
    if encoding.name != "UTF-8":
        reading = replace(reading, notes=(f"Read as {encoding.name}, not UTF-8.", *reading.notes))
    return _without_damaged(reading, encoding) if encoding.damaged else reading


def _without_damaged(reading: Reading, encoding: TextEncoding) -> Reading:
    """Report the rows that hold bytes which are no text."""
    reason = f"It holds bytes that are not text in {encoding.name}."

    def rows(progress: Progress, label: str) -> Rows:
        for row in reading.rows(progress, label):
            if isinstance(row, Row) and REPLACED in repr(row.cells):
                yield RowProblem(row.number, reason, label, "broken-character")
            else:
                yield row

    return replace(reading, rows=rows)


def _plan_decoded(file: TextFile, head: str, choices: Choices) -> Reading:
    if is_json_lines(head, is_all=file.head_is_all):
        return plan_json_lines(file)
    if looks_like_json(head):
        return plan_json(file, choices)
    if not is_called_table(file.name) and (dialogue := plan_dialogue(file, head)) is not None:
        return dialogue
    layout = find_layout(head, is_all=file.head_is_all)
    is_csv = is_table(layout, file.name)
    if is_called_json(file.name) and (not is_csv or head.lstrip()[:1] in ("[", "{", "/")):
        return plan_json(file, choices)
    if is_csv:
        return plan_csv(file, layout)
    return plan_text(file, head)
