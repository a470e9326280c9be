"""Tables as text: comma-separated values and their kin, with any delimiter.

A row that cannot be read is reported and the others are kept. Rows are numbered as a spreadsheet numbers them.
"""

import csv
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from studio.data.rows import Row, RowProblem
from studio.data.sources.file_bytes import Progress
from studio.data.sources.headers import (
    first_row_is_data,
    has_known_name,
    looks_like_names,
    numbered_columns,
    read_header,
)
from studio.data.sources.reading import Reading, Rows
from studio.data.sources.text_files import LONGEST_LINE, TextFile
from studio.errors import DataError

_USUAL = (",", ";", "\t", "|")
_RARE = ("^", "~", "\x1f", "\x01", "¦", "§")
_NO_DELIMITER = "\x1e"
_SIGNS = (("backslash", '\\"'), ("spaced", ', "'))
"""What a text with other ways of quoting holds, with its delimiter in place of the comma."""

_SAMPLE = 60
_SPARE_LETTERS = 1_000_000
_MOST_LINES = 200_000
_TOO_LONG = f"It is longer than {LONGEST_LINE // 1_000_000} million characters or {_MOST_LINES:,} lines"


@dataclass(frozen=True)
class Dialect:
    """How cells are told apart. `quoting` is "double" (a mark within is doubled), "backslash", "spaced" or "none"."""

    delimiter: str
    quoting: str = "double"

    def reader(self, lines: Iterable[str]) -> Iterator[list[str]]:
        """Read lines as records."""
        # The limit is one for the whole process; this raises it from 128 KiB, which a long document exceeds.
        csv.field_size_limit(LONGEST_LINE)
        return csv.reader(
            lines,
            delimiter=self.delimiter,
            strict=True,
            doublequote=self.quoting != "backslash",
            escapechar="\\" if self.quoting == "backslash" else None,
            skipinitialspace=self.quoting == "spaced",
            quoting=csv.QUOTE_NONE if self.quoting == "none" else csv.QUOTE_MINIMAL,
        )


@dataclass(frozen=True)
class Layout:
    """What the first lines show: the dialect, some records, and which share of them is as wide as the first."""

    dialect: Dialect
    records: tuple[tuple[str, ...], ...]
    share: float
    skipped: int = 0

    @property
    def width(self) -> int:
        """How many cells the first record has."""
        return len(self.records[0]) if self.records else 0


def find_layout(head: str, *, is_all: bool) -> Layout:
    """Find the dialect that gives the most rows as wide as the first; a comma when none gives two columns.

    `head` is the start of the text, or all of it.
    """
    lines = head.split("\n")
    if lines[0].lower().startswith("sep=") and len(lines[0].strip()) == 5:
        return _layout(lines[1:], Dialect(lines[0][4]), is_all=is_all, skipped=1)
    best = _best(head, _USUAL, is_all=is_all)
    if best.width < 2:
        rare = [mark for mark in _RARE if mark in head]
        other = _best(head, rare, is_all=is_all) if rare else best
        best = other if other.width >= 2 and other.share == 1 and len(other.records) > 1 else best
    if best.width == 1 and best.share < 1:
        # One column of texts with commas in them, and nothing around them.
        best = max(best, _layout(lines, Dialect(_NO_DELIMITER), is_all=is_all), key=lambda layout: layout.share)
    return best if best.width else Layout(Dialect(","), (), 0)


def _best(head: str, delimiters: Sequence[str], *, is_all: bool) -> Layout:
    lines = head.split("\n")
    found = []
    for delimiter in delimiters:
        layout = _layout(lines, Dialect(delimiter), is_all=is_all)
        found.append(layout)
        if layout.share < 1 and delimiter in lines[0]:
            others = [quoting for quoting, sign in _SIGNS if sign.replace(",", delimiter) in head]
            others += ["none"] if delimiter == "\t" else []
            found += [_layout(lines, Dialect(delimiter, quoting), is_all=is_all) for quoting in others]
    return max(found, key=lambda layout: (layout.width > 1, layout.share, layout.width))


def _layout(lines: list[str], dialect: Dialect, *, is_all: bool, skipped: int = 0) -> Layout:
    sample = list(islice(read_records(iter(lines), dialect), _SAMPLE + 1))
    if len(sample) > 1 and (len(sample) > _SAMPLE or not is_all):
        sample.pop()
    records = tuple(tuple(record) for record in sample if isinstance(record, list) and any(map(str.strip, record)))
    broken = sum(not isinstance(record, list) for record in sample)
    if not records or not isinstance(next((each for each in sample if each != []), None), list):
        return Layout(dialect, (), 0, skipped)
    same = sum(len(record) == len(records[0]) for record in records)
    return Layout(dialect, records, same / (len(records) + broken), skipped)


def is_called_table(name: str) -> bool:
    """Say whether the name of a file says that it is a table."""
    return name.lower().rpartition(".")[2] in ("csv", "tsv", "tab", "psv")


def is_table(layout: Layout, name: str) -> bool:
    """Say whether the layout of a text is that of a table, and not of prose. The name tips the scales, no more."""
    if is_called_table(name):
        return True
    ending = name.lower().rpartition(".")[2]
    if layout.width < 2 or layout.share < (0.95 if ending in ("md", "markdown") else 0.8):
        return False
    first = layout.records[0]
    named = looks_like_names(first)
    if len(layout.records) < 2:
        return named and has_known_name(first)
    if any(set(cell.strip()) <= set("-: ") for cell in layout.records[1] if cell.strip()):
        return False  # The line under the head of a table in Markdown.
    if has_known_name(first) and named:
        return True
    if layout.dialect.delimiter == ",":
        spaced = sum(cell.startswith(" ") for record in layout.records for cell in record[1:])
        cells = sum(len(record) - 1 for record in layout.records)
        return (named or (len(layout.records) > 4 and layout.share == 1)) and 2 * spaced < cells
    return named or layout.share >= 0.95


def plan_csv(file: TextFile, layout: Layout) -> Reading:
    """Plan the reading of a table.

    Raises DataError when the first row is broken, or the only one.
    """
    if not layout.records:
        raise DataError(
            "The first row must name the columns, and its quotation marks do not match.",
            "Correct the first row of the file.",
        )
    header = read_header([record for record in layout.records if len(record) == layout.width])
    headless = header.height == 1 and first_row_is_data(layout.records)
    columns = numbered_columns(layout.width) if headless else header.names
    if len(layout.records) == header.height and not headless and file.head_is_all and layout.share == 1:
        raise DataError(
            f"The file has a first row ({', '.join(columns)[:80]}) and nothing below it.", "Add one example a row."
        )
    notes = ("The first row holds no names, so the columns are numbered.",) if headless else (header.note,)

    def rows(progress: Progress, label: str) -> Rows:
        lines = islice(file.lines(progress), layout.skipped, None)
        records = read_records(lines, layout.dialect, first_line=1 + layout.skipped)
        return _rows(records, columns, label=label, header=0 if headless else header.height)

    return Reading("CSV", rows, columns, tuple(filter(None, notes)))


def _rows(records: Iterable[list[str] | ValueError], columns: tuple[str, ...], *, label: str, header: int) -> Rows:
    width = len(columns)
    for number, record in enumerate(records, start=1):
        if isinstance(record, ValueError):
            yield RowProblem(number, str(record), label, "unreadable")
        elif not record or not any(map(str.strip, record)):
            continue
        elif header:
            header -= 1
        elif len(record) == width:
            yield Row(number, dict(zip(columns, record, strict=True)), label)
        elif len(record) < width or any(map(str.strip, record[width:])):
            text = f"The table has {width} columns, this row has {len(record)}."
            yield RowProblem(number, text, label, "wrong-columns")
        else:
            yield Row(number, dict(zip(columns, record, strict=False)), label)


class _Lines:
    """Feeds the csv module and remembers the lines of the record that is being read."""

    def __init__(self, lines: Iterator[str | None]) -> None:
        self._lines = lines
        self._again: deque[str] = deque()
        self.held: list[str] = []
        self.letters = 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        if line is None:
            self.held.append("")
            raise ValueError(_TOO_LONG)
        self.held.append(line)
        self.letters += len(line)
        if self.letters > LONGEST_LINE or len(self.held) > _MOST_LINES:
            raise ValueError(_TOO_LONG)
        return line + "\n"

    def begin_record(self) -> None:
        """Forget the lines of the record before."""
        self.held.clear()
        self.letters = 0

    def read_again(self) -> None:
        """Give the lines below the first of this record once more."""
        self._again.extendleft(reversed(self.held[1:]))


def read_records(
    lines: Iterator[str | None], dialect: Dialect, *, first_line: int = 1
) -> Iterator[list[str] | ValueError]:
    """Yield the records, blank ones too, each as its cells or as what is wrong with it.

    After an open quotation mark the lines below are read again without it, as long as that stays cheap.
    """
    fed = _Lines(lines)
    reader = dialect.reader(fed)
    line, spare = first_line, _SPARE_LETTERS
    while True:
        fed.begin_record()
        try:
            record = next(reader)
        except StopIteration:
            return
        except (csv.Error, ValueError) as error:
            starts = f"the row starts on line {line} of the file."
            yield ValueError(
                f"{error}; {starts}" if _TOO_LONG in str(error) else f"The quotation marks do not match; {starts}"
            )
            if fed.letters <= spare:
                spare -= fed.letters
                fed.read_again()
                line += 1
                continue
        else:
            spare += fed.letters
            yield record
        line += len(fed.held)
