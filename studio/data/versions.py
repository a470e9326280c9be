"""What makes one version of a data set out of another: changes added and undone, and a version named by them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from studio.data.checking.fixes import FIXES
from studio.data.conversion.roles import Roles
from studio.data.dataset_folders import Dataset
from studio.data.reading_choices import Change, Choices
from studio.wording import counted

Changes = tuple[Change, ...]


@dataclass(frozen=True)
class Recipe:
    """What decides the examples of a version, given its source. Without `roles` they are guessed."""

    roles: Roles | None
    changes: Changes
    choices: Choices

    def is_of(self, version: Dataset) -> bool:
        """Say whether a version was made so, however its roles came about."""
        found = version.inspection
        roles = found.roles if self.roles is None else self.roles
        same_roles = replace(roles, kind="") == replace(found.roles, kind="")
        return same_roles and self.choices == found.choices and is_same(self.changes, version.changes)


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
