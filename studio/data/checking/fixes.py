"""The changes that can be made to a data set: what they are called, and how they are applied, example by example.

Each is safe to repeat: applied to what it has changed already, it changes nothing. The same changes applied to the same
examples in the same order give the same result.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from studio.data.checking.copies import answer_hash, prompt_hash
from studio.data.checking.edits import HandEdited
from studio.data.checking.first_values import FirstValues
from studio.data.checking.near_duplicates import NearDuplicates
from studio.data.checking.repairs import (
    JOIN_TURNS,
    MASK_CARDS,
    MASK_EMAILS,
    MASK_KEYS,
    MASK_PHONES,
    REPAIR_TEXT,
    REPAIRS,
    SYSTEM_FIRST,
    TRIM_END,
    TRIM_START,
    HandPicked,
    repaired,
)
from studio.data.examples import Example, fingerprint
from studio.data.reading_choices import Change

LEAVE_OUT = "leave-out"
EDIT = "edit"
BY_HAND = frozenset((LEAVE_OUT, EDIT))
"""The changes that are about examples that a person chose."""
DROP_DUPLICATES = "drop-duplicates"
KEEP_FIRST_ANSWER = "keep-first-answer"
DROP_NEAR_DUPLICATES = "drop-near-duplicates"


@dataclass(frozen=True)
class FixWords:
    """What a change is called: `label` on its button, and the sentence once it is made, for one and for more."""

    label: str
    one: str
    many: str

    def done(self, count: int) -> str:
        """Say what was changed."""
        return self.one if count == 1 else self.many.format(f"{count:,}")


FIXES: Mapping[str, FixWords] = {
    EDIT: FixWords("Edit by hand", "Edited 1 example by hand.", "Edited {} examples by hand."),
    REPAIR_TEXT: FixWords("Repair the text", "Repaired the text of 1 example.", "Repaired the text of {} examples."),
    JOIN_TURNS: FixWords(
        "Join these turns", "Joined turns of one speaker in 1 example.", "Joined turns of one speaker in {} examples."
    ),
    SYSTEM_FIRST: FixWords(
        "Put system messages first",
        "Put the system messages of 1 example together at its start.",
        "Put the system messages of {} examples together at their start.",
    ),
    TRIM_START: FixWords(
        "Start at the first question",
        "Left out what stood before the first question in 1 example.",
        "Left out what stood before the first question in {} examples.",
    ),
    TRIM_END: FixWords(
        "End at the last answer",
        "Left out what came after the last answer in 1 example.",
        "Left out what came after the last answer in {} examples.",
    ),
    MASK_KEYS: FixWords("Mask keys", "Masked keys in 1 example.", "Masked keys in {} examples."),
    MASK_EMAILS: FixWords(
        "Mask e-mail addresses", "Masked e-mail addresses in 1 example.", "Masked e-mail addresses in {} examples."
    ),
    MASK_CARDS: FixWords(
        "Mask card numbers", "Masked card numbers in 1 example.", "Masked card numbers in {} examples."
    ),
    MASK_PHONES: FixWords(
        "Mask telephone numbers", "Masked telephone numbers in 1 example.", "Masked telephone numbers in {} examples."
    ),
    LEAVE_OUT: FixWords("Remove", "Removed 1 example by hand.", "Removed {} examples by hand."),
    DROP_DUPLICATES: FixWords("Keep one of each", "Left out 1 exact copy.", "Left out {} exact copies."),
    KEEP_FIRST_ANSWER: FixWords("Keep the first answer", "Left out 1 further answer.", "Left out {} further answers."),
    DROP_NEAR_DUPLICATES: FixWords("Keep one of each", "Left out 1 near duplicate.", "Left out {} near duplicates."),
}
"""Every kind of change, in the order in which they are applied."""

_Keep = Callable[[Example], bool]


class Fixer:
    """Applies changes to examples, in the order of `FIXES` and not in the order in which they were asked for.

    `sample` are some of the examples to come, the same that a `Checker` is given: with it, as many near duplicates are
    left out as were counted. A change of an unknown kind is left alone and counts nothing.
    """

    def __init__(self, changes: Sequence[Change], *, sample: Iterable[Example] = ()) -> None:
        self._changes = tuple(changes)
        self._counts = dict.fromkeys((change.kind for change in changes), 0)
        self._kinds = frozenset(self._counts) & frozenset(REPAIRS)
        self._drafted: Example | None = None
        self._fixed: Example | None = None
        self._edits = HandEdited(edit for change in changes for edit in change.edits if change.kind == EDIT)
        self._rules = self._keepers(sample)

    def repair(self, example: Example) -> Example:
        """Return the example as it was edited, with its text and turns put right, before it is looked at for faults."""
        edited = self._edits.edited(example)
        if edited is not example:
            self._counts[EDIT] += 1
            example = edited
        fixed, changed = repaired(example, self._kinds)
        for kind in changed:
            self._counts[kind] += 1
        self._drafted, self._fixed = example, fixed
        return fixed

    def keep(self, example: Example) -> bool:
        """Tell whether an example without faults stays in the data set; it is best the one repaired last."""
        for kind, keeps in self._rules:
            if not keeps(example):
                self._counts[kind] += 1
                return False
        return True

    def applied(self) -> tuple[Change, ...]:
        """Return the changes as they were asked for, each with the count of examples it was about so far."""
        return tuple(replace(change, count=self._counts[change.kind]) for change in self._changes)

    def _keepers(self, sample: Iterable[Example]) -> list[tuple[str, _Keep]]:
        rules: list[tuple[str, _Keep]] = []
        if DROP_DUPLICATES in self._counts:  # first, so that a copy of what was picked by hand counts as a copy
            rules.append((DROP_DUPLICATES, _FirstOfEach().keeps))
        if LEAVE_OUT in self._counts:
            picked = HandPicked(key for change in self._changes if change.kind == LEAVE_OUT for key in change.keys)
            rules.append((LEAVE_OUT, lambda example: not picked.holds(self._draft_of(example), example)))
        if KEEP_FIRST_ANSWER in self._counts:
            rules.append((KEEP_FIRST_ANSWER, _FirstAnswer().keeps))
        if DROP_NEAR_DUPLICATES in self._counts:
            near = NearDuplicates(sample)
            rules.append((DROP_NEAR_DUPLICATES, lambda example: not near.add(example)))
        return rules

    def _draft_of(self, example: Example) -> Example:
        """Return the example before its repairs, when it is the one repaired last."""
        return self._drafted if self._drafted is not None and example is self._fixed else example


class _FirstOfEach:
    """Keeps the first of examples that say the same."""

    def __init__(self) -> None:
        self._places = FirstValues()
        self._count = 0

    def keeps(self, example: Example) -> bool:
        self._count += 1
        return self._places.first(int(fingerprint(example), 16), self._count) == self._count


class _FirstAnswer:
    """Keeps the examples that answer a question as the first one did."""

    def __init__(self) -> None:
        self._answers = FirstValues()

    def keeps(self, example: Example) -> bool:
        if example.is_text:
            return True
        answer = answer_hash(example)
        return self._answers.first(prompt_hash(example), answer) == answer
