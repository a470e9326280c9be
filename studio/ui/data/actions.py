"""What a person does with the chosen data set: find an example, fix it, undo that, leave one out, assign its columns.

Every change makes another version, or finds the one that is there.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from studio.data import versions
from studio.data.checking.fixes import FIXES, LEAVE_OUT
from studio.data.conversion.roles import Roles
from studio.data.dataset_folders import Dataset
from studio.data.examples import fingerprint
from studio.data.mask_findings import mask_findings
from studio.data.reading_choices import Choices
from studio.errors import DataError
from studio.jobs.imports import ImportRequest
from studio.planning.model_facts import ModelFacts
from studio.studio import Studio
from studio.ui.data import columns, findings, imports
from studio.ui.data.imports import AGAIN, READING_AGAIN, READING_OTHERWISE, begin
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


def press_check(studio: Studio, selection: Selection, action: Action) -> Selection:
    """Show an example that a finding is about, fix it, or undo a change. Raises DataError and RunError."""
    if not selection.at_hand or action.verb not in ("show", "fix", "undo"):
        return selection
    dataset = studio.data.get(selection.at_hand)
    if action.verb == "show":
        model = selection.settings.model
        counts = studio.token_state(dataset.id, model).result if model else None
        found = (*dataset.inspection.findings, *mask_findings(counts.doubts if counts is not None else ()))
        place = findings.next_place(found, action.key, after=selection.place)
        return selection if place is None else replace(selection, number=place + 1)
    if action.verb == "fix":
        return _fix(studio, selection, dataset, action.key)
    changes = versions.without_change(dataset.changes, action.key)
    what = f"Undoing: {versions.label(action.key)}"
    return read_again(studio, selection, dataset, changes=changes, what=what)


def _fix(studio: Studio, selection: Selection, dataset: Dataset, kind: str) -> Selection:
    """Make a version with the change that a finding offers."""
    offered = {each.kind for finding in dataset.inspection.findings for each in finding.fixes}
    if kind not in offered or kind not in FIXES:
        raise DataError("This change is not available for this data set.", "Reload the page, then choose again.")
    changes = versions.with_change(dataset.changes, kind)
    return read_again(studio, selection, dataset, changes=changes, what=versions.doing(kind))


def leave_out(studio: Studio, selection: Selection) -> Selection:
    """Make a version without the example that is shown. Raises DataError when there is none, and RunError."""
    if not selection.at_hand:
        return selection
    dataset, place = studio.data.get(selection.at_hand), selection.place
    examples = studio.data.examples(dataset.id)
    if not 0 <= place < len(examples):
        raise DataError("There is no such example.", "Choose one that is shown.")
    changes = versions.with_change(dataset.changes, LEAVE_OUT, [fingerprint(examples[place])])
    return read_again(studio, selection, dataset, changes=changes, what=f"Removing example {place + 1:,}")


def append_files(studio: Studio, selection: Selection, *, files: Sequence[str] | None) -> Selection:
    """Make a version with the examples of more files. Raises DataError and RunError."""
    if not selection.at_hand or not files:
        return selection
    _require_none_at_work(studio, selection)
    dataset = studio.data.get(selection.at_hand)
    request = ImportRequest(of=dataset.id, files=tuple(files), changes=dataset.changes)
    what = f"Adding {imports.names([Path(file).name for file in files])} · {dataset.name}"
    return begin(studio, selection, request, what=what, source=AGAIN)


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
    return read_again(studio, selection, dataset, changes=dataset.changes, roles=now.roles, what=READING_AGAIN)


def _read_with(studio: Studio, selection: Selection, dataset: Dataset, action: Action) -> Selection:
    """Read the files of a data set otherwise: in another encoding, or another sheet. The columns are guessed again."""
    for question in dataset.inspection.questions:
        if question.about == action.key and any(option.value == action.value for option in question.options):
            choices = replace(dataset.inspection.choices, **{question.about: action.value})
            return read_again(
                studio, selection, dataset, changes=dataset.changes, choices=choices, what=READING_OTHERWISE
            )
    raise DataError("The files cannot be read in this way.", "Reload the page, then choose again.")


def read_again(
    studio: Studio,
    selection: Selection,
    dataset: Dataset,
    *,
    changes: versions.Changes,
    roles: Roles | None = None,
    choices: Choices | None = None,
    what: str,
) -> Selection:
    """Make a version with these changes, roles and choices, or select the one that is there.

    Raises DataError while another version is being made, for that would be without this change; and RunError.
    """
    _require_none_at_work(studio, selection)
    read = dataset.inspection.choices if choices is None else choices
    wanted = dataset.inspection.roles if roles is None and read == dataset.inspection.choices else roles
    recipe = versions.Recipe(wanted, changes, read, dataset.inspection.sha256)
    for version in studio.data.versions(dataset.id):
        if recipe.is_of(version):
            return replace(selection, version=version.id)
    request = ImportRequest(of=dataset.id, roles=wanted, changes=changes, choices=read)
    return begin(studio, selection, request, what=f"{what} · {dataset.name}", source=AGAIN)


def _require_none_at_work(studio: Studio, selection: Selection) -> None:
    """Raise DataError while another version is being made: the one to make would be without its change."""
    again = {each.id for each in imports.begun(selection.started) if each.source == AGAIN}
    if again & set(studio.imports.working()):
        raise DataError("The last change is still being made.", "Wait until it is done, then choose again.")
