"""Which language is spoken."""

import pytest

from studio.ui.language.choice import language_of, said, speaking


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-DE,de;q=0.9,en;q=0.8", "de"),
        ("es-MX,es;q=0.9", "es"),
        ("fr-FR,fr;q=0.9,es;q=0.5,en;q=0.4", "es"),
        ("en-GB,de;q=0.5", "en"),
        ("de;q=0.3,en;q=0.8", "en"),
        ("de;q=0", "en"),
        ("fr", "en"),
        ("*", "en"),
        ("de;q=9", "en"),
        ("de" * 100_000, "en"),
        ("../de", "en"),
        ("\x00de, ,;;q=", "en"),
    ],
)
def test_the_browsers_language(header: str, language: str) -> None:
    assert language_of({"accept-language": header}, {}) == language


@pytest.mark.parametrize("cookie", ["", "xx", "DE", "de ", "../../etc", "d" * 100_000, "\x00"])
def test_a_hostile_choice_counts_as_none(cookie: str) -> None:
    assert language_of({"accept-language": "es"}, {"studio-language": cookie}) == "es"


def test_the_choice_comes_before_the_browser() -> None:
    assert language_of({"accept-language": "es"}, {"studio-language": "de"}) == "de"
    assert language_of({"accept-language": "de"}, {"studio-language": "en"}) == "en"


def test_a_text_is_said_in_the_language_that_is_spoken() -> None:
    assert said("Data set") == "Data set"
    with speaking("de"):
        assert said("Data set") == "Datensatz"
    assert said("Data set") == "Data set"
