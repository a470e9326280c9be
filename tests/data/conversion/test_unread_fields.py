import pytest

from studio.data.conversion.guessing import guess_roles
from studio.data.conversion.unread_fields import UnreadFields, passed_over
from studio.data.rows import Row


@pytest.mark.case("05-reasoning-fields")
def test_fields_that_say_something_and_are_not_read_are_named_with_their_count() -> None:
    unread = UnreadFields()
    answer = {"role": "assistant", "content": "Five.", "critique": "Not quite a sentence.", "id": "a-1", "n": 3}
    for _ in range(2):
        unread.add([{"role": "user", "content": "Why?"}, {**answer, "meta": {"by": ["checked by hand twice"]}}])
    unread.add(
        '[{"from": "gpt", "value": "x", "critique": "Much better than before.", "weight": 0, "thinking": "a b c"}]'
    )
    unread.add("a text that is no list")
    assert list(unread.notes()) == [
        "Fields of turns that are not read, with the number of turns: critique (3), meta (2)."
    ]


def blocks(*types: str) -> dict[str, object]:
    """Return an answer in blocks of these types, as Anthropic's API logs it."""
    return {"role": "assistant", "content": [{"type": "text", "text": "So."}, *({"type": kind} for kind in types)]}


@pytest.mark.case("21-anthropic")
@pytest.mark.parametrize(
    ("cell", "count"),
    [
        ([{"role": "user", "content": "Why?"}, blocks("redacted_thinking", "redacted_thinking")], 2),
        ({"messages": [blocks("redacted_thinking")]}, 1),
        ([{"role": "assistant", "content": [{"type": "thinking", "thinking": "", "signature": "Ab"}]}], 1),
        ([{"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm", "signature": "Ab"}]}], 0),
        ([{"type": "reasoning", "summary": [], "encrypted_content": "gA"}, {"role": "assistant", "content": "So."}], 1),
        ([{"role": "assistant", "content": "So.", "reasoning_details": [{"type": "reasoning.encrypted"}]}], 1),
        ({"redacted_thinking": 3, "type": "redacted_thinking"}, 0),
    ],
)
def test_reasoning_that_nobody_can_read_is_counted(cell: object, count: int) -> None:
    """Redacted blocks were left out of answers without a word, most of them in turns of no more than two fields."""
    unread = UnreadFields()
    unread.add(cell)
    told = f"Reasoning that is redacted or encrypted cannot be read: {count} part{'s' if count > 1 else ''} left out."
    assert list(unread.notes()) == ([told] if count else [])


def test_calls_with_their_results_in_the_answer_itself_are_named() -> None:
    unread = UnreadFields()
    unread.add([blocks("tool_use", "tool_result", "tool_use"), blocks("tool_use")])
    (note,) = unread.notes()
    assert note.endswith("Not read: tool_use (2), tool_result (1).")


def test_nothing_is_named_where_all_is_read() -> None:
    unread = UnreadFields()
    unread.add([{"role": "user", "content": "Why?", "name": "Ann of the house", "input": "two more words"}])
    assert list(unread.notes()) == []


@pytest.mark.case("21-anthropic")
def test_a_system_message_in_blocks_is_read_and_what_is_only_called_so_is_named() -> None:
    """A list under `system` was dropped without a word, and the template's own default stood in its place."""
    turns = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]
    blocks = Row(1, {"system": [{"type": "text", "text": "Be brief."}], "messages": turns})
    roles = guess_roles(("system", "messages"), [blocks])
    assert (roles.system, list(passed_over(("system", "messages"), [blocks], roles))) == ("system", [])
    windows = Row(1, {"system": "Windows", "question": "Why?", "answer": "So."})
    roles = guess_roles(tuple(windows.cells), [windows])
    (note,) = passed_over(tuple(windows.cells), [windows], roles)
    assert note.startswith("The column 'system' is not read, though it is called so")
