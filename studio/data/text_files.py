"""From bytes to text, or the reason why a file holds no text. Knows nothing of rows and columns."""

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from studio.errors import DataError

REPLACED = "\ufffd"
"""What stands for a byte that could not be read as text."""

_AS_CSV = "Open it in its own program and save it as CSV (UTF-8), or as JSON Lines."
_UNPACK = "Unpack it first, then choose the file inside."
_NO_TEXT = "Choose a CSV, JSON or JSON Lines file with the text of your examples."
_CONVERT = "Convert it to JSON Lines or CSV first, for example with pandas."
_MODEL = "A model belongs under Configure. Choose a CSV, JSON or JSON Lines file with examples here."

_SIGNATURES: tuple[tuple[bytes, str, str], ...] = (
    (b"%PDF", "a PDF document", "Copy its questions and answers into a table and save that as CSV."),
    (b"PAR1", "a Parquet file", _CONVERT),
    (b"ARROW1", "an Arrow file", _CONVERT),
    (b"\xd0\xcf\x11\xe0", "an old Excel or Word file", _AS_CSV),
    (b"\x1f\x8b", "a gzip archive", _UNPACK),
    (b"BZh", "a bzip2 archive", _UNPACK),
    (b"\xfd7zXZ", "an xz archive", _UNPACK),
    (b"(\xb5/\xfd", "a Zstandard archive", _UNPACK),
    (b"7z\xbc\xaf", "a 7-Zip archive", _UNPACK),
    (b"Rar!", "a RAR archive", _UNPACK),
    (b"\x89PNG", "a PNG image", _NO_TEXT),
    (b"\xff\xd8\xff", "a JPEG image", _NO_TEXT),
    (b"GIF8", "a GIF image", _NO_TEXT),
    (b"RIFF", "a sound, video or WebP file", _NO_TEXT),
    (b"SQLite format 3", "an SQLite database", "Export the table that you need as CSV."),
    (b"GGUF", "a GGUF model file", _MODEL),
    (b"{\\rtf", "a rich text document", _AS_CSV),
)
_IN_ZIP: Mapping[str, tuple[str, str]] = {
    "xl/": ("an Excel workbook", _AS_CSV),
    "word/": ("a Word document", _AS_CSV),
    "ppt/": ("a PowerPoint file", _AS_CSV),
    "content.xml": ("an OpenDocument file", _AS_CSV),
}


@dataclass(frozen=True)
class DecodedText:
    """The text of a file with all line ends as a single line feed, and whether bytes were lost on the way."""

    text: str
    damaged: bool


def read_bytes(path: Path) -> bytes:
    """Read a file whole. Raises DataError when it is missing, a folder or not readable."""
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"There is no file {path}.", "Check its name and folder.") from error
    except IsADirectoryError as error:
        raise DataError(f"{path} is a folder.", "Choose one file in it.") from error
    except OSError as error:
        raise DataError(
            f"The file {path} cannot be read: {error.strerror or error}.",
            "Check its permissions, or copy it elsewhere.",
        ) from error


def decode_text(data: bytes) -> DecodedText:
    """Decode UTF-8, UTF-16 and UTF-32 with a byte order mark, plain UTF-8, or else Windows-1252.

    A file that is UTF-8 but for a few broken bytes stays UTF-8, with `REPLACED` in their place and `damaged` set.

    Raises DataError naming what the file is when it holds no text.
    """
    if not data.strip(b" \t\r\n\x00"):
        raise DataError("The file is empty.", "Choose a file with one example a row.")
    text, damaged = _decode(data)
    if text is None:
        raise _no_text(data)
    start = text[:200].lstrip().lower()
    if start.startswith(("<!doctype html", "<html")):
        raise DataError(
            "The file is a web page, not a data set.", "A download often gives a page instead: fetch the file itself."
        )
    if start.startswith("version https://git-lfs"):
        raise DataError(
            "The file is a Git LFS pointer, not the data itself.", "Fetch the real file with 'git lfs pull'."
        )
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise DataError("The file is empty.", "Choose a file with one example a row.")
    return DecodedText(text, damaged)


def _decode(data: bytes) -> tuple[str | None, bool]:
    """Return the text and whether it is damaged; no text for binary data."""
    for mark, encoding in (
        (b"\xef\xbb\xbf", "utf-8-sig"),
        (b"\xff\xfe\x00\x00", "utf-32"),
        (b"\x00\x00\xfe\xff", "utf-32"),
        (b"\xff\xfe", "utf-16"),
        (b"\xfe\xff", "utf-16"),
    ):
        if data.startswith(mark):
            text = data.decode(encoding, errors="replace")
            return (None, False) if "\x00" in text else (text, REPLACED in text)
    if b"\x00" in data or _signature(data) or data.startswith(b"PK\x03\x04"):
        return None, False
    try:
        text = data.decode("utf-8")
        return (None, False) if _mostly_control(text) else (text, False)
    except UnicodeDecodeError:
        text = data.decode("utf-8", errors="replace")
    broken = text.count(REPLACED)
    whole = sum(letter > "\x7f" for letter in text) - broken
    if whole > broken:
        return text, True
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return (None, False) if _mostly_control(text) else (text, False)


def _mostly_control(text: str) -> bool:
    """Tell binary data from text: more than one in fifty letters is a control character."""
    controls = sum(letter < " " and letter not in "\t\n\r\f" for letter in text[:100_000])
    return controls * 50 > min(len(text), 100_000)


def _signature(data: bytes) -> tuple[str, str] | None:
    return next(((what, hint) for mark, what, hint in _SIGNATURES if data.startswith(mark)), None)


def _no_text(data: bytes) -> DataError:
    what, hint = _signature(data) or ("binary data", _NO_TEXT)
    if data.startswith(b"PK\x03\x04"):
        what, hint = _in_zip(data)
    elif data[8:10] == b'{"' and int.from_bytes(data[:8], "little") < 100_000_000:
        what, hint = "a safetensors model file", _MODEL
    return DataError(f"The file is {what}, not a table of examples.", hint)


def _in_zip(data: bytes) -> tuple[str, str]:
    try:
        names = zipfile.ZipFile(BytesIO(data)).namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError):
        names = []
    for start, found in _IN_ZIP.items():
        if any(name.startswith(start) for name in names):
            return found
    if any(name.endswith("data.pkl") for name in names):
        return "a PyTorch model file", _MODEL
    return "a zip archive", _UNPACK
