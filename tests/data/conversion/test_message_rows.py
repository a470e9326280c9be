"""Rows that are one message each become conversations, in whatever order they are written."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from studio.data.conversion.formats import draft
from studio.data.conversion.guessing import guess_roles
from studio.data.conversion.reply_trees import best_branch
from studio.data.conversion.roles import Roles, assign, missing, notes_on
from studio.data.conversion.threads import Threads, place_of
from studio.data.example_files import ExampleFile
from studio.data.examples import Example
from studio.data.inspection import inspect_files
from studio.data.rows import Row, RowProblem

Cells = Mapping[str, object]
BY_PARENT = assign({"message_id": "id", "parent_id": "parent", "role": "speaker", "text": "message"})
BY_THREAD_PARTS = {"chat": "thread", "turn": "order", "role": "speaker", "text": "message"}
BY_THREAD = assign(BY_THREAD_PARTS)
pytestmark = pytest.mark.case("36-parent-id")


def reply(own: str, parent: str, text: str, **more: object) -> Cells:
    """Return a message of a tree; questions end with a question mark."""
    role = "prompter" if text.endswith("?") else "assistant"
    return {"message_id": own, "parent_id": parent, "role": role, "text": text, **more}


def turn(chat: object, place: object, role: str, text: str, **more: object) -> Cells:
    return {"chat": chat, "turn": place, "role": role, "text": text, **more}


def said(cells: Sequence[Cells], roles: Roles = BY_PARENT) -> list[str]:
    """Return each conversation, what is not learned in brackets, and each problem with its row."""
    kept = Threads(roles)
    found: list[Example | RowProblem] = []
    for number, each in enumerate(cells, start=1):
        row = Row(number, each)
        found += kept.add(row, draft(row, roles))
    return [_told(each) for each in [*found, *kept.joined()]]


def _told(found: Example | RowProblem) -> str:
    if isinstance(found, RowProblem):
        return f"{found.row} {found.kind}"
    return " ".join(each.content if each.learned else f"({each.content})" for each in found.messages)


def test_messages_in_any_order_become_conversations() -> None:
    """They were asked about, with the advice to bring them together by other means."""
    tree = [reply("d", "c", "D"), reply("b", "a", "B"), reply("a", "", "A?"), reply("c", "b", "C?")]
    assert said(tree) == ["A? B C? D"]
    talk = [turn(1, 10, "bot", "D"), turn(1, 9, "user", "C?"), turn(2, 1, "user", "x?"), turn(2, 2, "bot", "y")]
    assert said([*talk, turn(1, 1, "user", "A?"), turn(1, "2.0", "bot", "B")], BY_THREAD) == ["A? B C? D", "x? y"]


def test_the_best_of_several_replies_is_read_and_the_others_are_counted() -> None:
    tree = [
        reply("a", "", "A?"),
        reply("b", "a", "Bad", rank="1"),
        reply("c", "a", "Good", rank="0.0"),
        reply("d", "b", "More?", rank=None),
        reply("e", "d", "Worse"),
        reply("f", "c", "And?"),
    ]
    assert said(tree) == ["2 reply", "A? Good", "4 reply", "5 reply", "6 unanswered"]
    unranked = [reply("a", "0", "A?"), reply("b", "a", "B"), reply("c", "a", "C"), reply("d", "0", "D?", rank=0)]
    assert said([*unranked, reply("e", "d", "E")]) == ["A? B", "(A?) C", "D? E"]


def test_what_was_deleted_or_refused_is_left_out_with_what_follows_it() -> None:
    tree = [
        reply("a", "", "A?", deleted=False, review_result=None),
        reply("b", "a", "Gone", deleted="True", rank=0),
        reply("c", "a", "Spam", review_result=False, rank=1),
        reply("d", "a", "Kept", review_result="True", rank=2),
        reply("e", "b", "So?"),
    ]
    assert said(tree) == ["2 not-to-be-learned", "3 not-to-be-learned", "A? Kept", "5 thread"]


@pytest.mark.case("37-oasst-tree")
def test_a_tree_in_one_cell_is_read_by_the_same_rules() -> None:
    replies = [
        {"role": "assistant", "text": "Second", "rank": "1", "replies": []},
        {"role": "assistant", "text": "Spam", "rank": 0, "review_result": False, "replies": []},
        {"role": "assistant", "text": "First", "rank": "0", "replies": []},
    ]
    best = best_branch({"role": "prompter", "text": "A?", "replies": replies})[-1]
    assert isinstance(best, dict)
    assert best["text"] == "First"


def test_rows_that_are_no_messages_are_named() -> None:
    tree = [
        {**reply("a", "", "A?"), "role": "moderator"},
        {**reply("b", "", "B?"), "role": None},
        reply("c", "", ""),
        reply("d", "gone", "D"),
        reply("e", "", "E?"),
    ]
    assert said(tree) == ["1 unknown-role", "2 unknown-role", "3 empty", "4 thread", "5 unanswered"]


def test_an_answer_that_is_marked_is_context() -> None:
    talk = [
        turn(1, 1, "system", ""),
        turn(1, 2, "user", "A?", train=False),
        turn(1, 3, "assistant", "B", train=False),
        turn(1, 4, "user", "C?"),
        turn(1, 5, "assistant", "D"),
        turn(1, 6, "user", "E?"),
        turn(1, 7, "assistant", "F", is_good="no"),
    ]
    assert said(talk, BY_THREAD) == ["A? (B) C? D", "6 unanswered", "7 unanswered"]


def test_calls_tools_and_reasoning_of_a_row_are_read() -> None:
    roles = assign({"chat": "thread", "role": "speaker", "text": "message", "tools": "tools", "system": "system"})
    call = json.dumps([{"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}])
    rows = [
        {"role": "user", "text": "A?", "tools": '[{"name": "look"}]'},
        {"role": "assistant", "text": "", "tool_calls": call, "thinking": "Hm."},
        {"role": "tool", "text": "7", "tool_call_id": "c"},
        {"role": "assistant", "text": "Seven."},
    ]
    threads = Threads(roles)
    for number, cells in enumerate(rows):
        row = Row(number, {"chat": "x", "system": "Be brief.", **cells})
        assert list(threads.add(row, draft(row, roles))) == []
    (found,) = threads.joined()
    assert isinstance(found, Example)
    assert [message.role for message in found.messages] == ["system", "user", "assistant", "tool", "assistant"]
    assert (found.messages[2].tool_calls[0].name, found.messages[2].reasoning) == ("look", "Hm.")
    assert found.messages[3].tool_call_id == "c"
    assert "look" in found.tools


ROLES = ("user", "assistant")


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([reply("b", "a", "B"), reply("a", "", "A?")], BY_PARENT),
        ([turn(1, n, ROLES[n % 2], "x") for n in range(4)], BY_THREAD),
        ([turn(1, n // 2, ROLES[n % 2], "x") for n in range(4)], BY_THREAD),
        ([turn(1, 1, role, "x") for role in (*ROLES, *ROLES)], assign({**BY_THREAD_PARTS, "turn": "ignore"})),
        ([turn(n, 1, ROLES[n % 2], "x") for n in range(4)], Roles()),
        ([turn(1, f"2024-01-0{n + 1}", ROLES[n % 2], "x") for n in range(4)], BY_THREAD),
        ([turn(1, f"{n + 1} May", ROLES[n % 2], "x") for n in range(4)], assign({**BY_THREAD_PARTS, "turn": "ignore"})),
        ([{"role": role, "text": "x"} for role in ROLES], Roles()),
        ([{**turn(1, n, ROLES[n % 2], "x"), "content": "x"} for n in range(2)], None),
    ],
)
def test_the_columns_of_messages_are_seen(cells: list[Cells], expected: Roles | None) -> None:
    renamed = [{"chat_id" if name == "chat" else name: cell for name, cell in each.items()} for each in cells]
    rows = [Row(number, each) for number, each in enumerate(renamed)]
    found = guess_roles(tuple(renamed[0]), rows)
    if expected is None:
        assert (found.message, found.thread) == ("content", "chat_id")
        return
    assert found == (expected if expected.thread != "chat" else Roles(**{**vars(expected), "thread": "chat_id"}))
    assert not found.kind or not missing(found, tuple(renamed[0]))


def test_numbers_come_before_times_and_what_is_empty_last() -> None:
    cells = [None, "2024-05-01", "10", 9, 2.5, "2023-12-31", " "]
    assert sorted(cells, key=place_of) == [2.5, 9, "10", "2023-12-31", "2024-05-01", None, " "]


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({"who": "speaker", "x": "thread"}, "Choose both, or set 'who' to ignore"),
        ({"who": "speaker", "m": "message"}, "it is not said which rows belong together"),
        ({"who": "speaker", "m": "message", "x": "thread", "q": "prompt"}, "holds no question with its answer"),
        ({"who": "speaker", "m": "message", "i": "id", "p": "parent", "n": "order"}, "set 'n' to ignore"),
        ({"who": "speaker", "m": "message", "t": "text", "x": "thread"}, "Plain text ('t')"),
    ],
)
def test_what_is_missing_to_read_messages_is_said(parts: Mapping[str, str], sentence: str) -> None:
    assert sentence in missing(assign(parts), tuple(parts))


def test_a_file_of_messages_says_how_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    cells = [reply("b", "a", "B"), reply("a", "", "A?"), reply("c", "a", "C", deleted=True), reply("d", "b", "D?")]
    path.write_text("\n".join(map(json.dumps, cells)))
    found, _ = inspect_files([path], into=tmp_path / "examples.jsonl")
    assert (found.kind, found.rows_read, found.usable, found.left_out) == ("chat", 4, 1, 2)
    assert [each.content for each in ExampleFile(tmp_path / "examples.jsonl")[0].messages] == ["A?", "B"]
    assert found.notes == tuple(notes_on(BY_PARENT))
    assert "Each row is one message (column 'text')" in found.notes[0]
    titles = [finding.title for finding in found.findings]
    assert "1 row marked as not to be learned was left out" in titles
    assert "1 row after the last answer was left out" in titles
