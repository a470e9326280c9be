# ruff: noqa: RUF001 - the letters of other languages are what is tested.
import json
from pathlib import Path

import pytest

from studio.data.reading_choices import Choices
from studio.data.rows import RowProblem
from studio.data.sources.encoding_guesses import guess
from studio.data.sources.readers import open_source
from studio.errors import DataError
from tests.data.sources.sources import Folder

POLISH = "Zażółć gęślą jaźń, proszę bardzo. Wszystko w porządku, dziękuję. Czy mógłbyś mi pomóc z tym zadaniem? "
RUSSIAN = "Добрый день! Как у вас дела? Сегодня хорошая погода, и мы идём гулять в парк. "
JAPANESE = "こんにちは。今日はいい天気ですね。日本語の文章を読んでください。カタカナもあります。"
CHINESE = "你好，今天天气很好。请阅读这篇中文文章，然后回答下面的问题。谢谢你的帮助。"
KOREAN = "안녕하세요. 오늘은 날씨가 좋네요. 한국어 문장을 읽어 주세요. 감사합니다. "
GREEK = "Καλημέρα! Τι κάνεις σήμερα; Ο καιρός είναι πολύ καλός και πάμε βόλτα στο πάρκο. "
GERMAN = "Schöne Grüße aus Köln. Die Straße ist für Fußgänger gesperrt. Übermorgen wird es kälter, äußerst kühl. "
FRENCH = "Bonjour ! Où est la bibliothèque ? Le garçon a mangé des pâtes à l'école. Ça va très bien, merci. "
CZECH = "Příliš žluťoučký kůň úpěl ďábelské ódy. Dobrý den, jak se máte? Dnes je hezké počasí a půjdeme na procházku. "
HUNGARIAN = "Jó napot kívánok! Hogy van? Ma nagyon szép idő van. Köszönöm szépen a segítséget, őszintén örülök. "
TURKISH = "Günaydın! Bugün hava çok güzel ve parkta yürüyüşe çıkıyoruz. Yardımınız için teşekkür ederim. "
SPANISH = "¿Dónde está la biblioteca? El niño comió mañana. Está muy bien, gracias, señor. ¡Qué día tan bonito! "
DANISH = "Goddag, hvordan går det? I dag er vejret smukt, og vi går en tur i parken. På søndag besøger vi Ærø. "


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252", "utf-16-le", "utf-16-be"])
def test_western_text(encoding: str, folder: Folder) -> None:
    found = folder.read("a,b\nnaïve “café” … 5 €,é\n".encode(encoding))
    assert found.cells == [{"a": "naïve “café” … 5 €", "b": "é"}]
    name = "UTF-16" if "16" in encoding else "UTF-32" if "32" in encoding else "Windows-1252 (Western European)"
    assert found.source.notes == (() if "utf-8" in encoding else (f"Read as {name}, not UTF-8.",))


@pytest.mark.parametrize(
    ("encoding", "text", "name"),
    [
        ("cp932", JAPANESE, "Shift-JIS (Japanese)"),
        ("euc_jp", JAPANESE, "EUC-JP (Japanese)"),
        ("iso2022_jp", JAPANESE, "ISO-2022-JP (Japanese)"),
        ("gb18030", CHINESE, "GB 18030 (Chinese)"),
        ("cp949", KOREAN, "EUC-KR (Korean)"),
        ("cp1251", RUSSIAN, "Windows-1251 (Cyrillic)"),
        ("koi8_r", RUSSIAN, "KOI8-R (Cyrillic)"),
        ("cp1253", GREEK, "Windows-1253 (Greek)"),
        ("cp1250", POLISH, "Windows-1250 (Central European)"),
        ("cp1252", GERMAN, "Windows-1252 (Western European)"),
        ("cp1252", FRENCH, "Windows-1252 (Western European)"),
        ("cp1252", SPANISH, "Windows-1252 (Western European)"),
        ("cp1252", DANISH, "Windows-1252 (Western European)"),
        ("cp1250", CZECH, "Windows-1250 (Central European)"),
        ("cp1250", HUNGARIAN, "Windows-1250 (Central European)"),
        ("cp1254", TURKISH, "Windows-1254 (Turkish)"),
    ],
)
@pytest.mark.parametrize("times", [1, 40])
def test_other_languages(encoding: str, text: str, name: str, times: int, folder: Folder) -> None:
    rows = "".join(f'{number},"{text}"\n' for number in range(times))
    found = folder.read(f"number,text\n{rows}".encode(encoding))
    assert found.source.notes == (f"Read as {name}, not UTF-8.",)
    assert found.cells == [{"number": str(number), "text": text} for number in range(times)]


def test_a_large_file_in_another_encoding(folder: Folder) -> None:
    rows = [{"number": number, "text": JAPANESE} for number in range(8_000)]
    for separator in ("\n", ","):
        text = "[" + separator.join(json.dumps(row, ensure_ascii=False) for row in rows) + "]"
        found = folder.read(text.encode("cp932"))
        assert found.source.notes == ("Read as Shift-JIS (Japanese), not UTF-8.",)
        assert found.cells == rows


def test_broken_bytes_cost_their_row_and_no_more(folder: Folder) -> None:
    """One bad byte made the whole file read as Windows-1252, with every accent wrong."""
    found = folder.read("a,b\né,ü\nx,".encode() + b"\xff\n" + "ñ,ø\n".encode())
    assert found.cells == [{"a": "é", "b": "ü"}, {"a": "ñ", "b": "ø"}]
    assert found.problems == (RowProblem(3, "It holds bytes that are not text in UTF-8.", "", "broken-character"),)


def test_bytes_that_are_broken_far_down_a_large_file(folder: Folder) -> None:
    line = '{"a": "héllo wörld"}\n'.encode()
    found = folder.read(line * 60_000 + b'{"a": "x\xe9y"}\n' + line, "data.jsonl")
    assert len(found.rows) == 60_001
    assert [problem.row for problem in found.problems] == [60_001]


def test_a_character_cut_off_at_the_end(folder: Folder) -> None:
    found = folder.read("a,b\né,ü\né,".encode() + "é".encode()[:1])
    assert [row.number for row in found.rows] == [2]
    assert [problem.row for problem in found.problems] == [3]


def test_the_replacement_character_itself_is_text(folder: Folder) -> None:
    assert folder.read("a,b\n\ufffd,x\n").cells == [{"a": "\ufffd", "b": "x"}]


def test_one_zero_byte_does_not_make_a_file_binary(folder: Folder) -> None:
    found = folder.read("question,answer\n" + "Why is it so?,Because it is.\n" * 20 + "a\0b,c\n")
    assert found.rows[-1].cells == {"question": "a\0b", "answer": "c"}


def test_a_character_that_two_blocks_share(folder: Folder) -> None:
    text = "é" * 400_000
    assert folder.read(f"ab,c\n{text},x\n").cells == [{"ab": text, "c": "x"}]


ROMANIAN = "Comanda dumneavoastră se află în secţiunea Contul meu, unde puteţi vedea ştarea ei.\n"
LITHUANIAN = "Jūsų užsakymą rasite skiltyje Mano paskyra, kur matyti ir jo būsena bei pristatymo laikas.\n"
HIRAGANA = "0ばんのにわはどこにありますか。,まちのきたにあります。\n"
UKRAINIAN = "Де моє замовлення і коли його привезуть? Дякую за допомогу, чекаю на відповідь.\n"


@pytest.mark.case("28-encodings")
@pytest.mark.parametrize(
    ("codec", "text"),
    [
        ("cp932", HIRAGANA),
        ("cp1250", ROMANIAN),
        ("iso8859_2", POLISH),
        ("cp1257", LITHUANIAN),
        ("mac_roman", FRENCH),
        ("cp850", FRENCH),
        ("cp1251", UKRAINIAN),
        ("cp866", RUSSIAN),
        ("euc_jp", HIRAGANA),
        ("cp949", KOREAN),
        ("big5hkscs", "請問我的訂單什麼時候會到？您可以在會員中心的訂單查詢看到。\n"),
    ],
)
def test_languages_whose_letters_tell_the_encoding(codec: str, text: str) -> None:
    """Japanese was read as Korean, and whatever fitted Windows-1252 as that: all letters wrong, and not a word."""
    found = guess((text * 4).encode(codec))
    assert (found.codec, found.is_sure) == (codec, True)


@pytest.mark.case("28-encodings")
@pytest.mark.parametrize(("codec", "text"), [("cp1252", "q,a\nidõ,naïve\n"), ("cp932", "q,a\n番号,到着\n")])
def test_a_guess_that_is_not_sure_is_asked_about_and_can_be_overruled(codec: str, text: str, folder: Folder) -> None:
    path = folder.write(text.encode(codec))
    with open_source([path]) as source:
        (question,) = source.questions
    assert question.is_open
    by_value = {option.value: option for option in question.options}
    assert by_value[question.chosen].lines
    assert sum(bool(option.lines) for option in question.options) > 1
    with open_source([path], choices=Choices(encoding=codec)) as source:
        assert source.sample[0].cells == dict(zip("qa", text.split()[1].split(","), strict=True))
        assert [(each.chosen, each.is_open) for each in source.questions] == [(codec, False)]


def test_a_sure_encoding_can_be_overruled_too(folder: Folder) -> None:
    path = folder.write("a,b\né,ü\n")
    with open_source([path], choices=Choices(encoding="latin1")) as source:
        assert source.sample[0].cells == {"a": "Ã©", "b": "Ã¼"}
    with open_source([path]) as source:
        assert [(each.about, each.chosen, each.is_open) for each in source.questions] == [("encoding", "utf-8", False)]
    with pytest.raises(DataError, match="no text encoding 'base64'"), open_source([path], choices=Choices("base64")):
        pass
    with open_source([folder.write("a,b\nc,d\n")]) as source:
        assert source.questions == ()
