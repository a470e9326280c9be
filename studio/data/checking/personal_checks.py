"""Counts the examples that hold secrets or personal data, each kind by itself, and offers to mask it."""

from collections.abc import Iterator

from studio.data.checking.findings import WARNING, Finding, Tally, offer
from studio.data.checking.personal import CARDS, EMAILS, KEYS, KINDS, MASKS, PHONES, personal_kinds
from studio.wording import counted

_WORDS = {
    KEYS: ("a key or a password", "What opens an account should not be learned: a model may say it to anyone"),
    EMAILS: ("an e-mail address", "A model may repeat addresses that it has learned"),
    CARDS: ("a card number", "A model may repeat card numbers that it has learned"),
    PHONES: ("a telephone number", "A model may repeat telephone numbers that it has learned"),
}


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
            if not tally.count:
                continue
            what, why = _WORDS[kind]
            verb = "seems" if tally.count == 1 else "seem"
            yield Finding(
                f"{kind}",
                WARNING,
                f"{counted(tally.count, 'example')} {verb} to hold {what}",
                f'{why}. Masking puts "{MASKS[kind]}" in its place. Look at a few first: this goes by the shape alone, '
                "and what has an unusual shape is not found.",
                tally.count,
                places=tally.places,
                fixes=offer(f"mask-{kind}"),
            )
