"""All that the Data tab shows of one data set at a moment, by the names of its parts.

Reads through `ModelFacts`, so a second look costs little.
"""

from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from studio.config import RunConfig
from studio.data.dataset_folders import Dataset
from studio.data.mask_findings import mask_findings
from studio.data.tokenizing.tokens import TokenStatistics
from studio.errors import StudioError
from studio.jobs.token_counts import TokenState
from studio.planning import fitting
from studio.planning.fitting import Parts
from studio.planning.model_facts import Here, ModelFacts
from studio.studio import Studio
from studio.ui.data import cards, columns, example_view, findings, held_out, lengths, reading_options
from studio.ui.data.columns import Assigning
from studio.ui.kit import fragments

PARTS = (
    "verdict",
    "how_read",
    "table",
    "template_box",
    "template",
    "checks_card",
    "checks",
    "left_out",
    "problems",
    "body",
    "preview",
    "position",
    "previous",
    "following",
    "figures",
    "histogram",
    "meaning",
    "held_out",
)
"""The names of the parts, in the order of the tab's outputs."""


@dataclass(frozen=True)
class Look:
    """What the page has selected. `place` is counted from 0; `other_id` is the data set held out in its place."""

    dataset_id: str = ""
    other_id: str = ""
    settings: RunConfig = field(default_factory=RunConfig)
    place: int = 0
    special: bool = False
    assigning: Assigning | None = None


@dataclass(frozen=True)
class Seen:
    """What is known of the chosen data set for the chosen model. `statistics` are there once tokens are counted."""

    dataset: Dataset
    here: Here
    state: TokenState
    statistics: TokenStatistics | None
    parts: Parts

    @property
    def fitting(self) -> int:
        """How many examples a run takes."""
        return self.dataset.inspection.usable - self.parts.too_long


def stamp(facts: ModelFacts, look: Look) -> tuple[object, ...]:
    """Return what a drawing follows from, so that it is made again only when that has changed.

    To be taken before the drawing: what ends in between is then drawn twice, and never missed.
    """
    if not look.dataset_id:
        return ("",)
    state = facts.token_state(look.dataset_id, look.settings.model)
    comparing = bool(look.other_id) and facts.is_comparing(look.dataset_id, look.other_id)
    told = (id(state.result) if state.result is not None else 0, state.status, state.sentence, state.done, state.total)
    return (look, facts.where(look.settings.model), told, comparing)


def draw(studio: Studio, facts: ModelFacts, look: Look) -> dict[str, Any]:
    """Make all parts. A model that is not here yet gives plain bubbles and no token figures.

    Raises DataError when the data set is unknown or damaged.
    """
    if not look.dataset_id:
        return nothing()
    seen = see(studio, facts, look)
    parts = {**_overview(seen, look), **_checks(seen), **_viewer(facts, seen, look)}
    parts |= {**_lengths(studio, seen, look), **_held_out(studio, facts, seen, look)}
    return {name: parts[name] for name in PARTS}


def nothing() -> dict[str, Any]:
    """Make what stands there while there is no data set."""
    hidden = gr.update(visible=False)
    boxes = {"template_box": hidden, "checks_card": hidden, "left_out": hidden, "body": hidden}
    still = {"previous": gr.update(interactive=False), "following": gr.update(interactive=False)}
    texts = {"verdict": str(cards.nothing_yet()), "preview": str(example_view.no_preview())}
    parts = {**boxes, **still, **texts, "histogram": lengths.bars(None)}
    return {name: parts.get(name, "") for name in PARTS}


def see(studio: Studio, facts: ModelFacts, look: Look) -> Seen:
    """Gather what is known. Raises DataError when the data set is unknown or damaged."""
    dataset = studio.data.get(look.dataset_id)
    state = facts.token_state(dataset.id, look.settings.model)
    settings = fitting.usable_settings(look.settings)
    statistics = None
    if state.result is not None and dataset.inspection.usable:
        statistics = facts.statistics(state.result, max_length=settings.max_length)
    parts = fitting.parts(facts, settings, dataset.id, look.other_id)
    return Seen(dataset, facts.where(look.settings.model), state, statistics, parts)


def _overview(seen: Seen, look: Look) -> dict[str, Any]:
    inspection = seen.dataset.inspection
    chosen = columns.chosen(seen.dataset, look.assigning)
    template = chosen.roles.template or columns.default_template(chosen.roles)
    return {
        "verdict": str(cards.verdict(inspection, chosen.verdict, seen.statistics, fitting=seen.fitting)),
        "how_read": str(cards.how_read(inspection)),
        "table": str(reading_options.questions(inspection.questions) + columns.table(inspection, chosen.parts)),
        "template_box": gr.update(visible=chosen.needs_template),
        "template": template,
    }


def _checks(seen: Seen) -> dict[str, Any]:
    dataset, inspection = seen.dataset, seen.dataset.inspection
    doubts = mask_findings(seen.state.result.doubts) if seen.state.result is not None else ()
    found = fragments.stack([findings.findings(inspection, extra=doubts), findings.changes(dataset.changes)])
    return {
        "checks_card": gr.update(visible=bool(inspection.usable or inspection.left_out or dataset.changes)),
        "checks": str(found),
        "left_out": gr.update(visible=bool(inspection.left_out), label=findings.left_out_label(inspection)),
        "problems": str(findings.problems(inspection)),
    }


def _viewer(facts: ModelFacts, seen: Seen, look: Look) -> dict[str, Any]:
    total = seen.dataset.inspection.usable
    if not total:
        still = {"previous": gr.update(interactive=False), "following": gr.update(interactive=False)}
        return {"body": gr.update(visible=False), "preview": str(example_view.no_preview()), "position": "", **still}
    example = facts.examples(seen.dataset.id)[look.place]
    return {
        "body": gr.update(visible=True),
        "preview": _preview(facts, seen, look),
        "position": example_view.position(example, place=look.place, total=total),
        "previous": gr.update(interactive=look.place > 0),
        "following": gr.update(interactive=look.place < total - 1),
    }


def _preview(facts: ModelFacts, seen: Seen, look: Look) -> str:
    """Show the example exactly where the model's tokenizer is here, and as a conversation elsewhere."""
    example = facts.examples(seen.dataset.id)[look.place]
    settings = fitting.usable_settings(look.settings)
    remark = seen.here.trouble or "The exact view, token by token, appears here as soon as the model has arrived."
    if seen.here.folder is not None:
        try:
            shown = facts.show_example(seen.here.folder, example)
            warning = example_view.too_long(shown.tokens, max_length=settings.max_length, overlong=settings.overlong)
            opening = example_view.adds_opening(shown.pieces, example)
            view = example_view.token_view(
                shown.pieces, shown.note, special=look.special, warning=warning, opening=opening
            )
            return str(view)
        except StudioError as error:
            remark = str(error)
    return str(example_view.bubbles(example, remark))


def _lengths(studio: Studio, seen: Seen, look: Look) -> dict[str, Any]:
    settings = fitting.usable_settings(look.settings)
    tokens = seen.statistics
    if tokens is None:
        waiting = str(lengths.waiting(seen.state))
        return {"figures": waiting, "histogram": lengths.bars(None), "meaning": ""}
    speed = studio.summaries.tokens_per_second(settings.model)
    meaning = lengths.meaning(settings, seen.parts, tokens_per_second=speed)
    return {
        "figures": str(lengths.figures(tokens, max_length=settings.max_length)),
        "histogram": lengths.bars(tokens, max_length=settings.max_length),
        "meaning": str(fragments.stack([lengths.too_long(tokens, settings), meaning])),
    }


def _held_out(studio: Studio, facts: ModelFacts, seen: Seen, look: Look) -> dict[str, Any]:
    other = studio.data.get(look.other_id) if look.other_id else None
    found = facts.overlap(look.dataset_id, look.other_id) if other is not None else None
    comparing = other is not None and facts.is_comparing(look.dataset_id, look.other_id)
    return {"held_out": str(held_out.said(seen.parts, other, found, comparing=comparing))}
