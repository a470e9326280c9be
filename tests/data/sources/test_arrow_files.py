import datetime
import decimal
import json
import struct
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import ipc, parquet

from studio.errors import DataError
from tests.data.sources.sources import Folder, Read, read


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def write(folder: Folder, table: pa.Table, kind: str, **options: object) -> Path:
    path = folder.path / f"data.{kind}"
    if kind == "parquet":
        parquet.write_table(table, path, **options)
    else:
        with (ipc.new_file if kind == "file" else ipc.new_stream)(path, table.schema) as writer:
            writer.write_table(table, max_chunksize=100)
    return path


def every_kind(folder: Folder, table: pa.Table) -> list[Read]:
    return [read(write(folder, table, kind)) for kind in ("parquet", "file", "stream")]


def test_rows_of_plain_values(folder: Folder) -> None:
    turns = [{"role": "user", "content": "hi"}]
    table = pa.table(
        {
            "text": ["one", None, "three"],
            "messages": [turns, [], None],
            "day": [datetime.date(2024, 2, 29), None, datetime.date(2020, 1, 1)],
            "when": pa.array([datetime.datetime(2024, 1, 2, 3, 4), None, None], pa.timestamp("ns", "UTC")),
            "number": [1.0, 2.5, float("nan")],
            "price": [decimal.Decimal("1.50"), decimal.Decimal("2.00"), None],
            "bytes": [b"abc", b"\xff\xfe", None],
            "named": pa.array([[("key", 1)], [], None], pa.map_(pa.string(), pa.int64())),
            "kind": pa.array(["x", "y", "x"]).dictionary_encode(),
            "yes": [True, False, None],
            "left": pa.array([datetime.timedelta(hours=2), None, None]),
        }
    )
    for found in every_kind(folder, table):
        assert found.numbered[0] == (
            1,
            {
                "text": "one",
                "messages": turns,
                "day": "2024-02-29",
                "when": "2024-01-02T03:04:00+00:00",
                "number": 1,
                "price": "1.50",
                "bytes": "abc",
                "named": {"key": 1},
                "kind": "x",
                "yes": True,
                "left": "2:00:00",
            },
        )
        assert found.rows[1].cells["bytes"] == "(2 bytes that are not text)"
        assert found.rows[1].cells["price"] == 2
        assert found.rows[2].cells["number"] is None
        assert found.source.columns == tuple(table.column_names)
        assert found.problems == ()
    assert [each.source.format for each in every_kind(folder, table)] == ["Parquet", "Arrow", "Arrow"]


def test_many_rows_in_many_batches(folder: Folder) -> None:
    table = pa.table({"a": list(range(5_000)), "b": ["x" * 10_000] * 5_000})
    for found in every_kind(folder, table):
        assert [row.cells["a"] for row in found.rows] == list(range(5_000))
        assert [row.number for row in found.rows] == list(range(1, 5_001))
        assert len(found.source.sample) == 200


def test_names_of_classes_and_columns(folder: Folder) -> None:
    features = {"label": {"names": ["bad", "good"], "_type": "ClassLabel"}, "text": {"_type": "Value"}}
    table = pa.table({"text": ["a", "b", "c"], "label": [1, 0, None], "__index_level_0__": [5, 6, 7]})
    described = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    found = read(write(folder, described, "parquet"))
    assert [row.cells["label"] for row in found.rows] == ["good", "bad", None]
    assert found.source.columns == ("text", "label")
    assert "'label' stand for names" in found.source.notes[0]
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    assert read(write(folder, twice, "parquet")).cells == [{"a": 1, "a (2)": 2}]


def test_a_value_that_python_cannot_hold_costs_its_row(folder: Folder) -> None:
    days = pa.array([0, 2**62, 5], pa.int64()).cast(pa.timestamp("s"))
    found = read(write(folder, pa.table({"a": [1, 2, 3], "when": days}), "file"))
    assert [row.number for row in found.rows] == [1, 3]
    assert [problem.row for problem in found.problems] == [2]


@pytest.mark.parametrize("kind", ["parquet", "file", "stream"])
def test_a_damaged_file_is_a_sentence(kind: str, folder: Folder) -> None:
    data = write(folder, pa.table({"a": ["x" * 50] * 500}), kind).read_bytes()
    for broken in (data[:30], data[: len(data) // 2], data[:-9], data[:8] + b"\xff" * (len(data) - 16) + data[-8:]):
        with pytest.raises(DataError, match="damaged") as caught:
            folder.read(broken)
        assert caught.value.hint


def test_a_table_without_rows_or_columns(folder: Folder) -> None:
    with pytest.raises(DataError, match="has no rows"):
        read(write(folder, pa.table({"a": pa.array([], pa.string())}), "parquet"))
    with pytest.raises(DataError, match="has no columns"):
        read(write(folder, pa.table({}), "parquet"))


def test_places_outside_of_the_file_are_refused(folder: Folder) -> None:
    """Arrow trusts the places of texts that a file names; reading them could end the process."""
    path = write(folder, pa.table({"a": ["x" * 7, "y" * 11]}), "stream")
    places = struct.pack("<3i", 0, 7, 18)
    assert path.read_bytes().count(places) == 1
    with pytest.raises(DataError, match="damaged"):
        folder.read(path.read_bytes().replace(places, struct.pack("<3i", 0, 2**30, 18)))


@pytest.mark.case("04-arrow-null-padding")
def test_nulls_that_pad_objects_are_not_read(folder: Folder) -> None:
    """A tool was called with {"bed": "thyme"}, and {"bed": "thyme", "litres": null} was learned."""
    calls = [[{"name": "water", "arguments": {"bed": "thyme"}}], [{"name": "water", "arguments": {"litres": 3}}]]
    for found in every_kind(folder, pa.table({"calls": calls, "answer": [{"a": 1}, {"b": {"c": None}}]})):
        assert [row.cells["calls"] for row in found.rows] == calls
        assert [row.cells["answer"] for row in found.rows] == [{"a": 1}, {"b": {}}]
    table = pa.table({"named": pa.array([[("key", None)]], pa.map_(pa.string(), pa.int64()))})
    assert read(write(folder, table, "parquet")).rows[0].cells["named"] == {"key": None}
