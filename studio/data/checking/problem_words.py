"""What the rows that were left out have in common, in words, with the change that would save them."""

from collections.abc import Iterator

from studio.data.checking.findings import WARNING, Finding, Tally, offer
from studio.data.checking.repairs import SYSTEM_FIRST, TRIM_END, TRIM_START
from studio.data.rows import RowProblem
from studio.wording import counted

_WORDS: dict[str, tuple[str, str, str]] = {
    "empty-answer": ("without an answer", "There is nothing to learn where the answer is empty.", ""),
    "empty-prompt": ("without a question", "There is nothing to answer where the question is empty.", ""),
    "empty": ("without any text", "They hold nothing to learn from.", ""),
    "not-text": ("with something other than text", "Only text can be learned from.", ""),
    "images": ("with images", "Images cannot be learned from here.", ""),
    "audio": ("with sound", "Sound cannot be learned from here.", ""),
    "video": ("with video", "Video cannot be learned from here.", ""),
    "starts-with-answer": (
        "with an answer first",
        "Before an answer there must be something to answer. What comes before the first question can be left out.",
        TRIM_START,
    ),
    "no-answer-at-end": (
        "without an answer at the end",
        "A conversation must end with an answer to learn. What comes after the last one can be left out.",
        TRIM_END,
    ),
    "system-in-the-middle": (
        "with a system message in the middle",
        "A system message can only stand first. All of a conversation can be put together there.",
        SYSTEM_FIRST,
    ),
    "unknown-role": (
        "with an unknown speaker",
        "Known speakers are system, user, assistant and tool, and the usual other names for them.",
        "",
    ),
    "broken-character": (
        "with broken characters",
        "They hold bytes or halves of characters that are no text. Save the file again as UTF-8 from where it comes.",
        "",
    ),
    "thread": (
        "whose conversation is not whole",
        "A row that they follow is missing, left out, or not to be told from another. Bring it, or set the column that "
        "says which row follows which to ignore: each question with its answer is learned by itself then.",
        "",
    ),
    "unanswered": (
        "after the last answer",
        "Each is a message, and no answer that could be learned comes with it or after it.",
        "",
    ),
    "reply": (
        "beside a better reply",
        "Of several replies to a message the one of the best rank is learned, and what follows it.",
        "",
    ),
    "not-to-be-learned": (
        "marked as not to be learned",
        "The data itself says so: by a mark on the row or its answers, or by a verdict that the answer is bad.",
        "",
    ),
    "wrong-columns": ("with cells for other columns", "They have more or fewer cells than there are columns.", ""),
    "unreadable": ("that cannot be read", "Correct them in the file; the other rows are used all the same.", ""),
}


class LeftOut:
    """Counts the rows that were left out, each reason by itself."""

    def __init__(self) -> None:
        self._rows: dict[str, Tally] = {}
        self._example: dict[str, str] = {}

    def add(self, problem: RowProblem) -> None:
        """Take the next row that was left out."""
        self._rows.setdefault(problem.kind, Tally()).add(problem.row)
        self._example.setdefault(problem.kind, problem.text)

    @property
    def count(self) -> int:
        """How many rows were left out."""
        return sum(tally.count for tally in self._rows.values())

    def findings(self) -> Iterator[Finding]:
        """Say why rows were left out, the most frequent reason first."""
        for kind, tally in sorted(self._rows.items(), key=lambda item: -item[1].count):
            what, text, fix = _WORDS.get(kind, ("that cannot be used", f"The first one: {self._example[kind]}", ""))
            verb = "was" if tally.count == 1 else "were"
            yield Finding(
                kind or "unusable",
                WARNING,
                f"{counted(tally.count, 'row')} {what} {verb} left out",
                text,
                tally.count,
                rows=tally.places,
                fixes=offer(fix) if fix else (),
            )
