"""What the Train tab does when something on it is pressed: it changes the run, or writes its steps as a table."""

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
from studio.ui.train.next_steps import CANCEL, DISCARD, DOWN, QUEUE, STOP, UP
from studio.ui.train.view import Selection


def press(studio: Studio, shared: SharedView, selection: Selection, action: Action) -> Selection | Result[Selection]:
    """Do what was pressed with the run that it was drawn for. Raises RunError with why it cannot be done."""
    verbs: Mapping[str, Callable[[str], object]] = {
        QUEUE: studio.queue_run,
        UP: lambda id: studio.scheduler.queue.move(id, -1),
        DOWN: lambda id: studio.scheduler.queue.move(id, 1),
        CANCEL: studio.scheduler.queue.remove,
        STOP: studio.scheduler.stop,
        DISCARD: studio.scheduler.discard,
    }
    if action.verb in verbs and action.key:
        verbs[action.verb](action.key)
    if action.verb == DISCARD:
        chosen = view.refresh_runs(studio, None)
        return Result(replace(selection, run_id=chosen["value"] or ""), {"run_id": chosen})
    if selection.run_id:
        shared.look(selection.run_id, fresh=True)
    return selection


def take_csv(studio: Studio, selection: Selection, action: Action) -> Selection | Result[Selection]:
    """Write all steps of a run as a table, and let the browser save the file. Raises RunError."""
    if action.verb != charts.CSV or not action.key:
        return selection
    state = studio.scheduler.view(action.key)
    file = write_csv(state.run, state.view)
    # The number makes it another address each time: the page takes no notice of a value that it has.
    address = f"{download_address(RUN, state.run.id, file.name)}?{state.view.last_seq}-{time.monotonic_ns()}"
    return Result(selection, {"taken": address})
