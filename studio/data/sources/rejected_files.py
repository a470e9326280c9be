"""What a file is that holds no examples, and the next step for the person who has it."""

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

from studio.data.sources.file_bytes import read_blocks, silence
from studio.errors import DataError


class NotExamplesError(DataError):
    """A file is of a kind that holds no examples; in an archive it is passed over. `what` names the kind."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(f"This is {what}, not a file of examples.", hint)
        self.what = what


_SHEET = "Copy its text into a spreadsheet, one question and answer a row, and save that as CSV or .xlsx."
_TEXT = "Save its text as a .txt file, or copy the questions and answers into a spreadsheet and save that as .xlsx."
_WORD = (
    "Select the table with your questions and answers in it, copy it, and paste it under Paste, or into a spreadsheet "
    "that you save as CSV. To learn from running text instead, save it as plain text."
)
_UNPACK = "Unpack it first, then choose the file inside, or pack the files as a .zip."
_WORDS = "A model is taught with text here. Write what it shows or says into a spreadsheet, one example a row."
_SAVE = "Save it as Parquet, CSV or JSON Lines."
_MODEL = "A model belongs under Configure. Choose a file with examples here."

_SIGNATURES: tuple[tuple[bytes, str, str], ...] = (
    (b"%PDF", "a PDF document", _TEXT),
    (b"{\\rtf", "a rich text document", "Open it in its own program and save it as plain text (.txt)."),
    (b"7z\xbc\xaf", "a 7-Zip archive", _UNPACK),
    (b"Rar!", "a RAR archive", _UNPACK),
    (b"\x89PNG", "a PNG image", _WORDS),
    (b"\xff\xd8\xff", "a JPEG image", _WORDS),
    (b"GIF8", "a GIF image", _WORDS),
    (b"BM", "a BMP image", _WORDS),
    (b"II*\x00", "a TIFF image", _WORDS),
    (b"MM\x00*", "a TIFF image", _WORDS),
    (b"ID3", "an MP3 sound file", _WORDS),
    (b"OggS", "an Ogg sound or video file", _WORDS),
    (b"fLaC", "a FLAC sound file", _WORDS),
    (b"\x1aE\xdf\xa3", "a video file", _WORDS),
    (b"SQLite format 3", "an SQLite database", "Open it in a database program and export the table you need as CSV."),
    (b"GGUF", "a GGUF model file", _MODEL),
    (b"\x89HDF", "an HDF5 file", "Export the table or the texts in it as CSV; a model belongs under Configure."),
    (b"\x93NUMPY", "a NumPy file of numbers", "Choose a file with the text of your examples."),
    (b"FEA1", "a Feather file of the old kind", "Save it as Parquet or CSV, for example with pandas."),
    (b"Obj\x01", "an Avro file", _SAVE),
    (b"ORC", "an ORC file", _SAVE),
    (b"MZ", "a program", "Choose a file with the text of your examples."),
    (b"\x7fELF", "a program", "Choose a file with the text of your examples."),
    *((bytes([0x80, version]), "a Python pickle, which could do harm when opened", _SAVE) for version in range(2, 6)),
)
_BINARY_ONLY = (b"BM", b"MZ", b"ORC", b"ID3", b"GIF8", b"Obj\x01", b"OggS", b"GGUF", b"Rar!")
"""Signatures that a text could begin with as well: they count only when the file holds bytes that are no text."""

_IN_ZIP: tuple[tuple[str, str, str], ...] = (
    ("word/document.xml", "a Word document", _WORD),
    ("ppt/presentation.xml", "a PowerPoint file", _TEXT),
    ("META-INF/container.xml", "an e-book (EPUB)", _TEXT),
    ("META-INF/MANIFEST.MF", "a Java program", "Choose a file with the text of your examples."),
    (
        "Index/Document.iwa",
        "a file of Apple's office programs",
        "Export it there as .xlsx, CSV or plain text.",
    ),
    ("model.weights.h5", "a Keras model", _MODEL),
)
_IN_OFFICE: Mapping[bytes, tuple[str, str]] = {
    "EncryptedPackage".encode("utf-16-le"): (
        "an Office file with a password",
        "Open it in its own program, take the password off, and save it again.",
    ),
    "WordDocument".encode("utf-16-le"): ("an old Word document", _WORD),
    "PowerPoint Document".encode("utf-16-le"): ("an old PowerPoint file", _TEXT),
    "__substg1.0_".encode("utf-16-le"): ("an Outlook message", _TEXT),
}
_OFFICE_BLOCKS = 200
"""About 50 MB: the names in an old Office file stand anywhere in it."""


def refuse_binary(head: bytes) -> None:
    """Raise NotExamplesError when the first bytes of a file are those of a known kind without examples."""
    for mark, what, hint in _SIGNATURES:
        if head.startswith(mark) and (mark not in _BINARY_ONLY or b"\x00" in head[:4096]):
            raise NotExamplesError(what, hint)
    if head[4:8] == b"ftyp":
        raise NotExamplesError("a video, sound or HEIC picture file", _WORDS)
    if head.startswith(b"RIFF") and head[8:12] in (b"WAVE", b"AVI ", b"WEBP"):
        raise NotExamplesError("a sound, video or WebP file", _WORDS)
    if head[8:10] == b'{"' and int.from_bytes(head[:8], "little") < 100_000_000:
        raise NotExamplesError("a safetensors model file", _MODEL)
    if head[:2] in (b"\xff\xfb", b"\xff\xf3", b"\xff\xf2") and b"\x00" in head[:4096]:
        raise NotExamplesError("an MP3 sound file", _WORDS)
    if head[257:262] == b"ustar":
        raise NotExamplesError("a tar archive", _UNPACK)


def empty_file() -> NotExamplesError:
    """Return the error for a file with nothing in it."""
    error = NotExamplesError("an empty file", "Choose a file with one example a row.")
    error.message = "The file is empty."
    return error


def unknown_binary() -> NotExamplesError:
    """Return the error for bytes that are no text and of no known kind."""
    return NotExamplesError(
        "binary data of an unknown kind",
        "Choose a CSV, Excel, JSON, JSON Lines, Parquet or text file, or a .zip of such files.",
    )


def refuse_in_zip(names: Sequence[str], head: bytes) -> None:
    """Raise NotExamplesError when a zip archive is a file of a known kind without examples, by its names and start."""
    for known, what, hint in _IN_ZIP:
        if known in names:
            raise NotExamplesError(what, hint)
    if b"vnd.oasis.opendocument." in head[:200] and b"opendocument.spreadsheet" not in head[:200]:
        raise NotExamplesError("an OpenDocument text or drawing", _WORD)
    if any(name.endswith("data.pkl") for name in names):
        raise NotExamplesError("a PyTorch model file", _MODEL)
    if names and all(name.endswith(".npy") for name in names):
        raise NotExamplesError("a NumPy file of numbers", "Choose a file with text.")


def refuse_in_office(path: Path) -> None:
    """Raise NotExamplesError when a file of the old Office format is no spreadsheet."""
    data = b"".join(islice(read_blocks(path, silence()), _OFFICE_BLOCKS))
    for mark, (what, hint) in _IN_OFFICE.items():
        if mark in data:
            raise NotExamplesError(what, hint)


def refuse_text(head: str) -> None:
    """Raise NotExamplesError when a text is of a kind that holds no examples."""
    start = head[:2000].lstrip()
    low = start.lower()
    if low.startswith(("<!doctype html", "<html")):
        raise NotExamplesError(
            "a web page",
            "A download often gives a page instead of the file: look for a download button on it. "
            "To learn from the text of a page, copy it into a .txt file.",
        )
    if low.startswith(("<?xml", "<svg")):
        raise NotExamplesError("an XML file", "Save its content as CSV or JSON.")
    if start.startswith("version https://git-lfs"):
        raise NotExamplesError(
            "a Git LFS pointer, a few lines that stand for the file",
            "Download the file from its web page, or fetch it with 'git lfs pull'.",
        )
    if start.startswith("{") and '"nbformat"' in head and '"cells"' in head:
        raise NotExamplesError(
            "a Jupyter notebook",
            "Export the text or table in it that you want to learn from, as .txt or CSV.",
        )
