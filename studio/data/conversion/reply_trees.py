"""Conversations as trees of replies: a message with the replies to it, each with its own. The best branch is read."""

from collections.abc import Iterator, Mapping
from math import inf

_MOST_TURNS = 1_000


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
