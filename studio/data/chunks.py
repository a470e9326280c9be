"""Plain text in pieces of a length that a model can learn from, by one stated rule."""

import re
from collections.abc import Iterable, Iterator

MOST_CHARACTERS = 1500
"""No piece is longer."""

RULE = (
    f"Long text is cut into pieces of at most {MOST_CHARACTERS:,} characters: whole paragraphs are kept together, a "
    "heading begins a new piece, and a longer paragraph is cut after a sentence, or else between two words."
)

_HEADING = re.compile(r" {0,3}#{1,6}[ \t]+\S")
_FENCE = re.compile(r" {0,3}(```|~~~)")
_SENTENCE_END = re.compile(r"[.!?…][\"'”\u2019»)\]]*\s+|[。\uff01\uff1f]|\n")
_LONGEST_HELD = 8 * MOST_CHARACTERS


def chunks(text: str) -> tuple[str, ...]:
    """Cut text into pieces by `RULE`; text that is short enough is one piece, as it stands."""
    if len(text) <= MOST_CHARACTERS:
        return (text,) if text.strip() else ()
    return tuple(piece for _, piece, _ in chunk_text(text))


def chunk_text(lines: str | Iterable[str]) -> Iterator[tuple[int, str, bool]]:
    """Yield the pieces of a text by `RULE`, each with its first line, from 1, and whether the text goes on after it.

    `lines` keep their line feeds; a long line may come in several parts.
    """
    held: tuple[int, str] | None = None
    for piece in _packed(_paragraphs(_with_ends(lines) if isinstance(lines, str) else lines)):
        if held is not None:
            yield *held, True
        held = piece
    if held is not None:
        yield *held, False


def _with_ends(text: str) -> Iterator[str]:
    start = 0
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        yield text[start:end]
        start = end


def _packed(paragraphs: Iterable[tuple[int, str, bool]]) -> Iterator[tuple[int, str]]:
    """Put paragraphs together as long as they fit in one piece."""
    first, packed = 0, ""
    for number, paragraph, is_heading in paragraphs:
        if packed and (is_heading or len(packed) + 2 + len(paragraph) > MOST_CHARACTERS):
            yield first, packed
            packed = ""
        if packed:
            packed += "\n\n" + paragraph
        else:
            first, packed = number, paragraph
    if packed:
        yield first, packed


def _paragraphs(lines: Iterable[str]) -> Iterator[tuple[int, str, bool]]:
    """Yield paragraphs of at most `MOST_CHARACTERS`, with their first line and whether a heading begins them.

    A blank line or a heading ends a paragraph, but neither does within a fenced block of code.
    """
    first, held, length, fenced = 1, list[str](), 0, False
    number, is_whole = 1, True
    for line in lines:
        is_blank = False
        if is_whole:
            is_blank = line.isspace() and not fenced
            if _FENCE.match(line):
                fenced = not fenced
            if held and (is_blank or (not fenced and _HEADING.match(line))):
                yield from _cut(first, "".join(held))
                held, length = [], 0
        if not is_blank:
            first = first if held else number
            held.append(line)
            length += len(line)
            if length > _LONGEST_HELD:
                *pieces, (first, rest, _) = _cut(first, "".join(held), keep_end=True)
                yield from pieces
                held, length = [rest], len(rest)
        is_whole = line.endswith("\n")
        number += is_whole
    yield from _cut(first, "".join(held))


def _cut(first: int, paragraph: str, *, keep_end: bool = False) -> Iterator[tuple[int, str, bool]]:
    """Cut a paragraph into pieces; with `keep_end` the last keeps the spaces at its end, as more is to come."""
    is_heading = bool(_HEADING.match(paragraph))
    start = 0
    while start < len(paragraph):
        is_last = len(paragraph) - start <= MOST_CHARACTERS
        end = len(paragraph) if is_last else _place_to_cut(paragraph, start)
        text = paragraph[start:end]
        if not (keep_end and is_last):
            # Spaces at the start of a line are part of code; blank lines around a piece are not part of anything.
            text = text.strip("\n").rstrip()
            text = text.lstrip() if start and paragraph[start - 1] != "\n" else text
        if text.strip() or (keep_end and is_last):
            yield first, text, is_heading and start == 0
        first += paragraph.count("\n", start, end)
        start = end


def _place_to_cut(text: str, start: int) -> int:
    """Return where the longest piece from `start` ends: after a sentence, else after a word, else where it is full."""
    limit, least = start + MOST_CHARACTERS, start + MOST_CHARACTERS // 4
    for low in (limit - MOST_CHARACTERS // 5, least):
        ends = [found.end() for found in _SENTENCE_END.finditer(text, low, limit)]
        if ends:
            return ends[-1]
    for place in range(limit, least, -1):
        if text[place].isspace():
            return place
    return limit
