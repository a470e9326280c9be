"""Which encoding the text of a file is in: UTF-8 where that fits, else by its mark, its shape or a careful guess."""

import codecs
from collections.abc import Mapping
from dataclasses import dataclass

from studio.data.reading_choices import ENCODING, Option, Question, first_lines
from studio.data.sources.encoding_guesses import guess
from studio.data.sources.file_bytes import Survey
from studio.errors import DataError

REPLACED = "\ufffd"
"""What stands for a byte that could not be read as text."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
NAMES: Mapping[str, str] = {
    "utf-8": "UTF-8",
    "utf-8-sig": "UTF-8",
    "utf-16": "UTF-16",
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16",
    "utf-32": "UTF-32",
    "cp1252": "Windows-1252 (Western European)",
    "latin-1": "Latin-1 (Western European)",
    "cp1250": "Windows-1250 (Central European)",
    "cp1257": "Windows-1257 (Baltic)",
    "cp1254": "Windows-1254 (Turkish)",
    "iso8859_15": "ISO-8859-15 (Western European)",
    "iso8859_2": "ISO-8859-2 (Central European)",
    "mac_roman": "Mac Roman (Western European)",
    "cp850": "DOS 850 (Western European)",
    "cp852": "DOS 852 (Central European)",
    "cp1251": "Windows-1251 (Cyrillic)",
    "koi8_r": "KOI8-R (Cyrillic)",
    "cp866": "DOS 866 (Cyrillic)",
    "iso8859_5": "ISO-8859-5 (Cyrillic)",
    "cp1253": "Windows-1253 (Greek)",
    "cp1255": "Windows-1255 (Hebrew)",
    "cp1256": "Windows-1256 (Arabic)",
    "cp874": "Windows-874 (Thai)",
    "mac_cyrillic": "Mac Cyrillic",
    "mac_latin2": "Mac Central European",
    "mac_greek": "Mac Greek",
    "mac_turkish": "Mac Turkish",
    "mac_iceland": "Mac Icelandic",
    "mac_romanian": "Mac Romanian",
    "iso8859_6": "ISO-8859-6 (Arabic)",
    "iso8859_7": "ISO-8859-7 (Greek)",
    "iso8859_13": "ISO-8859-13 (Baltic)",
    "cp437": "DOS 437 (Western European)",
    "cp720": "DOS 720 (Arabic)",
    "cp737": "DOS 737 (Greek)",
    "cp775": "DOS 775 (Baltic)",
    "cp855": "DOS 855 (Cyrillic)",
    "cp857": "DOS 857 (Turkish)",
    "cp860": "DOS 860 (Portuguese)",
    "cp861": "DOS 861 (Icelandic)",
    "cp862": "DOS 862 (Hebrew)",
    "cp865": "DOS 865 (Nordic)",
    "cp869": "DOS 869 (Greek)",
    "cp1125": "DOS 1125 (Ukrainian)",
    "koi8_u": "KOI8-U (Ukrainian)",
    "cp1258": "Windows-1258 (Vietnamese)",
    "cp932": "Shift-JIS (Japanese)",
    "euc_jp": "EUC-JP (Japanese)",
    "iso2022_jp": "ISO-2022-JP (Japanese)",
    "gb18030": "GB 18030 (Chinese)",
    "big5hkscs": "Big5 (Chinese)",
    "cp949": "EUC-KR (Korean)",
}
"""The encodings that are guessed and offered, by Python's names for their codecs."""


@dataclass(frozen=True)
class TextEncoding:
    """An encoding by Python's name for its codec and by a name for people.

    `damaged` says that some bytes may not fit: each is then read as `REPLACED`. `others` are possible as well, and
    `is_sure` says that none of them is likely.
    """

    codec: str
    name: str
    damaged: bool = False
    others: tuple[str, ...] = ()
    is_sure: bool = True


def chosen_encoding(name: str) -> TextEncoding:
    """Return the encoding that a person has chosen. Raises DataError for one that is not known."""
    try:
        codec = codecs.lookup(name)
        "".encode(codec.name)
    except (LookupError, ValueError) as error:
        known = ", ".join(NAMES)
        raise DataError(f"There is no text encoding '{name[:40]}'.", f"Choose one such as: {known}.") from error
    known_as = next((each for each in NAMES if codecs.lookup(each).name == codec.name), codec.name)
    return TextEncoding(known_as, NAMES.get(known_as, known_as), damaged=True)


def encoding_question(encoding: TextEncoding, survey: Survey, chosen: str) -> Question | None:
    """Ask in which encoding a file is; None where all its text is ASCII."""
    if not (survey.broken or survey.whole or survey.strange) and encoding.codec == "utf-8":
        return None
    likely = [encoding.codec, *(each for each in encoding.others if each != encoding.codec)]
    options = [Option(each, NAMES.get(each, each), _first_lines(survey, each)) for each in likely]
    options += [Option(each, name) for each, name in NAMES.items() if each not in likely]
    is_open = not (encoding.is_sure or chosen)
    text = "The file is not in UTF-8, and its encoding is not certain. Choose the one in which the lines read right."
    text = text if is_open else f"The text is read as {encoding.name}."
    return Question(ENCODING, text, encoding.codec, tuple(options), is_open)


def _first_lines(survey: Survey, codec: str) -> tuple[str, ...]:
    """Return the first lines with letters beyond ASCII, as an encoding reads them."""
    sample = survey.strange or survey.head[:4000]
    lines = sample.decode(codec, errors="replace").split("\n")
    return first_lines(line.strip() for line in lines if line.strip() and not line.isascii())


def find_encoding(survey: Survey, chosen: str = "") -> TextEncoding | None:
    """Find the encoding of a file, or take the chosen one; None when it holds no text.

    Raises DataError for a chosen one that is not known.
    """
    if chosen:
        return chosen_encoding(chosen)
    head = survey.head
    for mark, codec in _MARKS:
        if head.startswith(mark):
            text = head.decode(codec, errors="replace")
            damaged = survey.broken > 0 or codec != "utf-8-sig"
            return None if "\x00" in text[:1000] else TextEncoding(codec, NAMES[codec], damaged)
    if b"\x00" in head[:4096] and (codec := _wide(head)):
        return TextEncoding(codec, NAMES[codec], damaged=True)
    if is_binary(head):
        return None
    if b"\x1b$B" in head and not survey.broken:
        return TextEncoding("iso2022_jp", NAMES["iso2022_jp"], damaged=True)
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
    """Guess from lines with bytes that are not UTF-8."""
    found = guess(strange)
    return TextEncoding(found.codec, NAMES[found.codec], damaged=True, others=found.others, is_sure=found.is_sure)
