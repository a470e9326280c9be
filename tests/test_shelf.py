import re
from pathlib import Path

import pytest

from studio.shelf import Shelf


def read(path: Path) -> str:
    text = (path / "text").read_text(encoding="utf-8") if path.is_dir() else path.read_text(encoding="utf-8")
    if text == "damaged":
        raise OSError(text)
    return text


@pytest.fixture
def folders(tmp_path: Path) -> Shelf[str]:
    shelf = Shelf(
        tmp_path / "things",
        tmp_path / "bin",
        names=re.compile("[a-z]+(-[0-9]+)?"),
        read=read,
        stamp=lambda path: (path / "text").stat().st_size,
        apart=frozenset({"others"}),
    )
    (tmp_path / "bin" / "others").mkdir(parents=True)
    for name, text in (("a", "one"), ("b", "damaged"), ("c", "three")):
        put(shelf, name, text)
    (shelf.folder / "stray").touch()
    (shelf.folder / ".hidden").mkdir()
    return shelf


@pytest.fixture
def files(tmp_path: Path) -> Shelf[str]:
    shelf = Shelf(tmp_path / "files", tmp_path / "bin", names=re.compile("[a-z]+"), read=read, suffix=".json")
    shelf.folder.mkdir()
    for name, text in (("a", "one"), ("b", "damaged")):
        shelf.path(name).write_text(text)
    (shelf.folder / "note.txt").touch()
    return shelf


def put(shelf: Shelf[str], name: str, text: str) -> None:
    shelf.path(name).mkdir(parents=True)
    (shelf.path(name) / "text").write_text(text)


def test_what_cannot_be_read_is_named_and_hides_no_other(folders: Shelf[str], files: Shelf[str]) -> None:
    assert (folders.all(), folders.damaged()) == ({"a": "one", "c": "three"}, ("b",))
    assert (files.all(), files.damaged()) == ({"a": "one"}, ("b",))
    assert (folders.all(binned=True), files.all(binned=True)) == ({}, {})


def test_a_thing_is_read_again_once_it_is_another(folders: Shelf[str]) -> None:
    assert folders.read("a") == "one"
    (folders.path("a") / "text").write_text("two")  # of the same size: its stamp is the same
    assert folders.read("a") == "one"
    (folders.path("a") / "text").write_text("changed")
    assert folders.read("a") == "changed"
    folders.forget("a")
    (folders.path("a") / "text").write_text("another")
    assert folders.read("a") == "another"


@pytest.mark.parametrize("name", ["", "..", "others", "stray", "../things", "nothing"])
def test_only_things_are_there(folders: Shelf[str], name: str) -> None:
    assert not folders.has(name)
    assert not folders.has(name, binned=True)


def test_nothing_is_overwritten_on_the_way_to_the_bin_and_back(folders: Shelf[str]) -> None:
    folders.delete("a")
    put(folders, "a", "again")
    assert folders.delete("a").name == "a-2"
    assert folders.all(binned=True) == {"a": "one", "a-2": "again"}
    put(folders, "a", "new")
    assert folders.restore("a").name == "a-2"
    assert folders.all() == {"a": "new", "a-2": "one", "c": "three"}


def test_an_emptied_bin_leaves_what_is_not_of_the_shelf(folders: Shelf[str]) -> None:
    folders.delete("a")
    folders.delete("b")
    (folders.bin / "left.tmp").touch()
    assert folders.damaged(binned=True) == ("b",)
    assert folders.empty_bin() == 2
    assert [path.name for path in folders.bin.iterdir()] == ["others"]
    assert folders.empty_bin() == 0


def test_what_is_written_is_there_whole_or_not_at_all(folders: Shelf[str]) -> None:
    killed = folders.folder / ".new-killed"
    killed.mkdir()
    (killed / "lock").touch()
    with folders.workspace() as workspace:
        put_in = workspace / "thing"
        put_in.mkdir()
        (put_in / "text").write_text("whole")
        with folders.workspace():
            assert put_in.is_dir(), "another one that is being written stays"
        assert folders.place(put_in, "d").name == "d"
    assert folders.read("d") == "whole"
    assert [path.name for path in folders.folder.glob(".new-*")] == []
