"""Follows a run in the terminal until it ends. The same worker does the work as from the page."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from studio.errors import RunError
from studio.events import Forecasted
from studio.jobs.jobs import JobState
from studio.logs import logged
from studio.runs.scheduler import RunState
from studio.runs.view import WORKING
from studio.studio import Studio
from studio.wording import between, size

LOOK_SECONDS = 0.3
GOING = ("queued", *WORKING)

Result = TypeVar("Result")

log = logging.getLogger(__name__)


class RunFailed(RunError):
    """The run was started, and did not come to a result."""


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
        told: tuple[int, Forecasted | None] = (0, None)
        while True:
            try:
                state = studio.scheduler.view(run_id)
                told = _tell(state, console=progress.console, told=told)
                _show(state, progress, bar)
                if state.status not in GOING:
                    break
                if state.status == "queued":
                    studio.tick()
                time.sleep(LOOK_SECONDS)
            except KeyboardInterrupt:
                console.print("Stopping; the adapter is saved first.", markup=False)
                studio.scheduler.stop(run_id)
    if state.status in ("failed", "lost"):
        raise RunFailed(f"{state.headline}\nlog: {state.run.log_path}")
    return state


def follow_all(studio: Studio, run_ids: Sequence[str], *, console: Console) -> tuple[RunState, ...]:
    """Show how far several runs are until all have ended; return their last states, without those deleted meanwhile.

    The first Ctrl+C asks all of them to stop and keep their work.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[now]}"))
    ended: dict[str, RunState] = {}
    left = list(run_ids)
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("Runs", total=len(run_ids), now="")
        while left:
            try:
                studio.tick()
                at_work = []
                for id in tuple(left):
                    state = _state(studio, id)
                    if state is None:
                        left.remove(id)
                        continue
                    if state.status in GOING:
                        at_work += [f"{state.run.name}: {state.headline}"] if state.status != "queued" else []
                        continue
                    ended[id] = state
                    left.remove(id)
                    progress.console.print(f"{state.run.name}: {state.headline}", markup=False, soft_wrap=True)
                progress.update(bar, completed=len(run_ids) - len(left), now=" ".join(at_work[:1]))
                if left:
                    time.sleep(LOOK_SECONDS)
            except KeyboardInterrupt:
                console.print("Stopping; what was learned is saved first.", markup=False)
                for id in left:
                    with logged(log, "A run could not be stopped", RunError):
                        studio.scheduler.stop(id)
    return tuple(ended.values())


def _state(studio: Studio, run_id: str) -> RunState | None:
    """Return how far a run is; None for one that was deleted. Raises RunError for a damaged one."""
    try:
        return studio.scheduler.view(run_id)
    except RunError:
        if studio.runs.has(run_id):
            raise
        log.info("The run %s was deleted.", run_id, exc_info=True)
        return None


def wait_for_job(
    state: JobState[Result],
    *,
    look: Callable[[], JobState[Result]],
    cancel: Callable[[], object],
    console: Console,
    said: Callable[[JobState[Result]], str] = lambda state: state.sentence,
) -> JobState[Result]:
    """Show how far a job is until it ends, and return its last state. Ctrl+C asks it to end, and is raised again."""
    with console.status(state.sentence) as status:
        try:
            while state.working:
                status.update(said(state))
                time.sleep(LOOK_SECONDS)
                state = look()
        except KeyboardInterrupt:
            cancel()
            raise
    return state


def why_no_result(state: JobState[Result], otherwise: str, hint: str) -> RunFailed:
    """Return what to raise for a job that ended without a result; `otherwise` is for one that does not say why."""
    if state.failed is not None:
        return RunFailed(state.failed.message, state.failed.hint)
    return RunFailed(state.sentence or otherwise, hint)


def _tell(state: RunState, *, console: Console, told: tuple[int, Forecasted | None]) -> tuple[int, Forecasted | None]:
    """Print what the run remarked since the last look, and what it is estimated to take, in a pipe as in a terminal.

    Return how many remarks were told by now, and which estimate.
    """
    notes, forecast = state.view.notes, state.view.forecast
    for note in notes[told[0] :]:
        console.print(f"{note.level}: {note.text}", markup=False, soft_wrap=True)
    if forecast is not None and forecast != told[1] and state.status in GOING:
        console.print(f"estimated: {estimate_in_words(forecast)}", markup=False, soft_wrap=True)
    return len(notes), forecast


def estimate_in_words(forecast: Forecasted) -> str:
    """Write what a run is estimated to take: "1.3 GB of memory, 2 to 5 min"."""
    memory = f"{size(forecast.memory_gib * 2**30)} of memory"
    if forecast.least_seconds is None or forecast.most_seconds is None:
        return memory
    return f"{memory}, {between(forecast.least_seconds, forecast.most_seconds)} of training"


def _show(state: RunState, progress: Progress, bar: int) -> None:  # bar: rich's TaskID is an int
    view = state.view
    if view.steps or view.prepared:
        figures = f"loss {view.steps[-1].loss:.3f}" if view.steps else ""
        if view.evaluations:
            check = view.evaluations[-1]
            over = "" if check.only is None else f" over {check.part:,} of {check.of:,}"
            figures += f"  held-out {check.figure:.3f}{over}"
        if view.steps:
            figures += f"  {view.steps[-1].tokens_per_second:.0f} tokens/s"
        what = view.loading.what if view.loading else "Training"
        progress.update(bar, description=what, completed=view.step, total=view.total_steps, figures=figures)  # type: ignore[arg-type]
    elif view.loading is not None:
        at = view.loading
        done, total = (at.done / 2**20, at.total / 2**20) if at.unit == "bytes" else (at.done, at.total)
        unit = "MB" if at.unit == "bytes" else ""
        progress.update(bar, description=at.what, completed=round(done), total=round(total) or None, figures=unit)  # type: ignore[arg-type]
