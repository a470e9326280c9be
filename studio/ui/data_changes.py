"""The changes that make one version of a data set out of another: adding one, undoing one, naming a version by them.

Functions from plain values to plain values. Knows nothing of how a change is applied.
"""

from collections.abc import Sequence

from studio.data.changes import Change
from studio.data.dataset_folders import Dataset
from studio.data.mends import MENDS
from studio.runs.words import counted

LEAVE_OUT = "leave-out"
_MOST_NAMED = 2

Changes = tuple[Change, ...]


def with_change(changes: Sequence[Change], kind: str, keys: Sequence[str] = ()) -> Changes:
    """Return the changes with one more; keys join those that a change of this kind has already."""
    wanted: dict[str, Change] = {each.kind: Change(each.kind, each.keys) for each in changes}
    before = wanted[kind].keys if kind in wanted else ()
    wanted[kind] = Change(kind, tuple(dict.fromkeys((*before, *keys))))
    return tuple(wanted.values())


def without_change(changes: Sequence[Change], kind: str) -> Changes:
    """Return the changes without the one of this kind."""
    return tuple(Change(each.kind, each.keys) for each in changes if each.kind != kind)


def is_same(one: Sequence[Change], other: Sequence[Change]) -> bool:
    """Say whether two lists of changes do the same, whatever they counted."""
    return {each.kind: set(each.keys) for each in one} == {each.kind: set(each.keys) for each in other}


def done(change: Change) -> str:
    """Say what a change did: "Left out 12 exact copies."."""
    words = MENDS.get(change.kind)
    return words.done(change.count) if words is not None else f"{change.kind}: {change.count:,}"


def version_label(dataset: Dataset, parent: Dataset | None = None) -> str:
    """Name a version for the dropdown: "v1 as brought · 180 examples"."""
    examples = counted(dataset.inspection.usable, "example")
    if not dataset.changes:
        told = "as brought" if dataset.version == 1 or parent is None else "columns assigned anew"
        if parent is not None and parent.changes and parent.inspection.roles == dataset.inspection.roles:
            told = "as brought"
        return f"v{dataset.version} {told} · {examples}"
    told = "; ".join(_small(done(change).rstrip(".")) for change in dataset.changes[-_MOST_NAMED:])
    more = len(dataset.changes) - _MOST_NAMED
    return f"v{dataset.version}: {told}{f' and {more} more' if more > 0 else ''} · {examples}"


def _small(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
