"""Conversations that are trees: a message with the replies to it, or the file that ChatGPT gives when data is exported.

Of replies the best branch is read. In ChatGPT's file an answer can be made again: there what counts is the branch that
was shown last, without what the assistant did between question and answer (searches, code, thinking).
"""

from collections.abc import Iterator, Mapping
from math import inf

_MOST_TURNS = 1_000

_ASIDE = ("thoughts", "reasoning_recap", "user_editable_context", "model_editable_context")
_SPOKEN = "audio_transcription"


def is_reply_tree(cell: object) -> bool:
    """Tell whether a cell holds a message with its speaker, its text, and the list of replies to it."""
    return (
        isinstance(cell, Mapping)
        and isinstance(cell.get("replies"), list)
        and any(isinstance(cell.get(name), str) for name in ("role", "author", "speaker"))
    )


def best_branch(tree: Mapping[str, object]) -> list[object]:
    """Return the messages of the branch of best replies, up to the last answer in it.

    The best is of the lowest rank, and neither deleted nor refused in a review; the first where there are no ranks.
    """
    branch: list[object] = []
    at: Mapping[str, object] | None = tree
    while at is not None and len(branch) < _MOST_TURNS:
        branch.append({name: value for name, value in at.items() if name != "replies"})
        at = min(_replies(at), key=_place, default=None)
    first = branch[0]
    speaker = first.get("role") if isinstance(first, Mapping) else None
    while len(branch) > 2 and isinstance(branch[-1], Mapping) and branch[-1].get("role") == speaker:
        branch.pop()
    return branch


def replies_left_out(tree: Mapping[str, object]) -> int:
    """Count the replies beside those of the best branch."""
    count, at = 0, min(_replies(tree), key=_place, default=None)
    level: Mapping[str, object] = tree
    for _ in range(_MOST_TURNS):
        if at is None:
            break
        count += sum(1 for _ in _replies(level)) - 1
        level, at = at, min(_replies(at), key=_place, default=None)
    return count


def rank_of(message: Mapping[str, object]) -> float:
    """Return the rank of a message among the replies to the one before: 0 is the best, without one it is infinite."""
    rank = message.get("rank")
    try:
        found = float(rank) if isinstance(rank, int | float | str) and not isinstance(rank, bool) else inf
    except (ValueError, OverflowError):
        return inf
    return found if found == found else inf


def taken_out_by(message: Mapping[str, object]) -> str:
    """Return the name of the field that says that a message was deleted or refused in a review, or ""."""
    says = {name: str(message.get(name)).strip().lower() for name in ("deleted", "review_result")}
    if says["deleted"] in ("true", "1", "1.0", "yes"):
        return "deleted"
    return "review_result" if says["review_result"] in ("false", "0", "0.0", "no") else ""


def _replies(message: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    found = message.get("replies")
    yield from (each for each in (found if isinstance(found, list) else ()) if isinstance(each, Mapping))


def _place(reply: Mapping[str, object]) -> tuple[bool, float]:
    return bool(taken_out_by(reply)), rank_of(reply)


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
