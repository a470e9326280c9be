"""What a person does with the chosen data set: find an example, fix it, undo that, leave one out, assign its columns.

Every change makes another version, or finds the one that is there.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from studio.data import versions
from studio.data.checking.fixes import FIXES, LEAVE_OUT
from studio.data.dataset_folders import Dataset
from studio.data.examples import fingerprint
from studio.data.length_findings import length_findings
from studio.data.mask_findings import mask_findings
from studio.errors import DataError
from studio.jobs.imports import ImportRequest
from studio.planning import fitting
from studio.planning.model_facts import ModelFacts
from studio.studio import Studio
from studio.ui.data import columns, findings, imports, newer
from studio.ui.data.imports import AGAIN, READING_AGAIN, READING_OTHERWISE, begin
from studio.ui.data.newer import Change, Waiting
from studio.ui.data.state import Selection
from studio.ui.kit import fragments
from studio.ui.kit.actions import Action
from studio.ui.kit.exchange import Result


def find(facts: ModelFacts, selection: Selection, *, text: str) -> Result[Selection]:
    """Go to the next example that holds a text, from the first again after the last."""
    wanted, here = text.strip(), selection.place
    if not selection.version:
        return Result(selection, {"search_said": ""})
    if not wanted:
        return _found(selection, here, "Type a word to search for.")
    examples = facts.examples(selection.version)
    after = examples.find(wanted, here + 1)
    if after is not None:
        return _found(selection, after, "")
    again = examples.find(wanted, 0)
    if again is None:
        return _found(selection, here, f"No example holds “{wanted[:80]}”.")
    said = "Back at the first that holds it." if again != here else "No other example holds it."
    return _found(selection, again, said)


def _found(selection: Selection, place: int, said: str) -> Result[Selection]:
    shown = str(fragments.line("quiet", said)) if said else ""
    return Result(replace(selection, number=place + 1), {"search_said": shown})


def press_check(studio: Studio, selection: Selection, action: Action) -> Selection | Result[Selection]:
    """Show an example that a finding is about, fix it, or undo a change. Raises DataError and RunError."""
    if not selection.at_hand or action.verb not in ("show", "fix", "undo"):
        return selection
    dataset = studio.data.get(selection.at_hand)
    if action.verb == "show":
        model = selection.settings.model
        counts = studio.token_state(dataset.id, model).result if model else None
        doubts = mask_findings(counts.doubts if counts is not None else ())
        too_long = length_findings(counts, fitting.usable_settings(selection.settings))
        found = (*dataset.inspection.findings, *doubts, *too_long)
        place = findings.next_place(found, action.key, after=selection.place)
        if place is None:
            return selection
        said = findings.which(found, action.key, place, original=_original(studio, dataset.id, action.key, place))
        return _found(selection, place, said)
    if action.verb == "fix":
        return _fix(studio, selection, dataset, action.key)
    undoing = partial(versions.without_change, kind=action.key)
    return change(studio, selection, dataset, Change(f"Undoing: {versions.label(action.key)}", undoing))


def _original(studio: Studio, dataset_id: str, kind: str, place: int) -> int | None:
    """Return the place of the example that one is an exact copy of; None where it is none."""
    if kind != "duplicates":
        return None
    examples = studio.data.examples(dataset_id)
    wanted = examples[place]
    text = wanted.messages[-1].content
    at = examples.find(text, 0)
    while at is not None and at < place:
        if fingerprint(examples[at]) == fingerprint(wanted):
            return at
        at = examples.find(text, at + 1)
    return None


def _fix(studio: Studio, selection: Selection, dataset: Dataset, kind: str) -> Selection:
    """Make a version with the change that a finding offers."""
    offered = {each.kind for finding in dataset.inspection.findings for each in finding.fixes}
    if kind not in offered or kind not in FIXES:
        raise DataError("This change is not available for this data set.", "Reload the page, then choose again.")
    return change(studio, selection, dataset, Change(versions.doing(kind), partial(versions.with_change, kind=kind)))


def leave_out(studio: Studio, selection: Selection) -> Selection:
    """Make a version without the example that is shown. Raises DataError when there is none, and RunError."""
    if not selection.at_hand:
        return selection
    dataset, place = studio.data.get(selection.at_hand), selection.place
    examples = studio.data.examples(dataset.id)
    if not 0 <= place < len(examples):
        raise DataError("There is no such example.", "Choose one that is shown.")
    leaving = partial(versions.with_change, kind=LEAVE_OUT, keys=[fingerprint(examples[place])])
    return change(studio, selection, dataset, Change(f"Removing example {place + 1:,}", leaving))


def append_files(studio: Studio, selection: Selection, *, files: Sequence[str] | None) -> Selection:
    """Make a version with the examples of more files. Raises DataError and RunError."""
    if not selection.at_hand or not files:
        return selection
    dataset = studio.data.get(selection.at_hand)
    what = f"Adding {imports.names([Path(file).name for file in files])}"
    return change(studio, selection, dataset, Change(what, files=tuple(files)))


def assign_part(studio: Studio, selection: Selection, action: Action) -> Selection:
    """Give a column the part that was chosen, or read the file otherwise; read it again once that is enough.

    Raises DataError and RunError.
    """
    if not selection.at_hand:
        return selection
    dataset = studio.data.get(selection.at_hand)
    if action.verb == columns.READ_AS:
        return _read_with(studio, selection, dataset, action)
    assigning = columns.choose(dataset, selection.assigning, action)
    return selection if assigning is None else _read_as(studio, replace(selection, assigning=assigning), dataset)


def use_template(studio: Studio, selection: Selection, *, template: str) -> Selection:
    """Let a template make the prompt. Raises DataError when it cannot, and RunError."""
    if not selection.at_hand:
        return selection
    dataset = studio.data.get(selection.at_hand)
    assigning = columns.with_template(dataset, selection.assigning, template)
    return _read_as(studio, replace(selection, assigning=assigning), dataset)


def _read_as(studio: Studio, selection: Selection, dataset: Dataset) -> Selection:
    """Read a data set with the parts that are chosen; do nothing while these are not enough to read it."""
    now = columns.chosen(dataset, selection.assigning)
    if now.verdict:
        return selection
    return change(studio, selection, dataset, Change(READING_AGAIN, roles=now.roles))


def _read_with(studio: Studio, selection: Selection, dataset: Dataset, action: Action) -> Selection:
    """Read the files of a data set otherwise: in another encoding, or another sheet. The columns are guessed again."""
    for question in dataset.inspection.questions:
        if question.about == action.key and any(option.value == action.value for option in question.options):
            choices = replace(dataset.inspection.choices, **{question.about: action.value})
            return change(studio, selection, dataset, Change(READING_OTHERWISE, choices=choices))
    raise DataError("The files cannot be read in this way.", "Reload the page, then choose again.")


def change(studio: Studio, selection: Selection, dataset: Dataset, wanted: Change) -> Selection:
    """Make a version with this change, or select the one that is there; ask first where there is a newer version.

    Raises DataError while another version is being made, for that would be without this change; and RunError.
    """
    _require_none_at_work(studio, selection)
    newest = newer.newest(studio, dataset)
    if newest.id != dataset.id and _made(studio, dataset, wanted) is None:
        return replace(selection, waiting=Waiting(dataset.id, newest.id, wanted))
    return _make(studio, selection, dataset, wanted)


def answer(studio: Studio, selection: Selection, action: Action) -> Selection:
    """Make the change that waits, on the version that was chosen. Raises DataError and RunError."""
    waiting = selection.waiting
    if waiting is None or action.verb not in (newer.ON_NEWEST, newer.ON_THIS, newer.NEITHER):
        return selection
    answered = replace(selection, waiting=None)
    if action.verb == newer.NEITHER:
        return answered
    _require_none_at_work(studio, selection)
    of = studio.data.get(waiting.of)
    if action.verb == newer.ON_NEWEST:
        last = studio.data.get(waiting.newest)
        newer.require_same_example(waiting.change, of=of, last=last)
        of = last
    return _make(studio, replace(answered, editing=""), of, waiting.change)


def _make(studio: Studio, selection: Selection, dataset: Dataset, wanted: Change) -> Selection:
    made = _made(studio, dataset, wanted)
    if made is not None:
        return replace(selection, version=made.id)
    recipe, what = _recipe(dataset, wanted), f"{wanted.what} · {dataset.name}"
    request = ImportRequest(of=dataset.id, roles=recipe.roles, changes=recipe.changes, choices=recipe.choices)
    if wanted.files:
        request = ImportRequest(of=dataset.id, files=wanted.files, changes=recipe.changes)
    return begin(studio, selection, request, what=what, source=AGAIN)


def _made(studio: Studio, dataset: Dataset, wanted: Change) -> Dataset | None:
    """Return the version that a change of this one would make, where it is there."""
    recipe = _recipe(dataset, wanted)
    versions_there = () if wanted.files else studio.data.versions(dataset.id)
    return next((version for version in versions_there if recipe.is_of(version)), None)


def _recipe(dataset: Dataset, wanted: Change) -> versions.Recipe:
    found = dataset.inspection
    read = found.choices if wanted.choices is None else wanted.choices
    roles = found.roles if wanted.roles is None and read == found.choices else wanted.roles
    return versions.Recipe(roles, wanted.make(dataset.changes), read, found.sha256)


def _require_none_at_work(studio: Studio, selection: Selection) -> None:
    """Raise DataError while another version is being made: the one to make would be without its change."""
    again = {each.id for each in imports.begun(selection.started) if each.source == AGAIN}
    if again & set(studio.imports.working()):
        raise DataError("The last change is still being made.", "Wait until it is done, then choose again.")
