import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from studio.data.conversion.roles import Roles, assign
from studio.data.dataset_folders import DatasetFolders, one_line
from studio.data.examples import Example, Message
from studio.data.library import DatasetLibrary
from studio.data.reading_choices import Change, Choices
from studio.data.rows import CancelledError
from studio.data.versions import version_label
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
    assert sorted(path.name for path in folder.iterdir()) == [
        *("dataset.json", "examples.index.npy", "examples.jsonl", "examples.questions.npy", "problems.jsonl", "source")
    ]
    assert (folder / "source" / file.name).read_bytes() == file.read_bytes()
    file.unlink()
    assert library.get(added.id) == added
    assert library.examples(added.id) == (Example((Message("user", "Why?"), Message("assistant", "Because.")), row=2),)
    assert sorted(path.name for path in folder.parent.iterdir()) == [".lock", added.id]
    assert (added.version, added.family, added.parent, added.changes) == (1, added.id, "", ())
    assert added.sha256 == hashlib.sha256((folder / "examples.jsonl").read_bytes()).hexdigest()


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
    for name in ("日本語", "../../etc/passwd", "a" * 200, "-", "con\n", "a\n\u202eb\x00", "x" * 5_000_000):
        added = library.add(file, name=name)
        assert library.get(added.id).name == one_line(name)
        assert one_line(name).isprintable()
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
    assert library.get(added.id).inspection.problems[0].kind == "broken-character"


def test_samples(library: DatasetLibrary) -> None:
    assert len(library.samples()) == 6
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
    assert list((tmp_path / "home" / "datasets").iterdir()) == []


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


def test_several_files_are_one_data_set(library: DatasetLibrary, tmp_path: Path) -> None:
    for name, answer in (("b", "B."), ("a", "A.")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "same.csv").write_text(f"question,answer\nWhy?,{answer}\n")
    added = library.add([tmp_path / "b" / "same.csv", tmp_path / "a" / "same.csv"])
    assert added.name == "same and 1 more"
    assert [each.messages[1].content for each in library.examples(added.id)] == ["B.", "A."]
    again = library.derive(added.id, changes=[Change("leave-out", keys=("0" * 16,))])
    assert [each.messages[1].content for each in library.examples(again.id)] == ["B.", "A."]


def test_columns_nobody_could_assign_are_kept_and_can_be_assigned(library: DatasetLibrary, tmp_path: Path) -> None:
    file = tmp_path / "odd.csv"
    file.write_text("foo,bar\nxx,yy\nzz,ww\n")
    added = library.add(file)
    assert (added.inspection.kind, added.inspection.usable, added.inspection.rows_read) == ("", 0, 2)
    assert added.inspection.columns == ("foo", "bar")
    assert added.inspection.preview == (("xx", "yy"), ("zz", "ww"))
    assert added.inspection.verdict
    assigned = library.derive(added.id, roles=assign({"foo": "prompt", "bar": "answer"}))
    assert (assigned.version, assigned.family, assigned.parent, assigned.name) == (2, added.id, added.id, "odd")
    assert assigned.inspection.verdict == ""
    assert [each.messages[0].content for each in library.examples(assigned.id)] == ["xx", "zz"]
    assert library.derive(assigned.id, roles=added.inspection.roles) == added, "the first version is not made twice"


@pytest.fixture
def doubled(tmp_path: Path) -> Path:
    path = tmp_path / "doubled.jsonl"
    rows = [("Why?", "Because."), ("Why?", "Because."), ("How?", "So."), ("Mail?", "Ask me@example.org.")]
    path.write_text("".join(json.dumps({"question": q, "answer": a}) + "\n" for q, a in rows))
    return path


def test_a_change_is_a_new_version_and_undoing_it_the_old_one(library: DatasetLibrary, doubled: Path) -> None:
    first = library.add(doubled)
    second = library.derive(first.id, changes=[Change("drop-duplicates")])
    assert [change.count for change in second.changes] == [1]
    assert (first.inspection.usable, second.inspection.usable) == (4, 3)
    third = library.derive(second.id, changes=[*second.changes, Change("mask-emails")])
    assert (third.version, third.parent, third.family) == (3, second.id, first.id)
    assert [change.count for change in third.changes] == [1, 1]
    assert "me@example.org" not in str(list(library.examples(third.id)))
    assert library.derive(third.id, changes=second.changes) == second
    assert library.derive(third.id) == first
    assert [each.id for each in library.versions(second.id)] == [first.id, second.id, third.id]
    assert [each.id for each in library.families()] == [third.id]
    assert len(library.all()) == 3
    links = {(library.folder(each.id) / "source" / doubled.name).stat().st_ino for each in library.all()}
    assert len(links) == 1, "the versions share their source on disk"


def test_the_chosen_version_stands_for_its_family(library: DatasetLibrary, doubled: Path, file: Path) -> None:
    """After fixes were undone the newest version came back, and the next fix was made on it."""
    first = library.add(doubled)
    second = library.derive(first.id, changes=[Change("drop-duplicates")])
    assert (library.chosen(first.id), library.last_chosen()) == (second, second), "without a choice it is the newest"
    library.choose(first.id)
    other = library.add(file)
    assert library.families() == (other, first)
    assert (library.chosen(second.id), library.last_chosen()) == (first, first)
    third = library.derive(first.id, changes=[Change("mask-emails")])
    assert (third.parent, library.chosen(third.id)) == (first.id, first)
    library.choose(other.id)
    assert library.last_chosen() == other
    library.delete(first.id)
    assert library.chosen(second.id) == third, "what is chosen was deleted"
    with pytest.raises(DataError, match="There is no data set"):
        library.choose(first.id)


def test_more_files_are_added_to_a_data_set(library: DatasetLibrary, doubled: Path, tmp_path: Path) -> None:
    first = library.add(doubled)
    cleaned = library.derive(first.id, changes=[Change("drop-duplicates")])
    more = tmp_path / "more.csv"
    more.write_text("prompt,completion\nWho?,Me.\nWhen?,Now.\n", encoding="utf-8")
    both = library.derive(cleaned.id, changes=cleaned.changes, more=[more])
    assert (both.version, both.parent, both.family, both.inspection.usable) == (3, cleaned.id, first.id, 5)
    assert version_label(both, cleaned) == "v3: added more.csv · 5 examples"
    masked = library.derive(both.id, changes=[*both.changes, Change("mask-emails")])
    assert (masked.version, masked.inspection.usable) == (4, 5)
    assert library.derive(cleaned.id, changes=[*both.changes, Change("mask-emails")]).inspection.usable == 3
    assert library.derive(both.id, changes=both.changes) == both
    assert library.derive(cleaned.id, changes=cleaned.changes) == cleaned


@pytest.mark.parametrize("text", ["question,answer\nWhy?,Because.\n", "foo,bar,baz\n1,2,3\n"])
def test_a_file_that_adds_nothing_is_told(text: str, library: DatasetLibrary, doubled: Path, tmp_path: Path) -> None:
    cleaned = library.derive(library.add(doubled).id, changes=[Change("drop-duplicates")])
    more = tmp_path / "more.csv"
    more.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"No example was added.*question → answer"):
        library.derive(cleaned.id, changes=cleaned.changes, more=[more])
    assert len(library.all()) == 2


def test_the_source_does_not_follow_the_persons_file(library: DatasetLibrary, doubled: Path) -> None:
    added = library.add(doubled)
    with doubled.open("a") as file:
        file.write("broken")
    assert library.derive(added.id, changes=[Change("drop-duplicates")]).inspection.left_out == 0


def test_renaming_keeps_the_id_and_reaches_every_version(library: DatasetLibrary, doubled: Path) -> None:
    first = library.add(doubled)
    second = library.derive(first.id, changes=[Change("drop-duplicates")])
    library.rename(first.id, "  Better  ")
    assert [library.get(each.id).name for each in (first, second)] == ["Better", "Better"]
    assert library.derive(first.id, changes=[Change("drop-duplicates")]).id == second.id
    for bad in ("", "   ", "\n\x00\u202e"):
        with pytest.raises(DataError, match="needs a name"):
            library.rename(first.id, bad)


def test_what_is_deleted_can_be_put_back(library: DatasetLibrary, doubled: Path) -> None:
    first = library.add(doubled)
    second = library.derive(first.id, changes=[Change("drop-duplicates")])
    library.delete(first.id)
    assert library.all() == (second,)
    assert library.binned() == (first,)
    with pytest.raises(DataError, match="There is no data set"):
        library.get(first.id)
    again = library.derive(second.id)
    assert again.version == 3, "the source of a version outlives the others"
    assert library.restore(first.id) == first
    assert library.binned() == ()
    for id in (first.id, "../x", "nothing"):
        with pytest.raises(DataError, match="in the trash"):
            library.restore(id)
    library.delete(first.id)
    assert library.add(doubled).id == first.id
    library.delete(first.id)
    assert library.restore(first.id).id == first.id


def test_the_download_is_read_again(library: DatasetLibrary, doubled: Path) -> None:
    added = library.add(doubled, name="../../My Set!")
    path = library.download(added.id)
    assert path.name == "my-set-v1.jsonl"
    assert path.is_relative_to(library.folder(added.id))
    again = library.add(path)
    said = [[each.messages for each in library.examples(id)] for id in (added.id, again.id)]
    assert said[0] == said[1]


def test_cancelling_leaves_nothing(library: DatasetLibrary, doubled: Path, tmp_path: Path) -> None:
    def report(what: str, done: int, total: int) -> None:
        raise CancelledError("no more")

    with pytest.raises(CancelledError):
        library.add(doubled, report=report)
    assert list((tmp_path / "home" / "datasets").iterdir()) == []


def test_torn_examples_are_written_again(library: DatasetLibrary, doubled: Path) -> None:
    """Only the presence of the file was looked at, so adding it again did not help."""
    added = library.add(doubled)
    path = library.folder(added.id) / "examples.jsonl"
    path.write_bytes(path.read_bytes()[:50])
    assert library.add(doubled).sha256 == added.sha256
    assert len(library.examples(added.id)) == 4


def test_a_data_set_of_an_older_studio_still_opens(library: DatasetLibrary, tmp_path: Path) -> None:
    folder = tmp_path / "home" / "datasets" / "old-0123456789"
    folder.mkdir(parents=True)
    roles = {"kind": "question-answer", "prompt": "question", "answer": "answer"}
    inspection = {"file": "a.csv", "format": "CSV", "kind": "question-answer", "roles": roles, "rows_read": 1}
    inspection |= {"usable": 1, "problems": [], "sha256": "ab", "tokens": None}
    document = {"id": folder.name, "name": "Old", "inspection": inspection, "created": 1.0}
    (folder / "dataset.json").write_text(json.dumps(document))
    line = '{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}],"row":1}\n'
    (folder / "examples.jsonl").write_text(line)
    (found,) = library.all()
    assert (found.name, found.version, found.root) == ("Old", 1, folder.name)
    assert len(library.examples(found.id)) == 1


def test_roles_given_are_taken(library: DatasetLibrary, doubled: Path) -> None:
    swapped = library.add(doubled, roles=assign({"answer": "prompt", "question": "answer"}))
    assert library.examples(swapped.id)[0].messages[0].content == "Because."
    assert isinstance(swapped.inspection.roles, Roles)


def test_a_rename_while_a_version_is_made_is_kept(library: DatasetLibrary, doubled: Path) -> None:
    """The name was read before the long work, and the old one was written with the new version."""
    first = library.add(doubled)

    def report(what: str, done: int, total: int) -> None:
        library.rename(first.id, "Precious name")

    second = library.derive(first.id, changes=[Change("drop-duplicates")], report=report)
    assert (second.version, second.name) == (2, "Precious name")


def test_a_version_of_what_was_deleted_meanwhile(library: DatasetLibrary, doubled: Path) -> None:
    first = library.add(doubled)

    def report(what: str, done: int, total: int) -> None:
        if library.all():
            library.delete(first.id)

    with pytest.raises(DataError, match="was deleted meanwhile"):
        library.derive(first.id, changes=[Change("drop-duplicates")], report=report)


def test_putting_back_keeps_the_newer_name_and_numbers_are_not_given_twice(
    library: DatasetLibrary, doubled: Path
) -> None:
    first = library.add(doubled)
    library.delete(first.id)
    assert library.add(doubled).id == first.id
    library.rename(first.id, "Renamed by a person")
    assert library.restore(first.id).name == "Renamed by a person"
    second = library.derive(first.id, changes=[Change("drop-duplicates")])
    library.delete(second.id)
    third = library.derive(first.id, changes=[Change("mask-emails")])
    assert library.restore(second.id).version == 2
    assert third.version == 3


@pytest.mark.parametrize("kind", [".new-killed", ".adding-killed"])
def test_what_a_killed_process_left_goes(library: DatasetLibrary, doubled: Path, tmp_path: Path, kind: str) -> None:
    """Every import that was killed left a folder as large as the data set, for ever."""
    datasets = tmp_path / "home" / "datasets"
    left = datasets / kind
    left.mkdir(parents=True)
    (left / "lock").touch()
    (left / "large").write_bytes(b"x" * 1000)
    with DatasetFolders(datasets).workspace() as busy:
        library.add(doubled)
        assert busy.is_dir()
    assert [each.name for each in datasets.iterdir() if each.name != ".lock"] == [library.all()[0].id]


def test_what_cannot_be_read_is_named_and_can_be_put_away(library: DatasetLibrary, file: Path, tmp_path: Path) -> None:
    """It was left out of every list, so a person could only think that the studio had lost it."""
    whole, broken = library.add(file), library.add(file, name="Other")
    document = tmp_path / "home" / "datasets" / broken.id / "dataset.json"
    document.write_text(document.read_text()[:50], encoding="utf-8")
    assert library.damaged() == (broken.id,)
    for wrong in (whole.id, "no-such-set", "../datasets", ""):
        with pytest.raises(DataError, match="There is no damaged data set"):
            library.discard(wrong)
    library.discard(broken.id)
    assert (library.damaged(), library.all()) == ((), (whole,))
    assert (tmp_path / "home" / "datasets" / ".bin" / broken.id / "examples.jsonl").is_file()


def test_a_damaged_set_does_not_replace_a_whole_one_in_the_bin(
    library: DatasetLibrary, file: Path, tmp_path: Path
) -> None:
    id = library.add(file).id
    library.delete(id)
    library.add(file)
    (tmp_path / "home" / "datasets" / id / "dataset.json").write_text("{", encoding="utf-8")
    library.discard(id)
    assert [each.id for each in library.binned()] == [id]
    assert len(list((tmp_path / "home" / "datasets" / ".bin").iterdir())) == 2


@pytest.mark.case("28-encodings")
def test_another_encoding_makes_another_version(library: DatasetLibrary, tmp_path: Path) -> None:
    path = tmp_path / "short.csv"
    path.write_bytes("question,answer\nid\u00f5,na\u00efve\n".encode("cp1252"))
    asked = library.add(path)
    assert asked.inspection.usable == 0
    assert "not certain" in asked.inspection.verdict
    read = library.derive(asked.id, choices=Choices(encoding="cp1250"))
    assert (read.version, read.inspection.usable, read.inspection.verdict) == (2, 1, "")
    assert library.examples(read.id)[0].messages[0].content == "id\u0151"
    assert library.derive(read.id).inspection.choices == Choices(encoding="cp1250")
