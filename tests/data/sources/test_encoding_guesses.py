# ruff: noqa: RUF001 - the quotes of Windows are what is tested.
from itertools import pairwise

import pytest

from studio.data.sources.encoding_guesses import guess
from tests.data.sources.written_languages import ENCODINGS, TEXTS

_PAIRS = [(language, codec) for language, codecs in ENCODINGS.items() for codec in codecs]
_RARE = ("mac_", "cp4", "cp7", "cp8", "cp1125")
_USUAL = [(language, codec) for language, codec in _PAIRS if not codec.startswith(_RARE) and codec != "johab"]


def _written(language: str, codec: str) -> list[bytes]:
    """Return the lines of a language that are not UTF-8 in an encoding."""
    lines = [line.encode(codec, "ignore") for line in TEXTS[language].splitlines(keepends=True) if not line.isascii()]
    return [line for line in lines if not line.isascii()]


def _is_right(data: bytes, *, read: str, written: str) -> bool:
    return data.decode(read, errors="replace") == data.decode(written)


@pytest.mark.case("28-encodings")
@pytest.mark.parametrize(("language", "codec"), _PAIRS)
def test_no_encoding_is_called_sure_and_is_wrong(language: str, codec: str) -> None:
    """Cyrillic text of an old Mac was surely Windows-1251, German of a Mac surely Windows-1252: all letters wrong."""
    lines = _written(language, codec)
    twos = [first + second for first, second in pairwise(lines)]
    for data in (*lines, *twos, b"".join(lines), b"".join(lines) * 10):
        found = guess(data)
        assert not found.is_sure or _is_right(data, read=found.codec, written=codec), (data, found)


@pytest.mark.case("28-encodings")
@pytest.mark.parametrize(
    ("language", "codec"), [pair for pair in _USUAL if pair[0] != "Slovene"] + [("Russian", "mac_cyrillic")]
)
def test_much_text_in_a_usual_encoding_is_sure(language: str, codec: str) -> None:
    data = b"".join(_written(language, codec)) * 10
    found = guess(data)
    assert found.is_sure
    assert _is_right(data, read=found.codec, written=codec)


@pytest.mark.case("28-encodings")
@pytest.mark.parametrize(
    ("language", "codec"),
    [("German", "mac_roman"), ("French", "cp850"), ("Slovene", "cp1250")],
)
def test_what_is_not_sure_is_offered_among_the_likely(language: str, codec: str) -> None:
    data = b"".join(_written(language, codec)[:2])
    found = guess(data)
    assert not found.is_sure
    assert any(_is_right(data, read=each, written=codec) for each in (found.codec, *found.others))


@pytest.mark.parametrize("text", ["It’s fine.\n", "“So it’s said” – for 5 € a word—word… in the café.\n"])
def test_english_of_windows_with_its_quotes_is_sure(text: str) -> None:
    found = guess(text.encode("cp1252"))
    assert (found.codec, found.is_sure) == ("cp1252", True)
