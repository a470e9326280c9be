"""`python app.py train` and `resume`: a run, or several together, followed in the terminal to the end and evaluated."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from studio.cli.evaluate import evaluate_at_end
from studio.cli.follow import RunFailed, follow, follow_all
from studio.cli.options import EVALUATION_PREFIX, GivenData, require_readable
from studio.cli.runs import show_group
from studio.config import RunConfig, check
from studio.data.checking.findings import INFO
from studio.data.dataset_folders import Dataset
from studio.data.inspection import Inspection
from studio.data.reading_choices import Change
from studio.jobs.variants import Values, Variants, variants
from studio.limits import require_within
from studio.runs.store import RunFolder
from studio.studio import Studio


@dataclass(frozen=True)
class Tries:
    """What is tried: the values of each setting. With `gives_way` the runs let others go first."""

    values: Values
    gives_way: bool = True


def train(
    studio: Studio,
    *,
    config: RunConfig,
    data: GivenData,
    eval_data: GivenData | None,
    changes: Sequence[Change],
    tries: Tries,
    console: Console,
) -> int:
    """Store the data, start a run and follow it to its end; the last line printed names the run's folder.

    Where several values are tried, start a run for each, and show in the end how they compare.
    """
    check(config)
    # What cannot be trained is told before the data is read.
    _check_tries(studio, variants(config, [("", "data")], tries.values))
    dataset, validation = _bring(studio, data=data, eval_data=eval_data, changes=changes, console=console)
    if tries.values:
        planned = variants(config, [(dataset.id, dataset.name)], tries.values)
        group = studio.start_group(planned, validation_dataset_id=validation, gives_way=tries.gives_way)
        return _see_all_through(studio, group, console=console)
    run = studio.start_run(config, dataset.id, validation_dataset_id=validation)
    return see_through(studio, run.id, console=console)


def _check_tries(studio: Studio, planned: Variants) -> None:
    require_within(studio.limits, "group_runs", len(planned.runs), "runs in one group")
    for model in dict.fromkeys(run.config.model for run in planned.runs):
        studio.models.locate(model)


def _bring(
    studio: Studio,
    *,
    data: GivenData,
    eval_data: GivenData | None,
    changes: Sequence[Change],
    console: Console,
) -> tuple[Dataset, str]:
    """Store the examples to learn from, and those to score on; return the one, and the id of the other."""
    dataset = studio.data.add(data.files, roles=data.roles, changes=changes, choices=data.choices)
    require_readable(dataset)
    tell_problems(dataset.inspection, file=data.files[0], console=console)
    tell_doubts(dataset.inspection, console=console)
    validation = ""
    if eval_data is not None:
        scored = studio.data.add(eval_data.files, roles=eval_data.roles, choices=eval_data.choices)
        require_readable(scored, prefix=EVALUATION_PREFIX)
        tell_problems(scored.inspection, file=eval_data.files[0], console=console, what="examples to score on")
        validation = scored.id
    return dataset, validation


def _see_all_through(studio: Studio, runs: Sequence[RunFolder], *, console: Console) -> int:
    """Follow a group to its end, evaluate its runs, and say which is the best."""
    for run in runs:
        console.print(f"queued: {run.name}", markup=False, soft_wrap=True)
    ended = follow_all(studio, [run.id for run in runs], console=console)
    for state in ended:
        if state.status == "finished":
            evaluate_at_end(studio, state.run.id, console=Console(quiet=True))
    show_group(studio, _group_of(runs), console=console)
    if failed := [state.run.name for state in ended if state.status in ("failed", "lost")]:
        raise RunFailed(f"{len(failed):,} of {len(ended):,} runs failed: {'; '.join(failed)}.")
    return 0


def _group_of(runs: Sequence[RunFolder]) -> str:
    group = runs[0].origin.group
    return group.id if group is not None else ""


def resume(studio: Studio, *, run_id: str, console: Console) -> int:
    """Let a run that ended before it was done go on from its newest checkpoint, and follow it to its end."""
    studio.queue_run(run_id)
    return see_through(studio, run_id, console=console)


def see_through(studio: Studio, run_id: str, *, console: Console) -> int:
    """Follow a run to its end and evaluate it; the last line printed names the run's folder."""
    state = follow(studio, run_id, console=console)
    console.print(state.headline, markup=False, soft_wrap=True)
    evaluate_at_end(studio, run_id, console=console)
    console.print(f"run: {state.run.path}", markup=False, soft_wrap=True)
    return 0


def tell_problems(inspection: Inspection, *, file: Path, console: Console, what: str = "examples") -> None:
    """Say how many examples there are and how many rows were left out."""
    problems = inspection.left_out
    left_out = f", {problems} left out (see: python app.py inspect {file})" if problems else ""
    console.print(f"{inspection.usable} {what}{left_out}", markup=False, soft_wrap=True)


def tell_doubts(inspection: Inspection, *, console: Console) -> None:
    """Say how the file was read, and what is doubtful about the examples."""
    for note in inspection.notes:
        console.print(f"note: {note}", markup=False, soft_wrap=True)
    for finding in inspection.findings:
        if finding.level != INFO:
            console.print(f"{finding.level}: {finding.title}. {finding.text}", markup=False, soft_wrap=True)
