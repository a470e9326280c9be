"""A text file as blocks and lines of text, with all line ends as a single line feed."""

import codecs
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from studio.data.chunks import RULE, chunk_text
from studio.data.rows import Row
from studio.data.sources.file_bytes import BLOCK_BYTES, HEAD_BYTES, Progress, open_bytes, read_blocks, unreadable
from studio.data.sources.reading import Reading, Rows
from studio.data.sources.text_encodings import TextEncoding

LONGEST_LINE = 16_000_000
"""In characters. A longer line, cell or item is reported and not read: it would not fit in memory, nor in any model."""

PROSE = ("text", "Markdown")
_MARKDOWN = re.compile(r"^(#{1,6} \S|```|[-*] \S|\|[-: |]+\|\s*$|>\s)|\[[^\]\n]+\]\(\S+\)|\*\*\S", re.MULTILINE)
_HEADING = re.compile(r"^#{1,6} \S", re.MULTILINE)


@dataclass(frozen=True)
class TextFile:
    """A file that holds text. `name` is for people, `size` is in bytes."""

    path: Path
    name: str
    encoding: TextEncoding
    size: int

    def blocks(self, progress: Progress) -> Iterator[str]:
        """Yield the text in blocks, of about a quarter of a megabyte. Raises DataError when it cannot be read."""
        decode = _decoder(self.encoding.codec)
        for block in read_blocks(self.path, progress):
            text = decode.decode(block)
            if text:
                yield text
        if last := decode.decode(b"", final=True):
            yield last

    def lines(self, progress: Progress) -> Iterator[str | None]:
        """Yield the lines without their ends; None stands for one longer than `LONGEST_LINE`.

        Raises DataError when the file cannot be read.
        """
        return split_lines(self.blocks(progress))

    def head(self) -> str:
        """Return the first megabyte of text. Raises DataError when it cannot be read."""
        with open_bytes(self.path) as file:
            try:
                data = file.read(HEAD_BYTES)
            except OSError as error:
                raise unreadable(self.path, error) from error
        return _decoder(self.encoding.codec).decode(data, final=self.size <= HEAD_BYTES)

    def tail(self) -> str:
        """Return the last few characters. Raises DataError when they cannot be read."""
        with open_bytes(self.path) as file:
            try:
                file.seek(max(self.size - 256, 0) // 4 * 4)
                data = file.read()
            except OSError as error:
                raise unreadable(self.path, error) from error
        return data.decode(self.encoding.codec.replace("-sig", ""), errors="replace")

    @property
    def head_is_all(self) -> bool:
        """Whether `head` gives the whole text."""
        return self.size <= HEAD_BYTES


def split_lines(blocks: Iterator[str]) -> Iterator[str | None]:
    """Yield the lines of blocks of text without their ends; None stands for one longer than `LONGEST_LINE`."""
    held: list[str] = []
    length = 0
    for block in blocks:
        first, *others = block.split("\n")
        length += len(first)
        if length <= LONGEST_LINE:
            held.append(first)
        else:
            held.clear()
        if others:
            yield None if length > LONGEST_LINE else "".join(held)
            last = others.pop()
            yield from others
            held = [last]
            length = len(last)
    if length:
        yield None if length > LONGEST_LINE else "".join(held)


def cut_lines(blocks: Iterator[str]) -> Iterator[str]:
    """Yield the lines with their ends, a line longer than a block in several parts."""
    rest = ""
    for block in blocks:
        lines = _with_ends(rest + block)
        rest = lines.pop()
        yield from lines
        if len(rest) > BLOCK_BYTES:
            yield rest
            rest = ""
    if rest:
        yield rest


def _with_ends(text: str) -> list[str]:
    *lines, last = text.split("\n")
    return [*(line + "\n" for line in lines), last]


def _decoder(codec: str) -> io.IncrementalNewlineDecoder:
    return io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(codec)("replace"), translate=True)


def plan_text(file: TextFile, head: str) -> Reading:
    """Plan the reading of a text in pieces."""
    ending = file.name.lower().rpartition(".")[2]
    marks = len(_MARKDOWN.findall(head))
    is_markdown = ending in ("md", "markdown") or (marks >= 3 and bool(_HEADING.search(head)))

    def rows(progress: Progress, label: str) -> Rows:
        for number, text, continues in chunk_text(cut_lines(file.blocks(progress))):
            yield Row(number, {"text": text}, label, continues)

    return Reading(PROSE[is_markdown], rows, ("text",), (RULE,))
