import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from studio.data.checking.checks import Checker, coaching, overlap
from studio.data.checking.findings import Finding, Fix
from studio.data.checking.fixes import FIXES, Fixer
from studio.data.examples import TEXT, Example, Message
from studio.data.reading_choices import Change
from studio.data.rows import CancelledError, RowProblem

ROOT = Path(__file__).parents[3]
SUBJECTS = "river mountain garden winter letter music doctor market bridge forest island village engine copper".split()

SIZES = (0, 1, 2, 19, 20, 99, 100, 999, 1000, 19_999, 20_000, 199_999, 200_000, 5_000_000)


def ask(question: str, answer: str, *, row: int = 0) -> Example:
    return Example((Message("user", question), Message("assistant", answer)), row=row)


def clean(count: int) -> list[Example]:
    """Make examples about which there is nothing to say."""
    return [
        ask(f"Why does the {SUBJECTS[n % 14]} matter in year {n}?", f"{SUBJECTS[n % 13].title()} {n}: because it does.")
        for n in range(count)
    ]


def check(examples: Sequence[Example], problems: Sequence[RowProblem] = ()) -> dict[str, Finding]:
    checker = Checker()
    for example in examples:
        checker.add(example)
    for problem in problems:
        checker.leave_out(problem)
    return {finding.kind: finding for finding in checker.findings()}


def test_says_nothing_about_a_clean_set() -> None:
    assert check(clean(60)) == {}


def test_exact_copies() -> None:
    examples = clean(30)
    finding = check([*examples, examples[3], examples[5], examples[3]])["duplicates"]
    assert finding.title == "3 exact copies"
    assert (finding.level, finding.count, finding.places) == ("warning", 3, (30, 31, 32))
    assert finding.fixes == (Fix("drop-duplicates", "Keep one of each"),)


def test_near_duplicates_without_the_exact_ones() -> None:
    long = "The old man carries his heavy basket over the narrow bridge to the market every single morning."
    pair = [ask(f"Tell me a story of an old man. {long}", long), ask(f"Tell me a story of an old man! {long}", long)]
    found = check([*clean(30), *pair, pair[1]])
    assert (found["near-duplicates"].count, found["near-duplicates"].places) == (1, (31,))
    assert found["duplicates"].places == (32,)


def test_questions_with_several_answers() -> None:
    finding = check([*clean(30), ask("Who?", "Anna."), ask("Who?", "Bo."), ask("Who?", "Bo.")])["conflicts"]
    assert (finding.level, finding.count, finding.places) == ("info", 3, (30, 31, 32))
    assert finding.title == "1 question is answered in more than one way"


def test_answers_that_are_all_the_same() -> None:
    assert check([ask(f"Question {n}", "I do not know.") for n in range(30)])["same-answer"].count == 30


def test_turns_of_one_speaker_in_a_row() -> None:
    twice = Example((Message("user", "a"), Message("user", "b"), Message("assistant", "c")))
    finding = check([*clean(30), twice])["repeated-turns"]
    assert (finding.count, finding.places, finding.fixes[0].kind) == (1, (30,), "join-turns")


def test_damaged_text() -> None:
    found = check([*clean(30), ask("cafÃ©", "a"), ask("b\u200b", "c"), ask("d\ufffd", "e")])
    assert {kind: finding.places for kind, finding in found.items()} == {
        "broken-encoding": (30,),
        "odd-characters": (31,),
        "lost-characters": (32,),
    }
    assert found["lost-characters"].fixes == ()


def test_each_kind_of_personal_data_for_itself() -> None:
    found = check(
        [
            *clean(30),
            ask("I am anna@example.com, +44 20 7946 0958", "Hello"),
            ask("4111 1111 1111 1111", "postgres://app:hunter2@db"),
            ask("bo@example.com", "Hi"),
        ]
    )
    assert {kind: (finding.places, finding.fixes[0].kind) for kind, finding in found.items()} == {
        "keys": ((31,), "mask-keys"),
        "emails": ((30, 32), "mask-emails"),
        "cards": ((31,), "mask-cards"),
        "phones": ((30,), "mask-phones"),
    }


@pytest.mark.parametrize(("count", "level"), [(0, "bad"), (1, "warning"), (19, "warning")])
def test_too_few_examples(count: int, level: str) -> None:
    (finding,) = check(clean(count)).values()
    assert (finding.level, finding.count) == (level, count)


def test_rows_left_out_by_reason() -> None:
    problems = [
        RowProblem(3, "The answer is empty.", kind="empty-answer"),
        RowProblem(7, "It starts with an answer.", kind="starts-with-answer"),
        RowProblem(9, "The answer is empty.", kind="empty-answer"),
        RowProblem(12, "The moon was full."),
    ]
    found = check(clean(30), problems)
    assert list(found) == ["empty-answer", "starts-with-answer", "unusable"]
    assert (found["empty-answer"].title, found["empty-answer"].rows) == (
        "2 rows without an answer were left out",
        (3, 9),
    )
    assert found["starts-with-answer"].fixes == (Fix("trim-start", FIXES["trim-start"].label),)
    assert "The moon was full." in found["unusable"].text


def test_remembers_a_thousand_places_and_counts_the_others() -> None:
    finding = check([ask(f"{n}@example.com", f"answer {n}") for n in range(1200)])["emails"]
    assert (finding.count, len(finding.places), finding.places[-1]) == (1200, 1000, 999)


def test_the_most_pressing_comes_first() -> None:
    levels = [finding.level for finding in check([ask("a\u200b", "b"), ask("a", "b"), ask("a", "c")]).values()]
    assert levels == sorted(levels, key=["bad", "warning", "info"].index)


def test_plain_texts() -> None:
    texts = [Example((Message(TEXT, f"{word} and {word} again"),)) for word in SUBJECTS for _ in range(2)]
    assert list(check(texts)) == ["duplicates"]


def test_what_the_fixer_leaves_out_is_what_was_counted() -> None:
    examples = clean(300)
    pattern = "Please read the following review with great care and tell me whether it is good or bad in a word. "
    examples += [ask(pattern + example.messages[1].content, "Good") for example in clean(300)]
    examples += [ask(example.messages[0].content.upper(), example.messages[1].content) for example in examples[::7]]
    checker, fixer = Checker(sample=examples[:200]), Fixer([Change("drop-near-duplicates")], sample=examples[:200])
    for example in examples:
        checker.add(example)
    left_out = [place for place, example in enumerate(examples) if not fixer.keep(example)]
    finding = next(finding for finding in checker.findings() if finding.kind == "near-duplicates")
    assert list(finding.places) == left_out
    assert left_out == list(range(600, len(examples)))


def test_reports_and_can_be_cancelled() -> None:
    checker = Checker()
    checker.add(ask("a", "b"))
    seen: list[tuple[str, int, int]] = []
    checker.findings(lambda *told: seen.append(told))
    assert seen[0] == ("Checking", 0, seen[-1][2])
    assert seen[-1][1] == seen[-1][2]

    def cancel(what: str, done: int, total: int) -> None:
        raise CancelledError("Cancelled.")

    with pytest.raises(CancelledError):
        checker.findings(cancel)


def test_overlap() -> None:
    train = clean(10)
    assert overlap(train, clean(20)[10:]) is None
    assert overlap((), train) is None
    question = train[4].messages[0].content
    finding = overlap(iter(train), iter([ask("new", "new"), train[2], ask(question, "Otherwise.")]))
    assert finding is not None
    assert (finding.kind, finding.level, finding.count, finding.places) == ("overlap", "warning", 2, (1, 2))


def test_heavy_libraries_wait_until_they_are_needed() -> None:
    script = "import sys, studio.data.checking.checks; print({'numpy', 'rensa', 'ftfy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("usable", SIZES)
def test_says_something_about_every_size(usable: int) -> None:
    said = coaching(usable)
    assert said.endswith(".")
    assert not usable or said.startswith(f"{usable:,} example")
    assert "1 examples" not in said


@pytest.mark.parametrize("usable", SIZES)
def test_invents_no_times(usable: int) -> None:
    assert not re.search(r"second|minute|hour|day", coaching(usable, tokens=usable * 500))


def test_every_range_has_its_own_words() -> None:
    sizes = (0, 5, 50, 500, 5000, 50_000, 500_000)
    assert len({re.sub(r"[\d,]+ examples?", "", coaching(usable)) for usable in sizes}) == len(sizes)


def test_very_short_examples_need_more() -> None:
    assert "very short" in coaching(50, tokens=50 * 10)
    assert "very short" not in coaching(50, tokens=50 * 100)
    assert "very short" not in coaching(50)
