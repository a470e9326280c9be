"""The guess which columns say that rows hang together, where each row is a question with its answer, or one message."""

import re
from collections.abc import Sequence

from studio.data.conversion.cells import is_empty
from studio.data.conversion.sampled_columns import Column
from studio.data.conversion.threads import NUMBER, place_of, plain_id
from studio.data.rows import Row

_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def tied(columns: Sequence[Column], parts: dict[str, str], sample: Sequence[Row]) -> dict[str, str]:
    """Return the parts with those of an id and a parent, or of a thread, where the rows show that these are such.

    Nothing is returned for rows that are one message each where it is not clear which of them belong together.
    """
    played = {part: name for name, part in parts.items()}
    is_message = "message" in played
    if not is_message and ("prompt" not in played or "history" in played):
        return parts
    free = [column for column in columns if column.name not in parts]
    for parent in (column.name for column in free if column.is_called("parent")):
        for own in (column.name for column in free if column.is_called("id")):
            if _hang_together(sample, own=own, parent=parent, is_message=is_message):
                return {**parts, own: "id", parent: "parent"}
    concepts = ("thread", "conversation") if is_message else ("thread",)
    told = played["speaker" if is_message else "prompt"]
    for thread in (column.name for column in free if column.is_called(*concepts)):
        if _share_a_thread(sample, thread=thread, told=told, once=not is_message):
            return {**parts, thread: "thread", **_in_order(free, sample, thread=thread, told=told)}
    return {} if is_message else parts


def _hang_together(rows: Sequence[Row], *, own: str, parent: str, is_message: bool) -> bool:
    """Tell whether the parents that some rows name are ids of others, and each id is there once.

    Rows of single messages may be in any order, so that the first of them need not be those of one conversation.
    """
    ids = [id for row in rows if (id := plain_id(row.cells.get(own)))]
    parents = {named for row in rows if (named := plain_id(row.cells.get(parent)))}
    return len(set(ids)) == len(ids) and (bool(parents and ids) if is_message else not parents.isdisjoint(ids))


def _share_a_thread(rows: Sequence[Row], *, thread: str, told: str, once: bool) -> bool:
    """Tell whether rows share a conversation in which not the same is told again and again; or never, for `once`."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if shared := plain_id(row.cells.get(thread)):
            found.setdefault(shared, []).append(str(row.cells.get(told)))
    several = [each for each in found.values() if len(each) > 1]
    return bool(several) and (
        all(len(set(each)) == len(each) for each in several) if once else any(len(set(each)) > 1 for each in several)
    )


def _in_order(columns: Sequence[Column], rows: Sequence[Row], *, thread: str, told: str) -> dict[str, str]:
    """Return the column of the numbers or times by which the rows of each conversation are put in order, if any is."""
    for column in columns:
        if column.is_called("order") and column.name != thread and column.mostly(_is_place, share=0.99):
            places = [tuple(str(row.cells.get(name)) for name in (thread, column.name, told)) for row in rows]
            if len(set(places)) == len(places):
                return {column.name: "order"}
    return {}


def _is_place(cell: object) -> bool:
    return place_of(cell)[0] == NUMBER or (not is_empty(cell) and _DAY.match(str(cell)) is not None)
