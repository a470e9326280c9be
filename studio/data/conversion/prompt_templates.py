"""A prompt made of several columns: a text with column names in braces, such as "{title}\n\n{body}".

A brace that is meant as such is written twice. Nothing is computed, so that a template can do no harm.
"""

import re
from collections.abc import Mapping

_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


def names_in(template: str) -> tuple[str, ...]:
    """Return the names in braces, each once and in their order."""
    names = (match.group(1) for match in _PIECE.finditer(template) if match.group(1) is not None)
    return tuple(dict.fromkeys(names))


def has_stray_brace(template: str) -> bool:
    """Say whether a brace stands alone, so that it is unclear what is meant."""
    return any(match.group() in ("{", "}") for match in _PIECE.finditer(template))


def fill(template: str, texts: Mapping[str, str]) -> str:
    """Put the texts where their names stand; an unknown name stays as it is."""

    def piece(match: re.Match[str]) -> str:
        name = match.group(1)
        return match.group()[0] if name is None else texts.get(name, match.group())

    return _PIECE.sub(piece, template)
