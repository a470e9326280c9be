"""What makes one version of a data set out of another: changes added and undone, and a version named by them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from studio.data.checking.fixes import EDIT, FIXES
from studio.data.conversion.roles import Roles
from studio.data.dataset_folders import Dataset
from studio.data.reading_choices import Change, Choices, Edit
from studio.wording import counted

Changes = tuple[Change, ...]


@dataclass(frozen=True)
class Recipe:
    """What decides the examples of a version. Without `roles` they are guessed; `source` is the hash of its files."""

    roles: Roles | None
    changes: Changes
    choices: Choices
    source: str

    def is_of(self, version: Dataset) -> bool:
        """Say whether a version was made so, however its roles came about."""
        found = version.inspection
        roles = found.roles if self.roles is None else self.roles
        same_roles = replace(roles, kind="") == replace(found.roles, kind="")
        same_source = self.source == found.sha256
        return same_source and same_roles and self.choices == found.choices and is_same(self.changes, version.changes)


def with_change(changes: Sequence[Change], kind: str, keys: Sequence[str] = ()) -> Changes:
    """Return the changes with one more; keys join those that a change of this kind has already."""
    wanted = {each.kind: replace(each, count=0) for each in changes}
    before = wanted[kind].keys if kind in wanted else ()
    wanted[kind] = Change(kind, tuple(dict.fromkeys((*before, *keys))))
    return tuple(wanted.values())


def with_edit(changes: Sequence[Change], edit: Edit) -> Changes:
    """Return the changes with one more edit of an example."""
    before = next((each.edits for each in changes if each.kind == EDIT), ())
    return (*without_change(changes, EDIT), Change(EDIT, edits=(*before, edit)))


def without_change(changes: Sequence[Change], kind: str) -> Changes:
    """Return the changes without the one of this kind."""
    return tuple(replace(each, count=0) for each in changes if each.kind != kind)


def is_same(one: Sequence[Change], other: Sequence[Change]) -> bool:
    """Say whether two lists of changes do the same, whatever they counted."""
    first, second = ({each.kind: (set(each.keys), each.edits) for each in changes} for changes in (one, other))
    return first == second


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
    return " ".join((verb.removesuffix("e") + "ing", rest)).strip()


def added(changes: Sequence[Change], before: Sequence[Change]) -> Changes:
    """Return the changes that are not among those before, or are about more."""
    known = {each.kind: {*each.keys, *each.edits} for each in before}
    return tuple(each for each in changes if each.kind not in known or {*each.keys, *each.edits} - known[each.kind])


def version_label(dataset: Dataset, parent: Dataset | None = None) -> str:
    """Name a version by what makes it different from the one before it: "v3: undone: mask keys · 9 examples"."""
    return f"v{dataset.version}{_told(dataset, parent)} · {counted(dataset.inspection.usable, 'example')}"


def _told(dataset: Dataset, parent: Dataset | None) -> str:
    if parent is None:
        steps = [_step(change) for change in dataset.changes]
        return f": {'; '.join(steps)}" if steps else " as added"
    fresh = added(dataset.changes, parent.changes)
    gone = added(parent.changes, dataset.changes)
    steps = [f"{'+ ' if parent.changes else ''}{_step(change)}" for change in fresh]
    more = [file for file in dataset.inspection.files if file not in parent.inspection.files]
    if dataset.inspection.sha256 != parent.inspection.sha256:
        steps.append(f"added {' and '.join(more)}" if more else "other files")
    steps += [f"undone: {_small(label(change.kind))}" for change in gone]
    if steps:
        return f": {'; '.join(steps)}"
    return " as added" if dataset.inspection.roles == parent.inspection.roles else " columns changed"


def _step(change: Change) -> str:
    return _small(done(change).rstrip("."))


def _small(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
