from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.data.checking.fixes import FIXES, Fixer
from studio.data.examples import TEXT, Example, Message, ToolCall, fingerprint
from studio.data.reading_choices import Change


def talk(*lines: str, row: int = 0) -> Example:
    """Make an example of "u: question" and "a: answer" lines."""
    roles = {"s": "system", "u": "user", "a": "assistant", "t": "tool"}
    return Example(tuple(Message(roles[line[0]], line[3:]) for line in lines), row=row)


def fixed(kind: str, examples: Sequence[Example]) -> tuple[list[Example], int]:
    fixer = Fixer([Change(kind)], sample=examples)
    kept = [example for example in map(fixer.repair, examples) if fixer.keep(example)]
    (change,) = fixer.applied()
    return kept, change.count


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        ("repair-text", talk("u: cafÃ©?", "a: zero\u200bwidth"), talk("u: café?", "a: zerowidth")),
        ("join-turns", talk("u: a", "u: b", "a: c"), talk("u: a\n\nb", "a: c")),
        ("trim-start", talk("s: x", "a: hi", "u: a", "a: b"), talk("s: x", "u: a", "a: b")),
        ("system-first", talk("u: a", "s: b", "a: c"), talk("s: b", "u: a", "a: c")),
        ("trim-end", talk("u: a", "a: b", "u: thanks"), talk("u: a", "a: b")),
        ("mask-keys", talk("u: a", "a: redis://:s3cret-pw@h"), talk("u: a", "a: redis://:[key]@h")),
        ("mask-emails", talk("u: to a.b@c.de", "a: b"), talk("u: to [email]", "a: b")),
        ("mask-cards", talk("u: 4111 1111 1111 1111", "a: b"), talk("u: [card]", "a: b")),
        ("mask-phones", talk("u: +44 20 7946 0958", "a: b"), talk("u: [phone]", "a: b")),
    ],
)
def test_repairs(kind: str, before: Example, after: Example) -> None:
    untouched = talk("u: a", "a: b")
    assert fixed(kind, [before, untouched]) == ([after, untouched], 1)
    assert fixed(kind, [after]) == ([after], 0)


LONG = "The quick brown fox jumps over the lazy dog while the small grey cat sleeps on the warm red roof of the barn."
FIRST = talk(f"u: Tell me of the fox and of the cat, please. {LONG}", f"a: {LONG}", row=1)
COPY = talk(f"u: Tell me of the fox and of the cat, please. {LONG}", f"a: {LONG}", row=2)
NEARLY = talk(f"u: tell me of the fox, and of the cat, please! {LONG}", f"a: {LONG}", row=3)
OTHERWISE = talk(f"u: Tell me of the fox and of the cat, please. {LONG}", "a: No.", row=4)


@pytest.mark.parametrize(
    ("kind", "rows"),
    [
        ("drop-duplicates", [1, 3, 4]),
        ("drop-near-duplicates", [1, 4]),
        ("keep-first-answer", [1, 2, 3]),
    ],
)
def test_leaves_out(kind: str, rows: list[int]) -> None:
    kept, count = fixed(kind, [FIRST, COPY, NEARLY, OTHERWISE])
    assert [example.row for example in kept] == rows
    assert count == 4 - len(rows)
    assert fixed(kind, kept) == (kept, 0)


def test_leaves_out_by_hand() -> None:
    fixer = Fixer([Change("leave-out", (fingerprint(FIRST),)), Change("leave-out", (fingerprint(OTHERWISE),))])
    assert [fixer.keep(example) for example in (FIRST, NEARLY, OTHERWISE)] == [False, True, False]


@pytest.mark.parametrize("then", [[], ["mask-emails"], ["mask-emails", "repair-text", "drop-duplicates"]])
@pytest.mark.parametrize("now", [[], ["mask-phones"], ["mask-emails", "join-turns"]])
def test_what_was_left_out_stays_out_whatever_else_is_changed(then: list[str], now: list[str]) -> None:
    """An example came back once another change was made or undone, for its text was another one then."""
    example = talk("u: I am anna@example.com", "u: cafÃ©, +44 20 7946 0958", "a: Hello")
    other = talk("u: I am bo", "a: Hello")
    key = fingerprint(Fixer([Change(kind) for kind in then]).repair(example))
    fixer = Fixer([*map(Change, now), Change("leave-out", (key,))])
    assert [fixer.keep(fixer.repair(each)) for each in (other, example, other)] == [True, False, True]
    assert fixer.applied()[-1].count == 1


def test_repairs_before_it_compares() -> None:
    fixer = Fixer([Change("drop-duplicates"), Change("mask-emails")])
    examples = [talk(f"u: I am {name}@c.de", "a: Hello") for name in ("anna", "bo")]
    assert [fixer.keep(fixer.repair(example)) for example in examples] == [True, False]
    assert fixer.applied() == (Change("drop-duplicates", count=1), Change("mask-emails", count=2))


def test_plain_texts_answer_nothing() -> None:
    texts = [Example((Message(TEXT, text),)) for text in ("a", "b")]
    assert fixed("keep-first-answer", texts) == (texts, 0)


def test_masks_the_arguments_of_tools() -> None:
    call = ToolCall("mail", '{"to": "anna@example.com", "card": 4111111111111111}')
    fixer = Fixer([Change("mask-emails"), Change("mask-cards")])
    repaired = fixer.repair(Example((Message("user", "Mail her"), Message("assistant", "", (call,)))))
    assert repaired.messages[1].tool_calls[0].arguments == '{"to": "[email]", "card": "[card]"}'


def test_an_unknown_change_does_nothing() -> None:
    fixer = Fixer([Change("from-the-future", ("x",))])
    assert fixer.repair(FIRST) is FIRST
    assert fixer.keep(FIRST)
    assert fixer.applied() == (Change("from-the-future", ("x",)),)


@pytest.mark.parametrize("kind", list(FIXES))
def test_words(kind: str) -> None:
    words = FIXES[kind]
    assert words.label
    assert "1 " in words.done(1)
    assert "1,200 " in words.done(1200)
    assert words.done(1).endswith(".") and words.done(2).endswith(".")  # noqa: PT018 (one thing: a sentence)


_ROLES = st.sampled_from(["system", "user", "assistant", "tool", TEXT, "other"])
_TEXTS = st.text(st.characters(codec=None), max_size=12) | st.sampled_from(
    [
        "cafÃ©",
        "a@b.de",
        "+49 30 1234567",
        "4111111111111111",
        "key=Ab3dE5gH7jK9mN1p",
        "\u200b",
        "Ã",
        "©@b.de",
        "{",
        "[1]",
    ]
)
_CALLS = st.lists(st.builds(ToolCall, _TEXTS, _TEXTS | st.just('{"x": ["a@b.de", 4111111111111111]}')), max_size=2)
_MESSAGES = st.builds(Message, _ROLES, _TEXTS, _CALLS.map(tuple), name=st.sampled_from(["", "Anna"]))
_EXAMPLES = st.builds(Example, st.lists(_MESSAGES, max_size=6).map(tuple), tools=st.sampled_from(["", "[]"]))
_CHANGES = st.lists(st.sampled_from(list(FIXES)), unique=True).map(lambda kinds: [Change(kind) for kind in kinds])


@settings(deadline=None)
@given(_CHANGES, st.lists(_EXAMPLES, max_size=5))
def test_repairing_again_changes_nothing(changes: list[Change], examples: list[Example]) -> None:
    fixer = Fixer(changes, sample=examples)
    for example in examples:
        repaired = fixer.repair(example)
        assert Fixer(changes).repair(repaired) == repaired


@settings(deadline=None)
@given(_CHANGES, st.lists(_EXAMPLES, max_size=5))
def test_the_same_again_gives_the_same(changes: list[Change], examples: list[Example]) -> None:
    repaired = [Fixer([Change("repair-text")]).repair(example) for example in examples]
    first, second = Fixer(changes, sample=repaired), Fixer(changes[::-1], sample=repaired)
    assert [first.keep(example) for example in repaired] == [second.keep(example) for example in repaired]
    assert first.applied() == second.applied()[::-1]


def test_leaving_one_out_by_hand_does_not_count_its_copies() -> None:
    """With the copies left out already, one press said that two examples were left out by hand."""
    one = Example((Message("user", "a"), Message("assistant", "b")))
    fixer = Fixer((Change("drop-duplicates"), Change("leave-out", keys=(fingerprint(one),))))
    assert [fixer.keep(fixer.repair(one)) for _ in range(2)] == [False, False]
    assert [change.count for change in fixer.applied()] == [1, 1]
