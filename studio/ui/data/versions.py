"""The changes that make one version of a data set out of another: adding one, undoing one, naming a version by them.

Functions from plain values to plain values.
"""

from collections.abc import Sequence

from studio.data.changes import Change
from studio.data.checking.fixes import FIXES
from studio.data.dataset_folders import Dataset
from studio.wording import counted

LEAVE_OUT = "leave-out"

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
    words = FIXES.get(change.kind)
    return words.done(change.count) if words is not None else f"{change.kind}: {change.count:,}"


def label(kind: str) -> str:
    """Name a kind of change as its button does."""
    return FIXES[kind].label if kind in FIXES else kind


def doing(kind: str) -> str:
    """Say that a change is being made: "Masking e-mail addresses"."""
    verb, _, rest = label(kind).partition(" ")
    return f"{verb.removesuffix('e')}ing {rest}".strip()


def added(changes: Sequence[Change], before: Sequence[Change]) -> Changes:
    """Return the changes that are not among those before, or are about more."""
    known = {each.kind: set(each.keys) for each in before}
    return tuple(each for each in changes if each.kind not in known or set(each.keys) - known[each.kind])


def version_label(dataset: Dataset, parent: Dataset | None = None) -> str:
    """Name a version by what makes it different from the one before it: "v3: undid: mask keys · 9 examples"."""
    return f"v{dataset.version}{_told(dataset, parent)} · {counted(dataset.inspection.usable, 'example')}"


def _told(dataset: Dataset, parent: Dataset | None) -> str:
    if parent is None:
        steps = [_step(change) for change in dataset.changes]
        return f": {'; '.join(steps)}" if steps else " as brought"
    fresh = added(dataset.changes, parent.changes)
    gone = added(parent.changes, dataset.changes)
    steps = [f"{'+ ' if parent.changes else ''}{_step(change)}" for change in fresh]
    steps += [f"undid: {_small(label(change.kind))}" for change in gone]
    if steps:
        return f": {'; '.join(steps)}"
    return " as brought" if dataset.inspection.roles == parent.inspection.roles else " columns assigned again"


def _step(change: Change) -> str:
    return _small(done(change).rstrip("."))


def _small(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
