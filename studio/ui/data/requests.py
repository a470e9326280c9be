"""What a person does to their data, as requests to the studio: bring it in, fix it, undo that, assign columns.

Every import is started here and remembered for the page in one list.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from studio.data import versions
from studio.data.checking.fixes import FIXES, LEAVE_OUT
from studio.data.conversion.roles import Roles
from studio.data.dataset_folders import Dataset
from studio.data.examples import fingerprint
from studio.data.reading_choices import Choices
from studio.errors import DataError
from studio.jobs.imports import ImportRequest
from studio.studio import Studio
from studio.ui.data import columns, imports
from studio.ui.data.columns import Assigning
from studio.ui.data.imports import AGAIN, READING_AGAIN, READING_OTHERWISE, Begun
from studio.ui.data.typed_rows import read_rows
from studio.ui.kit.actions import Action

FILES, PASTED, TYPED, HUB, SAMPLE = "files", "pasted", "typed", "hub", "sample"

Remembered = list[dict[str, str]]


@dataclass(frozen=True)
class Outcome:
    """What came of an action: an import was started, or a version with the same content was there already."""

    started: Remembered | None = None
    dataset_id: str = ""


def add_files(studio: Studio, files: Sequence[str], started: object) -> Remembered:
    """Start to bring files in, all as one data set. Raises DataError and RunError."""
    what = imports.names([Path(file).name for file in files])
    return _begin(studio, ImportRequest(files=tuple(files)), started, what=what, source=FILES)


def add_pasted(studio: Studio, text: str, name: str, started: object) -> Remembered:
    """Start to bring pasted text in. Raises DataError when there is none, and RunError."""
    if not text.strip():
        raise DataError("There is no text to add.", "Paste it into the field first.")
    request = ImportRequest(pasted=text, name=name.strip())
    return _begin(studio, request, started, what=name.strip() or "Pasted text", source=PASTED)


def add_typed(studio: Studio, rows: object, name: str, started: object) -> Remembered:
    """Start to bring typed rows in; empty ones are passed over. Raises DataError when there is none, and RunError."""
    typed = read_rows(rows)
    if not typed:
        raise DataError("There is no row to add.", "Type a question and its answer into the fields first.")
    request = ImportRequest(typed=typed, name=name.strip())
    return _begin(studio, request, started, what=name.strip() or "Typed rows", source=TYPED)


def add_from_hub(studio: Studio, id: str, config: str, split: str, started: object) -> Remembered:
    """Start to fetch a data set of the Hub. Raises DataError when no id is given, and RunError."""
    if not id.strip():
        raise DataError("No data set is named.", "Type its id as the Hub shows it, for example owner/name.")
    request = ImportRequest(hub=id.strip(), hub_config=config.strip(), hub_split=split.strip() or "train")
    return _begin(studio, request, started, what=id.strip(), source=HUB)


def add_sample(studio: Studio, key: str, started: object) -> Remembered:
    """Start to bring a sample in. Raises DataError for an unknown one, and RunError."""
    for sample in studio.data.samples():
        if sample.key == key:
            request = ImportRequest(files=(str(sample.file),), name=sample.title)
            return _begin(studio, request, started, what=sample.title, source=SAMPLE)
    raise DataError(f"There is no sample '{key}'.", "Choose one of those on the page.")


def fix(studio: Studio, dataset: Dataset, press: Action, started: object) -> Outcome:
    """Make a version with the change that a finding offers. Raises DataError when none offers it, and RunError."""
    offered = {each.kind for finding in dataset.inspection.findings for each in finding.fixes}
    if press.key not in offered or press.key not in FIXES:
        raise DataError("This change is not on offer for this data set.", "Reload the page, then choose again.")
    changes = versions.with_change(dataset.changes, press.key)
    return read_again(studio, dataset, started, changes=changes, what=versions.doing(press.key))


def undo(studio: Studio, dataset: Dataset, press: Action, started: object) -> Outcome:
    """Make a version without one of its changes. Raises DataError and RunError."""
    changes = versions.without_change(dataset.changes, press.key)
    return read_again(studio, dataset, started, changes=changes, what=f"Undoing: {versions.label(press.key)}")


def leave_out(studio: Studio, dataset: Dataset, place: int, started: object) -> Outcome:
    """Make a version without one example. Raises DataError when there is no such example, and RunError."""
    examples = studio.data.examples(dataset.id)
    if not 0 <= place < len(examples):
        raise DataError("There is no such example.", "Choose one that is shown.")
    keys = [fingerprint(examples[place])]
    changes = versions.with_change(dataset.changes, LEAVE_OUT, keys)
    return read_again(studio, dataset, started, changes=changes, what=f"Leaving example {place + 1:,} out")


def read_as(studio: Studio, dataset: Dataset, assigning: Assigning, started: object) -> Outcome:
    """Read a data set with other parts for its columns; do nothing while these are not enough to read it.

    Raises DataError and RunError.
    """
    now = columns.chosen(dataset, assigning)
    if now.verdict:
        return Outcome()
    return read_again(studio, dataset, started, changes=dataset.changes, roles=now.roles, what=READING_AGAIN)


def read_with(studio: Studio, dataset: Dataset, press: Action, started: object) -> Outcome:
    """Read the files of a data set otherwise: in another encoding, or another sheet. The columns are guessed again.

    Raises DataError for what is not on offer, and RunError.
    """
    for question in dataset.inspection.questions:
        if question.about == press.key and any(option.value == press.value for option in question.options):
            choices = replace(dataset.inspection.choices, **{question.about: press.value})
            return read_again(
                studio, dataset, started, changes=dataset.changes, choices=choices, what=READING_OTHERWISE
            )
    raise DataError("This way to read the files is not on offer.", "Reload the page, then choose again.")


def read_again(
    studio: Studio,
    dataset: Dataset,
    started: object,
    *,
    changes: versions.Changes,
    roles: Roles | None = None,
    choices: Choices | None = None,
    what: str,
) -> Outcome:
    """Make a version with these changes, roles and choices, or find the one that is there.

    Raises DataError while another version is being made, for that would be without this change; and RunError.
    """
    _refuse_while_busy(studio, started)
    read = dataset.inspection.choices if choices is None else choices
    is_otherwise = read != dataset.inspection.choices
    wanted = dataset.inspection.roles if roles is None and not is_otherwise else roles
    recipe = versions.Recipe(wanted, changes, read)
    for version in studio.data.versions(dataset.id):
        if recipe.is_of(version):
            return Outcome(dataset_id=version.id)
    request = ImportRequest(of=dataset.id, roles=wanted, changes=changes, choices=read)
    return Outcome(started=_begin(studio, request, started, what=f"{what} · {dataset.name}", source=AGAIN))


def _begin(studio: Studio, request: ImportRequest, started: object, *, what: str, source: str) -> Remembered:
    id = studio.imports.start(request)
    return imports.add_begun(started, Begun(id, what, source))


def _refuse_while_busy(studio: Studio, started: object) -> None:
    again = {each.id for each in imports.begun(started) if each.source == AGAIN}
    if again & set(studio.imports.working()):
        raise DataError("The last change is still being made.", "Wait until it is done, then choose again.")
