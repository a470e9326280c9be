"""What is doubtful about a data set: every check in one pass over its examples, each with a count and the places.

Streams: of an example only a few numbers are kept, 44 bytes, so that a million of them fit. A check would rather miss
something than raise a false alarm.
"""

from array import array
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from studio.data.checking.answer_patterns import AnswerPatterns
from studio.data.checking.copies import Hashes, conflicts, copies, shared
from studio.data.checking.example_texts import texts
from studio.data.checking.facts import FactsInAnswers
from studio.data.checking.findings import BAD, INFO, MOST_PLACES, WARNING, Finding, Tally, in_order, offer
from studio.data.checking.fixes import DROP_DUPLICATES, DROP_NEAR_DUPLICATES, KEEP_FIRST_ANSWER
from studio.data.checking.near_duplicates import MOST_COMPARED, SAMPLE, NearDuplicates
from studio.data.checking.problem_words import LeftOut
from studio.data.checking.repairs import JOIN_TURNS, repeats_speaker
from studio.data.checking.text_checks import LeftoverMarks, PersonalData, TextFaults
from studio.data.checking.text_structure import TextStructure
from studio.data.examples import Example
from studio.data.rows import Report, RowProblem, silent
from studio.enough import MANY, VERY_FEW, few_examples
from studio.wording import counted

if TYPE_CHECKING:
    import numpy as np


def coaching(usable: int, *, tokens: int = 0) -> str:
    """Say what a set of this size is good for. `tokens` is the total over all examples, 0 while it is not known."""
    if usable <= 0:
        return "There is nothing to learn from yet. Add a few examples; with 20 or more you can make a first try."
    length = tokens / usable if tokens else 0.0
    short = " They are very short, so take twice as many." if usable < MANY and 0 < length < 20 else ""
    if few := few_examples(usable):
        return f"{_examples(usable)}: {few}{short if usable >= VERY_FEW else ''}"
    if usable < MANY:
        return (
            f"{_examples(usable)}: enough to learn a voice or a format. "
            f"Facts and harder tasks gain from more, as long as they are as good.{short}"
        )
    if usable < 20_000:
        return f"{_examples(usable)}: plenty. From here on, better examples help more than further ones."
    if usable < 200_000:
        return (
            f"{_examples(usable)}: a large set. One pass over it is usually enough; "
            "try a few thousand first to see whether it does what you want."
        )
    return (
        f"{_examples(usable)}: more than most fine-tuning needs, and a lot of work for one machine. "
        "Take a few thousand of the best first, and look at the time on the Configure tab before you take all."
    )


def _examples(number: int) -> str:
    return "1 example" if number == 1 else f"{number:,} examples"


class Checker:
    """Takes the usable examples and the rows left out, in order, and says what stands out.

    `sample` are some of the examples to come, from which is learned what all have in common; without it the first ones
    are taken. A `Fixer` with the same sample leaves out as many near duplicates as are counted here.
    """

    def __init__(self, *, sample: Iterable[Example] = ()) -> None:
        self._usable = 0
        self._left_out = LeftOut()
        self._hashes = Hashes()
        self._answers = AnswerPatterns()
        self._personal = PersonalData()
        self._faults = TextFaults()
        self._marks = LeftoverMarks()
        self._structure = TextStructure()
        self._facts = FactsInAnswers()
        self._turns = Tally()
        self._near_places = array("Q")
        self._first: list[Example] = []
        known = tuple(sample)
        self._near = NearDuplicates(known) if known else None

    def add(self, example: Example) -> None:
        """Take the next usable example."""
        place = self._usable
        self._usable += 1
        self._answers.add(place, example, self._hashes.add(example))
        if repeats_speaker(example):
            self._turns.add(place)
        text = "\n".join(texts(example))
        self._faults.add(place, text)
        self._structure.add(place, example)
        self._personal.add(place, text)
        self._marks.add(place, example)
        self._facts.add(place, example)
        if self._near is not None:
            self._compare(self._near, place, example)
        else:
            self._first.append(example)
            if len(self._first) == SAMPLE:
                self._compare_first()

    def leave_out(self, problem: RowProblem) -> None:
        """Take the next row that gives no example."""
        self._left_out.add(problem)

    def findings(self, report: Report = silent) -> tuple[Finding, ...]:
        """Return what stands out, the most pressing first. May be called once all examples were added."""
        checks = (
            self._size,
            self._left_out.findings,
            self._copies,
            self._conflicts,
            self._answers.findings,
            self._repeated_turns,
            self._faults.findings,
            self._marks.findings,
            self._structure.findings,
            self._personal.findings,
            self._facts.findings,
        )
        found: list[Finding] = []
        for done, check in enumerate(checks):
            report("Checking", done, len(checks))
            found += check()
        report("Checking", len(checks), len(checks))
        return in_order(found)

    def _compare(self, near: NearDuplicates, place: int, example: Example) -> None:
        if near.add(example):
            self._near_places.append(place)

    def _compare_first(self) -> None:
        """Compare the examples that were kept back until it was seen what they have in common."""
        self._near = NearDuplicates(self._first)
        for place, example in enumerate(self._first):
            self._compare(self._near, place, example)
        self._first = []

    def _size(self) -> Iterator[Finding]:
        if not self._usable:
            yield Finding("no-examples", BAD, "There is nothing to learn from", coaching(0), 0)
        elif self._usable < VERY_FEW:
            title = f"Only {counted(self._usable, 'example')}"
            yield Finding("few-examples", WARNING, title, coaching(self._usable), self._usable)

    def _copies(self) -> Iterator[Finding]:
        import numpy as np

        if self._near is None and self._first:
            self._compare_first()
        exact = copies(self._hashes.examples)
        if len(exact):
            yield Finding(
                "duplicates",
                WARNING,
                counted(len(exact), "exact copy", "exact copies"),
                "They say the same as an earlier example, word for word, and weigh more in training. Examples with the "
                "same question are held out together.",
                len(exact),
                places=_first_of(exact),
                fixes=offer(DROP_DUPLICATES),
            )
        near = np.setdiff1d(np.frombuffer(self._near_places, np.uint64), exact.astype(np.uint64))
        if len(near):
            bound = f" The first {MOST_COMPARED:,} examples were compared." if self._usable > MOST_COMPARED else ""
            yield Finding(
                "near-duplicates",
                INFO,
                counted(len(near), "near duplicate"),
                "They differ from an earlier example in a few words only, in the question and in the answer. Keeping "
                f"one of each leaves out exact copies as well.{bound}",
                len(near),
                places=_first_of(near),
                fixes=offer(DROP_NEAR_DUPLICATES),
            )

    def _conflicts(self) -> Iterator[Finding]:
        places, questions = conflicts(self._hashes)
        if questions:
            verb = "is" if questions == 1 else "are"
            yield Finding(
                "conflicts",
                INFO,
                f"{counted(questions, 'question')} {verb} answered in more than one way",
                f"This is about {len(places):,} examples. It is fine where several answers are good; where only one is "
                "right, the model learns a mixture. Keeping the first leaves out the others. Examples with the same "
                "question are held out together.",
                len(places),
                places=_first_of(places),
                fixes=offer(KEEP_FIRST_ANSWER),
            )

    def _repeated_turns(self) -> Iterator[Finding]:
        if self._turns.count:
            verb = "has" if self._turns.count == 1 else "have"
            yield Finding(
                "repeated-turns",
                WARNING,
                f"{counted(self._turns.count, 'conversation')} {verb} two turns of one speaker in a row",
                "Most models expect turns to alternate, and some refuse anything else. Joining makes one turn of them.",
                self._turns.count,
                places=self._turns.places,
                fixes=offer(JOIN_TURNS),
            )


def overlap(train: Iterable[Example], validation: Iterable[Example]) -> Finding | None:
    """Find the validation examples that are trained on as well, whole or by their question; None when there are none.

    `places` are positions in `validation`.
    """
    import numpy as np

    whole, asked = shared(train, validation)
    places = np.union1d(whole, asked)
    if not len(places):
        return None
    verb = "is" if len(places) == 1 else "are"
    return Finding(
        "overlap",
        WARNING,
        f"{counted(len(places), 'validation example')} {verb} trained on as well",
        f"{len(whole):,} are the same as a training example, {len(asked):,} ask the same with another answer. What was "
        "learned by heart looks like understanding then. Leave them out of one of the two.",
        len(places),
        places=_first_of(places),
    )


def _first_of(places: "np.ndarray") -> tuple[int, ...]:
    return tuple(int(place) for place in places[:MOST_PLACES])
