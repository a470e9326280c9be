"""Parquet and Arrow files as rows, a few at a time."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from studio.data.rows import Row, RowProblem
from studio.data.sources.cell_values import plain
from studio.data.sources.file_bytes import Progress
from studio.data.sources.headers import column_names
from studio.data.sources.reading import Reading, Rows
from studio.data.sources.text_files import LONGEST_LINE
from studio.errors import DataError

if TYPE_CHECKING:
    import pyarrow

_BATCH_ROWS = 1_000
_DICTIONARY_ROWS = 64
"""A column that points into a dictionary may repeat a long text in every row, which its size on disk does not show."""
_BATCH_BYTES = 16 << 20
_INDEX = "__index_level_"
_UNREADABLE = object()
"""Stands for a cell whose value cannot be told."""


@dataclass(frozen=True)
class _Column:
    """A column to be read: its place in the file, its name, and the names that stand for its numbers, if any."""

    place: int
    name: str
    labels: tuple[str, ...] = ()


def plan_parquet(path: Path) -> Reading:
    """Plan the reading of a Parquet file. Raises DataError when it is damaged."""
    return _plan("Parquet", path, _parquet_batches)


def plan_arrow(path: Path) -> Reading:
    """Plan the reading of an Arrow (IPC or Feather) file. Raises DataError when it is damaged."""
    return _plan("Arrow", path, _arrow_batches)


_Batches = Iterator["tuple[pyarrow.RecordBatch, float]"]
"""Batches of rows, each with the share of the file that is then done. The first one is empty and gives the columns."""


def _plan(format: str, path: Path, batches: Callable[[Path], _Batches]) -> Reading:
    with _translated(format):
        columns = _columns(next(batches(path))[0].schema)
    notes = [
        f"The numbers in '{column.name}' stand for names, which are used instead."
        for column in columns
        if column.labels
    ]
    if not columns:
        raise DataError(f"The {format} file has no columns.", "Choose a file with one example a row.")

    def rows(progress: Progress, label: str) -> Rows:
        number = 0
        size = path.stat().st_size
        with _translated(format):
            for batch, share in batches(path):
                for part in _parts(batch):
                    yield from _rows(part, columns, first=number + 1, label=label)
                    number += part.num_rows
                progress.at(int(share * size))

    return Reading(format, rows, tuple(column.name for column in columns), tuple(notes))


@contextmanager
def _translated(format: str) -> Iterator[None]:
    """Raise DataError in place of what pyarrow raises for a file that is damaged or made to do harm."""
    import pyarrow

    try:
        yield
    except MemoryError as error:
        raise DataError(
            f"The {format} file holds more at once than fits in memory.", "Save it in smaller row groups, or as CSV."
        ) from error
    except (pyarrow.ArrowException, OSError, ValueError, TypeError, KeyError, IndexError, RecursionError) as error:
        raise DataError(
            f"The {format} file is damaged, or of a kind that cannot be read.", "Fetch it again, or save it as CSV."
        ) from error


def _parquet_batches(path: Path) -> _Batches:
    import pyarrow
    from pyarrow import parquet

    # Without a buffer a whole row group is read into memory, which may be all of the file.
    with parquet.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20, memory_map=False) as file:
        yield pyarrow.RecordBatch.from_pylist([], schema=file.schema_arrow), 0.0
        total = max(file.metadata.num_rows, 1)
        groups = [file.metadata.row_group(place) for place in range(file.num_row_groups)]
        weight = max((group.total_byte_size // max(group.num_rows, 1) for group in groups), default=0)
        size = min(max(_BATCH_BYTES // max(weight, 1), 1), _BATCH_ROWS)
        if any(group.column(place).has_dictionary_page for group in groups for place in range(group.num_columns)):
            size = min(size, _DICTIONARY_ROWS)
        done = 0
        for batch in file.iter_batches(batch_size=size, use_threads=False):
            done += batch.num_rows
            yield batch, min(done / total, 1.0)


def _arrow_batches(path: Path) -> _Batches:
    import pyarrow
    from pyarrow import ipc

    with pyarrow.memory_map(str(path)) as source:
        is_stream = source.read(6) != b"ARROW1"
        source.seek(0)
        size = max(source.size(), 1)
        reader = ipc.open_stream(source) if is_stream else ipc.open_file(source)
        yield pyarrow.RecordBatch.from_pylist([], schema=reader.schema), 0.0
        batches = iter(reader) if is_stream else map(reader.get_batch, range(reader.num_record_batches))
        for batch in batches:
            # The places that a harmful file names may lie outside of it.
            batch.validate(full=True)
            yield batch, min(source.tell() / size, 1.0)


def _columns(schema: "pyarrow.Schema") -> tuple[_Column, ...]:
    labels = _labels(schema)
    names = column_names([name.encode("utf-8", "replace").decode() for name in schema.names])
    return tuple(
        _Column(place, name, labels.get(schema.names[place], ()))
        for place, name in enumerate(names)
        if not name.startswith(_INDEX)
    )


def _labels(schema: "pyarrow.Schema") -> Mapping[str, tuple[str, ...]]:
    """Return the names of classes that `datasets` writes beside a column of numbers."""
    try:
        features = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
        return {
            name: tuple(str(each) for each in feature["names"])
            for name, feature in features.items()
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def _parts(batch: "pyarrow.RecordBatch") -> "Iterator[pyarrow.RecordBatch]":
    """Yield a batch in parts that are small enough to become Python's own values."""
    if not batch.num_rows:
        return
    size = min(max(_BATCH_BYTES * batch.num_rows // max(batch.nbytes, 1), 1), _BATCH_ROWS)
    size = min(size, max(_BATCH_BYTES // max(_largest_shared(batch), 1), 1))
    for start in range(0, batch.num_rows, size):
        yield batch.slice(start, size)


def _largest_shared(batch: "pyarrow.RecordBatch") -> int:
    """Return the bytes of all that one row may take from the dictionaries, which its columns only point into."""
    from pyarrow import types

    return sum(column.dictionary.nbytes for column in batch.columns if types.is_dictionary(column.type))


def _rows(batch: "pyarrow.RecordBatch", columns: Sequence[_Column], *, first: int, label: str) -> Rows:
    if batch.num_rows == 1 and batch.nbytes > 4 * LONGEST_LINE:
        yield RowProblem(first, "The row is too large to be read.", label, "unreadable")
        return
    names = tuple(column.name for column in columns)
    cells = [_cells(batch.column(column.place), column.labels) for column in columns]
    for number, values in enumerate(zip(*cells, strict=True), start=first):
        if any(value is _UNREADABLE for value in values):
            yield RowProblem(number, "It holds a value that cannot be read.", label, "unreadable")
        else:
            yield Row(number, dict(zip(names, values, strict=True)), label)


def _cells(column: "pyarrow.Array", labels: Sequence[str]) -> Sequence[object]:
    try:
        values: list[object] = column.to_pylist(maps_as_pydicts="lossy")
    except (ValueError, OverflowError, TypeError, KeyError):
        return [_cell(value) for value in column]
    if labels:
        return [labels[value] if isinstance(value, int) and 0 <= value < len(labels) else value for value in values]
    if not _is_plain(column.type):
        values = [plain(value) for value in values]
    return [_without_padding(value) for value in values] if _holds_structs(column.type) else values


def _holds_structs(kind: "pyarrow.DataType") -> bool:
    from pyarrow import types

    if types.is_struct(kind):
        return True
    if types.is_map(kind):  # Its entries are not padded.
        return _holds_structs(kind.item_type)
    return types.is_nested(kind) and any(_holds_structs(kind.field(place).type) for place in range(kind.num_fields))


def _without_padding(value: object) -> object:
    """Leave out the nulls of objects: all structs of a column have all keys of any, and those not given are null."""
    if isinstance(value, dict):
        return {key: _without_padding(each) for key, each in value.items() if each is not None}
    return [_without_padding(each) for each in value] if isinstance(value, list) else value


def _is_plain(kind: "pyarrow.DataType") -> bool:
    """Say whether all values of a type are plain as they are."""
    from pyarrow import types

    if types.is_struct(kind):
        return all(_is_plain(field.type) for field in kind.fields)
    if types.is_list(kind) or types.is_large_list(kind):
        return _is_plain(kind.value_type)
    if types.is_dictionary(kind):
        return _is_plain(kind.value_type)
    tests = (types.is_string, types.is_large_string, types.is_integer, types.is_boolean, types.is_null)
    return any(test(kind) for test in tests)


def _cell(value: "pyarrow.Scalar") -> object:
    try:
        return _without_padding(plain(value.as_py()))
    except (ValueError, OverflowError, TypeError, KeyError):
        return _UNREADABLE
