"""What the prompt sheet on the Compare tab does: read prompts, have them answered, search the answers, save them."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr

from studio.compare import sheet_prompts, sheets
from studio.compare.answering import check_sheet
from studio.compare.pane_models import first_pair, keys_still_offered, pane_model
from studio.compare.sheet_answers import SheetState, SheetWork
from studio.compare.sheet_asking import columns_of
from studio.compare.sheet_prompts import Prompt
from studio.errors import DataError, RunError
from studio.runs.names import slug
from studio.studio import Studio
from studio.ui.compare import bin_panel, chat_html, model_choices, sheet_view
from studio.ui.compare.bin_panel import InBin
from studio.ui.compare.sampling import Sampling
from studio.ui.kit import run_choices
from studio.ui.kit.actions import Action
from studio.ui.kit.downloads import text_file
from studio.ui.kit.exchange import Result
from studio.ui.kit.numbers import moment
from studio.ui.kit.run_choices import Choices

log = logging.getLogger(__name__)

TYPED, FILE, HELD_OUT = "typed", "file", "held-out"
NOUN = "prompt sheet"
NO_SHEET = "No sheet yet: ask many prompts above"
MOST_LISTED = 200

_OF_A_SHEET = ("searching", "csv", "jsonl", "delete", "naming")
"""The parts that are of no use before there is a sheet."""


@dataclass(frozen=True)
class Selection(Sampling, InBin):
    """Where the prompts come from and who answers them; the sheet that is open, and which of its rows are shown.

    `most` is how many held-out rows of a run are taken at most.
    """

    source: str = TYPED
    typed: str = ""
    run: str | None = None
    most: float = 20
    models: tuple[str, ...] = ()
    strengths: tuple[float, ...] = ()
    sheet: str | None = None
    text: str = ""
    which: str = sheets.ALL
    marks: bool = False
    page: int = 0


def settle(before: Selection, now: Selection) -> Selection:
    """Begin at the first page of other rows."""
    rows, others = ((each.sheet, each.text, each.which) for each in (before, now))
    return now if rows == others else replace(now, page=0)


def draw(work: SheetWork, selection: Selection) -> Mapping[str, Any]:
    """Show a sheet as it is now, and the fields of where the prompts come from."""
    state = look(work, selection.sheet)
    places = () if state is None else sheets.find(state.sheet, text=selection.text, which=selection.which)
    sheet = None if state is None else state.sheet
    working = state is not None and state.working
    open_rows = sheet is not None and sheet.answered < len(sheet.rows)
    return {
        "typed_part": gr.update(visible=selection.source == TYPED),
        "file_part": gr.update(visible=selection.source == FILE),
        "held_out_part": gr.update(visible=selection.source == HELD_OUT),
        **dict.fromkeys(_OF_A_SHEET, gr.update(visible=sheet is not None)),
        "progress": str(sheet_view.progress(state)),
        "marked": str(chat_html.what_is_marked(len(sheet.columns))) if sheet and selection.marks else "",
        "table": str(sheet_view.table(sheet, places, page=selection.page, marks=selection.marks)),
        "stop": gr.update(visible=working),
        "go_on": gr.update(visible=open_rows and not working),
        "timer": gr.update(active=working),
    }


def look(work: SheetWork, id: str | None) -> SheetState | None:
    """Return what a sheet is at; None when there is none with this id."""
    try:
        return work.state(id) if id else None
    except RunError:
        log.debug("A prompt sheet cannot be read", exc_info=True)
        return None


def refresh(studio: Studio, work: SheetWork, selection: Selection) -> Result[Selection]:
    """List the models, the runs with held-out rows and the kept sheets that are there now; keep what is chosen."""
    chosen = [key for key in keys_still_offered(studio, selection.models) if key]
    if not chosen:
        chosen = [key for key in first_pair(studio) if key]
    runs = run_choices.runs_with_result(studio, also=selection.run)
    run = run_choices.keep_or_first(selection.run, runs)
    opened = open_sheet(work, replace(selection, models=tuple(chosen), run=run), selection.sheet)
    updates = {
        "models": gr.update(choices=model_choices.offered(studio, chosen), value=chosen),
        "run": run_choices.offer(runs, run, otherwise=run_choices.NO_RESULT),
        **bin_panel.look(work.sheets, NOUN, selection.picked),
    }
    return Result(opened.state, {**opened.updates, **updates})


def open_sheet(work: SheetWork, selection: Selection, id: str | None) -> Result[Selection]:
    """Open a kept sheet, or the newest where there is none with this id, and list those there are."""
    choices = kept_choices(work)
    chosen = run_choices.keep_or_first(id, choices)
    return Result(replace(selection, sheet=chosen), {"sheet": run_choices.offer(choices, chosen, otherwise=NO_SHEET)})


def kept_choices(work: SheetWork) -> Choices:
    """List the kept sheets, the one that was changed last first."""
    return [(f"{each.name} · {moment(each.changed)}", each.id) for each in work.sheets.all()[:MOST_LISTED]]


def read_prompts(studio: Studio, selection: Selection, file: str | None) -> tuple[Prompt, ...]:
    """Read the prompts from where a person wants them. Raises DataError or RunError when there are none."""
    if selection.source == FILE:
        if not file:
            raise DataError("No file was chosen.", "Choose a text, CSV or JSON Lines file with prompts.")
        return sheet_prompts.from_file(Path(file))
    if selection.source == HELD_OUT:
        if not selection.run:
            raise RunError("There is no run with held-out rows yet.", "Train one first, or type prompts.")
        run = studio.runs.get(selection.run)
        return sheet_prompts.held_out(run, most=int(selection.most), seed=selection.generation.seed)
    return sheet_prompts.typed(selection.typed)


def start(studio: Studio, work: SheetWork, selection: Selection, *, file: str | None) -> Result[Selection]:
    """Begin a new sheet, and open it. Raises DataError or RunError, or gr.Error."""
    if not selection.models:
        raise gr.Error("Choose one or more models.", title="No model chosen", print_exception=False)
    columns = columns_of([pane_model(studio, key) for key in selection.models], selection.strengths)
    prompts = read_prompts(studio, selection, file)
    check_sheet(studio.limits, selection.generation, [prompt.text for prompt in prompts])
    return open_sheet(work, selection, work.start(columns, prompts, generation=selection.generation).id)


def turn(selection: Selection, pressed: Action) -> Selection:
    """Turn to another page of the rows."""
    return replace(selection, page=max(0, pressed.number)) if pressed.verb == "page" else selection


def go_on(work: SheetWork, selection: Selection) -> Selection:
    """Have the rows answered that are not yet. Raises RunError."""
    if selection.sheet:
        work.go_on(selection.sheet)
    return selection


def stop(work: SheetWork, selection: Selection) -> Selection:
    """Answer no more rows."""
    if selection.sheet:
        work.stop(selection.sheet)
    return selection


def rename(work: SheetWork, selection: Selection, *, name: str | None) -> Selection | Result[Selection]:
    """Give the sheet that is open another name. Raises RunError."""
    if not selection.sheet:
        return selection
    work.sheets.rename(selection.sheet, name or "")
    return open_sheet(work, selection, selection.sheet)


def delete(work: SheetWork, selection: Selection) -> Selection | Result[Selection]:
    """Put the sheet that is open into the bin."""
    if not selection.sheet:
        return selection
    work.stop(selection.sheet)
    work.sheets.delete(selection.sheet)
    return _with_bin(work, open_sheet(work, replace(selection, deleted=selection.sheet), None), can_undo=True)


def restore(work: SheetWork, selection: Selection, id: str | None) -> Selection | Result[Selection]:
    """Take a sheet back out of the bin, and open it. Raises RunError when it is not there."""
    if not id:
        return selection
    return _with_bin(work, open_sheet(work, selection, work.sheets.restore(id).id), can_undo=False)


def _with_bin(work: SheetWork, opened: Result[Selection], *, can_undo: bool) -> Result[Selection]:
    bin = bin_panel.look(work.sheets, NOUN, opened.state.picked)
    return Result(opened.state, {**opened.updates, **bin, "restore": gr.update(visible=can_undo)})


def save(work: SheetWork, kind: str, selection: Selection) -> str:
    """Prepare the sheet that is open as a file, "csv" or "jsonl". Raises gr.Error when there is none."""
    if not selection.sheet:
        raise gr.Error("There is no prompt sheet yet.", title="Nothing to download", print_exception=False)
    sheet = work.sheets.get(selection.sheet)
    text = sheets.as_csv(sheet) if kind == "csv" else sheets.as_jsonl(sheet)
    return text_file(f"{slug(sheet.name)}.{kind}", text)
