"""What the Data tab does when something on it is changed or pressed.

Each listener calls the domain and turns the answer into updates.
"""

import logging
import math
from dataclasses import replace
from typing import Any

import gradio as gr

from studio.data.mask_findings import mask_findings
from studio.errors import DataError
from studio.planning.model_facts import ModelFacts
from studio.studio import Studio
from studio.ui.data import columns, findings, held_out, library, reading_options, requests, view
from studio.ui.data.columns import Assigning
from studio.ui.data.requests import Outcome
from studio.ui.data.view import PARTS, Look
from studio.ui.kit import form, fragments
from studio.ui.kit.actions import Action
from studio.ui.kit.updates import is_due, only_new

log = logging.getLogger(__name__)


def redraw(
    studio: Studio,
    facts: ModelFacts,
    *,
    dataset_id: str | None,
    other_id: str | None,
    number: float | None,
    special: bool,
    assigning: Assigning | None,
    drawn: dict[str, Any] | None,
    **values: Any,
) -> list[Any]:
    """Show the chosen data set, sending only what is new since `drawn`."""
    before = drawn or {}
    settings = form.read_config(values)
    shown_id = _known(studio, dataset_id)
    pickers: tuple[Any, Any] = (gr.skip(), gr.skip())
    if dataset_id and not shown_id:  # deleted, here or on another page: what remains is shown at once
        shown_id = library.keep_or_newest(studio, None)
        pickers = library.show(studio, shown_id)
    look = Look(shown_id, _known(studio, other_id), settings, 0, bool(special), assigning)
    wanted = place_of(number)
    place = _place(studio, look, wanted, str(before.get("root", "")))
    look = replace(look, place=place)
    stamp = view.stamp(facts, look)
    moved = place + 1 if place != wanted else gr.skip()
    if stamp == before.get("stamp") and not is_due(before.get("parts")):
        return [*[gr.skip()] * len(PARTS), moved, gr.skip(), *pickers]
    *parts, shown_now = only_new(view.draw(studio, facts, look), before.get("parts"))
    return [*parts, moved, {"root": _root(studio, look), "stamp": stamp, "parts": shown_now}, *pickers]


def place_of(number: object) -> int:
    """Return the place of an example, from 0, for what its field holds; the first for anything that is no number."""
    if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
        return 0
    return int(number) - 1


def _known(studio: Studio, id: str | None) -> str:
    """Return the id while there is such a data set: it may have been deleted on another page."""
    try:
        return studio.data.get(id).id if id else ""
    except DataError:
        log.debug("A data set cannot be read", exc_info=True)
        return ""


def _place(studio: Studio, look: Look, wanted: int, before: str) -> int:
    """Return the place to show: within the data set, the same one in another version, the first of another set."""
    if not look.dataset_id:
        return 0
    dataset = studio.data.get(look.dataset_id)
    if before and before != dataset.root:
        return 0
    return min(max(wanted, 0), max(dataset.inspection.usable - 1, 0))


def _root(studio: Studio, look: Look) -> str:
    return studio.data.get(look.dataset_id).root if look.dataset_id else ""


def offer_held_out(studio: Studio, dataset_id: str | None, chosen: str | None) -> Any:
    """Offer the other data sets to be held out; keep what is chosen while it is among them."""
    offered = held_out.choices(studio, dataset_id)
    return gr.update(choices=offered, value=chosen if any(id == chosen for _, id in offered) else "")


def find(facts: ModelFacts, dataset_id: str | None, text: str | None, number: float | None) -> tuple[Any, str]:
    """Go to the next example that holds a text, from the first again after the last."""
    wanted = (text or "").strip()
    if not dataset_id:
        return gr.skip(), ""
    if not wanted:
        return gr.skip(), str(fragments.line("quiet", "Type a word to search for."))
    examples = facts.examples(dataset_id)
    here = place_of(number)
    found = examples.find(wanted, here + 1)
    again = examples.find(wanted, 0) if found is None else None
    if found is None and again is None:
        return gr.skip(), str(fragments.line("quiet", f"No example holds “{wanted[:80]}”."))
    said = (
        ""
        if found is not None
        else "Back at the first that holds it."
        if again != here
        else "No other example holds it."
    )
    return (found if found is not None else again or 0) + 1, str(fragments.line("quiet", said)) if said else ""


def press_check(
    studio: Studio, press: Action, *, dataset_id: str | None, number: float | None, started: object, model: str = ""
) -> tuple[Any, Any, Any]:
    """Show an example that a finding is about, fix it, or undo a change. Raises DataError and RunError."""
    if not dataset_id:
        return gr.skip(), gr.skip(), gr.skip()
    dataset = studio.data.get(dataset_id)
    if press.verb == "show":
        counts = studio.token_state(dataset.id, model).result if model else None
        found = (*dataset.inspection.findings, *mask_findings(counts.doubts if counts is not None else ()))
        place = findings.next_place(found, press.key, after=place_of(number))
        return (gr.skip() if place is None else place + 1), gr.skip(), gr.skip()
    if press.verb not in ("fix", "undo"):
        return gr.skip(), gr.skip(), gr.skip()
    act = requests.fix if press.verb == "fix" else requests.undo
    return gr.skip(), *updates(act(studio, dataset, press, started))


def leave_out(studio: Studio, dataset_id: str | None, number: float | None, started: object) -> tuple[Any, Any]:
    """Make a version without the example that is shown. Raises DataError and RunError."""
    if not dataset_id:
        return gr.skip(), gr.skip()
    return updates(requests.leave_out(studio, studio.data.get(dataset_id), place_of(number), started))


def assign_part(
    studio: Studio, press: Action, *, dataset_id: str | None, assigning: Assigning | None, started: object
) -> tuple[Any, Any, Any]:
    """Give a column the part that was chosen, or read the file otherwise; read it again once that is enough."""
    dataset = studio.data.get(dataset_id) if dataset_id else None
    if dataset is not None and press.verb == reading_options.READ_AS:
        return gr.skip(), *updates(requests.read_with(studio, dataset, press, started))
    chosen = columns.choose(dataset, assigning, press) if dataset is not None else None
    if dataset is None or chosen is None:
        return gr.skip(), gr.skip(), gr.skip()
    return chosen, *updates(requests.read_as(studio, dataset, chosen, started))


def use_template(
    studio: Studio, dataset_id: str | None, assigning: Assigning | None, template: str | None, started: object
) -> tuple[Any, Any, Any]:
    """Let a template make the prompt. Raises DataError when it cannot, and RunError."""
    if not dataset_id:
        return gr.skip(), gr.skip(), gr.skip()
    dataset = studio.data.get(dataset_id)
    chosen = columns.with_template(dataset, assigning, template or "")
    return chosen, *updates(requests.read_as(studio, dataset, chosen, started))


def updates(outcome: Outcome) -> tuple[Any, Any]:
    """Turn what came of an action into updates of the remembered imports and of the chosen version."""
    started = gr.skip() if outcome.started is None else outcome.started
    return started, (gr.update(value=outcome.dataset_id) if outcome.dataset_id else gr.skip())
