import bz2
import gzip
import io
import lzma
import struct
import zipfile
import zlib
from pathlib import Path

import pyarrow
import pytest

from studio.data.sources.archives import Limits
from studio.errors import DataError
from tests.data.sources.sources import Folder, read

LINES = b'{"a": 1}\n{"a": 2}\n'


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def packed(**files: bytes | str) -> bytes:
    """Pack files; in their names two underscores stand for a point."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            kind = zipfile.ZIP_STORED if name == "mimetype" else None
            archive.writestr(name.replace("__", "."), content, compress_type=kind)
    return held.getvalue()


def zstd(data: bytes) -> bytes:
    held = pyarrow.BufferOutputStream()
    with pyarrow.CompressedOutputStream(held, "zstd") as stream:
        stream.write(data)
    return held.getvalue().to_pybytes()


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zstd])
def test_a_compressed_file(pack, folder: Folder) -> None:  # type: ignore[no-untyped-def]
    found = folder.read(pack(LINES), "data.jsonl.gz")
    assert (found.source.format, found.source.files) == ("JSON Lines", ("data.jsonl.gz",))
    assert found.cells == [{"a": 1}, {"a": 2}]
    assert found.rows[0].file == ""
    twice = folder.read(pack(LINES) + pack(LINES))
    assert len(twice.rows) == 4
    assert len(folder.read(pack(b'{"a": "some more text"}\n' * 30_000)).rows) == 30_000
    for broken in (pack(LINES)[:-8], pack(LINES * 9000)[:-30]):
        with pytest.raises(DataError, match="is damaged"):
            folder.read(broken)


def test_files_in_a_zip_are_read_as_one_table(folder: Folder) -> None:
    data = packed(a__csv="q,a\n1,2\n", b__jsonl=LINES, __MACOSX="x", __hidden=b"y", README__md="# Read me\n\nPlease.\n")
    found = folder.read(data, "all.zip")
    assert found.source.format == "CSV and JSON Lines"
    assert found.source.columns == ("q", "a")
    assert found.source.files == ("all.zip/a.csv", "all.zip/b.jsonl")
    assert [(row.file, row.number) for row in found.rows] == [
        ("all.zip/a.csv", 2),
        ("all.zip/b.jsonl", 1),
        ("all.zip/b.jsonl", 2),
    ]
    assert found.source.notes == ("Not read: 'all.zip/README.md' (plain text beside the tables).",)


def test_what_holds_no_examples_is_passed_over_with_a_note(folder: Folder) -> None:
    data = packed(data__jsonl=LINES, photo__png=b"\x89PNG\r\n\x1a\n\x00", empty__txt=b"", more__pdf=b"%PDF-1.7\n")
    found = folder.read(data, "all.zip")
    assert (len(found.rows), found.rows[0].file) == (2, "")
    assert found.source.notes == (
        "Not read: 'all.zip/photo.png' (a PNG image), 'all.zip/empty.txt' (an empty file), "
        "'all.zip/more.pdf' (a PDF document).",
    )
    with pytest.raises(DataError, match=r"no file of examples in the archive. Not read: 'all.zip/a.png' \(a PNG"):
        folder.read(packed(a__png=b"\x89PNG\r\n\x1a\n\x00", b__png=b"\x89PNG\r\n\x1a\n\x01"), "all.zip")
    with pytest.raises(DataError, match="This is a PNG image"):
        folder.read(packed(a__png=b"\x89PNG\r\n\x1a\n\x00"), "all.zip")


def test_a_broken_file_in_a_zip_is_named(folder: Folder) -> None:
    with pytest.raises(DataError, match=r"'all.zip/b.json': The JSON is broken"):
        folder.read(packed(a__csv="q,a\n1,2\n", b__json='{"a": }'), "all.zip")


def test_names_in_an_archive_are_never_paths(folder: Folder) -> None:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name in (
            "../../escape.jsonl",
            "/tmp/absolute.jsonl",
            "C:\\windows.jsonl",
            "nul\x01\u202e.jsonl",
            "x" * 3000,
        ):
            archive.writestr(name, b'{"name": "%d"}' % len(name))
    before = set(folder.path.parent.rglob("*"))
    found = folder.read(held.getvalue(), "evil.zip")
    assert len(found.rows) == 5
    assert set(folder.path.parent.rglob("*")) - before == {folder.path / "evil.zip"}
    assert all(name.isprintable() and len(name) < 300 for name in found.source.files)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (packed(**{"[Content_Types]__xml": "x", "word/document__xml": "x"}), "a Word document"),
        (packed(**{"ppt/presentation__xml": "x"}), "a PowerPoint file"),
        (packed(**{"META-INF/container__xml": "x"}), "an e-book"),
        (packed(**{"archive/data__pkl": "x"}), "a PyTorch model file"),
        (packed(a__npy="x"), "a NumPy file"),
        (packed(mimetype="application/vnd.oasis.opendocument.text", content__xml="x"), "an OpenDocument text"),
    ],
)
def test_a_zip_that_is_another_kind_of_file_is_named(data: bytes, reason: str, folder: Folder) -> None:
    with pytest.raises(DataError, match=f"This is {reason}") as caught:
        folder.read(data)
    assert caught.value.hint.endswith(".")


@pytest.mark.parametrize("inner", [packed(a__csv="q,a\n1,2\n"), gzip.compress(LINES, mtime=0)])
def test_an_archive_within_an_archive_is_refused(inner: bytes, folder: Folder) -> None:
    for outer in (packed(a__zip=inner, b__jsonl=LINES), gzip.compress(inner, mtime=0)):
        with pytest.raises(DataError, match="an archive within an archive") as caught:
            folder.read(outer)
        assert caught.value.hint


def test_an_archive_that_needs_a_password(folder: Folder) -> None:
    data = bytearray(packed(a__csv="q,a\n1,2\n"))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + place] |= 1
    with pytest.raises(DataError, match="needs a password"):
        folder.read(bytes(data))


def test_a_way_of_packing_that_is_not_known(folder: Folder) -> None:
    data = bytearray(packed(a__csv="q,a\n1,2\n"))
    for mark, place in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        data[data.index(mark) + place] = 9
    with pytest.raises(DataError, match="packed in a way that cannot be read here"):
        folder.read(bytes(data))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"PK\x03\x04 cut off", "a damaged archive"),
        (packed(a__csv="q,a\n1,2\n" * 200)[:-30], "a damaged archive"),
        (packed(), "holds no files"),
        (packed(**{f"f{number}__csv": "a,b\n1,2\n" for number in range(2_001)}), "holds 2,001 files"),
    ],
)
def test_an_unusable_archive_is_a_sentence(data: bytes, reason: str, folder: Folder) -> None:
    with pytest.raises(DataError, match=reason) as caught:
        folder.read(data)
    assert caught.value.hint


SMALL = Limits(total_bytes=1 << 20, ratio=20, always_bytes=1 << 17)


@pytest.mark.parametrize(
    ("size", "reason"), [(1 << 18, "unpacks to more than 20 times its size"), (1 << 21, "unpacks to more than")]
)
@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, lambda data: packed(a__csv=data)])
def test_bombs_are_refused(size: int, reason: str, pack, folder: Folder) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(DataError, match=reason) as caught:
        read(folder.write(pack(b"0" * size)), SMALL)
    assert caught.value.hint


def test_a_bomb_that_lies_about_its_size_is_refused(folder: Folder) -> None:
    """What an archive says of itself is not believed: the bytes are counted while they are written."""
    data = bytearray(packed(a__csv=b"0" * (1 << 21)))
    for mark, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<I", data, data.index(mark) + place, 100)
    with pytest.raises(DataError, match=r"damaged|unpacks to more"):
        read(folder.write(bytes(data)), SMALL)


def test_an_xz_that_asks_for_much_memory_is_refused(folder: Folder) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 20}]
    data = bytearray(lzma.compress(LINES, filters=filters))
    place = data.index(b"\x21\x01", 12)  # The filter's own header: which dictionary it asks for.
    data[place + 2] = 40
    header = data[12 : 12 + (data[12] + 1) * 4 - 4]
    struct.pack_into("<I", data, 12 + len(header), zlib.crc32(header))
    with pytest.raises(DataError, match="is damaged"):
        folder.read(bytes(data))
