"""E-mail addresses in text. Told from what looks like one in code, in package names and in handles."""

import re
from collections.abc import Iterator

_LETTER = "A-Za-z0-9\u00c0-\u024f"
_DOMAIN = re.compile(
    rf"((?:[{_LETTER}](?:[{_LETTER}-]{{0,61}}[{_LETTER}])?\.){{1,8}})"
    rf"([a-z]{{2,24}}|[A-Z]{{2,24}})(?![{_LETTER}_(@-]|\.[A-Za-z0-9])"
)
_NAME = re.compile(rf"(?<![{_LETTER}._%+@/=-])[{_LETTER}][{_LETTER}._%+'-]{{0,63}}\Z")
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
    at = text.find("@")
    while at >= 0:
        domain = _DOMAIN.match(text, at + 1)
        if domain and _is_ending(domain.group(2).lower()):
            name = _NAME.search(text, max(0, at - 64), at)
            if name and _is_address(name.group(), domain.group(1)) and not _IN_LINK.search(text, max(0, at - 80), at):
                yield name.start(), domain.end()
        at = text.find("@", at + 1)


def _is_ending(ending: str) -> bool:
    return ending in (_COUNTRIES if len(ending) == 2 else _GENERAL)


def _is_address(name: str, domain: str) -> bool:
    """Tell an address from "git@github.com:..." and from a product of matrices, "x@w.to"."""
    if name == "git" or ".." in name or name.endswith((".", "-")):
        return False
    return len(name) > 1 or len(domain) > 2
