"""What is being brought in: how far each import is, what went wrong with it, and which data set it became.

An import lives on the server and not on the page. The page remembers which ones it started and which it has done with,
in the browser, so that a reload loses neither the progress nor the reason of a failure.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr
from markupsafe import Markup

from studio.data import versions
from studio.data.dataset_folders import Dataset
from studio.errors import StudioError
from studio.jobs.imports import ImportRequest, ImportState
from studio.studio import Studio
from studio.ui.data.state import Selection
from studio.ui.kit import actions, fragments
from studio.wording import size

log = logging.getLogger(__name__)

AGAIN = "again"
"""The source of an import that makes another version of a data set."""

READING_AGAIN = "Reading with the new columns"
READING_OTHERWISE = "Reading the file in another way"

MOST_REMEMBERED = 30
_FEW_BYTES = 10_000
"""How far a smaller file is, is not worth a figure."""


@dataclass(frozen=True)
class Begun:
    """An import that this browser started. `what` names it for the person, `source` is the way that it was brought."""

    id: str
    what: str = ""
    source: str = ""


@dataclass(frozen=True)
class Followed:
    """All imports at one moment. `over` need no card any more; `made` is the newest that became a data set."""

    cards: Markup
    working: bool = False
    over: tuple[str, ...] = ()
    made: Begun | None = None
    dataset_id: str = ""


def begun(remembered: object) -> tuple[Begun, ...]:
    """Read what the browser remembers of the imports that it started; what is not that is passed over."""
    entries = remembered if isinstance(remembered, list | tuple) else ()
    return tuple(
        Begun(*(str(entry.get(name, ""))[:300] for name in ("id", "what", "source")))
        for entry in entries[-MOST_REMEMBERED:]
        if isinstance(entry, Mapping)
    )


def begin(studio: Studio, selection: Selection, request: ImportRequest, *, what: str, source: str) -> Selection:
    """Start an import, for the browser to remember. Raises DataError and RunError."""
    return replace(selection, started=add_begun(selection.started, Begun(studio.imports.start(request), what, source)))


def add_begun(remembered: object, fresh: Begun) -> tuple[dict[str, str], ...]:
    """Return what the browser shall remember once another import has started."""
    kept = [*begun(remembered), fresh][-MOST_REMEMBERED:]
    return tuple({"id": each.id, "what": each.what, "source": each.source} for each in kept)


def add_over(remembered: object, ids: Sequence[str]) -> tuple[str, ...]:
    """Return what the browser shall remember once these imports need no card any more."""
    before = [each for each in remembered if isinstance(each, str)] if isinstance(remembered, list | tuple) else []
    return (*before, *(id for id in ids if id not in before))[-2 * MOST_REMEMBERED :]


def follow(studio: Studio, started: object, done_with: object) -> Followed:
    """Look at the imports that this browser started, and at those that are at work for another."""
    gone = set(add_over(done_with, ()))
    mine = {each.id: each for each in begun(started) if each.id not in gone}
    others = {id: _another(studio, id) for id in studio.imports.working() if id not in mine and id not in gone}
    cards: list[Markup] = []
    over: list[str] = []
    working, made, dataset_id = False, None, ""
    for each in (*mine.values(), *others.values()):
        state = _state(studio, each.id)
        if state is not None and (state.working or state.failed is not None):
            cards.append(card(each, state))
            working = working or state.working
            continue
        over.append(each.id)
        if state is not None and state.result:
            made, dataset_id = each, state.result
    return Followed(fragments.stack(cards) if cards else Markup(""), working, tuple(over), made, dataset_id)


def draw(studio: Studio, started: object, done_with: object) -> dict[str, Any]:
    """Draw a card for each import, and say whether to look often: each look costs a little."""
    now = follow(studio, started, done_with)
    return {"imports": str(now.cards), "quick": gr.update(active=now.working or bool(now.over))}


def _another(studio: Studio, id: str) -> Begun:
    """Name an import that this browser does not remember: another page's, or one whose answer is on its way here."""
    try:
        request = studio.imports.request(id)
        if not request.of:
            return Begun(id, request.name or request.hub or names([Path(file).name for file in request.files]))
        dataset = studio.data.get(request.of)
    except StudioError:
        log.debug("An import could not be followed", exc_info=True)
        return Begun(id)
    return Begun(id, f"{_what(dataset, request)} · {dataset.name}", AGAIN)


def _what(dataset: Dataset, request: ImportRequest) -> str:
    """Say what makes a version of a data set another one."""
    if request.choices is not None and request.choices != dataset.inspection.choices:
        return READING_OTHERWISE
    if request.files:
        return f"Adding {names([Path(file).name for file in request.files])}"
    fresh = versions.added(request.changes, dataset.changes)
    if fresh:
        return versions.doing(fresh[-1].kind)
    gone = versions.added(dataset.changes, request.changes)
    return f"Undoing: {versions.label(gone[-1].kind)}" if gone else READING_AGAIN


def _state(studio: Studio, id: str) -> ImportState | None:
    try:
        return studio.imports.state(id)
    except StudioError:  # started long ago, or on another installation at this address
        log.debug("An import is unknown here", exc_info=True)
        return None


def card(each: Begun, state: ImportState) -> Markup:
    """Show one import: how far it is with a way to cancel, or what went wrong with the next step."""
    title = each.what or "Another import"
    if state.failed is not None:
        return _failed(each, title, state.failed.message, state.failed.hint)
    share = state.done / state.total if state.total else None
    cancel = actions.button("Cancel", "cancel", key=each.id, name=f"Cancel {title}", once=True)
    top = Markup('<div class="ls-top"><strong>{}</strong><span class="ls-note">{}</span>{}</div>').format(
        title, progress(state), cancel
    )
    inner = fragments.stack([top, fragments.bar(share, name=f"Progress of {title}")])
    changes = Markup(" data-changes") if each.source == AGAIN else ""
    return Markup('<section class="ls-import" role="status" aria-label="{}"{}>{}</section>').format(
        title, changes, inner
    )


def progress(state: ImportState) -> str:
    """Say how far an import is: "Reading: 12 MB of 80 MB"."""
    sentence = state.sentence.rstrip(".")
    if not state.total or (state.unit == "bytes" and state.total < _FEW_BYTES):
        return f"{sentence} …"
    if state.unit == "bytes":
        return f"{sentence}: {size(state.done)} of {size(state.total)}"
    unit = f" {state.unit}" if state.unit else ""
    return f"{sentence}: {state.done:,} of {state.total:,}{unit}"


def _failed(each: Begun, title: str, message: str, hint: str) -> Markup:
    # A model was dropped here: it belongs there.
    to_configure = actions.button("Go to Configure", "configure", kind="primary") if "Configure" in hint else ""
    buttons = [to_configure, actions.button("Dismiss", "dismiss", key=each.id, name=f"Dismiss the note on {title}")]
    inner = Markup(
        "<i aria-hidden='true'></i><div><small>{}</small><strong>{}</strong><span class='ls-note'>{}</span>{}</div>"
    ).format(title, message, hint, fragments.buttons(*buttons))
    return Markup('<section class="ls-notice ls-warning" role="alert">{}</section>').format(inner)


def names(files: Sequence[str]) -> str:
    """Name what is brought: "a.csv", "a.csv and b.csv", "a.csv and 4 more"."""
    if len(files) <= 2:
        return " and ".join(files)
    return f"{files[0]} and {len(files) - 1:,} more"
