"""E-mail addresses in text. Told from what looks like one in code, in package names and in handles."""

import re
from collections.abc import Iterator

_LETTER = "A-Za-z0-9\u00c0-\u024f"
_DOMAIN = re.compile(
    rf"((?:[{_LETTER}](?:[{_LETTER}-]{{0,61}}[{_LETTER}])?\.){{1,8}})"
    rf"([a-z]{{2,24}}|[A-Z]{{2,24}})(?![{_LETTER}_(@-]|\.[A-Za-z0-9])"
)
_FOREIGN = "\u0370-\u1fff\u2c00-\u2dff\u3005-\u3007\u3040-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff"
"""The letters of other writing systems, with the marks that are part of their words."""
_UNSEEN = "\u00ad\u200b-\u200d\u2060\ufeff"
"""What has no width, and comes along when an address is copied from a page."""
_FOREIGN_ENDINGS = (
    "\u0440\u0444|\u0440\u0443\u0441|\u0443\u043a\u0440|\u0431\u0435\u043b|"  # Russia, Ukraine, ...
    "\u0441\u0440\u0431|\u043c\u043a\u0434|\u049b\u0430\u0437|"
    "中国|中國|台灣|台湾|香港|新加坡|公司|网络|在线|みんな|한국|भारत|ไทย|مصر|السعودية|امارات|ایران|ישראל"
)
_INTERNATIONAL = re.compile(
    rf"((?:[{_LETTER}{_FOREIGN}{_UNSEEN}][{_LETTER}{_FOREIGN}{_UNSEEN}-]{{0,62}}\.){{1,8}})"
    rf"([a-z]{{2,24}}|[A-Z]{{2,24}}|xn--[a-z0-9-]{{2,59}}|{_FOREIGN_ENDINGS})(?![{_LETTER}_(@-]|\.[A-Za-z0-9])"
)
_NAME = re.compile(rf"(?<![{_LETTER}._%+@/=-])[{_LETTER}][{_LETTER}{_UNSEEN}._%+'-]{{0,63}}\Z")
_WIDE = re.compile(r"[\uff0e\uff10-\uff19\uff21-\uff3a\uff3f\uff41-\uff5a]")
_NARROW = {0xFF00 + sign - 0x20: sign for sign in (*b"%+-._0123456789", *range(65, 91), *range(97, 123))}
"""Letters, digits and signs as wide as a Chinese one, and the usual ones for them."""
_LONGEST_NAME = 64
_LONGEST_LINK = 80
_LONGEST_DOMAIN = 255
_IN_LINK = re.compile(r"://[^\s/]*\Z")
_COUNTRIES = frozenset(
    "ac ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bm bn bo br bs bt bw by bz ca "
    "cc cd cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg er es et eu fi fj fk fm fo "
    "fr ga gd ge gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie il im in io iq ir is it je "
    "jm jo jp ke kg kh ki km kn kp kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md me mg mh mk ml mm mn mo "
    "mp mq mr ms mt mu mv mw mx my mz na nc ne nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt "
    "pw py qa re ro rs ru rw sa sb sc sd se sg sh si sk sl sm sn so sr ss st su sv sx sy sz tc td tf tg th tj tk "
    "tl tm tn to tr tt tv tw tz ua ug uk us uy uz va vc ve vg vi vn vu wf ws ye yt za zm zw".split()
)
_GENERAL = frozenset(
    "com org net edu gov mil int info biz name pro aero coop museum jobs mobi travel asia cat post tel app dev "
    "page blog shop store online site website web tech cloud email mail digital agency company world life live "
    "news media studio design group team work works global international network systems solutions services "
    "consulting support software academy school university institute foundation church health care clinic dental "
    "law legal bank finance money capital fund club social community family xyz top icu vip art music games fun "
    "space zone today london berlin paris amsterdam wien hamburg koeln tokyo nyc swiss eus gal scot wales quebec "
    "example test invalid".split()
)

Span = tuple[int, int]


def address_spans(text: str) -> Iterator[Span]:
    """Give the start and end of every e-mail address, in order."""
    if not text.isascii():
        text = text.replace("\uff20", "@")
    at = text.find("@")
    while at >= 0:
        span = _narrowed(text, at) or _address(text, at)
        if span:
            yield span
        at = text.find("@", at + 1)


def _narrowed(text: str, at: int) -> Span | None:
    """Return the address around this sign when something in it is as wide as a Chinese letter."""
    start, stop = max(0, at - _LONGEST_LINK - 1), at + _LONGEST_DOMAIN
    if text.isascii() or not _WIDE.search(text, max(0, at - _LONGEST_NAME), at + _LONGEST_NAME):
        return None
    found = _address(text[start:stop].translate(_NARROW), at - start)
    return (found[0] + start, found[1] + start) if found else None


def _address(text: str, at: int) -> Span | None:
    domain = _DOMAIN.match(text, at + 1)
    if not text.isascii() and not (domain and _is_ending(domain.group(2))):
        domain = _INTERNATIONAL.match(text, at + 1)
    if not domain or not _is_ending(domain.group(2)):
        return None
    name = _NAME.search(text, max(0, at - _LONGEST_NAME), at)
    if not name or not _is_address(name.group(), domain.group(1)):
        return None
    return None if _IN_LINK.search(text, max(0, at - _LONGEST_LINK), at) else (name.start(), domain.end())


def _is_ending(ending: str) -> bool:
    ending = ending.lower()
    if not ending.isascii() or ending.startswith("xn--"):
        return True
    return ending in (_COUNTRIES if len(ending) == 2 else _GENERAL)


def _is_address(name: str, domain: str) -> bool:
    """Tell an address from "git@github.com:..." and from a product of matrices, "x@w.to"."""
    if name == "git" or ".." in name or name.endswith((".", "-")):
        return False
    return len(name) > 1 or len(domain) > 2
