"""`python app.py train` and `resume`: one run, followed in the terminal to its end and evaluated there."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from studio.cli.evaluate import evaluate_at_end
from studio.cli.follow import follow
from studio.config import RunConfig, check
from studio.data.changes import Change
from studio.data.conversion.formats import Roles
from studio.data.inspection import Inspection
from studio.data.reading_choices import Choices, Question
from studio.errors import DataError
from studio.runs.studio import Studio


def train(
    studio: Studio,
    *,
    config: RunConfig,
    data: Sequence[Path],
    eval_data: Path | None,
    roles: Roles | None,
    changes: Sequence[Change],
    choices: Choices,
    console: Console,
) -> int:
    """Store the data, start a run and follow it to its end; the last line printed names the run's folder."""
    check(config)
    dataset = studio.datasets.add(data, roles=roles, changes=changes, choices=choices)
    _require_answers(dataset.inspection)
    tell_problems(dataset.inspection.usable, problems=dataset.inspection.left_out, file=data[0], console=console)
    validation = studio.datasets.add(eval_data, roles=roles).id if eval_data is not None else ""
    run = studio.start_run(config, dataset.id, validation_dataset_id=validation)
    return see_through(studio, run.id, console=console)


def _require_answers(inspection: Inspection) -> None:
    """Raise DataError while it is not certain how the files are to be read."""
    for question in inspection.questions:
        if question.is_open:
            raise DataError(question.text, f"Add --{question.about} with one of: {', '.join(_values(question))}.")


def _values(question: Question) -> list[str]:
    return [option.value for option in question.options if option.lines]


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


def tell_problems(usable: int, *, problems: int, file: Path, console: Console) -> None:
    """Say how many examples there are and how many rows were left out."""
    left_out = f", {problems} left out (see: python app.py inspect {file})" if problems else ""
    console.print(f"{usable} examples{left_out}", markup=False, soft_wrap=True)
