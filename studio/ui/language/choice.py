"""Which language is spoken: the one that was chosen, else the browser's, else English.

A listener runs in the context of its request, so what it draws can ask for the language, see `said`.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from studio.ui.language.catalog import Catalog, catalog

LANGUAGES = {"en": "English", "de": "Deutsch", "es": "Español"}
"""The languages of the page, each by its own name."""

COOKIE = "studio-language"

_LONGEST_HEADER = 500
_ASKED = re.compile(r"([a-z]{1,8})(?:-[a-z0-9-]{1,35})?(?:\s*;\s*q=([01](?:\.\d{1,3})?))?", re.IGNORECASE)
_spoken: ContextVar[str] = ContextVar("language", default="en")


def language_of(headers: Mapping[str, str], cookies: Mapping[str, str]) -> str:
    """Return the language of a request. Whatever is not known is English."""
    chosen = cookies.get(COOKIE, "")
    return chosen if chosen in LANGUAGES else _best(headers.get("accept-language", ""))


def _best(header: str) -> str:
    asked = (_ASKED.fullmatch(each.strip()) for each in header[:_LONGEST_HEADER].split(","))
    known = [(float(each[2] or 1), each[1].lower()) for each in asked if each and each[1].lower() in LANGUAGES]
    weight, language = max(known, key=lambda each: each[0], default=(0.0, "en"))
    return language if weight > 0 else "en"


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Speak a language within the block."""
    before = _spoken.set(language)
    try:
        yield
    finally:
        _spoken.reset(before)


def spoken() -> Catalog | None:
    """Return the catalog of the language that is spoken; none for English."""
    return catalog(_spoken.get())


def said(text: str) -> str:
    """Say a text in the language that is spoken: for what reaches the page as data, as the names in a chart do."""
    known = spoken()
    return known.translate(text) if known else text
