# ruff: noqa: RUF001 (what looks like another letter is the matter here)
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.data.checking.text_repair import read_again, repair_text, without_odd_characters

RIGHT = [
    "plain text, with\ttabs\nand lines\r\nand a page\fbreak",
    "café, naïve, Ærø, Straße, ÑANDÚ, TÃO NÃO, Île-de-France, “quotes” – dashes… ‘’ «É»",
    "À bientôt ! Ça va ? « Où êtes-vous ? » — Très bien…\u00a0: 12\u202f000 €",
    "Привет, мир! Ёлка, съезд; Р. С. Иванов, РСФСР",
    "这是中文。日本語です、한국어 텍스트, ภาษาไทย\u200bแบ่งคำ, ភាសា\u200bខ្មែរ",
    "می\u200cخواهم، خانه\u200cها", "हिन्दी क्\u200dष श्री\u200cमान", "മലയാളം ന്\u200d", "සිංහල ශ්\u200dරී",
    "עברית \u200f(RTL)\u200e abc", "مرحبا \u2067abc\u2069 \u061c",
    "👩\u200d👩\u200d👧\u200d👦 👍🏽 ❤️\u200d🔥",
    "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f 🇩🇪 1️⃣ 👁️\u200d🗨️",
    "e\u0301 combining, Z\u0335\u0321\u0328, ﬁ ligature, ｆｕｌｌ ｗｉｄｔｈ, ² ½ № ™ &amp; &lt;",
    "x\u2028y\u2029z \u00a0 \u3000 \u2009",
    "\ue000 private, \ufffd lost",
]  # fmt: skip

MISREAD = [
    ("cafÃ© and naÃ¯ve", "café and naïve"),
    ("It\u00e2\u20ac\u2122s \u00e2\u20ac\u0153here\u00e2\u20ac\u009d \u00e2\u20ac\u201c yes", "It’s “here” – yes"),
    ("It\u00e2\u0080\u0099s", "It’s"),
    ("schÃ¶n\nfine – really\nüber", "schön\nfine – really\nüber"),
    ("Ð\u009fÑ\u0080Ð¸Ð²ÐµÑ\u0082", "Привет"),
    ("РџСЂРёРІРµС‚", "Привет"),
    ("ðŸ˜€ smile", "😀 smile"),
    ("æ—¥æœ¬èªž", "日本語"),
    ("Ã¢â‚¬â„¢", "’"),
]

ODD = [
    ("nul\x00 bell\x07 back\x08space", "nul bell backspace"),
    ("\x1b[31mred\x1b[0m", "red"),
    ("zero\u200bwidth \ufeffmark so\u00adft word\u2060joiner", "zerowidth mark soft wordjoiner"),
    ("Latin\u200d joined\u200c here", "Latin joined here"),
    ("left\u200eto\u202eright\u202c \u2066isolate\u2069", "lefttoright isolate"),
    ("hidden\U000e0048\U000e0049 tags", "hidden tags"),
    ("object\ufffc", "object"),
    ("\x93quoted\x94 \x96 dash\x85", "“quoted” – dash…"),
    ("half \ud83d of an emoji", "half \ufffd of an emoji"),
    ("both halves \ud83d\ude00", "both halves 😀"),
]


@pytest.mark.parametrize("text", RIGHT)
def test_leaves_what_is_right(text: str) -> None:
    assert read_again(text) == text
    assert without_odd_characters(text) == text
    assert repair_text(text) == text


@pytest.mark.parametrize(("text", "right"), MISREAD)
def test_reads_again(text: str, right: str) -> None:
    assert read_again(text) == right
    assert repair_text(text) == right


@pytest.mark.parametrize(("text", "right"), ODD)
def test_takes_out_what_nobody_sees(text: str, right: str) -> None:
    assert without_odd_characters(text) == right
    assert repair_text(text) == right


_PIECES = st.sampled_from([*RIGHT, *(text for text, _ in MISREAD), *(text for text, _ in ODD), "Ã", "©", "â\u20ac"])
_TEXT = st.lists(_PIECES | st.text(st.characters(codec=None), max_size=5), max_size=5).map("".join)


@settings(deadline=None)
@given(_TEXT)
def test_repairing_again_changes_nothing(text: str) -> None:
    repaired = repair_text(text)
    assert repair_text(repaired) == repaired
    repaired.encode()


@pytest.mark.case("28-encodings")
@pytest.mark.parametrize("text", ["\u00c3\u00a9 \u00d0\u009f\u00d1\u0080", "\u00d0\u00b0\u00c3\u00a9"])
def test_a_repair_that_makes_other_rubbish_is_not_made(text: str) -> None:
    """Letters of two scripts in one line are no better than what was there."""
    assert read_again(text) == text
