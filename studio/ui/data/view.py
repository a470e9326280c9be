"""All that the Data tab shows at a moment, by the names of its parts, as markup and updates.

Reads through `ModelFacts`, so a second look costs little.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from studio.data.dataset_folders import Dataset
from studio.data.mask_findings import mask_findings
from studio.data.tokenizing.tokens import TokenStatistics
from studio.errors import StudioError
from studio.jobs.token_counts import TokenState
from studio.planning import fitting
from studio.planning.fitting import Parts
from studio.planning.model_facts import Here, ModelFacts
from studio.studio import Studio
from studio.ui.data import cards, columns, example_view, findings, held_out, imports, lengths, library
from studio.ui.data.state import Selection
from studio.ui.kit import fragments
from studio.ui.kit.drawn import Section

_TEXTS = ("how_read", "table", "checks", "problems", "position", "figures", "meaning", "held_out_said")
"""The parts that say nothing while there is no data set."""


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


def draw(studio: Studio, facts: ModelFacts, selection: Selection) -> Sequence[Section]:
    """Draw what is being brought, the data sets that are kept, and the chosen one with one of its examples."""
    brought = imports.draw(studio, selection.started, selection.done_with)
    return [
        Section(brought, lambda: brought),
        Section((selection.version, selection.renewed), lambda: library.draw(studio, selection)),
        # Taken before the drawing: what ends in between is then drawn twice, and never missed.
        Section(_seen(facts, selection), lambda: draw_chosen(studio, facts, selection)),
    ]


def _seen(facts: ModelFacts, selection: Selection) -> tuple[object, ...]:
    """Return what the drawing of a data set follows from."""
    if not selection.version:
        return ("",)
    model = selection.settings.model
    state = facts.token_state(selection.version, model)
    comparing = bool(selection.other) and facts.is_comparing(selection.version, selection.other)
    told = (id(state.result) if state.result is not None else 0, state.status, state.sentence, state.done, state.total)
    return (replace(selection, started=(), done_with=()), facts.where(model), told, comparing)


def draw_chosen(studio: Studio, facts: ModelFacts, selection: Selection) -> dict[str, Any]:
    """Draw a data set. A model that is not here yet gives plain bubbles and no token figures.

    Raises DataError when it is unknown or damaged.
    """
    if not selection.version:
        return _nothing()
    seen = see(studio, facts, selection)
    parts = {**_overview(seen, selection), **_checks(seen), **_viewer(facts, seen, selection)}
    return {**parts, **_lengths(studio, seen, selection), **_held_out(studio, facts, seen, selection)}


def _nothing() -> dict[str, Any]:
    """Make what stands there while there is no data set."""
    hidden, still = gr.update(visible=False), gr.update(interactive=False)
    return {
        **dict.fromkeys(_TEXTS, ""),
        **dict.fromkeys(("template_box", "checks_card", "left_out", "body"), hidden),
        **dict.fromkeys(("previous", "following"), still),
        "verdict": str(cards.nothing_yet()),
        "template": gr.update(value=""),
        "preview": str(example_view.no_preview()),
        "histogram": lengths.bars(None),
    }


def see(studio: Studio, facts: ModelFacts, selection: Selection) -> Seen:
    """Gather what is known. Raises DataError when the data set is unknown or damaged."""
    dataset = studio.data.get(selection.version)
    state = facts.token_state(dataset.id, selection.settings.model)
    settings = fitting.usable_settings(selection.settings)
    statistics = None
    if state.result is not None and dataset.inspection.usable:
        statistics = facts.statistics(state.result, max_length=settings.max_length)
    parts = fitting.parts(facts, settings, dataset.id, selection.other)
    return Seen(dataset, facts.where(selection.settings.model), state, statistics, parts)


def _overview(seen: Seen, selection: Selection) -> dict[str, Any]:
    inspection = seen.dataset.inspection
    chosen = columns.chosen(seen.dataset, selection.assigning)
    template = chosen.roles.template or columns.default_template(chosen.roles)
    return {
        "verdict": str(cards.verdict(inspection, chosen.verdict, seen.statistics, fitting=seen.fitting)),
        "how_read": str(cards.how_read(inspection)),
        "table": str(columns.questions(inspection.questions) + columns.table(inspection, chosen.parts)),
        "template_box": gr.update(visible=chosen.needs_template),
        "template": gr.update(value=template),
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


def _viewer(facts: ModelFacts, seen: Seen, selection: Selection) -> dict[str, Any]:
    total = seen.dataset.inspection.usable
    if not total:
        still = {"previous": gr.update(interactive=False), "following": gr.update(interactive=False)}
        return {"body": gr.update(visible=False), "preview": str(example_view.no_preview()), "position": "", **still}
    example = facts.examples(seen.dataset.id)[selection.place]
    return {
        "body": gr.update(visible=True),
        "preview": _preview(facts, seen, selection),
        "position": example_view.position(example, place=selection.place, total=total),
        "previous": gr.update(interactive=selection.place > 0),
        "following": gr.update(interactive=selection.place < total - 1),
    }


def _preview(facts: ModelFacts, seen: Seen, selection: Selection) -> str:
    """Show the example exactly where the model's tokenizer is here, and as a conversation elsewhere."""
    example = facts.examples(seen.dataset.id)[selection.place]
    settings = fitting.usable_settings(selection.settings)
    remark = seen.here.trouble or "The exact view, token by token, appears here as soon as the model has arrived."
    if seen.here.folder is not None:
        try:
            shown = facts.show_example(seen.here.folder, example)
            warning = example_view.too_long(shown.tokens, max_length=settings.max_length, overlong=settings.overlong)
            opening = example_view.adds_opening(shown.pieces, example)
            view = example_view.token_view(
                shown.pieces, shown.note, special=selection.special, warning=warning, opening=opening
            )
            return str(view)
        except StudioError as error:
            remark = str(error)
    return str(example_view.bubbles(example, remark))


def _lengths(studio: Studio, seen: Seen, selection: Selection) -> dict[str, Any]:
    settings = fitting.usable_settings(selection.settings)
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


def _held_out(studio: Studio, facts: ModelFacts, seen: Seen, selection: Selection) -> dict[str, Any]:
    other = studio.data.get(selection.other) if selection.other else None
    found = facts.overlap(selection.version, selection.other) if other is not None else None
    comparing = other is not None and facts.is_comparing(selection.version, selection.other)
    return {"held_out_said": str(held_out.said(seen.parts, other, found, comparing=comparing))}
