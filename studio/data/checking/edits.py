"""The examples that a person edited by hand, put in the place of those that the files hold.

An edited example is known by its row and by the fingerprint that it had when it was edited, see `repairs`.
"""

from collections.abc import Iterable
from dataclasses import replace

from studio.data.checking.repairs import variants
from studio.data.examples import Example, fingerprint
from studio.data.reading_choices import Edit


def edit_of(example: Example, contents: Iterable[str]) -> Edit:
    """Describe an edit of an example as it is now: the new text of each message, in their order."""
    return Edit(fingerprint(example), example.row, example.file, tuple(contents))


def with_contents(example: Example, contents: Iterable[str]) -> Example:
    """Return the example with these texts in its messages. Raises ValueError when they are not as many."""
    messages = zip(example.messages, contents, strict=True)
    return replace(example, messages=tuple(replace(message, content=text) for message, text in messages))


class HandEdited:
    """Knows the edits that were made, the later ones of what the earlier ones made."""

    def __init__(self, edits: Iterable[Edit]) -> None:
        self._by_row: dict[int, list[Edit]] = {}
        for edit in edits:
            self._by_row.setdefault(edit.row, []).append(edit)

    def edited(self, example: Example) -> Example:
        """Return an example as it was drafted with what a person made of it; the same object where nobody edited it."""
        for edit in self._by_row.get(example.row, ()):
            # A file has no name while it is the only one.
            if not edit.file or not example.file or edit.file == example.file:
                example = _applied(edit, example)
        return example


def _applied(edit: Edit, example: Example) -> Example:
    for each in (example, *variants(example)):
        if len(each.messages) == len(edit.contents) and fingerprint(each) == edit.key:
            return with_contents(each, edit.contents)
    return example
