import os
import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from studio.data.examples import Example, Message
from studio.data.library import DatasetLibrary, read_examples, write_examples
from studio.errors import DataError

SAMPLES = Path(__file__).parents[2] / "assets" / "samples"


@pytest.fixture
def library(tmp_path: Path) -> DatasetLibrary:
    ticks: Iterator[int] = count(1000)
    return DatasetLibrary(tmp_path / "home", samples_folder=SAMPLES, clock=lambda: float(next(ticks)))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "My data (1).csv"
    path.write_text("question,answer\nWhy?,Because.\nHow?,\n", encoding="utf-8")
    return path


def test_keeps_a_file_with_its_examples(library: DatasetLibrary, file: Path, tmp_path: Path) -> None:
    added = library.add(file)
    folder = tmp_path / "home" / "datasets" / added.id
    assert (added.name, added.created) == ("My data (1)", 1000.0)
    assert added.id.startswith("my-data-1-")
    assert sorted(path.name for path in folder.iterdir()) == ["dataset.json", "examples.jsonl", "source"]
    assert (folder / "source" / file.name).read_bytes() == file.read_bytes()
    file.unlink()
    assert library.get(added.id) == added
    assert library.examples(added.id) == (Example((Message("user", "Why?"), Message("assistant", "Because.")), row=1),)
    assert [path.name for path in folder.parent.iterdir()] == [added.id]


def test_the_same_content_and_name_is_kept_once(library: DatasetLibrary, file: Path) -> None:
    first = library.add(file)
    assert library.add(file) == first
    renamed = library.add(file, name="Other")
    file.write_text("question,answer\nWhy?,Because of that.\n", encoding="utf-8")
    changed = library.add(file)
    assert len({first.id, renamed.id, changed.id}) == 3
    assert [dataset.name for dataset in library.all()] == ["My data (1)", "Other", "My data (1)"]
    assert [dataset.created for dataset in library.all()] == sorted((d.created for d in library.all()), reverse=True)


def test_names_that_are_no_file_names(library: DatasetLibrary, file: Path) -> None:
    for name in ("日本語", "../../etc/passwd", "a" * 500, "-", "con\n"):
        added = library.add(file, name=name)
        assert library.get(added.id).name == name.strip()
        assert library.examples(added.id)


@pytest.mark.skipif(os.name != "posix", reason="only there can a file name be no text")
def test_a_file_name_that_is_not_text(library: DatasetLibrary, file: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(file.parent) + b"/odd\xff.csv"))
    shutil.copy(file, odd)
    added = library.add(odd)
    assert library.get(added.id).name == "odd?"


def test_half_a_character_in_a_reason_does_not_stop_the_rest(library: DatasetLibrary, tmp_path: Path) -> None:
    """The reason named a role that cannot be written as UTF-8, and the data set was not stored."""
    path = tmp_path / "data.jsonl"
    good = '{"messages": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "hello"}]}'
    path.write_text(good + '\n{"messages": [{"from": "\\ud83d", "value": "hi"}]}\n', encoding="utf-8")
    added = library.add(path)
    assert library.get(added.id).inspection.problems[0].text.startswith("Turn 1 has the role '?'")


def test_samples(library: DatasetLibrary) -> None:
    assert [sample.key for sample in library.samples()] == ["lighthouse_voice", "order_slips", "kettlewick_support"]
    for sample in library.samples():
        added = library.add_sample(sample.key)
        assert added.name == sample.title
        assert len(library.examples(added.id)) == added.inspection.usable
        assert sample.description.endswith(".")
    with pytest.raises(DataError, match="There is no sample 'x'"):
        library.add_sample("x")


@pytest.mark.parametrize("id", ["", "nothing", "..", "../datasets", "a/b", "/etc", "A", ".adding-x", "a\n"])
def test_an_unknown_id_is_refused(id: str, library: DatasetLibrary, file: Path) -> None:
    library.add(file)
    with pytest.raises(DataError, match="There is no data set"):
        library.get(id)
    with pytest.raises(DataError, match="There is no data set"):
        library.examples(id)


def test_a_damaged_folder_is_passed_over_and_can_be_replaced(
    library: DatasetLibrary, file: Path, tmp_path: Path
) -> None:
    added = library.add(file)
    datasets = tmp_path / "home" / "datasets"
    (datasets / "empty-1").mkdir()
    (datasets / "stray.txt").write_text("x")
    (datasets / added.id / "dataset.json").write_text('{"id": 1', encoding="utf-8")
    assert library.all() == ()
    again = library.add(file)
    assert again.id == added.id
    assert library.all() == (again,)


def test_nothing_stored_yet(library: DatasetLibrary) -> None:
    assert library.all() == ()


def test_a_bad_file_leaves_nothing(library: DatasetLibrary, tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_bytes(b"%PDF")
    with pytest.raises(DataError, match="PDF"):
        library.add(bad)
    assert not (tmp_path / "home").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_a_sentence_and_leaves_nothing(
    library: DatasetLibrary, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copy_to_full(source: Path, target: Path) -> None:
        with open("/dev/full", "wb", buffering=0) as full:
            full.write(Path(source).read_bytes())

    monkeypatch.setattr(shutil, "copyfile", copy_to_full)
    with pytest.raises(DataError, match="the disk is full"):
        library.add(file)
    assert list((tmp_path / "home" / "datasets").iterdir()) == []


def test_a_data_folder_that_cannot_be_written_is_a_sentence(file: Path, tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file where the folder should be")
    library = DatasetLibrary(tmp_path / "home", samples_folder=SAMPLES)
    with pytest.raises(DataError, match="cannot be written"):
        library.add(file)
    with pytest.raises(DataError, match="cannot be read"):
        library.all()


def test_examples_survive_the_file(examples: tuple[Example, ...], tmp_path: Path) -> None:
    path = tmp_path / "examples.jsonl"
    write_examples(path, examples)
    assert path.read_bytes().count(b"\n") == len(examples)
    assert read_examples(path) == examples
    path.write_text('{"messages": 1}\n')
    with pytest.raises(DataError, match="cannot be read"):
        read_examples(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_examples(tmp_path / "none.jsonl")
