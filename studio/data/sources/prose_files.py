"""Plain text and Markdown as rows of one column, in pieces by the rule of `studio.data.chunks`."""

import re

from studio.data.chunks import RULE, chunk_text
from studio.data.rows import Row
from studio.data.sources.file_bytes import Progress
from studio.data.sources.reading import Reading, Rows
from studio.data.sources.text_files import TextFile, cut_lines

FORMATS = ("text", "Markdown")

_MARKDOWN = re.compile(r"^(#{1,6} \S|```|[-*] \S|\|[-: |]+\|\s*$|>\s)|\[[^\]\n]+\]\(\S+\)|\*\*\S", re.MULTILINE)
_HEADING = re.compile(r"^#{1,6} \S", re.MULTILINE)


def plan_text(file: TextFile, head: str) -> Reading:
    """Plan the reading of a text in pieces."""
    ending = file.name.lower().rpartition(".")[2]
    marks = len(_MARKDOWN.findall(head))
    is_markdown = ending in ("md", "markdown") or (marks >= 3 and bool(_HEADING.search(head)))

    def rows(progress: Progress, label: str) -> Rows:
        for number, text, continues in chunk_text(cut_lines(file.blocks(progress))):
            yield Row(number, {"text": text}, label, continues)

    return Reading(FORMATS[is_markdown], rows, ("text",), (RULE,))
