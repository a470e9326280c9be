"""From a file to a table: JSON Lines, JSON and CSV, recognised by what is in the file and not by its name.

Knows nothing of what the columns mean. A row that cannot be read is left out and reported, the others are kept.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from studio.data.rows import Row, RowProblem
from studio.data.text_files import REPLACED, decode_text, read_bytes
from studio.errors import DataError

JSON_LINES = "JSON Lines"
JSON = "JSON"
CSV = "CSV"

_DELIMITERS = (",", ";", "\t", "|")
_LONGEST_CELL = 100_000_000


@dataclass(frozen=True)
class Table:
    """The rows of a file. `format` is "JSON Lines", "JSON" or "CSV"; a row need not have every column."""

    format: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    problems: tuple[RowProblem, ...]


def read_table(path: Path) -> Table:
    """Read a file of examples, whatever its name says.

    Raises DataError when it cannot be read, holds no text or no rows, or when no row of it can be used.
    """
    decoded = decode_text(read_bytes(Path(path)))
    table = _read_text(decoded.text)
    if decoded.damaged:
        table = _without_damaged(table)
    if not table.rows:
        first = table.problems[0]
        raise DataError(
            f"None of the {len(table.problems)} rows of this {table.format} file can be read. "
            f"Row {first.row}: {first.text}",
            "Correct the file, or save it again from the program that it comes from.",
        )
    return table


def _read_text(text: str) -> Table:
    lines = text.split("\n")
    start = text.lstrip()[0]
    if start in "[{":
        try:
            value = json.loads(text)
        except RecursionError as error:
            raise DataError("The JSON is nested too deeply.", "Save a plain list of examples.") from error
        except ValueError as error:
            if not _are_json_lines(lines):
                raise _broken_json(error) from error
        else:
            one_line = sum(bool(line.strip()) for line in lines) == 1
            is_row = isinstance(value, dict) and _list_in(value) is None
            return _read_json_lines(lines) if one_line and is_row else _read_json(value)
    return _read_json_lines(lines) if _are_json_lines(lines) else _read_csv(text)


def _are_json_lines(lines: Sequence[str]) -> bool:
    """Say whether at least half of the first thousand lines with anything on them are JSON objects."""
    filled = list(islice((line for line in lines if line.strip()), 1000))
    return 2 * sum(line.lstrip().startswith("{") and isinstance(_parsed(line), dict) for line in filled) >= len(filled)


def _parsed(line: str) -> object:
    """Parse one line; a sentence as ValueError stands for what is wrong with it."""
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        return ValueError(f"This is not JSON: {error.msg} at column {error.colno}.")
    except (ValueError, RecursionError):
        return ValueError("This JSON cannot be read: it is nested too deeply or holds a number that is too long.")


def _read_json_lines(lines: Iterable[str]) -> Table:
    return _table(JSON_LINES, ((number, _parsed(line)) for number, line in enumerate(lines, start=1) if line.strip()))


def _read_json(value: object) -> Table:
    if isinstance(value, dict):
        items = _list_in(value)
        value = [value] if items is None else items
    if not isinstance(value, list) or not value:
        raise DataError("The JSON holds an empty list.", "Choose a file with one object for each example.")
    return _table(JSON, enumerate(value, start=1))


def _list_in(value: Mapping[str, object]) -> list[object] | None:
    """Find the one list of rows in an object; None when the object is itself a row.

    Raises DataError when there are several such lists.
    """
    lists = {
        name: items
        for name, items in value.items()
        if isinstance(items, list) and any(isinstance(item, dict) for item in items) and not _is_conversation(items)
    }
    holds_conversation = any(isinstance(items, list) and _is_conversation(items) for items in value.values())
    if not lists or holds_conversation:
        return None
    if len(lists) > 1:
        names = ", ".join(lists)[:200].encode("utf-8", "replace").decode()
        raise DataError(f"The JSON holds several lists: {names}.", "Save the one to learn from as a file of its own.")
    return next(iter(lists.values()))


def _is_conversation(items: Sequence[object]) -> bool:
    return bool(items) and all(isinstance(item, dict) and ("role" in item or "from" in item) for item in items)


def _table(format: str, values: Iterable[tuple[int, object]]) -> Table:
    rows: list[Row] = []
    problems: list[RowProblem] = []
    columns: dict[str, None] = {}
    for number, value in values:
        if isinstance(value, dict) and value:
            rows.append(Row(number, value))
            columns.update(dict.fromkeys(value))
        elif isinstance(value, ValueError):
            problems.append(RowProblem(number, str(value)))
        else:
            found = "an empty object" if value == {} else "a list" if isinstance(value, list) else "a single value"
            problems.append(RowProblem(number, f"Expected an object with named fields, found {found}."))
    return Table(format, tuple(columns), tuple(rows), tuple(problems))


def _read_csv(text: str) -> Table:
    delimiter = _find_delimiter(text)
    records = _records(text, delimiter)
    header = next(records, ValueError("The first row is broken."))
    if isinstance(header, ValueError):
        raise DataError(f"The first row must name the columns. {header}", "Correct the first row of the file.")
    columns = _column_names(header)
    rows: list[Row] = []
    problems: list[RowProblem] = []
    for number, record in enumerate(records, start=1):
        if isinstance(record, ValueError):
            problems.append(RowProblem(number, str(record)))
            continue
        extra = record[len(columns) :]
        if len(record) < len(columns) or any(cell.strip() for cell in extra):
            problems.append(RowProblem(number, f"The header has {len(columns)} columns, this row has {len(record)}."))
        else:
            rows.append(Row(number, dict(zip(columns, record, strict=False))))
    if not rows and not problems:
        raise DataError(
            f"The file has a first row ({', '.join(columns)[:80]}) and nothing below it.", "Add one example a row."
        )
    return Table(CSV, columns, tuple(rows), tuple(problems))


def _records(text: str, delimiter: str) -> Iterator[list[str] | ValueError]:
    """Yield the rows that have anything in them, each as its cells or as what is wrong with it."""
    # The limit is one for the whole process; this raises it from 128 KiB, which a long document exceeds.
    csv.field_size_limit(_LONGEST_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield ValueError(f"The quotation marks do not match; the row starts on line {line} of the file.")
            continue
        if any(cell.strip() for cell in record):
            yield record


def _find_delimiter(text: str) -> str:
    """Take the delimiter that gives the most rows as wide as the header; a comma when none gives two columns."""

    def fit(delimiter: str) -> tuple[float, int]:
        sample = list(islice(_records(text, delimiter), 50))
        header = sample[0] if sample else []
        if isinstance(header, ValueError) or len(header) < 2:
            return 0.0, 0
        same = sum(not isinstance(record, ValueError) and len(record) == len(header) for record in sample)
        return same / len(sample), len(header)

    return max(_DELIMITERS, key=fit)


def _column_names(header: Sequence[str]) -> tuple[str, ...]:
    """Name every column once: an empty name becomes its place, a repeated one gets its place as well."""
    names: list[str] = []
    for place, cell in enumerate(header, start=1):
        name = cell.strip() or f"column {place}"
        names.append(f"{name} ({place})" if name in names else name)
    return tuple(names)


def _without_damaged(table: Table) -> Table:
    damaged = {row.number for row in table.rows if REPLACED in repr(row.cells)}
    found = [RowProblem(number, "It holds bytes that are not text in UTF-8.") for number in damaged]
    problems = sorted((*table.problems, *found), key=lambda problem: problem.row)
    return Table(
        table.format,
        table.columns,
        tuple(row for row in table.rows if row.number not in damaged),
        tuple(problems),
    )


def _broken_json(error: ValueError) -> DataError:
    if not isinstance(error, json.JSONDecodeError):  # Python reads no number of more than 4,300 digits.
        return DataError("The JSON holds a number that is too long to read.", "Write it as text, in quotation marks.")
    return DataError(
        f"The JSON is broken: {error.msg} at line {error.lineno}, column {error.colno}.",
        "Correct the file there, or save it again.",
    )
