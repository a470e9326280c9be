"""Counts the examples with marks that somebody or something should have filled in, closed or taken out."""

import re
from collections.abc import Iterator

from studio.data.checking.example_texts import texts
from studio.data.checking.findings import WARNING, Finding, Tally
from studio.data.examples import Example
from studio.wording import counted

_PLACEHOLDER = re.compile(
    r"\{\{ ?[A-Za-z_][\w.\- ]{0,40}\}\}|\$\{[A-Za-z_]\w{0,40}\}"
    r"|[\[<](?:your|insert|company|customer|client|user|first|last)[ _](?:[a-z]{2,12}[ _]?){1,3}[\]>]",
    re.IGNORECASE,
)
_CODE = re.compile(r"```|\{%|</(?!think)\w+>|\bdef |\bfunction\b|=>")
"""Where these stand, a text is about templates or code, and a placeholder belongs there."""
_THOUGHT = re.compile(r"<(/?)(think|thinking|thought|reasoning)>")


class LeftoverMarks:
    """Looks through one example after another."""

    def __init__(self) -> None:
        self._unfilled = Tally()
        self._first = ""
        self._half = Tally()

    def add(self, place: int, example: Example) -> None:
        """Take the example at this place."""
        found = next((match for text in texts(example) if (match := _placeholder(text))), "")
        if found:
            self._unfilled.add(place)
            self._first = self._first or found
        if any(message.role == "assistant" and _is_half(message.content) for message in example.messages):
            self._half.add(place)

    def findings(self) -> Iterator[Finding]:
        """Say what was found."""
        if self._unfilled.count:
            verb = "holds" if self._unfilled.count == 1 else "hold"
            yield Finding(
                "placeholders",
                WARNING,
                f"{counted(self._unfilled.count, 'example')} {verb} a placeholder that was not filled in",
                f'Such as "{self._first}". The model would learn to write it as it stands. Fill it in in the file, or '
                "leave these out.",
                self._unfilled.count,
                places=self._unfilled.places,
            )
        if self._half.count:
            verbs = "opens or closes" if self._half.count == 1 else "open or close"
            yield Finding(
                "half-thoughts",
                WARNING,
                f"{counted(self._half.count, 'example')} {verbs} a mark of reasoning without the other",
                "Such as </think> without <think> before it. The model learns it as it stands, and programs that cut "
                "the reasoning off would cut at the wrong place. Add the other mark in the file.",
                self._half.count,
                places=self._half.places,
            )


def _placeholder(text: str) -> str:
    """Return the first placeholder of a text, or "" where there is none and where the text is about code."""
    if not any(mark in text for mark in ("{{", "${", "[", "<")):
        return ""
    match = _PLACEHOLDER.search(text)
    return match.group() if match and not _CODE.search(text) else ""


def _is_half(text: str) -> bool:
    """Tell whether a mark of reasoning is opened and not closed, or closed and not opened."""
    if "<" not in text:
        return False
    open_marks: list[str] = []
    for closing, name in _THOUGHT.findall(text):
        if not closing:
            open_marks.append(name)
        elif not open_marks or open_marks.pop() != name:
            return True
    return bool(open_marks)
