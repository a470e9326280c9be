"""What the Runs tab does when something on it is pressed: each press changes what is looked at, or the runs themselves.

Every action says in a sentence what came of it. Knows nothing of how the tab is laid out, nor of the other tabs.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from studio.runs.listing import Query
from studio.runs.store import RunFolder
from studio.studio import Studio
from studio.ui.kit.actions import Action
from studio.ui.kit.downloads import RUN, download_address
from studio.ui.kit.updates import Drawn
from studio.ui.runs import run_detail, table, view
from studio.ui.runs.overlay import MOST_RUNS
from studio.ui.runs.view import Selection
from studio.wording import counted


def redraw(
    studio: Studio, *, text: str | None, state: str | None, kind: str | None, selection: Selection, drawn: Drawn | None
) -> list[Any]:
    """Show the runs as they are now, sending only what is new since `drawn`."""
    now = _looked_for(selection, text, state, kind)
    return [gr.skip() if now == selection else now, *[gr.skip()] * 2, *view.draw(studio, now, drawn)]


def press(
    studio: Studio,
    pressed: Action,
    *,
    text: str | None,
    state: str | None,
    kind: str | None,
    selection: Selection,
    drawn: Drawn | None,
) -> list[Any]:
    """Do what a press asks for and show what came of it. Raises RunError with what went wrong."""
    if pressed.verb in run_detail.JUMPS:
        return [gr.skip()] * (len(view.PARTS) + 4)
    selection = _looked_for(selection, text, state, kind)
    if pressed.verb in _LOOKS:
        now = replace(_LOOKS[pressed.verb](selection, pressed), said="")
        return _sent(selection, now, view.draw(studio, now, drawn))
    now = replace(_act(studio, pressed, selection), sure=False)
    return _sent(selection, now, view.draw(studio, now, drawn, fresh=True))


def _sent(before: Selection, now: Selection, parts: list[Any]) -> list[Any]:
    """Put together what is sent; the search fields follow where something else is looked for now."""
    fields = [(before.query.text, now.query.text), (before.query.state, now.query.state)]
    return [now, *(gr.skip() if old == new else gr.update(value=new) for old, new in fields), *parts]


def _looked_for(selection: Selection, text: str | None, state: str | None, kind: str | None) -> Selection:
    """Take in what the search fields hold; another search begins at its first page."""
    query = replace(selection.query, text=(text or "").strip(), state=state or "")
    if (query.text, query.state) != (selection.query.text, selection.query.state):
        query = replace(query, page=0)
    return replace(selection, query=query, kind=kind or selection.kind)


def _open(selection: Selection, pressed: Action) -> Selection:
    return replace(selection, opened=pressed.key)


def _choose(selection: Selection, pressed: Action) -> Selection:
    if pressed.key in selection.chosen:
        return replace(selection, chosen=tuple(id for id in selection.chosen if id != pressed.key))
    if len(selection.chosen) >= MOST_RUNS:
        raise gr.Error(f"At most {MOST_RUNS} runs can be laid over each other. Take one away first.", title="Too many")
    return replace(selection, chosen=(*selection.chosen, pressed.key))


def _sort(selection: Selection, pressed: Action) -> Selection:
    """Sort by a column; by the same one again, the other way round."""
    same = selection.query.sort == pressed.key
    descending = not selection.query.descending if same else table.first_direction(pressed.key)
    return replace(selection, query=replace(selection.query, sort=pressed.key, descending=descending, page=0))


def _order(selection: Selection, pressed: Action) -> Selection:
    column, _, way = pressed.value.partition(" ")
    return replace(selection, query=replace(selection.query, sort=column, descending=way == "down", page=0))


def _page(selection: Selection, pressed: Action) -> Selection:
    return replace(selection, query=replace(selection.query, page=max(0, pressed.number)))


_LOOKS: Mapping[str, Callable[[Selection, Action], Selection]] = {
    "open": _open,
    "choose": _choose,
    "sort": _sort,
    "order": _order,
    "page": _page,
    "all": lambda selection, pressed: replace(selection, query=Query()),
    "ask": lambda selection, pressed: replace(selection, sure=True),
    "keep": lambda selection, pressed: replace(selection, sure=False),
    "said": lambda selection, pressed: selection,
}
"""What changes only what is looked at."""


def _act(studio: Studio, pressed: Action, selection: Selection) -> Selection:
    """Change the runs. Raises RunError."""
    id = pressed.key
    match pressed.verb:
        case "queue":
            studio.queue_run(id)
            return _saying(studio, selection, id, _queued_sentence(studio, id))
        case "cancel":
            studio.scheduler.queue.remove(id)
            return _saying(studio, selection, id, "waits no longer. It stays in the table as it is.")
        case "up" | "down":
            studio.scheduler.queue.move(id, -1 if pressed.verb == "up" else 1)
        case "duplicate":
            copy = studio.duplicate_run(id)
            said = f"{_name(studio, id)} was duplicated. {copy.name} is a draft: it starts when you say so."
            return opened(selection, copy, said)
        case "delete":
            name = _name(studio, id)
            studio.delete_run(id)
            chosen = tuple(each for each in selection.chosen if each != id)
            said = f"{name} is in the bin, from where you can put it back."
            return replace(
                selection, opened="" if selection.opened == id else selection.opened, chosen=chosen, said=said
            )
        case "restore":
            back = studio.runs.restore(id)
            return opened(selection, back, f"{back.name} is back.")
        case "empty" if selection.sure:
            gone = studio.runs.empty_bin()
            return replace(selection, said=f"The bin is empty: {counted(gone, 'run')} deleted for good.")
    return replace(selection, said="")


def _name(studio: Studio, id: str) -> str:
    return studio.runs.find(id).name


def _saying(studio: Studio, selection: Selection, id: str, what: str) -> Selection:
    return replace(selection, said=f"{_name(studio, id)} {what}")


def _queued_sentence(studio: Studio, id: str) -> str:
    place = studio.scheduler.view(id).place
    return f"waits for its turn, as number {place} in the queue." if place else "starts now. The Train tab shows it."


def opened(selection: Selection, run: RunFolder, said: str) -> Selection:
    """Open a run that has just come among the others; nothing that is looked for hides it."""
    return replace(selection, opened=run.id, said=said, query=Query())


def describe(
    studio: Studio,
    *,
    name: str | None,
    note: str | None,
    text: str | None,
    state: str | None,
    kind: str | None,
    selection: Selection,
    drawn: Drawn | None,
) -> list[Any]:
    """Keep the name and the note of the run that is open. Raises RunError."""
    selection = now = _looked_for(selection, text, state, kind)
    if now.opened:
        before = _name(studio, now.opened)
        wanted = " ".join((name or "").split())
        studio.runs.describe(now.opened, name=wanted or before, note=note or "")
        now = replace(now, said=f"The name and the note of {_name(studio, now.opened)} are kept.")
    return _sent(selection, now, view.draw(studio, now, drawn, fresh=True))


def bring_in(
    studio: Studio,
    *,
    file: str | None,
    text: str | None,
    state: str | None,
    kind: str | None,
    selection: Selection,
    drawn: Drawn | None,
) -> list[Any]:
    """Bring in a run from its archive and open it. Raises RunError when the file is none."""
    selection = now = _looked_for(selection, text, state, kind)
    if file:
        run = studio.import_run(Path(file))
        now = opened(now, run, f"{run.name} was brought in, with its settings, its data and what it learned.")
    return _sent(selection, now, view.draw(studio, now, drawn, fresh=True))


def pack(studio: Studio, selection: Selection) -> Any:
    """Pack the run that is open into one file and return its address. Raises RunError."""
    if not selection.opened:
        return gr.skip()
    return download_address(RUN, selection.opened, studio.archive_run(selection.opened).name)
