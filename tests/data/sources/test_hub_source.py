from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from studio.data.rows import CancelledError
from studio.data.sources.hub_source import HubName, Rows, fetch_from_hub
from studio.errors import DataError


class Streamed:
    """What `datasets` gives when it streams, made of lists."""

    def __init__(self, *batches: Mapping[str, Any] | Exception, features: Any = None) -> None:
        self._batches = batches
        self.features = features

    def iter(self, batch_size: int) -> Iterable[Mapping[str, Any]]:
        for batch in self._batches:
            if isinstance(batch, Exception):
                raise batch
            yield batch


class Hub:
    """Stands for `datasets.load_dataset`."""

    def __init__(self, rows: Rows | Exception) -> None:
        self.rows = rows
        self.asked: list[tuple[str, str | None, str, bool]] = []

    def __call__(self, path: str, name: str | None, *, split: str, streaming: bool) -> Rows:
        self.asked.append((path, name, split, streaming))
        if isinstance(self.rows, Exception):
            raise self.rows
        return self.rows


def test_rows_become_one_file(tmp_path: Path) -> None:
    hub = Hub(Streamed({"q": ["a", "b"], "n": [1, None]}, {"q": ["c"], "n": [3]}))
    told: list[int] = []
    path = fetch_from_hub(
        HubName("me/my.set", split="test"), tmp_path, load=hub, report=lambda what, done, total: told.append(done)
    )
    assert path == tmp_path / "me--my.set.parquet"
    assert pq.read_table(path).to_pylist() == [{"q": "a", "n": 1}, {"q": "b", "n": None}, {"q": "c", "n": 3}]
    assert hub.asked == [("me/my.set", None, "test", True)]
    assert told == [0, 2, 3]


def test_numbers_that_stand_for_labels_become_their_names(tmp_path: Path) -> None:
    from datasets import Dataset

    rows = Dataset.from_dict({"text": ["a", "b"], "label": ["good", "bad"]}).class_encode_column("label")
    path = fetch_from_hub(HubName("me/x"), tmp_path, load=Hub(rows.to_iterable_dataset()))
    assert pq.read_table(path).to_pydict() == {"text": ["a", "b"], "label": ["good", "bad"]}


@pytest.mark.parametrize(
    "id", ["", "a b", "../x", "/etc/passwd", "a/b/c", "https://x", "me/x\n", "-x", "text", "csv", "squad", "m/" * 300]
)
def test_an_id_that_is_none(id: str, tmp_path: Path) -> None:
    hub = Hub(Streamed())
    with pytest.raises(DataError, match="not the id of a data set"):
        fetch_from_hub(HubName(id), tmp_path, load=hub)
    assert hub.asked == []


def test_a_folder_of_this_machine_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`datasets` takes a folder with that name before it asks the Hub."""
    (tmp_path / "my" / "private").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="not the id"):
        fetch_from_hub(HubName("my/private"), tmp_path, load=Hub(Streamed({"q": ["a"]})))


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (ConnectionError("[Errno -2] Name or service not known"), "cannot be reached"),
        (ValueError("Unknown split 'x'. Should be one of ['train', 'test']."), "one of ['train', 'test']"),
        (ValueError("Dataset 'me/x' doesn't exist on the Hub"), "There is no data set me/x"),
        (PermissionError("Dataset 'me/x' is a gated dataset on the Hub."), "private or asks"),
    ],
)
def test_what_the_hub_refuses_is_a_sentence(error: Exception, found: str, tmp_path: Path) -> None:
    for rows in (error, Streamed({"q": ["a"]}, error)):
        with pytest.raises(DataError) as caught:
            fetch_from_hub(HubName("me/x"), tmp_path, load=Hub(rows))
        assert found in str(caught.value)


def test_rows_that_make_no_table_and_no_rows(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not alike enough"):
        fetch_from_hub(HubName("me/x"), tmp_path, load=Hub(Streamed({"q": ["a"]}, {"q": [{"b": 1}]})))
    with pytest.raises(DataError, match="has no rows"):
        fetch_from_hub(HubName("me/x"), tmp_path, load=Hub(Streamed()))


def test_it_can_be_cancelled(tmp_path: Path) -> None:
    def report(what: str, done: int, total: int) -> None:
        if done:
            raise CancelledError("no more")

    with pytest.raises(CancelledError):
        fetch_from_hub(HubName("me/x"), tmp_path, load=Hub(Streamed({"q": ["a"]}, {"q": ["b"]})), report=report)
