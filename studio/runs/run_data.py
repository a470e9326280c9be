"""Which examples a run learns from, and the data set that a run learned from."""

import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from studio.config import RunConfig
from studio.data.dataset_folders import Dataset
from studio.data.example_files import ExampleFile
from studio.data.example_lines import as_messages
from studio.data.examples import Example
from studio.data.library import DatasetLibrary
from studio.data.splitting import split_examples
from studio.errors import DataError
from studio.files import disk_trouble
from studio.runs.store import RunFolder
from studio.runs.summary import Summary

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunExamples:
    """The examples that a run is trained on, in order, and those that are held out. Each can be gone through once."""

    train: Iterable[Example]
    validation: Iterable[Example]


def run_examples(datasets: DatasetLibrary, config: RunConfig, dataset: Dataset, validation_id: str) -> RunExamples:
    """Split a data set as the settings say, or hold out the data set `validation_id` where that is given.

    Raises DataError when a data set is unknown, damaged or not ready.
    """
    held_out = datasets.get(validation_id) if validation_id else None
    for each in (dataset, held_out):
        if each is not None and each.inspection.verdict:
            raise DataError(f"{each.name} is not ready. {each.inspection.verdict}", "Fix it on the Data tab.")
    examples = datasets.examples(dataset.id)
    share = config.validation_share if held_out is None else 0.0
    places = split_examples(examples, share=share, seed=config.seed, stratify=config.stratify)
    if held_out is None:
        return RunExamples(examples.each(places.train), examples.each(places.validation))
    return RunExamples(examples.each(places.train), datasets.examples(held_out.id))


def data_of(run: RunFolder, datasets: DatasetLibrary, workspace: Path) -> Dataset:
    """Return the version of the data set that a run learned from.

    One that was deleted is put back from the bin; one that is gone for good is made again from the run's own copy, in
    which `workspace` serves for a moment. Raises DataError when that copy is damaged too, RunError for a damaged run.
    """
    origin = run.origin
    for restore in (datasets.get, datasets.restore):
        try:
            found = restore(origin.dataset_id)
        except DataError:
            log.debug("A data set of this family cannot be read", exc_info=True)
            continue
        if not found.sha256 or found.sha256 == origin.dataset_sha256:
            return found
    workspace.mkdir(parents=True, exist_ok=True)
    copy = workspace / f"{run.id}.jsonl"
    try:
        with disk_trouble("The data of the run", workspace, DataError):
            with copy.open("w", encoding="utf-8", newline="\n") as file:
                for path in (run.train_path, run.validation_path):
                    file.writelines(as_messages(example) + "\n" for example in ExampleFile(path))
        return datasets.add(copy, name=f"{origin.dataset_name} (as {run.id} learned it)")
    finally:
        copy.unlink(missing_ok=True)


def uses(runs: Iterable[Summary], datasets: DatasetLibrary) -> Counter[str]:
    """Count the runs that learned from each data set, whichever version of it, by what its versions share."""
    roots = {each.id: each.root for each in datasets.all()}
    return Counter(roots[run.dataset_id] for run in runs if run.dataset_id in roots)
