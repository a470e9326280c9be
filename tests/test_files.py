import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from studio import files
from studio.errors import DataError
from studio.files import disk_trouble, move_to_free_name, take_place, whole_file, whole_folder


def test_a_file_takes_its_place_whole_or_stays(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("first")
    with pytest.raises(FileNotFoundError), whole_file(target) as temporary:
        temporary.unlink()
    assert (target.read_text(), list(tmp_path.iterdir())) == ("first", [target])
    with whole_file(target, shared=True) as temporary:
        temporary.write_text("second")
    assert (target.read_text(), list(tmp_path.iterdir())) == ("second", [target])


def test_nothing_is_overwritten_by_what_is_moved(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    for text in ("a", "b", "c"):
        (tmp_path / "x.json").write_text(text)
        move_to_free_name(tmp_path / "x.json", tmp_path / "there", "x", suffix=".json")
    found = {path.name: path.read_text() for path in (tmp_path / "there").iterdir()}
    assert found == {"x.json": "a", "x-2.json": "b", "x-3.json": "c"}


def test_what_was_in_the_place_is_gone(tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    take_place(tmp_path / "new", tmp_path / "old")
    assert [path.name for path in tmp_path.rglob("*")] == ["old", "new"]


@pytest.mark.parametrize(("code", "says"), [(errno.ENOSPC, "the disk is full"), (errno.EROFS, "Read-only file system")])
def test_what_the_disk_says_is_a_sentence(tmp_path: Path, code: int, says: str) -> None:
    with pytest.raises(DataError, match=says) as raised, disk_trouble("The data set", tmp_path, DataError):
        raise OSError(code, os.strerror(code))
    assert raised.value.message.startswith(f"The data set cannot be written to {tmp_path}: ")
    assert raised.value.hint


def _write_half(target: Path) -> None:
    with whole_folder(target) as folder:
        (folder / "a").write_text("half")
        folder.write_text("a folder is no file")


def test_a_folder_is_replaced_whole_or_stays(tmp_path: Path) -> None:
    target = tmp_path / "adapter"
    with whole_folder(target) as folder:
        (folder / "a").write_text("first")
        assert not target.exists()
    with pytest.raises(IsADirectoryError):
        _write_half(target)
    assert [path.name for path in tmp_path.iterdir()] == ["adapter"]
    assert (target / "a").read_text() == "first"
    with whole_folder(target) as folder:
        (folder / "b").write_text("second")
    assert [path.name for path in tmp_path.rglob("*")] == ["adapter", "b"]


def test_a_disk_that_says_only_when_it_is_flushed_that_it_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What such a disk never took was given its name all the same."""

    def flush(error: int) -> Callable[[Any], None]:
        def fail(descriptor: int) -> None:
            raise OSError(error, os.strerror(error))

        return fail

    monkeypatch.setattr(files.os, "fsync", flush(errno.ENOSPC))
    with pytest.raises(OSError, match="No space"), whole_folder(tmp_path / "adapter") as folder:
        (folder / "a").write_text("never written")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(files.os, "fsync", flush(errno.EINVAL))  # a file system that cannot
    with whole_folder(tmp_path / "adapter") as folder:
        (folder / "a").write_text("written")
    assert (tmp_path / "adapter" / "a").is_file()
