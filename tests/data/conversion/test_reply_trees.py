"""Conversations as ChatGPT exports them, read through the row that holds one."""

from collections.abc import Mapping

from studio.data.conversion.formats import draft
from studio.data.conversion.reply_trees import is_tree, turns_in_tree
from studio.data.conversion.roles import Roles
from studio.data.examples import Example, Message
from studio.data.rows import Row, RowProblem

ROLES = Roles("chat", conversation="mapping")


def node(parent: str | None, role: str = "", *parts: object, **more: object) -> dict[str, object]:
    content = {"content_type": more.pop("content_type", "text"), "parts": list(parts)}
    message = {"author": {"role": role}, "content": content, "recipient": "all", **more} if role else None
    return {"parent": parent, "children": [], "message": message}


def tree(**nodes: dict[str, object]) -> dict[str, dict[str, object]]:
    for name, each in nodes.items():
        parent = each["parent"]
        if isinstance(parent, str) and parent in nodes:
            children = nodes[parent]["children"]
            assert isinstance(children, list)
            children.append(name)
    return nodes


def drafted(mapping: Mapping[str, object], current: object = None) -> tuple[Message, ...] | tuple[str, str]:
    (found,) = draft(Row(1, {"mapping": mapping, "current_node": current}), ROLES)
    if isinstance(found, RowProblem):
        return found.kind, found.text
    assert isinstance(found, Example)
    return found.messages


def test_the_branch_that_was_shown_last() -> None:
    branches = tree(
        root=node(None),
        told=node("root", "system", ""),
        asked=node("told", "user", "hi"),
        first=node("asked", "assistant", "go away"),
        second=node("asked", "assistant", "hello"),
    )
    hello = (Message("user", "hi"), Message("assistant", "hello"))
    assert drafted(branches, "second") == hello
    assert drafted(branches) == hello
    assert drafted(branches, "first")[1] == Message("assistant", "go away")


def test_what_was_done_between_question_and_answer_is_not_said() -> None:
    about = {"metadata": {"is_visually_hidden_from_conversation": True}}
    mapping = tree(
        a=node(None, "user", "hi"),
        b=node("a", "assistant", "search('hi')", recipient="browser"),
        c=node("b", "tool", "results"),
        d=node("c", "assistant", "hm", content_type="thoughts"),
        e=node("d", "user", "hidden", **about),
        f=node("e", "assistant", "", "hello"),
    )
    assert drafted(mapping, "f") == (Message("user", "hi"), Message("assistant", "hello"))


def test_what_was_spoken_counts_as_said_in_writing() -> None:
    heard = {"content_type": "audio_transcription", "text": "hi"}
    sound = {"content_type": "audio_asset_pointer", "asset_pointer": "x"}
    mapping = tree(a=node(None, "user", heard, sound), b=node("a", "assistant", "hello"))
    assert drafted(mapping, "b") == (Message("user", "hi"), Message("assistant", "hello"))


def test_pictures_and_files_are_named() -> None:
    picture = {"content_type": "image_asset_pointer", "asset_pointer": "x"}
    for role in ("user", "tool"):
        mapping = tree(a=node(None, role, picture, "What is it?"), b=node("a", "assistant", "A fox"))
        assert drafted(mapping, "b") == ("images", "Turn 1 holds an image, which cannot be learned here.")
    attached = {"metadata": {"attachments": [{"id": "f"}]}}
    mapping = tree(a=node(None, "user", "Sum it up", **attached), b=node("a", "assistant", "A fox"))
    assert drafted(mapping, "b") == ("not-text", "Turn 1 comes with a file, which is not part of the text.")


def test_a_broken_tree_is_no_endless_one() -> None:
    circle = {"a": node("b", "user", "hi"), "b": node("a", "assistant", "hello")}
    assert is_tree(circle)
    assert len(turns_in_tree(circle, "b")) == 2
    assert drafted({"a": {**node(None, "user", "hi"), "children": ["gone"]}}, "gone") == (
        "empty",
        "The conversation is empty.",
    )


def test_what_is_no_tree() -> None:
    for cell in (None, {}, [], {"a": 1}, {"a": {"parent": None, "children": []}}, "text"):
        assert not is_tree(cell)
