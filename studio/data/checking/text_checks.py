"""Counts the examples whose text is damaged, holds personal data, or has marks that somebody should have taken out."""

import re
from collections.abc import Iterator

from studio.data.checking.example_texts import texts
from studio.data.checking.findings import INFO, WARNING, Finding, Tally
from studio.data.checking.personal import CARDS, EMAILS, KEYS, KINDS, MASKS, PHONES, personal_kinds
from studio.data.checking.repairs import REPAIR_TEXT
from studio.data.checking.text_repair import REPLACED, read_again, without_odd_characters
from studio.data.examples import Example

PERSONAL = {
    KEYS: ("a key or a password", "What opens an account should not be learned: a model may say it to anyone"),
    EMAILS: ("an e-mail address", "A model may repeat addresses that it has learned"),
    CARDS: ("a card number", "A model may repeat card numbers that it has learned"),
    PHONES: ("a telephone number", "A model may repeat telephone numbers that it has learned"),
}
"""What each kind of personal data is called, and why it should not be learned."""

_PLACEHOLDER = re.compile(
    r"\{\{ ?[A-Za-z_][\w.\- ]{0,40}\}\}|\$\{[A-Za-z_]\w{0,40}\}"
    r"|[\[<](?:your|insert|company|customer|client|user|first|last)[ _](?:[a-z]{2,12}[ _]?){1,3}[\]>]",
    re.IGNORECASE,
)
_CODE = re.compile(r"```|\{%|</(?!think)\w+>|\bdef |\bfunction\b|=>")
"""Where these stand, a text is about templates or code, and a placeholder belongs there."""
_THOUGHT = re.compile(r"<(/?)(think|thinking|thought|reasoning)>")


class TextFaults:
    """Looks through one text after another."""

    def __init__(self) -> None:
        self._misread = Tally()
        self._odd = Tally()
        self._lost = Tally()

    def add(self, place: int, text: str) -> None:
        """Take all the text of the example at this place."""
        again = read_again(text)
        if again != text:
            self._misread.add(place)
        if without_odd_characters(again) != again:
            self._odd.add(place)
        if REPLACED in again:
            self._lost.add(place)

    def findings(self) -> Iterator[Finding]:
        """Say what was found."""
        yield from self._misread.finding(
            "broken-encoding",
            WARNING,
            "The letters of {} were read in the wrong encoding",
            'They look like "cafÃ©" where "café" was meant. The model would learn to write so. '
            "Repairing puts them right.",
            fixes=(REPAIR_TEXT,),
        )
        yield from self._odd.finding(
            "odd-characters",
            INFO,
            "{} {} characters that nobody sees",
            "These are control characters, zero-width spaces or hidden marks, often left by copying from a web page or "
            "a PDF. The model reads them all the same. Repairing takes them out.",
            verbs=("holds", "hold"),
            fixes=(REPAIR_TEXT,),
        )
        yield from self._lost.finding(
            "lost-characters",
            WARNING,
            "Characters were lost in {}",
            f'The sign "{REPLACED}" stands where a character could not be read. It cannot be brought back here: save '
            "the file again as UTF-8 from where it comes, or leave these out.",
        )


class PersonalData:
    """Looks through one text after another."""

    def __init__(self) -> None:
        self._found = {kind: Tally() for kind in KINDS}

    def add(self, place: int, text: str) -> None:
        """Take all the text of the example at this place."""
        for kind in personal_kinds(text):
            self._found[kind].add(place)

    def findings(self) -> Iterator[Finding]:
        """Say what was found, kind by kind."""
        for kind, tally in self._found.items():
            what, why = PERSONAL[kind]
            yield from tally.finding(
                kind,
                WARNING,
                f"{{}} {{}} to hold {what}",
                f'{why}. Masking puts "{MASKS[kind]}" in its place. Look at a few first: this goes by the shape alone, '
                "and what has an unusual shape is not found.",
                verbs=("seems", "seem"),
                fixes=(f"mask-{kind}",),
            )


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
        yield from self._unfilled.finding(
            "placeholders",
            WARNING,
            "{} {} a placeholder that was not filled in",
            f'Such as "{self._first}". The model would learn to write it as it stands. Fill it in in the file, or '
            "leave these out.",
            verbs=("holds", "hold"),
        )
        yield from self._half.finding(
            "half-thoughts",
            WARNING,
            "{} {} a mark of reasoning without the other",
            "Such as </think> without <think> before it. The model learns it as it stands, and programs that cut the "
            "reasoning off would cut at the wrong place. Add the other mark in the file.",
            verbs=("opens or closes", "open or close"),
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
