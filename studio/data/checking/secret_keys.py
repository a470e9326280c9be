"""Keys, tokens and passwords in text: what opens an account to whoever reads it.

Known by the shapes that their issuers publish, or as a random value after a word such as "api_key". Words that stand
for a key, such as YOUR_API_KEY, are none.
"""

import re
from collections.abc import Iterator

_KEY_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-+/"
_BEFORE = r"(?<![A-Za-z0-9_-])"
_SHAPES: tuple[tuple[str, str], ...] = (
    ("sk-", _BEFORE + r"sk-(?=[A-Za-z0-9_-]*[A-Za-z0-9_]{16})[A-Za-z0-9_-]{20,250}(?!@)"),
    ("sk_", _BEFORE + r"[sr]k_(?:live|test)_[A-Za-z0-9]{16,250}"),
    ("rk_", _BEFORE + r"rk_(?:live|test)_[A-Za-z0-9]{16,250}"),
    ("AKIA", _BEFORE + r"AKIA[A-Z0-9]{16}(?![A-Za-z0-9_-])"),
    ("ASIA", _BEFORE + r"ASIA[A-Z0-9]{16}(?![A-Za-z0-9_-])"),
    ("gh", _BEFORE + r"gh[pousr]_[A-Za-z0-9]{36,255}"),
    ("github_pat_", _BEFORE + r"github_pat_[A-Za-z0-9_]{40,255}"),
    ("glpat-", _BEFORE + r"glpat-[A-Za-z0-9_-]{20,255}"),
    ("hf_", _BEFORE + r"hf_[A-Za-z0-9]{30,50}(?![A-Za-z0-9_])"),
    ("xox", _BEFORE + r"xox[abeoprs]-[A-Za-z0-9-]{10,250}"),
    ("hooks.slack.com", r"hooks\.slack\.com/services/T[A-Za-z0-9]{6,}/B[A-Za-z0-9]{6,}/[A-Za-z0-9]{16,}"),
    ("AIza", _BEFORE + r"AIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])"),
    ("GOCSPX-", _BEFORE + r"GOCSPX-[A-Za-z0-9_-]{24,40}"),
    ("ya29.", _BEFORE + r"ya29\.[A-Za-z0-9_-]{20,500}"),
    ("npm_", _BEFORE + r"npm_[A-Za-z0-9]{36}(?![A-Za-z0-9_])"),
    ("pypi-", _BEFORE + r"pypi-AgE[A-Za-z0-9_-]{40,500}"),
    ("SG.", _BEFORE + r"SG\.[A-Za-z0-9_-]{20,24}\.[A-Za-z0-9_-]{39,50}"),
    ("key-", _BEFORE + r"key-[0-9a-f]{32}(?![A-Za-z0-9])"),
    ("dapi", _BEFORE + r"dapi[0-9a-f]{32}(?![A-Za-z0-9])"),
    ("shp", _BEFORE + r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"),
    ("dop_v1_", _BEFORE + r"dop_v1_[0-9a-f]{64}"),
    (":AA", r"(?<![A-Za-z0-9])[0-9]{8,10}:AA[A-Za-z0-9_-]{33}(?![A-Za-z0-9_-])"),
    ("AccountKey=", r"(?<=AccountKey=)[A-Za-z0-9+/]{86}=="),
    ("eyJ", _BEFORE + r"eyJ[A-Za-z0-9_-]{10,2000}\.eyJ[A-Za-z0-9_-]{10,4000}\.[A-Za-z0-9_-]{10,1000}"),
)
"""A piece that every key of this shape holds, cheap to look for, and the shape."""

_RUNS = bytes(49 if 48 <= value <= 57 else 97 if chr(value) in _KEY_LETTERS else 32 for value in range(256))
_RUN = re.compile(rb"[1a]{16,}")
_LONG = b"a" * 16
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:((?:(?!-----)[\s\S]){12,20000})-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
    r"|[\s\\nr\"']{0,9}([A-Za-z0-9+/=]{40,}(?:[\s\\nr]{1,9}[A-Za-z0-9+/=]{20,}){0,400}))"
)
_KEY_LINE = re.compile(r"[A-Za-z0-9+/]{16}")
_URL_PASSWORD = re.compile(
    r"(?<=://)([^\s:/@'\"<>\[\]]{0,64}:)([^\s/:@'\"<>\[\]{}$*%][^\s/:@'\"<>\[\]{}$*]{2,127})(?=@[A-Za-z0-9])"
)
_ASSIGNING = "key KEY Key ecret ECRET oken OKEN assw ASSW pass PASS pwd PWD earer".split()
_ASSIGNED = re.compile(
    r"(?:(?:[TtDd]|ord|ORD)?[\"']?[ \t]{0,4}(?:=>|:=|=|:)[ \t]{0,4}(?:[Bb]earer |[Bb]asic )?[\"'`]?|(?<=earer) )"
    r"([A-Za-z0-9+/_.~-]{16,300}={0,2})"
)
"""What follows such a word when a value is given to it."""

_STAND_IN_PASSWORDS = frozenset(
    "password passwd pass pwd user username admin root guest postgres mypassword yourpassword your_password changeme "
    "example xxx xxxx port token".split()
)
_STAND_IN = re.compile(r"(?i)your|xxxx|placeholder|\.\.\.|insert|replace|redacted|dummy|sample")
_WORD = re.compile(r"[a-z]{7}|[A-Z]?[a-z]{8}|[A-Z]{9}")

Span = tuple[int, int]


def secret_spans(text: str) -> Iterator[Span]:
    """Give the start and end of every key, token and password, in no order; they may overlap."""
    if "://" in text and "@" in text:
        for match in _URL_PASSWORD.finditer(text):
            if match.group(2).lower() not in _STAND_IN_PASSWORDS:
                yield match.span(2)
    if "PRIVATE KEY" in text:
        for match in _PRIVATE_KEY.finditer(text):
            if _KEY_LINE.search(match.group(1) or match.group(2)):
                yield match.span()
    if _may_hold_key(text):
        yield from _shaped(text)
        yield from _assigned(text)


def _may_hold_key(text: str) -> bool:
    """Tell quickly whether there is a word long enough for a key, with digits."""
    plain = text.encode("ascii", "replace").translate(_RUNS)
    return _LONG in plain.replace(b"1", b"a") and ("hf_" in text or any(b"1" in run for run in _RUN.findall(plain)))


def _shaped(text: str) -> Iterator[Span]:
    """Find the keys of known shapes."""
    for marker, shape in _SHAPES:
        if marker in text:
            for match in re.finditer(shape, text):
                if _looks_random(match.group()):
                    yield match.span()


def _assigned(text: str) -> Iterator[Span]:
    """Find random values after a word such as "api_key"."""
    for word in _ASSIGNING:
        at = text.find(word)
        while at >= 0:
            at += len(word)
            assigned = _ASSIGNED.match(text, at)
            public = "ublic" in text[max(0, at - 12) : at]
            if assigned and not public and _is_random(assigned.group(1)):
                yield assigned.span(1)
            at = text.find(word, at)


def _looks_random(key: str) -> bool:
    """Tell a key from words of the same shape, such as "sk-folding-cube-animation", and from what stands for a key."""
    start, _, rest = key.partition("_")
    digits = sum(letter.isdigit() for letter in key)
    fewest = 0 if start == "hf" and rest else 2 if key.startswith("sk-") else 1
    return digits >= fewest and len(set(key)) >= 10 and not _STAND_IN.search(key)


def _is_random(value: str) -> bool:
    """Tell a random value, as a key without a known shape is one, from names, numbers and paths."""
    if sum(letter.isdigit() for letter in value) < 3 or len(set(value)) < 12:
        return False
    if (
        value.startswith("0x")
        or _STAND_IN.search(value)
        or _WORD.search(value)
        or value.count(".") > 1
        or value.count("/") > 3
    ):
        return False
    mixed = any(letter.islower() for letter in value) and any(letter.isupper() for letter in value)
    return mixed or (len(value) >= 32 and set(value) <= set("0123456789abcdef"))
