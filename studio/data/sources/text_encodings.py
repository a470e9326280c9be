"""Which encoding the text of a file is in: UTF-8 where that fits, else by its mark, its shape or a careful guess.

Knows nothing of what the text says.
"""

import codecs
from collections.abc import Mapping
from dataclasses import dataclass

from studio.data.sources.file_bytes import Survey

REPLACED = "\ufffd"
"""What stands for a byte that could not be read as text."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NAMES: Mapping[str, str] = {
    "utf-8": "UTF-8",
    "utf-8-sig": "UTF-8",
    "utf-16": "UTF-16",
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16",
    "utf-32": "UTF-32",
    "cp1252": "Windows-1252 (Western European)",
    "latin-1": "Latin-1 (Western European)",
    "cp1250": "Windows-1250 (Central European)",
    "cp1251": "Windows-1251 (Cyrillic)",
    "cp1253": "Windows-1253 (Greek)",
    "cp1254": "Windows-1254 (Turkish)",
    "cp1255": "Windows-1255 (Hebrew)",
    "cp1256": "Windows-1256 (Arabic)",
    "koi8_r": "KOI8-R (Cyrillic)",
    "cp932": "Shift-JIS (Japanese)",
    "euc_jp": "EUC-JP (Japanese)",
    "iso2022_jp": "ISO-2022-JP (Japanese)",
    "gb18030": "GB 18030 (Chinese)",
    "big5": "Big5 (Chinese)",
    "cp949": "EUC-KR (Korean)",
}
_GUESSED = [name for name in _NAMES if name.startswith(("cp", "koi", "euc", "gb", "big"))]
_ALPHABETS = (("cp1254", "çğıöşüÇĞİÖŞÜâîû"), ("cp1250", "áéíóöőúüűÁÉÍÓÖŐÚÜŰ"))
"""Turkish and Hungarian, which would pass for Western European."""

_ENOUGH_TO_GUESS = 8


@dataclass(frozen=True)
class TextEncoding:
    """An encoding by Python's name for its codec and by a name for people.

    `damaged` says that some bytes may not fit: each is then read as `REPLACED`.
    """

    codec: str
    name: str
    damaged: bool = False


def find_encoding(survey: Survey) -> TextEncoding | None:
    """Find the encoding of a file; None when it holds no text."""
    head = survey.head
    for mark, codec in _MARKS:
        if head.startswith(mark):
            text = head.decode(codec, errors="replace")
            damaged = survey.broken > 0 or codec != "utf-8-sig"
            return None if "\x00" in text[:1000] else TextEncoding(codec, _NAMES[codec], damaged)
    if b"\x00" in head[:4096] and (codec := _wide(head)):
        return TextEncoding(codec, _NAMES[codec], damaged=True)
    if is_binary(head):
        return None
    if b"\x1b$B" in head and not survey.broken:
        return TextEncoding("iso2022_jp", _NAMES["iso2022_jp"], damaged=True)
    if not survey.broken:
        return TextEncoding("utf-8", "UTF-8")
    if survey.whole > survey.broken:
        return TextEncoding("utf-8", "UTF-8", damaged=True)
    return _guess(survey.strange)


def is_binary(head: bytes) -> bool:
    """Tell binary data from text: more than one in fifty bytes is a control character that no text or table needs."""
    controls = sum(head.count(bytes([code])) for code in range(32) if code not in b"\t\n\r\f\x1b\x01\x1f")
    return controls * 50 > len(head)


def _wide(head: bytes) -> str:
    """Recognise UTF-16 without a mark: every other byte of mostly Latin text is zero."""
    head = head[: len(head) // 2 * 2]
    for codec, zeros in (("utf-16-le", head[1::2]), ("utf-16-be", head[0::2])):
        if zeros.count(0) * 10 >= len(zeros) * 4:
            text = head.decode(codec, errors="replace")
            controls = sum(letter < " " and letter not in "\t\n\r\f" for letter in text)
            if controls * 50 <= len(text) and REPLACED not in text[:-1]:
                return codec
    return ""


def _guess(strange: bytes) -> TextEncoding:
    """Guess from lines with bytes that are not UTF-8; Windows-1252 unless another encoding clearly fits better."""
    for candidate in (_likely(strange), "cp1252"):
        if _decoded(strange, candidate):
            return TextEncoding(candidate, _NAMES[candidate], damaged=True)
    return TextEncoding("latin-1", _NAMES["latin-1"])


def _likely(strange: bytes) -> str:
    if sum(byte > 0x7F for byte in strange) < _ENOUGH_TO_GUESS:
        return "cp1252"
    for codec, letters in _ALPHABETS:
        text = _decoded(strange, codec)
        found = {letter for letter in text if letter > "\x7f" and letter.isalpha()}
        if found and found <= set(letters) and text != _decoded(strange, "cp1252"):
            return codec
    from charset_normalizer import from_bytes

    matches = from_bytes(strange, cp_isolation=_GUESSED, enable_fallback=False)
    best = matches.best()
    if best is None:
        return "cp1252"
    # Where Western European letters fit as well, the many files in Windows-1252 decide.
    equal = {name for match in matches if match.chaos <= best.chaos for name in match.could_be_from_charset}
    return "cp1252" if "cp1252" in equal else best.encoding


def _decoded(data: bytes, codec: str) -> str:
    """Decode bytes; nothing when some do not fit."""
    try:
        return data.decode(codec)
    except UnicodeDecodeError:
        return ""
