"""The catalogs hold every message of the page, and nothing else."""

import json
import re
from pathlib import Path

import pytest

from studio.ui.language import catalog as room
from studio.ui.language.choice import LANGUAGES
from studio.ui.language.search import LONGEST
from tests.ui.language.messages import messages

FOLDER = Path(room.__file__).parent
OTHERS = sorted(LANGUAGES.keys() - {"en"})


def read(language: str) -> dict[str, str]:
    said: dict[str, str] = json.loads((FOLDER / f"{language}.json").read_text(encoding="utf-8"))
    return said


def listed(found: dict[str, list[str]], texts: set[str]) -> str:
    return "\n".join(f"{found.get(text, ['?'])[0]}: {text}" for text in sorted(texts))


@pytest.mark.parametrize("language", OTHERS)
def test_each_message_of_the_page_is_said(language: str) -> None:
    found = messages()
    missing = found.keys() - read(language).keys()
    assert not missing, f"{language}.json lacks:\n{listed(found, missing)}"


@pytest.mark.parametrize("language", OTHERS)
def test_no_message_is_said_that_the_page_has_not(language: str) -> None:
    dead = read(language).keys() - messages().keys()
    assert not dead, f"{language}.json says what no source has:\n{listed({}, dead)}"


@pytest.mark.parametrize("language", OTHERS)
def test_a_translation_has_the_places_of_its_message(language: str) -> None:
    """A place that a language does not need is named all the same, as {1~}."""
    for english, said in read(language).items():
        places = [set(re.findall(r"\{(\d+)[#~]?\}", text)) for text in (english, said)]
        assert places[0] == places[1], english
        assert said.strip(), english


def test_no_message_is_longer_than_what_is_looked_up() -> None:
    assert all(len(text) <= LONGEST for text in messages())


def test_the_catalogs_are_sorted_so_that_changes_meet_seldom() -> None:
    for language in OTHERS:
        assert list(read(language)) == sorted(read(language))
