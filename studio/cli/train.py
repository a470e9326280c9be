"""`python app.py train`: one run, followed in the terminal. The work is done by the same worker as from the page."""

import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from studio.config import RunConfig, check
from studio.data.changes import Change
from studio.data.conversion.formats import Roles
from studio.errors import RunError
from studio.runs.conductor import RunState
from studio.runs.studio import Studio
from studio.runs.view import WORKING

LOOK_SECONDS = 0.3
GOING = ("queued", *WORKING)


class RunFailed(RunError):
    """The run was started, and did not come to a result."""


def train(
    studio: Studio,
    *,
    config: RunConfig,
    data: Sequence[Path],
    eval_data: Path | None,
    roles: Roles | None,
    changes: Sequence[Change],
    console: Console,
) -> int:
    """Store the data, start a run and follow it to its end; the last line printed names the run's folder."""
    check(config)
    dataset = studio.datasets.add(data, roles=roles, changes=changes)
    tell_problems(dataset.inspection.usable, problems=dataset.inspection.left_out, file=data[0], console=console)
    validation = studio.datasets.add(eval_data, roles=roles).id if eval_data is not None else ""
    run = studio.start_run(config, dataset.id, validation_dataset_id=validation)
    state = follow(studio, run.id, console=console)
    console.print(state.headline, markup=False, soft_wrap=True)
    console.print(f"run: {run.path}", markup=False, soft_wrap=True)
    return 0


def resume(studio: Studio, *, run_id: str, console: Console) -> int:
    """Let a run that ended before it was done go on from its newest checkpoint, and follow it to its end."""
    studio.queue_run(run_id)
    state = follow(studio, run_id, console=console)
    console.print(state.headline, markup=False, soft_wrap=True)
    console.print(f"run: {state.run.path}", markup=False, soft_wrap=True)
    return 0


def tell_problems(usable: int, *, problems: int, file: Path, console: Console) -> None:
    """Say how many examples there are and how many rows were left out."""
    left_out = f", {problems} left out (see: python app.py inspect {file})" if problems else ""
    console.print(f"{usable} examples{left_out}", markup=False, soft_wrap=True)


def follow(studio: Studio, run_id: str, *, console: Console) -> RunState:
    """Show a run's progress until it ends, and return its last state.

    The first Ctrl+C asks the run to stop and keep its work. Raises RunFailed when it failed or was lost.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[figures]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("Starting", total=None, figures="")
        while True:
            try:
                state = studio.view(run_id)
                _show(state, progress, bar)
                if state.status not in GOING:
                    break
                if state.status == "queued":
                    studio.tend()
                time.sleep(LOOK_SECONDS)
            except KeyboardInterrupt:
                console.print("Stopping; the adapter is saved first.", markup=False)
                studio.stop_run(run_id)
    if state.status in ("failed", "lost"):
        raise RunFailed(f"{state.headline}\nlog: {state.run.log_path}")
    return state


def _show(state: RunState, progress: Progress, bar: int) -> None:  # bar: rich's TaskID is an int
    view = state.view
    if view.steps or view.prepared:
        figures = f"loss {view.steps[-1].loss:.3f}" if view.steps else ""
        if view.evaluations:
            figures += f"  held-out {view.evaluations[-1].loss:.3f}"
        if view.steps:
            figures += f"  {view.steps[-1].tokens_per_second:.0f} tokens/s"
        what = view.loading.what if view.loading else "Training"
        progress.update(bar, description=what, completed=view.step, total=view.total_steps, figures=figures)  # type: ignore[arg-type]
    elif view.loading is not None:
        at = view.loading
        done, total = (at.done / 2**20, at.total / 2**20) if at.unit == "bytes" else (at.done, at.total)
        unit = "MB" if at.unit == "bytes" else ""
        progress.update(bar, description=at.what, completed=round(done), total=round(total) or None, figures=unit)  # type: ignore[arg-type]
