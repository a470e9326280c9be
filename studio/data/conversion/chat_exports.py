"""The conversations in the file that ChatGPT gives when a person exports their data.

There a conversation is a tree, because an answer can be made again: what counts is the branch that was shown last.
What the assistant did between question and answer (searches, code, thinking) is not part of what was said.
"""

from collections.abc import Iterator, Mapping

_ASIDE = ("thoughts", "reasoning_recap", "user_editable_context", "model_editable_context")
_SPOKEN = "audio_transcription"


def is_tree(cell: object) -> bool:
    """Say whether a cell holds a conversation as ChatGPT exports it: nodes with a parent, some with a message."""
    if not isinstance(cell, Mapping) or not cell:
        return False
    nodes = list(cell.values())
    return all(isinstance(node, Mapping) and "parent" in node and "children" in node for node in nodes) and any(
        isinstance(node, Mapping) and isinstance(node.get("message"), Mapping) for node in nodes
    )


def turns_in_tree(tree: Mapping[str, object], last: object) -> list[object]:
    """Return the turns of the branch that ends at the node named `last`, or at the newest leaf."""
    branch: list[object] = []
    place = last if isinstance(last, str) and last in tree else _newest_leaf(tree)
    seen: set[str] = set()
    while isinstance(place, str) and place not in seen:
        seen.add(place)
        node = tree.get(place)
        if not isinstance(node, Mapping):
            break
        branch.extend(_spoken(node.get("message")))
        place = node.get("parent")
    return branch[::-1]


def _newest_leaf(tree: Mapping[str, object]) -> object:
    """Return the last of the nodes that nothing follows."""
    leaves = [name for name, node in tree.items() if isinstance(node, Mapping) and not node.get("children")]
    return leaves[-1] if leaves else None


def _spoken(message: object) -> Iterator[object]:
    """Yield a message as a turn when a person can see it in the conversation."""
    if not isinstance(message, Mapping):
        return
    author, content, about = (message.get(name) for name in ("author", "content", "metadata"))
    role = author.get("role") if isinstance(author, Mapping) else None
    parts = content.get("parts") if isinstance(content, Mapping) else None
    if not isinstance(content, Mapping) or not isinstance(parts, list) or content.get("content_type") in _ASIDE:
        return
    hidden = isinstance(about, Mapping) and about.get("is_visually_hidden_from_conversation") is True
    if hidden or message.get("recipient", "all") != "all":
        return
    parts = [part for part in parts if part is not None and part != ""]
    heard = [part for part in parts if isinstance(part, Mapping) and part.get("content_type") == _SPOKEN]
    files = about.get("attachments") if isinstance(about, Mapping) else None
    drawn = role == "tool" and any(isinstance(part, Mapping) for part in parts)
    if parts and (role in ("user", "assistant") or drawn):
        said = [{"type": "text", "text": part.get("text")} for part in heard] or parts
        yield {"role": "assistant" if drawn else role, "content": said, "attachments": files}
