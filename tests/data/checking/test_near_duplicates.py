import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.data.checking.near_duplicates import NearDuplicates
from studio.data.examples import TEXT, Example, Message, ToolCall

WORDS = (
    "river mountain paper window garden winter summer letter music doctor teacher market bridge forest island "
    "morning evening village engine pocket silver golden copper wooden narrow gentle bitter clever honest modern "
    "carries follows answers borrows catches divides enjoys gathers imagines joins keeps listens measures "
    "slowly quickly often rarely always never almost together apart under above behind beside between during without"
).split()


def words(count: int, seed: int) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=count))


def ask(question: str, answer: str, *, system: str = "", tools: str = "") -> Example:
    first = (Message("system", system),) if system else ()
    return Example((*first, Message("user", question), Message("assistant", answer)), tools=tools)


def near(*examples: Example, sample: tuple[Example, ...] | None = None) -> list[int]:
    """Return the places of the near duplicates, with all examples as the sample unless another is given."""
    comparison = NearDuplicates(examples if sample is None else sample)
    return [place for place, example in enumerate(examples) if comparison.add(example)]


BASE = ask(words(30, 1), words(80, 2))


@pytest.mark.parametrize(
    "other",
    [
        ask(words(30, 1).upper(), words(80, 2)),
        ask(words(30, 1) + "?!", words(80, 2).replace(" ", ", ", 10)),
        ask(words(30, 1), words(80, 2).replace(" ", "\n\n", 5)),
        ask("\u201c" + words(30, 1) + "\u201d", words(80, 2) + "\u2026"),
        ask(words(30, 1), words(40, 2) + " please " + words(80, 2)[len(words(40, 2)) :]),
        ask("So " + words(30, 1), words(80, 2)),
    ],
)
def test_finds_what_differs_in_little(other: Example) -> None:
    assert near(BASE, ask(words(30, 3), words(80, 4)), other) == [2]


@pytest.mark.parametrize(
    "other",
    [
        ask(words(30, 5), words(80, 2)),  # another question with the same answer
        ask(words(30, 1), words(80, 6)),  # the same question with another answer
        ask(words(30, 1), words(80, 2), system="Be brief."),
        ask(words(30, 1), words(80, 2), tools="[{}]"),
        ask(words(30, 1) + " 7", words(80, 2) + " 7"),  # the same pattern with another number
    ],
)
def test_leaves_what_differs_in_what_matters(other: Example) -> None:
    assert near(BASE, other) == []


def test_short_answers_must_be_the_same() -> None:
    review = words(60, 7)
    assert near(ask(review, "Positive"), ask(review + " yes", "Negative"), ask(review + "!", "positive.")) == [2]


def test_many_questions_on_one_long_text_are_no_duplicates() -> None:
    passage = words(600, 8)
    after = [ask(f"{passage}\n\nQuestion: {words(9, seed)}?", "Yes") for seed in range(20, 30)]
    before = [ask(f"Question: {words(9, seed)}?\n\n{passage}", words(12, seed + 50)) for seed in range(20, 30)]
    assert near(*after, *before, sample=(BASE,)) == []


@pytest.mark.parametrize("size", [12, 40, 300])
def test_a_long_instruction_around_all_examples_does_not_count(size: int) -> None:
    before, after = words(200, 9), words(30, 10)
    examples = [
        ask(f"{before}\n\n{words(10, 100 + seed)}\n\n{after}", ("positive", "negative")[seed % 2])
        for seed in range(size)
    ]
    assert near(*examples) == []
    assert near(*examples, ask(examples[3].messages[0].content.upper(), "Negative!")) == [size]


def test_without_a_sample_only_what_is_all_but_the_same_counts() -> None:
    other = ask(words(30, 1).upper(), words(80, 2) + "!")
    changed = ask(words(30, 1), words(80, 2).replace(words(80, 2).split()[40], "x").replace("river", "y"))
    assert near(BASE, other, changed, sample=()) == [1]
    assert near(BASE, other, changed) == [1, 2]


def test_the_beginnings_of_one_conversation_are_no_duplicates() -> None:
    turns = [Message(("user", "assistant")[place % 2], words(40, 200 + place)) for place in range(24)]
    assert near(*(Example(tuple(turns[:length])) for length in range(2, 25, 2)), sample=(BASE,)) == []


def test_text_without_spaces_between_words() -> None:
    letters = [chr(0x4E00 + number) for number in random.Random(1).sample(range(3000), 400)]
    question, answer = "".join(letters[:100]), "".join(letters[100:])
    other = "".join(letters[200:]) + "".join(letters[:100])
    assert near(ask(question, answer), ask(question, answer + "。"), ask(question, other)) == [1]


def test_plain_text_and_tool_calls() -> None:
    text, call = words(90, 11), ToolCall("look_up", '{"what": "' + words(30, 12) + '"}')
    texts = (Example((Message(TEXT, text),)), Example((Message(TEXT, text + "."),)), Example((Message(TEXT, ""),)))
    calls = tuple(Example((Message("user", words(20, 13) + mark), Message("assistant", "", (call,)))) for mark in "?!")
    assert near(*texts, *calls) == [1, 4]


def test_a_copy_of_a_near_duplicate_is_one_as_well() -> None:
    other = ask(words(30, 1).upper(), words(80, 2))
    assert near(BASE, other, other, BASE) == [1, 2, 3]


def test_stops_at_the_bound() -> None:
    comparison = NearDuplicates([BASE], most=2)
    assert [comparison.add(BASE) for _ in range(3)] == [False, True, False]


def test_a_crowd_of_candidates_takes_no_time() -> None:
    """Every example of a pattern was compared with all before it."""
    pattern = words(120, 14)
    crowd = [ask(f"{pattern} {words(20, seed)}", words(30, seed)) for seed in range(2000)]
    assert near(*crowd, sample=(BASE,)) == []


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.text(), st.text(st.characters(codec=None))), max_size=8))
def test_never_raises_and_is_the_same_each_time(pairs: list[tuple[str, str]]) -> None:
    examples = [ask(question, answer) for question, answer in pairs]
    assert near(*examples) == near(*examples)
