"""Bringing examples in: files, pasted text, typed rows, a data set of the Hub, a sample; and following these."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from studio.errors import DataError
from studio.jobs.imports import ImportRequest
from studio.studio import Studio
from studio.ui.data import imports
from studio.ui.data.imports import Followed, begin
from studio.ui.data.state import Selection
from studio.ui.kit.actions import Action
from studio.ui.kit.exchange import Result

FILES, PASTED, TYPED, HUB, SAMPLE = "files", "pasted", "typed", "hub", "sample"


def add_files(studio: Studio, selection: Selection, *, files: Sequence[str] | None) -> Selection | Result[Selection]:
    """Start to bring what was dropped in, all as one data set, and empty the drop zone. Raises DataError and RunError.

    The zone still holds what was `taken` when more is dropped at once. The same file may come again, under the same
    path.
    """
    dropped, taken = tuple(files or ()), selection.taken
    if not dropped:
        return selection
    fresh = dropped[len(taken) :] if len(dropped) > len(taken) and dropped[: len(taken)] == taken else dropped
    what = imports.names([Path(file).name for file in fresh])
    begun = begin(studio, selection, ImportRequest(files=fresh), what=what, source=FILES)
    return Result(replace(begun, taken=dropped), {"upload": None})


def forget_taken(selection: Selection, *, files: Sequence[str] | None) -> Selection:
    """Once the drop zone is empty, it holds nothing that was taken before."""
    return selection if files else replace(selection, taken=())


def add_pasted(studio: Studio, selection: Selection, *, text: str, name: str) -> Selection:
    """Start to bring pasted text in. Raises DataError when there is none, and RunError."""
    if not text.strip():
        raise DataError("There is no text to add.", "Paste it into the field first.")
    request = ImportRequest(pasted=text, name=name.strip())
    return begin(studio, selection, request, what=name.strip() or "Pasted text", source=PASTED)


def add_typed(studio: Studio, selection: Selection, *, rows: object, name: str) -> Selection:
    """Start to bring typed rows in; empty ones are passed over. Raises DataError when there is none, and RunError."""
    typed = read_rows(rows)
    if not typed:
        raise DataError("There is no row to add.", "Type a question and its answer into the fields first.")
    request = ImportRequest(typed=typed, name=name.strip())
    return begin(studio, selection, request, what=name.strip() or "Typed rows", source=TYPED)


def read_rows(sent: object) -> tuple[tuple[str, str], ...]:
    """Read what a browser sent as rows; empty ones, and what is no row, are passed over."""
    rows = sent if isinstance(sent, Sequence) and not isinstance(sent, str | Mapping) else ()
    pairs = [(_cell(row, 0), _cell(row, 1)) for row in rows if isinstance(row, list | tuple)]
    return tuple((question, answer) for question, answer in pairs if question.strip() or answer.strip())


def _cell(row: Sequence[object], place: int) -> str:
    return str(row[place]) if place < len(row) and row[place] is not None else ""


def add_from_hub(studio: Studio, selection: Selection, *, id: str, config: str, split: str) -> Selection:
    """Start to fetch a data set of the Hub. Raises DataError when no id is given, and RunError."""
    if not id.strip():
        raise DataError("No data set is named.", "Type its name as the Hub shows it, for example owner/name.")
    request = ImportRequest(hub=id.strip(), hub_config=config.strip(), hub_split=split.strip() or "train")
    return begin(studio, selection, request, what=id.strip(), source=HUB)


def add_sample(studio: Studio, key: str, selection: Selection) -> Selection:
    """Start to bring a sample in. Raises DataError for an unknown one, and RunError."""
    for sample in studio.data.samples():
        if sample.key == key:
            request = ImportRequest(files=(str(sample.file),), name=sample.title)
            return begin(studio, selection, request, what=sample.title, source=SAMPLE)
    raise DataError(f"There is no sample '{key}'.", "Choose one of those on the page.")


def follow(studio: Studio, selection: Selection) -> Selection | Result[Selection]:
    """Select what has arrived, and be done with what needs no card any more."""
    now = imports.follow(studio, selection.started, selection.done_with)
    if not now.over:
        return selection
    done = replace(selection, done_with=imports.add_over(selection.done_with, now.over))
    if not now.dataset_id:
        return done
    arrived = done.arrived + (now.made is None or now.made.source != imports.AGAIN)
    return Result(
        replace(done, version=_version_of(studio, now), renewed=done.renewed + 1, arrived=arrived),
        _emptied(studio, now),
    )


def _version_of(studio: Studio, now: Followed) -> str:
    """Return the version to show of what has arrived: of a data set that was there already the one that was left."""
    is_change = now.made is not None and now.made.source == imports.AGAIN
    if is_change or studio.data.find(now.dataset_id) is None:
        return now.dataset_id
    return studio.data.chosen(now.dataset_id).id


def _emptied(studio: Studio, now: Followed) -> dict[str, Any]:
    """Empty the field whose content has become a data set: until then it stays, so that nothing typed is lost.

    Rows that are not enough to learn from stay too: they are not finished.
    """
    source = now.made.source if now.made else ""
    if source == PASTED:
        return {"pasted": ""}
    made = studio.data.find(now.dataset_id)
    if source == TYPED and made is not None and made.inspection.usable:
        return {"rows": gr.update(value={"emptied": time.time_ns()})}
    return {}


def press(studio: Studio, selection: Selection, action: Action) -> Selection | Result[Selection]:
    """Do what a button on an import's card says. Raises DataError when the import is not known any more."""
    if action.verb == "configure":
        return Result(selection, {"tabs": gr.update(selected="configure")})
    if action.verb == "cancel":
        studio.imports.cancel(action.key)
    if action.verb == "dismiss":
        return replace(selection, done_with=imports.add_over(selection.done_with, [action.key]))
    return selection
