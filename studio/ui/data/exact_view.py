"""One example exactly as the model reads it, each part by its name: what the template adds, the question, the answer.

Every text from a file is escaped.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from studio.data.examples import TEXT, Example
from studio.data.tokenizing.rendering import Piece
from studio.ui.data.editing import NAMES
from studio.ui.kit import fragments

OWN = "Added by the model's template"
_SIGNS = ("system", "user", "assistant", "human", "model", "tool", "inst", "sys", "im_start", "im_end")
_FEWEST_WORDS = 3


@dataclass(frozen=True)
class Part:
    """A stretch of what the model reads, and whose it is."""

    name: str
    start: int


def exact(pieces: Sequence[Piece], example: Example, *, special: bool) -> Markup:
    """Show an example as the model reads it, learned parts marked and all parts named.

    `special` shows the model's own signs in full; otherwise a dot stands for each.
    """
    parts = named(pieces, example)
    ends = [*(part.start for part in parts[1:]), sum(len(piece.text) for piece in pieces)]
    shown = fragments.join(
        Markup('<div><dt>{}</dt><dd translate="no">{}</dd></div>').format(
            part.name, fragments.join(_piece(piece, special=special) for piece in _between(pieces, part.start, end))
        )
        for part, end in zip(parts, ends, strict=True)
    )
    return Markup(
        '<div class="ls-text" tabindex="0" role="group" aria-label="As the model reads it"><dl>{}</dl></div>'
    ).format(shown)


def named(pieces: Sequence[Piece], example: Example) -> list[Part]:
    """Cut what the model reads into parts; a message that the template has changed belongs to the part before it."""
    whole = "".join(piece.text for piece in pieces)
    if example.is_text:
        return [Part(NAMES[TEXT], 0)]
    parts: list[Part] = []
    end = 0
    for message in example.messages:
        content = message.content.strip()
        start = whole.find(content, end) if content else -1
        if start < 0:
            continue
        own, lead = _led_in(pieces, whole, end, start)
        if _words(whole[own:lead]) >= _FEWEST_WORDS:
            parts.append(Part("Available tools" if example.tools and not parts else OWN, own))
        elif not parts:
            lead = 0
        parts.append(Part(NAMES.get(message.role, message.role), lead))
        end = start + len(content)
    return parts or [Part("Text", 0)]


def _led_in(pieces: Sequence[Piece], whole: str, end: int, start: int) -> tuple[int, int]:
    """Return where the signs that end the message before are over, and where those begin that lead into the next one.

    What stands between the two is the template's own, if it is more than the name of a speaker.
    """
    signs = [sign for sign in _special(pieces) if end <= sign[0] and sign[1] <= start]
    lead, run = start, list[int]()
    for sign in reversed(signs):
        if _words(whole[sign[1] : lead]):
            break
        lead = sign[0]
        run.insert(0, lead)
    if not run:
        lead = max(end, whole.rfind("\n", end, len(whole[:start].rstrip())) + 1)
    elif len(run) > 1 and lead > 0:  # the first of them closes what stands before
        lead = run[1]
    return signs[0][1] if end and signs and signs[0][1] <= lead else end, lead


def _words(text: str) -> int:
    """Count the words that name no speaker."""
    return sum(word.lower() not in _SIGNS for word in re.findall(r"\w+", text))


def _special(pieces: Sequence[Piece]) -> Iterator[tuple[int, int]]:
    place = 0
    for piece in pieces:
        if piece.special:
            yield place, place + len(piece.text)
        place += len(piece.text)


def _between(pieces: Sequence[Piece], start: int, end: int) -> Iterator[Piece]:
    place = 0
    for piece in pieces:
        text = piece.text[max(0, start - place) : max(0, end - place)]
        place += len(piece.text)
        if text:
            yield Piece(text, piece.learned, piece.special)


def _piece(piece: Piece, *, special: bool) -> Markup:
    inner = Markup("{}").format(piece.text)
    if piece.special:
        inner = (
            Markup("<code>{}</code>").format(piece.text)
            if special
            else Markup('<i class="ls-dot" title="{}">·</i>').format(piece.text)
        )
    return Markup("<mark>{}</mark>").format(inner) if piece.learned else inner
