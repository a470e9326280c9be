"""What the prompt sheet on the Compare tab does: read prompts, have them answered, search the answers, save them."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from studio.compare import sheet_prompts, sheets
from studio.compare.answering import GenerationSettings, check_sheet
from studio.compare.pane_models import first_pair, keys_still_offered, pane_model
from studio.compare.sheet_answers import SheetState, SheetWork
from studio.compare.sheet_asking import columns_of
from studio.compare.sheet_prompts import Prompt
from studio.errors import DataError, RunError
from studio.runs.names import slug
from studio.studio import Studio
from studio.ui.compare import model_choices, sheet_view
from studio.ui.kit import run_choices
from studio.ui.kit.actions import Action
from studio.ui.kit.downloads import text_file
from studio.ui.kit.numbers import moment
from studio.ui.kit.run_choices import Choices
from studio.ui.kit.updates import Drawn, only_new

log = logging.getLogger(__name__)

TYPED, FILE, HELD_OUT = "typed", "file", "held-out"

PARTS = ("progress", "table", "stop", "go_on", "timer")
"""What is drawn, in the order of the outputs; after these comes what to remember."""

MOST_LISTED = 200


def show_source(source: str | None) -> list[Any]:
    """Show the fields of where the prompts come from: typed, the file, the run and the number of its rows."""
    return [gr.update(visible=source == each) for each in (TYPED, FILE, HELD_OUT)]


def refresh(studio: Studio, work: SheetWork, *, models: list[str] | None, run: str | None, sheet: str | None) -> Any:
    """List the models, the runs with held-out rows and the kept sheets that are there now; keep what is chosen."""
    chosen = [key for key in keys_still_offered(studio, models or []) if key]
    if not chosen:
        chosen = [key for key in first_pair(studio) if key]
    runs = run_choices.runs_with_result(studio, also=run)
    kept = kept_choices(work)
    return (
        gr.update(choices=model_choices.offered(studio, chosen), value=chosen),
        gr.update(choices=runs, value=run_choices.keep_or_first(run, runs)),
        gr.update(choices=kept, value=run_choices.keep_or_first(sheet, kept)),
    )


def kept_choices(work: SheetWork) -> Choices:
    """List the kept sheets, the one that was changed last first."""
    return [(f"{each.name} · {moment(each.changed)}", each.id) for each in work.sheets.all()[:MOST_LISTED]]


@dataclass(frozen=True)
class Source:
    """Where a person wants the prompts from: what was typed, a file, or at most so many held-out rows of a run."""

    kind: str
    text: str = ""
    file: str | None = None
    run: str | None = None
    most: int = 20


def read_prompts(studio: Studio, source: Source, *, seed: int) -> tuple[Prompt, ...]:
    """Read the prompts from where a person wants them. Raises DataError or RunError when there are none."""
    if source.kind == FILE:
        if not source.file:
            raise DataError("No file was chosen.", "Choose a text, CSV or JSON Lines file with prompts.")
        return sheet_prompts.from_file(Path(source.file))
    if source.kind == HELD_OUT:
        if not source.run:
            raise RunError("There is no run with held-out rows yet.", "Train one first, or type prompts.")
        return sheet_prompts.held_out(studio.runs.get(source.run), most=source.most, seed=seed)
    return sheet_prompts.typed(source.text)


def start(
    studio: Studio,
    work: SheetWork,
    *,
    models: list[str] | None,
    strengths: Sequence[float] | None,
    generation: GenerationSettings,
    source: Source,
) -> tuple[Any, int]:
    """Begin a new sheet, and choose it; its first page is shown. Raises DataError or RunError, or gr.Error."""
    if not models:
        raise gr.Error("Choose one or more models.", title="No model chosen", print_exception=False)
    columns = columns_of([pane_model(studio, key) for key in models], strengths or ())
    prompts = read_prompts(studio, source, seed=generation.seed)
    check_sheet(studio.limits, generation, [prompt.text for prompt in prompts])
    sheet = work.start(columns, prompts, generation=generation)
    return gr.update(choices=kept_choices(work), value=sheet.id), 0


def draw(
    work: SheetWork,
    *,
    sheet: str | None,
    text: str | None,
    which: str | None,
    marks: bool,
    page: int,
    drawn: Drawn | None,
) -> list[Any]:
    """Show a sheet as it is now, sending only what is new since `drawn`."""
    state = look(work, sheet)
    places = () if state is None else sheets.find(state.sheet, text=text or "", which=which or sheets.ALL)
    shown = None if state is None else state.sheet
    working = state is not None and state.working
    open_rows = state is not None and state.sheet.answered < len(state.sheet.rows)
    fresh: Mapping[str, Any] = {
        "progress": str(sheet_view.progress(state)),
        "table": str(sheet_view.table(shown, places, page=page, marks=bool(marks))),
        "stop": gr.update(visible=working),
        "go_on": gr.update(visible=open_rows and not working),
        "timer": gr.update(active=working),
    }
    return only_new(fresh, drawn)


def look(work: SheetWork, id: str | None) -> SheetState | None:
    """Return what a sheet is at; None when there is none with this id."""
    try:
        return work.state(id) if id else None
    except RunError:
        log.debug("A prompt sheet cannot be read", exc_info=True)
        return None


def turn(pressed: Action) -> Any:
    """Turn to another page of the rows."""
    return max(0, pressed.number) if pressed.verb == "page" else gr.skip()


def go_on(work: SheetWork, id: str | None) -> None:
    """Have the rows answered that are not yet. Raises RunError."""
    if id:
        work.go_on(id)


def stop(work: SheetWork, id: str | None) -> None:
    """Answer no more rows."""
    if id:
        work.stop(id)


def rename(work: SheetWork, id: str | None, name: str | None) -> Any:
    """Give the sheet that is open another name. Raises RunError."""
    if not id:
        return gr.skip()
    work.sheets.rename(id, name or "")
    return gr.update(choices=kept_choices(work), value=id)


def delete(work: SheetWork, id: str | None) -> tuple[Any, Any, str]:
    """Put the sheet that is open into the bin: updates for the list and the button that puts it back, and its id."""
    if not id:
        return gr.skip(), gr.skip(), ""
    work.stop(id)
    work.sheets.delete(id)
    choices = kept_choices(work)
    chosen = run_choices.keep_or_first(None, choices)
    return gr.update(choices=choices, value=chosen), gr.update(visible=True), id


def restore(work: SheetWork, id: str | None) -> tuple[Any, Any]:
    """Take a sheet back out of the bin, and open it. Raises RunError when it is not there."""
    if not id:
        return gr.skip(), gr.skip()
    back = work.sheets.restore(id).id
    return gr.update(choices=kept_choices(work), value=back), gr.update(visible=False)


def save(work: SheetWork, kind: str, id: str | None) -> str:
    """Prepare the sheet that is open as a file, "csv" or "jsonl". Raises gr.Error when there is none."""
    if not id:
        raise gr.Error("There is no prompt sheet to save yet.", title="Nothing to save", print_exception=False)
    sheet = work.sheets.get(id)
    text = sheets.as_csv(sheet) if kind == "csv" else sheets.as_jsonl(sheet)
    return text_file(f"{slug(sheet.name)}.{kind}", text)
