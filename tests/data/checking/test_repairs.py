import pytest

from studio.data.checking.repairs import join_turns, repeats_speaker, system_first, trim_end, trim_start
from studio.data.examples import TEXT, Example, Message, ToolCall

_ROLES = {"s": "system", "u": "user", "a": "assistant", "t": "tool"}


def talk(roles: str) -> Example:
    return Example(tuple(Message(_ROLES[role], f"{role}{place}") for place, role in enumerate(roles)), row=7)


def said(example: Example) -> str:
    return " ".join(message.content.replace("\n\n", "+") for message in example.messages)


@pytest.mark.case("11-answers-in-a-row")
@pytest.mark.parametrize(
    ("roles", "joined"),
    [
        ("sua", "s0 u1 a2"),
        ("uua", "u0+u1 a2"),
        ("uuaaua", "u0+u1 a2+a3 u4 a5"),
        ("uatta", "u0 a1 t2 t3 a4"),
        ("ssua", "s0 s1 u2 a3"),
        ("", ""),
    ],
)
def test_joins_turns(roles: str, joined: str) -> None:
    example = talk(roles)
    assert said(join_turns(example)) == joined
    assert repeats_speaker(example) == (said(example) != joined)
    assert join_turns(join_turns(example)) == join_turns(example)
    assert join_turns(example).row == 7


def test_joins_an_answer_with_the_tools_that_it_calls() -> None:
    call = ToolCall("weather", "{}")
    first, second = Message("assistant", "Let me look."), Message("assistant", "", (call,))
    joined = join_turns(Example((Message("user", "?"), first, second)))
    assert joined.messages[1] == Message("assistant", "Let me look.", (call,))
    assert not repeats_speaker(Example((second, first)))


def test_people_with_names_stay_apart() -> None:
    example = Example((Message("user", "hi", name="Anna"), Message("user", "ho", name="Bo"), Message("assistant", "!")))
    assert not repeats_speaker(example)
    assert join_turns(example) is example


@pytest.mark.case("13-system-in-the-middle")
@pytest.mark.parametrize(
    ("roles", "first"),
    [
        ("sua", "s0 u1 a2"),
        ("ssua", "s0+s1 u2 a3"),
        ("uasua", "s2 u0 a1 u3 a4"),
        ("suasua", "s0+s3 u1 a2 u4 a5"),
        ("ua", "u0 a1"),
    ],
)
def test_system_messages_are_put_together_at_the_start(roles: str, first: str) -> None:
    assert said(system_first(talk(roles))) == first
    assert system_first(system_first(talk(roles))) == system_first(talk(roles))


@pytest.mark.case("12-assistant-first")
@pytest.mark.parametrize(
    ("roles", "trimmed"),
    [("sua", "s0 u1 a2"), ("aua", "u1 a2"), ("saua", "s0 u2 a3"), ("ata", "a0 t1 a2"), ("", ""), ("tua", "u1 a2")],
)
def test_trims_the_start(roles: str, trimmed: str) -> None:
    assert said(trim_start(talk(roles))) == trimmed
    assert trim_start(trim_start(talk(roles))) == trim_start(talk(roles))


@pytest.mark.case("10-ends-with-user")
@pytest.mark.parametrize(
    ("roles", "trimmed"), [("ua", "u0 a1"), ("uau", "u0 a1"), ("uatuu", "u0 a1"), ("uu", "u0 u1"), ("", "")]
)
def test_trims_the_end(roles: str, trimmed: str) -> None:
    assert said(trim_end(talk(roles))) == trimmed


def test_plain_text_has_no_turns() -> None:
    example = Example((Message(TEXT, "text"),))
    assert trim_end(trim_start(join_turns(example))) is example
