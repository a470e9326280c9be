import hashlib
import json
import os
import socket
import time
import tracemalloc
from pathlib import Path

import pytest

from studio.data.rows import CancelledError, Row
from studio.data.sources.readers import SAMPLE_ROWS, open_source
from studio.errors import DataError
from tests.data.sources.sources import Folder, read


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_what_is_known_of_a_source(folder: Folder) -> None:
    content = "".join(f'{{"a": {number}}}\n' for number in range(300)) + '{"b": 1}\n'
    found = folder.read(content, "data.jsonl")
    source = found.source
    assert (source.format, source.columns, source.files) == ("JSON Lines", ("a",), ("data.jsonl",))
    assert (source.size, source.sha256) == (len(content), hashlib.sha256(content.encode()).hexdigest())
    assert source.sample == found.rows[:SAMPLE_ROWS]
    assert found.rows[-1] == Row(301, {"b": 1})


def test_several_files_are_one_table(folder: Folder) -> None:
    paths = [folder.write("q,a\n1,2\n3\n", "a.csv"), folder.write('[{"q": 3, "x": 4}]', "b.json")]
    found = read(paths)
    assert (found.source.format, found.source.columns) == ("CSV and JSON", ("q", "a", "x"))
    assert found.source.files == ("a.csv", "b.json")
    assert found.rows == (Row(2, {"q": "1", "a": "2"}, "a.csv"), Row(1, {"q": 3, "x": 4}, "b.json"))
    assert (found.problems[0].file, found.problems[0].row) == ("a.csv", 3)
    assert found.source.size == sum(path.stat().st_size for path in paths)
    hashes = "".join(hashlib.sha256(path.read_bytes()).hexdigest() for path in paths)
    assert found.source.sha256 == hashlib.sha256(hashes.encode()).hexdigest()
    assert len(found.source.sample) == 2


def test_the_same_file_twice_and_two_files_of_one_name(folder: Folder) -> None:
    (folder.path / "sub").mkdir()
    paths = [
        folder.write("q,a\n1,2\n", "a.csv"),
        folder.write("q,a\n1,2\n", "copy.csv"),
        folder.write("q,a\n3,4\n", "sub/a.csv"),
    ]
    found = read(paths)
    assert found.source.notes == ("'copy.csv' holds the same as 'a.csv' and was read once.",)
    assert [row.file for row in found.rows] == ["a.csv", "a.csv (2)"]


def test_a_file_among_several_that_cannot_be_read_is_named(folder: Folder) -> None:
    paths = [folder.write("q,a\n1,2\n", "a.csv"), folder.write('{"a": }', "b.json")]
    with pytest.raises(DataError, match=r"'b\.json': The JSON is broken"):
        read(paths)
    with pytest.raises(DataError, match="No file was given"):
        read([])


def test_texts_and_tables_do_not_mix(folder: Folder) -> None:
    paths = [folder.write("q,a\n1,2\n", "a.csv"), folder.write("# Title\n\nText.\n", "b.md")]
    with pytest.raises(DataError, match=r"'b\.md' is plain text and 'a.csv' is a table"):
        read(paths)
    texts = [folder.write("Some text.\n", "a.txt"), folder.write("# Title\n\nText.\n", "b.md")]
    found = read(texts)
    assert (found.source.format, found.source.columns) == ("text and Markdown", ("text",))
    assert [(row.file, row.continues) for row in found.rows] == [("a.txt", False), ("b.md", False)]


def test_text_in_pieces(folder: Folder) -> None:
    text = "\n\n".join(f"Paragraph {number}. " + "Words, and more words. " * 40 for number in range(20))
    found = folder.read(text, "book.txt")
    assert (found.source.format, len(found.rows)) == ("text", 20)
    assert [row.number for row in found.rows] == list(range(1, 40, 2))
    assert [row.continues for row in found.rows] == [True] * 19 + [False]
    assert found.source.notes[0].startswith("Long text is cut into pieces of at most 1,500 characters")
    assert folder.read("# A\n\nText with a [link](x).\n", "data").source.format == "text"
    assert folder.read("# A\n\n- one\n- two\n\n## B\n\n**Text**\n", "data").source.format == "Markdown"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"%PDF-1.7\n%\xe2\xe3", "a PDF document"),
        (b"{\\rtf1 text}", "a rich text document"),
        (b"Rar!\x1a\x07\x00", "a RAR archive"),
        (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
        (b"\x89PNG\r\n\x1a\n\x00", "a PNG image"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "a JPEG image"),
        (b"GIF89a\x00\x00", "a GIF image"),
        (b"BM\x00\x00\x00\x00", "a BMP image"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "a sound, video or WebP file"),
        (b"\x00\x00\x00\x18ftypmp42", "a video, sound or HEIC picture"),
        (b"ID3\x03\x00", "an MP3 sound file"),
        (b"\xff\xfb\x90\x00\x00", "an MP3 sound file"),
        (b"GGUF\x03\x00\x00\x00", "a GGUF model file"),
        ((16).to_bytes(8, "little") + b'{"__metadata__":', "a safetensors model file"),
        (b"\x80\x04\x95\x00\x00", "a Python pickle, which could do harm"),
        (b"SQLite format 3\x00", "an SQLite database"),
        (b"\x93NUMPY\x01\x00", "a NumPy file"),
        (bytes(257) + b"ustar\x0000" + bytes(300), "a tar archive"),
        (b"MZ\x90\x00", "a program"),
        (bytes(range(256)) * 4, "binary data of an unknown kind"),
        (b"\x02\x03\x04\x05\x06 a,b", "binary data of an unknown kind"),
        (b"\xff\xfea\x00\x00\x00", "binary data of an unknown kind"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"<?xml version='1.0'?><a/>", "an XML file"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "a Git LFS pointer"),
        (json.dumps({"cells": [], "nbformat": 4}).encode(), "a Jupyter notebook"),
    ],
)
def test_a_file_without_examples_is_named_with_the_next_step(content: bytes, reason: str, folder: Folder) -> None:
    with pytest.raises(DataError, match=f"This is {reason}") as caught:
        folder.read(content)
    assert caught.value.hint.endswith(".")


@pytest.mark.parametrize("start", ["BM", "MZ", "ORC", "ID3", "GGUF", "Rar!", "GIF8"])
def test_text_may_begin_as_a_binary_file_does(start: str, folder: Folder) -> None:
    assert folder.read(f"{start}x,name\n1,2\n").source.columns == (f"{start}x", "name")


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf\n", b" \r\n\t\n", "\n".encode("utf-16"), b"\x00" * 100])
def test_an_empty_file(content: bytes, folder: Folder) -> None:
    with pytest.raises(DataError, match="The file is empty"):
        folder.read(content)


def test_only_ordinary_files_are_opened(folder: Folder) -> None:
    pipe = folder.path / "pipe"
    os.mkfifo(pipe)
    with socket.socket(socket.AF_UNIX) as listener:
        address = folder.path / "socket"
        listener.bind(os.path.relpath(address))
        for path, reason in (
            (folder.path / "none.csv", "There is no file 'none.csv'"),
            (folder.path, "is a folder"),
            (pipe, "a device or a pipe"),
            (Path("/dev/zero"), "a device or a pipe"),
            (address, "cannot be read"),
            (Path("a\0b"), "cannot be read"),
            (Path("x" * 5000), "cannot be read"),
        ):
            with pytest.raises(DataError, match=reason) as caught:
                read(path)
            assert caught.value.hint


def test_names_that_are_no_text_can_be_shown(folder: Folder) -> None:
    path = folder.path / os.fsdecode(b"b\xffd\n.csv")
    path.write_text("a,b\n1,2\n", encoding="utf-8")
    assert read(path).source.files == ("b?d?.csv",)


def test_progress_is_told_and_reading_can_be_cancelled(folder: Folder) -> None:
    path = folder.write(b'{"a": "%s"}\n' % (b"x" * 990) * 20_000, "data.jsonl")
    told: list[tuple[str, int, int]] = []

    def report(what: str, done: int, total: int) -> None:
        told.append((what, done, total))

    with open_source([path], report=report) as source:
        assert told[0][0] == "Looking through the file"
        told.clear()
        for _ in source.rows(report):
            time.sleep(0.00005)
    size = path.stat().st_size
    assert len(told) > 3
    assert {(what, total) for what, _, total in told} == {("Reading", size)}
    assert told[-1][1] == size
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)

    def cancel(what: str, done: int, total: int) -> None:
        raise CancelledError("Cancelled.")

    with pytest.raises(CancelledError), open_source([path], report=cancel):
        pass
    with open_source([path]) as source, pytest.raises(CancelledError):
        list(source.rows(cancel))


@pytest.mark.parametrize("name", ["data.jsonl", "data.json", "data.csv", "data.txt"])
def test_a_large_file_is_read_in_little_memory(name: str, folder: Folder) -> None:
    row = json.dumps({"question": "What is it? " * 20, "answer": "It is what it is. " * 40})
    content = {
        "data.jsonl": lambda: f"{row}\n" * 30_000,
        "data.json": lambda: "[" + ",".join([row] * 30_000) + "]",
        "data.csv": lambda: "question,answer\n" + f"{'What is it? ' * 20},{'It is what it is. ' * 40}\n" * 30_000,
        "data.txt": lambda: f"{'What is it? ' * 80}\n\n" * 30_000,
    }[name]()
    path = folder.write(content, name)
    del content
    tracemalloc.start()
    try:
        with open_source([path]) as source:
            assert sum(1 for _ in source.rows()) == 30_000
        assert tracemalloc.get_traced_memory()[1] < 16_000_000
    finally:
        tracemalloc.stop()
    assert path.stat().st_size > 28_000_000
