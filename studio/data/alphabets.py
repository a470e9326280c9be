"""Which letters belong together in one language: how text in the wrong encoding is told from right text."""

import re
import unicodedata
from functools import cache
from itertools import pairwise

_WRITTEN = {
    "German": "äöüß",
    "French": "àâæçéèêëîïôœùûüÿ",
    "French without its joined letters": "àâçéèêëîïôùûü",
    "Spanish": "áéíñóúü",
    "Portuguese": "áâãàçéêíóôõúü",
    "Italian": "àèéìíîòóùú",
    "Catalan": "àçèéíïòóúü",
    "Dutch": "áäéëèïíóöúü",
    "Swedish": "åäöé",
    "Danish": "æøåéèêóòâ",
    "Icelandic": "áðéíóúýþæö",
    "Czech": "áčďéěíňóřšťúůýž",
    "Slovak": "áäčďéíĺľňóôŕšťúýž",
    "Polish": "ąćęłńóśźż",
    "Hungarian": "áéíóöőúüű",
    "Romanian": "ăâîșț",
    "Romanian with cedillas": "ăâîşţ",
    "Croatian": "čćđšž",
    "Slovene": "čšž",
    "Finnish": "äöå",
    "Albanian": "çë",
    "Turkish": "çğıöşüâîû\u0307",
    "Lithuanian": "ąčęėįšųūž",
    "Latvian": "āčēģīķļņšūž",
    "Estonian": "äöõüšž",
    "Russian": "абвгдежзийклмнопрстуфхцчшщъыьэюяё",
    "Ukrainian": "абвгґдеєжзиіїйклмнопрстуфхцчшщьюя",
    "Ukrainian without ghe with upturn": "абвгдеєжзиіїйклмнопрстуфхцчшщьюя",
    "Belarusian": "абвгдеёжзійклмнопрстуўфхцчшыьэюя",
    "Bulgarian": "абвгдежзийклмнопрстуфхцчшщъьюя",
    "Serbian": "абвгдђежзијклљмнњопрстћуфхцчџш",
    "Macedonian": "абвгдѓежзѕијклљмнњопрстќуфхцчџш",
    "Greek": "αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώϊϋΐΰ",
    "Hebrew": "אבגדהוזחטיךכלםמןנסעףפץצקרשת",
    "Arabic": "ءآأؤإئابةتثجحخدذرزسشصضطظعغفقكلمنهوىي",
    "Thai": "กขฃคฅฆงจฉชซฌญฎฏฐฑฒณดตถทธนบปผฝพฟภมยรฤลฦวศษสหฬอฮฯะาำเแโใไๅๆ",
}
_ALPHABETS = tuple(frozenset(letters) for letters in _WRITTEN.values())
LANGUAGES = range(len(_ALPHABETS))
"""The numbers of the languages whose letters are known."""

_ORDINAL = re.compile(r"(?<=\d)[\u00ba\u00aa]")
_STRAY = (
    "\u20ac\u00a2\u00a4\u00a6\u00a8\u00ac\u00af\u00b2-\u00b4\u00b6\u00b8\u00b9\u00bc-\u00be\u00d7\u00f7\u02c6-\u02dd"
    "\u0192\u2020-\u2022\u2030\u2200-\u25ff"
)
_QUOTES = (
    "\u00a1\u00a3\u00a5\u00a7\u00a9-\u00ab\u00ae\u00b0\u00b1\u00b5\u00ba\u00bb\u00bf\u2018\u201a\u201c-\u201e\u2026"
    "\u2039\u203a\u20ad-\u2122"
)
_LETTER = r"[^\W\d_]"
_MISPLACED = re.compile(
    rf"[\x80-\x9f\xa4]|(?<={_LETTER})[\u00a1\u00bf\u201a\u201e]|(?<=[a-z])[\u200c-\u200f]|(?<=[a-z])\u2013(?=[a-z])|[\u00ae\u2122](?={_LETTER})"
    rf"|(?<!{_LETTER})\u2019(?=[\u0370-\u03ff])|[{_STRAY}](?={_LETTER})|(?<={_LETTER})[{_STRAY}]|(?<={_LETTER})[{_QUOTES}](?={_LETTER})"
)
"""Signs that stand beside no letter of a word, not behind one, or not within one. The apostrophe and dashes may."""
_BEYOND = tuple(map(chr, range(0x80, 0x530)))
_SMALL, _CAPITAL = ("".join(filter(kind, _BEYOND)) for kind in (str.islower, str.isupper))
_RISING = re.compile(f"[a-z{_SMALL}][{_CAPITAL}]|[{_SMALL}][A-Z{_CAPITAL}]")
"""A capital within a word, where it is not of plain letters, as in a name of a product."""
_MIXED = re.compile(r"[A-Za-z][\u0370-\u06ff\u0e00-\u0e7f]|[\u0370-\u06ff\u0e00-\u0e7f][A-Za-z]")
"""A word of letters of two scripts."""
_EAST_ASIAN = ("HIRAGANA", "KATAKANA", "CJK", "HALFWIDTH", "FULLWIDTH", "IDEOGRAPHIC", "KATAKANA-HIRAGANA")
_FAMILIES = {
    **dict.fromkeys(_EAST_ASIAN, "CJK"),
    **dict.fromkeys(("MODIFIER", "FEMININE", "MASCULINE", "SUPERSCRIPT", "MATHEMATICAL"), ""),
}
_USUAL: dict[str, tuple[str, float]] = {
    "Japanese": ("".join(map(chr, (*range(0x3041, 0x3097), *range(0x30A1, 0x30FB), 0x30FC))), 0.6),
    "Chinese": (
        "的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出就分对成会可主发年动同工也能下过子说产种面而方后"
        "多定行学法所民得经十三之进着等部度家电力里如水化高自二理起小物现实加量都两体制机当使点从业本去把性好应开它合"
        "还因由其些然前外天请問請您你吗么什哪怎這為個國時來們對會發動過說產種後學經進著裡現實兩體機當點從業應開還麼"
        "嗎給與沒關於號第",
        0.4,
    ),
    "Korean": (
        "이다는을에의가고은를하니지도한로기사서자어리아대있시나수인그것해들일정게면요라로스으부여만과보주제안장었구습까"
        "오세전무동상성공원님모든문방입와좋",
        0.5,
    ),
    "Cyrillic": ("оеаинтсрвлік", 0.65),
    "Greek": ("αοιετσνηυρςόίά", 0.75),
    "Hebrew": ("יוהלאתרבשמ", 0.7),
    "Arabic": ("اليمونترهبدة", 0.75),
    "Thai": ("านรอกเงมยลวดทส", 0.6),
}
"""What each language writes most of all, and about which share of its letters that is."""
ALPHABETIC_SCRIPTS = ("Cyrillic", "Greek", "Hebrew", "Arabic", "Thai")


def beyond_ascii(text: str) -> frozenset[str]:
    """Return the different letters of a text that are not ASCII, in lower case."""
    plain = _ORDINAL.sub("", text)
    return frozenset(letter for letter in plain.lower() if letter > "\x7f" and (letter.isalpha() or letter == "\u0307"))


def fits(text: str) -> frozenset[int]:
    """Return the numbers of the languages that a line of text could be in."""
    if _MISPLACED.search(text) or _RISING.search(text) or _MIXED.search(text):
        return frozenset()
    letters = beyond_ascii(text)
    return frozenset(number for number in LANGUAGES if letters <= _ALPHABETS[number])


@cache
def written_in(codec: str) -> frozenset[int]:
    """Return the numbers of the languages that an encoding has all letters of."""
    return frozenset(number for number in LANGUAGES if _can_write(codec, "".join(_ALPHABETS[number])))


def _can_write(codec: str, letters: str) -> bool:
    try:
        letters.replace("\u0307", "").encode(codec)
    except UnicodeEncodeError:
        return False
    return True


def is_plausible(text: str) -> bool:
    """Say whether the letters of each line could belong together: those of one language, or of one other script."""
    return all(line.isascii() or bool(fits(line)) or _is_of_one_script(line) for line in text.split("\n"))


def _is_of_one_script(line: str) -> bool:
    scripts = {_script(letter) for letter in beyond_ascii(line)} - {""}
    return len(scripts) == 1 and "LATIN" not in scripts


def _script(letter: str) -> str:
    name = unicodedata.name(letter, "?").split(" ", 1)[0]
    return _FAMILIES.get(name, name)


def likeness(text: str, script: str) -> float:
    """Return how usual the letters of a text beyond ASCII are for a script: about 1 where the text is written in it."""
    letters = [letter for letter in text if letter > "\x7f" and letter.isalpha()]
    usual, share = _USUAL[script]
    latin = sum(letter < "\u0250" for letter in letters)
    rising = sum(one.islower() and other.isupper() for one, other in pairwise(text) if one > "\x7f" < other)
    if not letters or 10 * (latin + rising) > len(letters) or 10 * len(_MIXED.findall(text)) > len(letters):
        return 0.0
    return sum(letter in usual for letter in letters) / len(letters) / share
