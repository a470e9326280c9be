"""`python app.py train` and `resume`: one run, followed in the terminal to its end and evaluated there."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from studio.cli.evaluate import evaluate_at_end
from studio.cli.follow import follow
from studio.cli.options import EVALUATION_PREFIX, GivenData, require_readable
from studio.config import RunConfig, check
from studio.data.checking.findings import INFO
from studio.data.inspection import Inspection
from studio.data.reading_choices import Change
from studio.studio import Studio


def train(
    studio: Studio,
    *,
    config: RunConfig,
    data: GivenData,
    eval_data: GivenData | None,
    changes: Sequence[Change],
    console: Console,
) -> int:
    """Store the data, start a run and follow it to its end; the last line printed names the run's folder."""
    check(config)
    studio.models.locate(config.model)  # one that cannot be trained is told before the data is read
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
    run = studio.start_run(config, dataset.id, validation_dataset_id=validation)
    return see_through(studio, run.id, console=console)


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
