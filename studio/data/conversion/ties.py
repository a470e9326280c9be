"""The guess which columns say that rows hang together, where each row is a question with its answer."""

from collections.abc import Sequence

from studio.data.conversion.sampled_columns import Column
from studio.data.conversion.threads import plain_id
from studio.data.rows import Row


def tied(columns: Sequence[Column], parts: dict[str, str], sample: Sequence[Row]) -> dict[str, str]:
    """Return the parts with those of an id and a parent, or of a thread, where the rows show that these are such."""
    played = {part: name for name, part in parts.items()}
    if "prompt" not in played or "history" in played:
        return parts
    free = [column for column in columns if column.name not in parts]
    for parent in (column.name for column in free if column.is_called("parent")):
        for own in (column.name for column in free if column.is_called("id")):
            if _hang_together(sample, own=own, parent=parent):
                return {**parts, own: "id", parent: "parent"}
    for thread in (column.name for column in free if column.is_called("thread")):
        if _share_a_thread(sample, thread=thread, asking=played["prompt"]):
            return {**parts, thread: "thread"}
    return parts


def _hang_together(rows: Sequence[Row], *, own: str, parent: str) -> bool:
    """Tell whether the parents that some rows name are ids of others, and each id is there once."""
    ids = [id for row in rows if (id := plain_id(row.cells.get(own)))]
    parents = {named for row in rows if (named := plain_id(row.cells.get(parent)))}
    return len(set(ids)) == len(ids) and not parents.isdisjoint(ids)


def _share_a_thread(rows: Sequence[Row], *, thread: str, asking: str) -> bool:
    """Tell whether rows share a conversation in which each asks something else, and not the same once more."""
    asked: dict[str, list[str]] = {}
    for row in rows:
        if shared := plain_id(row.cells.get(thread)):
            asked.setdefault(shared, []).append(str(row.cells.get(asking)))
    several = [questions for questions in asked.values() if len(questions) > 1]
    return bool(several) and all(len(set(questions)) == len(questions) for questions in several)
