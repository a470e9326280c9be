"""What the buttons of the Train tab do: they change the run, or write its steps as a table."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from studio.runs.tables import write_csv
from studio.studio import Studio
from studio.ui.kit.actions import Action
from studio.ui.kit.downloads import RUN, download_address
from studio.ui.kit.exchange import Result
from studio.ui.kit.shared_view import SharedView
from studio.ui.train import charts, view
from studio.ui.train.cards import RESTORE
from studio.ui.train.next_steps import CANCEL, DISCARD, DOWN, QUEUE, STOP, UP
from studio.ui.train.view import Selection


def press(studio: Studio, shared: SharedView, selection: Selection, action: Action) -> Selection | Result[Selection]:
    """Do what a button says with the run that it was drawn for. Raises RunError with why it cannot be done."""
    verbs: Mapping[str, Callable[[str], object]] = {
        QUEUE: studio.queue_run,
        UP: lambda id: studio.scheduler.queue.move(id, -1),
        DOWN: lambda id: studio.scheduler.queue.move(id, 1),
        CANCEL: studio.scheduler.queue.remove,
        STOP: studio.scheduler.stop,
    }
    if action.verb == DISCARD and action.key:
        return _discard(studio, selection, action.key)
    if action.verb == RESTORE and action.key:
        back = studio.runs.restore(action.key).id
        return Result(replace(selection, run_id=back, discarded=()), {"run_id": view.refresh_runs(studio, back)})
    if action.verb in verbs and action.key:
        verbs[action.verb](action.key)
    if selection.run_id:
        shared.look(selection.run_id, fresh=True)
    return selection


def _discard(studio: Studio, selection: Selection, id: str) -> Result[Selection]:
    """Discard a run and say so: another one in its place would look as if that had been discarded."""
    name = studio.runs.find(id).name
    studio.scheduler.discard(id)
    chosen = {**view.refresh_runs(studio, None), "value": None}
    return Result(replace(selection, run_id="", discarded=(id, name)), {"run_id": chosen})


def take_csv(studio: Studio, selection: Selection, action: Action) -> Selection | Result[Selection]:
    """Write all steps of a run as a table, and let the browser save the file. Raises RunError."""
    if action.verb != charts.CSV or not action.key:
        return selection
    state = studio.scheduler.view(action.key)
    file = write_csv(state.run, state.view)
    # The number makes it another address each time: the page takes no notice of a value that it has.
    address = f"{download_address(RUN, state.run.id, file.name)}?{state.view.last_seq}-{time.monotonic_ns()}"
    return Result(selection, {"taken": address})
