from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from studio.data.rows import CancelledError, Report
from studio.data.sources.hub_layout import choose_files, read_configurations
from studio.data.sources.hub_source import MOST_BYTES, HubName, fetch_from_hub
from studio.errors import DataError


@dataclass(frozen=True)
class Listed:
    commit: str
    sizes: Mapping[str, int]


class Hub:
    """Stands for the Hub with one data set: sizes by name, and a card."""

    def __init__(self, sizes: Mapping[str, int], card: str = "") -> None:
        self.sizes = sizes if not card else {**sizes, "README.md": len(card)}
        self.text = card
        self.fetched: list[str] = []
        self.asked: list[str] = []

    def listing(self, repo_id: str, *, report: Report) -> Listed:
        self.asked.append(repo_id)
        return Listed("c" * 40, self.sizes)

    def card(self, repo_id: str, commit: str, folder: Path, *, most_bytes: int, report: Report) -> str:
        return self.text

    def fetch(
        self, repo_id: str, commit: str, names: Sequence[str], folder: Path, *, sizes: Mapping[str, int], report: Report
    ) -> tuple[Path, ...]:
        for name in names:
            report(f"Fetching {repo_id}", sizes[name], 0)
            self.fetched.append(name)
        return tuple(folder / name for name in names)


@pytest.mark.parametrize(
    ("names", "split", "chosen"),
    [
        (["rows.csv"], "train", ["rows.csv"]),
        (["train.csv", "test.csv"], "test", ["test.csv"]),
        (["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet", "data/test-00000-of-00001.parquet"],
         "train", ["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet"]),
        (["data/odd_one-00000-of-00001-0123abc.parquet"], "odd_one", ["data/odd_one-00000-of-00001-0123abc.parquet"]),
        (["dev/a.jsonl", "train/a.jsonl"], "validation", ["dev/a.jsonl"]),
        (["my_set.jsonl.gz", "notes.txt", "README.md", "dataset_infos.json"], "train", ["my_set.jsonl.gz"]),
    ],
)  # fmt: skip
def test_without_a_card_the_names_tell_the_splits(names: list[str], split: str, chosen: list[str]) -> None:
    assert list(choose_files(names, (), config="", split=split)) == chosen


CARD = """---
license: mit
configs:
- config_name: small
  data_files:
  - split: train
    path: small/*.csv
- config_name: large
  default: true
  data_files:
  - split: train
    path: ["large/a/**", "extra.csv"]
  - split: test
    path: large/test.csv
- config_name: folder
  data_dir: ./sub
---
# A set
"""


@pytest.mark.parametrize(
    ("config", "split", "chosen"),
    [
        ("", "train", ["extra.csv", "large/a/1.csv", "large/a/b/2.csv"]),
        ("large", "test", ["large/test.csv"]),
        ("small", "train", ["small/1.csv"]),
        ("folder", "train", ["sub/train.csv"]),
    ],
)
def test_a_card_names_configurations_and_splits(config: str, split: str, chosen: list[str]) -> None:
    names = ["large/a/1.csv", "large/a/b/2.csv", "large/test.csv", "extra.csv", "small/1.csv", "small/x/2.csv"]
    found = choose_files([*names, "sub/train.csv"], read_configurations(CARD), config=config, split=split)
    assert list(found) == chosen


@pytest.mark.parametrize(
    ("config", "split", "found"),
    [
        ("none", "train", "small, large, folder"),
        ("large", "validation", "It has: train, test"),
        ("small", "train", "none of its files"),
    ],
)
def test_what_a_card_does_not_have_is_a_sentence(config: str, split: str, found: str) -> None:
    with pytest.raises(DataError) as caught:
        choose_files(["large/test.csv"], read_configurations(CARD), config=config, split=split)
    assert found in str(caught.value)


def test_a_set_that_only_code_could_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no files of a kind"):
        fetch_from_hub(HubName("me/x"), tmp_path, hub=Hub({"x.py": 10, "photos/1.png": 10}))


def test_the_files_of_a_split_are_fetched_in_order(tmp_path: Path) -> None:
    hub = Hub({"train-b.csv": 10, "train-a.csv": 10, "test.csv": 10})
    fetched = fetch_from_hub(HubName("me/my.set"), tmp_path, hub=hub)
    assert fetched.files == (tmp_path / "train-a.csv", tmp_path / "train-b.csv")
    assert (hub.asked, fetched.of) == (["me/my.set"], 2)


def test_further_files_are_not_fetched(tmp_path: Path) -> None:
    half = MOST_BYTES // 2
    hub = Hub({"train-a.csv": 10, "train-b.csv": MOST_BYTES, "train-c.csv": half})
    fetched = fetch_from_hub(HubName("me/x"), tmp_path, hub=hub)
    assert (hub.fetched, fetched.of) == (["train-a.csv"], 3)


@pytest.mark.parametrize(
    "id", ["", "a b", "../x", "/etc/passwd", "a/b/c", "https://x", "me/x\n", "-x", "text", "csv", "squad", "m/" * 300]
)
def test_an_id_that_is_none(id: str, tmp_path: Path) -> None:
    hub = Hub({"train.csv": 1})
    with pytest.raises(DataError, match="not the id of a data set"):
        fetch_from_hub(HubName(id), tmp_path, hub=hub)
    assert hub.asked == []


def test_a_folder_of_this_machine_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`datasets` took a folder with that name before it asked the Hub."""
    (tmp_path / "my" / "private").mkdir(parents=True)
    (tmp_path / "my" / "private" / "train.csv").write_text("question,answer\nWhat?,This\n")
    monkeypatch.chdir(tmp_path)
    hub = Hub({"train.csv": 1})
    fetch_from_hub(HubName("my/private"), tmp_path, hub=hub)
    assert hub.asked == ["my/private"]


def test_it_can_be_cancelled(tmp_path: Path) -> None:
    def report(what: str, done: int, total: int) -> None:
        raise CancelledError("no more")

    with pytest.raises(CancelledError):
        fetch_from_hub(HubName("me/x"), tmp_path, hub=Hub({"train.csv": 1}), report=report)
