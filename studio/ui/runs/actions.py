"""What the buttons of the Runs tab do: each changes what is looked at, or the runs themselves.

Every action says in a sentence what came of it.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import gradio as gr

from studio.planning import groups
from studio.runs.store import RunFolder
from studio.studio import Studio
from studio.ui.kit.actions import Action
from studio.ui.kit.downloads import RUN, download_address
from studio.ui.kit.exchange import Result
from studio.ui.runs import run_detail, table
from studio.ui.runs.overlay import MOST_RUNS
from studio.ui.runs.view import Selection
from studio.wording import counted


def press(studio: Studio, selection: Selection, action: Action) -> Selection:
    """Look at something else, or change the runs and say what came of it. Raises RunError."""
    if action.verb in run_detail.JUMPS:
        return selection
    if action.verb in _LOOKS:
        return replace(_LOOKS[action.verb](selection, action), said="")
    return _changed(studio, replace(_act(studio, action, selection), sure=False))


def _changed(studio: Studio, now: Selection) -> Selection:
    """Look at the runs again, which were changed just now."""
    studio.summaries.look(fresh=True)
    return now


def _open(selection: Selection, action: Action) -> Selection:
    return replace(selection, opened=action.key)


def _choose(selection: Selection, action: Action) -> Selection:
    if action.key in selection.chosen:
        return replace(selection, chosen=tuple(id for id in selection.chosen if id != action.key))
    if len(selection.chosen) >= MOST_RUNS:
        raise gr.Error(f"At most {MOST_RUNS} runs can be compared. Remove one first.", title="Too many")
    return replace(selection, chosen=(*selection.chosen, action.key))


def _sort(selection: Selection, action: Action) -> Selection:
    """Sort by a column; by the same one again, the other way round."""
    same = selection.query.sort == action.key
    descending = not selection.query.descending if same else table.first_direction(action.key)
    return replace(selection, query=replace(selection.query, sort=action.key, descending=descending, page=0))


def _order(selection: Selection, action: Action) -> Selection:
    column, _, way = action.value.partition(" ")
    return replace(selection, query=replace(selection.query, sort=column, descending=way == "down", page=0))


def _page(selection: Selection, action: Action) -> Selection:
    return replace(selection, query=replace(selection.query, page=max(0, action.number)))


_LOOKS: Mapping[str, Callable[[Selection, Action], Selection]] = {
    "open": _open,
    "choose": _choose,
    "sort": _sort,
    "order": _order,
    "page": _page,
    "group": lambda selection, action: replace(selection, group="" if selection.group == action.key else action.key),
    "all": lambda selection, action: selection.looking_for_all(),
    "ask": lambda selection, action: replace(selection, sure=True),
    "keep": lambda selection, action: replace(selection, sure=False),
    "said": lambda selection, action: selection,
}
"""What changes only what is looked at."""


def _act(studio: Studio, action: Action, selection: Selection) -> Selection:
    """Change the runs. Raises RunError."""
    id = action.key
    match action.verb:
        case "queue":
            studio.queue_run(id)
            return _saying(studio, selection, id, _queued_sentence(studio, id))
        case "here":
            place = studio.runs.get(id).config.place
            studio.move_run(id, "")
            studio.queue_run(id)
            return _saying(studio, selection, id, f"goes on here, from what came home from {place}.")
        case "curves":
            seen = groups.look(studio, studio.summaries.of_group(id))
            best = [] if seen is None else [each.run_id for each in seen.members if each.loss is not None]
            return replace(selection, chosen=tuple(best[:MOST_RUNS]), said="")
        case "stop-rest" | "unqueue-rest":
            return replace(selection, said=_end_rest(studio, id, stops=action.verb == "stop-rest"))
        case "queue-rest":
            resting = _resting(studio, id)
            studio.queue_run(*resting)
            return replace(selection, said=f"{counted(len(resting), 'run')} added to the queue.")
        case "cancel":
            studio.scheduler.queue.remove(id)
            return _saying(studio, selection, id, "was removed from the queue. It stays in the table.")
        case "up" | "down":
            studio.scheduler.queue.move(id, -1 if action.verb == "up" else 1)
        case "duplicate":
            copy = studio.duplicate_run(id)
            said = (
                f"{_name(studio, id)} was duplicated. {copy.name} is a draft: it starts when you add it to the queue."
            )
            return opened(selection, copy, said)
        case "delete":
            name = _name(studio, id)
            studio.delete_run(id)
            chosen = tuple(each for each in selection.chosen if each != id)
            said = f"{name} is in the Trash. You can put it back."
            return replace(
                selection, opened="" if selection.opened == id else selection.opened, chosen=chosen, said=said
            )
        case "restore":
            back = studio.runs.restore(id)
            return opened(selection, back, f"{back.name} was put back.")
        case "empty" if selection.sure:
            gone = studio.runs.empty_bin()
            return replace(selection, said=f"The Trash is empty: {counted(gone, 'run')} deleted permanently.")
    return replace(selection, said="")


def _end_rest(studio: Studio, group: str, *, stops: bool) -> str:
    """Take the runs of a group that wait out of the queue, and with `stops` end those at work. Raises RunError.

    One that is at work waits too while it stops to let others go first.
    """
    members = studio.summaries.of_group(group)
    at_work = [run.id for run in members if run.is_at_work] if stops else []
    waiting = {run.id for run in members}.intersection(studio.scheduler.waiting())
    studio.scheduler.queue.remove(*(run.id for run in members))
    left = f"{counted(len(waiting.difference(at_work)), 'run')} removed from the queue."
    if not stops:
        return f"{left} They stay in the table."
    for id in at_work:
        studio.scheduler.stop(id)
    return f"{counted(len(at_work), 'run')} will stop and keep what was learned. {left}"


def _resting(studio: Studio, group: str) -> list[str]:
    """Name the runs of a group that can be put in the queue."""
    return [run.id for run in studio.summaries.of_group(group) if run.status in ("draft", "stopped", "failed", "lost")]


def open_group(studio: Studio, selection: Selection, *, group: str) -> Result[Selection]:
    """Show the group of runs that was just started; nothing where there is none."""
    found = studio.summaries.of_group(group, fresh=True)
    if not found:
        return Result(selection)
    said = f"{counted(len(found), 'run')} started together. They train even when this page is closed."
    shown = replace(selection.looking_for_all(), group=group, said=said)
    return Result(shown, {"tabs": gr.update(selected="runs")})


def _name(studio: Studio, id: str) -> str:
    return studio.runs.find(id).name


def _saying(studio: Studio, selection: Selection, id: str, what: str) -> Selection:
    return replace(selection, said=f"{_name(studio, id)} {what}")


def _queued_sentence(studio: Studio, id: str) -> str:
    place = studio.scheduler.view(id).place
    return f"waits for its turn, as number {place} in the queue." if place else "starts now. The Train tab shows it."


def opened(selection: Selection, run: RunFolder, said: str) -> Selection:
    """Open a run that has just come among the others; nothing that is looked for hides it."""
    return replace(selection.looking_for_all(), opened=run.id, said=said)


def describe(studio: Studio, selection: Selection, *, name: str, note: str) -> Selection:
    """Keep the name and the note of the run that is open. Raises RunError."""
    id = selection.opened
    if not id:
        return selection
    wanted = " ".join(name.split())
    studio.runs.describe(id, name=wanted or _name(studio, id), note=note)
    said = f"Name and note of {_name(studio, id)} are saved."
    return _changed(studio, replace(selection, said=said))


def bring_in(studio: Studio, selection: Selection, *, file: str | None) -> Selection:
    """Bring in a run from its archive and open it. Raises RunError when the file is none."""
    if not file:
        return selection
    run = studio.import_run(Path(file))
    said = f"{run.name} was imported, with its settings, its data and what it learned."
    return _changed(studio, opened(selection, run, said))


def pack(studio: Studio, selection: Selection) -> str | None:
    """Pack the run that is open into one file and return its address. Raises RunError."""
    if not selection.opened:
        return None
    return download_address(RUN, selection.opened, studio.archive_run(selection.opened).name)
