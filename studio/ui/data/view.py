"""All that the Data tab shows at a moment, by the names of its parts, as markup and updates.

Reads through `ModelFacts`, so a second look costs little.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from studio.data.conversion.roles import columns_read
from studio.data.dataset_folders import Dataset
from studio.data.examples import Example
from studio.data.length_findings import length_findings
from studio.data.mask_findings import mask_findings
from studio.data.tokenizing.tokens import TokenStatistics
from studio.errors import StudioError
from studio.jobs.token_counts import TokenState
from studio.planning import fitting, forecasts
from studio.planning.fitting import Parts
from studio.planning.forecasts import Known
from studio.planning.model_facts import Here, ModelFacts
from studio.studio import Studio
from studio.ui.data import (
    cards,
    columns,
    editing,
    exact_view,
    example_view,
    findings,
    held_out,
    imports,
    lengths,
    library,
    newer,
)
from studio.ui.data.state import Selection
from studio.ui.kit import fragments
from studio.ui.kit.drawn import Section
from studio.wording import counted

COLUMNS, LENGTHS, HELD_OUT, EXACT = "Columns", "Length and tokens", "Held-out examples", "Exactly what the model reads"
"""What the accordions are called while there is nothing to say of them."""

STILL_TO_READ = "The file is still to be read with these columns."
"""What is missing while enough columns are chosen and the version that has them is not there."""

_TEXTS = ("how_read", "waiting", "table", "checks", "problems", "position", "figures", "meaning", "held_out_said")
"""The parts that say nothing while there is no data set."""

_NOT_EDITING: dict[str, Any] = {
    "editor_box": {"visible": False, "__type__": "update"},
    "editor": {"key": "", "fields": [], "number": 1},
    "viewing": {"visible": True, "__type__": "update"},
}


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
    here = replace(selection, started=(), done_with=()), facts.where(model)
    return (*here, told, comparing, _pace(forecasts.known(facts.forecasts, model)))


def _pace(about: Known) -> tuple[object, ...]:
    """Return what an estimate of time follows from, beside data and settings; the free memory changes all the time."""
    machine = about.machine
    return (about.architecture, None if machine is None else (machine.rates, machine.timings, machine.load))


def draw_chosen(studio: Studio, facts: ModelFacts, selection: Selection) -> dict[str, Any]:
    """Draw a data set. A model that is not here yet gives plain bubbles and no token figures.

    Raises DataError when it is unknown or damaged.
    """
    if not selection.version:
        return _nothing()
    seen = see(studio, facts, selection)
    parts = {**_overview(studio, seen, selection), **_checks(seen, selection), **_viewer(facts, seen, selection)}
    parts |= {"bring": gr.update(open=False), "arrived": {"count": selection.arrived}}
    return {**parts, **_lengths(facts, seen, selection), **_held_out(studio, facts, seen, selection)}


def _nothing() -> dict[str, Any]:
    """Make what stands there while there is no data set."""
    hidden, still = gr.update(visible=False), gr.update(interactive=False)
    return {
        **dict.fromkeys(_TEXTS, ""),
        **dict.fromkeys(
            ("template_box", "checks_card", "left_out", "body", "viewer", "proceed", "columns", "keeping"), hidden
        ),
        "bring": gr.update(open=True),
        "arrived": {"count": 0},
        **_NOT_EDITING,
        "lengths": gr.update(label=LENGTHS),
        "aside": gr.update(label=HELD_OUT),
        **dict.fromkeys(("previous", "following"), still),
        "verdict": str(cards.nothing_yet()),
        "template": gr.update(value=""),
        "preview": str(example_view.no_preview()),
        "exact": "",
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


def _overview(studio: Studio, seen: Seen, selection: Selection) -> dict[str, Any]:
    inspection = seen.dataset.inspection
    chosen = columns.chosen(seen.dataset, selection.assigning)
    template = chosen.roles.template or columns.default_template(chosen.roles)
    missing = chosen.verdict or (STILL_TO_READ if inspection.verdict else "")
    return {
        "verdict": str(cards.verdict(inspection, missing, seen.statistics, fitting=seen.fitting)),
        "how_read": str(cards.how_read(inspection)),
        "waiting": str(newer.draw(studio, selection.waiting)),
        "table": str(columns.questions(inspection.questions) + columns.table(inspection, chosen.parts)),
        "columns": gr.update(visible=True, label=_columns_label(chosen), open=bool(chosen.verdict)),
        "keeping": gr.update(visible=True),
        "template_box": gr.update(visible=chosen.needs_template),
        "template": gr.update(value=template),
    }


def _columns_label(chosen: columns.Chosen) -> str:
    read = "" if chosen.verdict else columns_read(chosen.roles)
    return f"{COLUMNS}: {read}" if read else COLUMNS


def _checks(seen: Seen, selection: Selection) -> dict[str, Any]:
    dataset, inspection = seen.dataset, seen.dataset.inspection
    counts = seen.state.result
    settings = fitting.usable_settings(selection.settings)
    doubts = (*length_findings(counts, settings), *(mask_findings(counts.doubts) if counts is not None else ()))
    found = fragments.stack([findings.findings(inspection, extra=doubts), findings.changes(dataset.changes)])
    return {
        "checks_card": gr.update(visible=bool(inspection.usable or inspection.left_out or dataset.changes)),
        "checks": str(found),
        "left_out": gr.update(visible=bool(inspection.left_out), label=findings.left_out_label(inspection)),
        "problems": str(findings.problems(inspection)),
    }


def _viewer(facts: ModelFacts, seen: Seen, selection: Selection) -> dict[str, Any]:
    total = seen.dataset.inspection.usable
    there = {name: gr.update(visible=total > 0) for name in ("body", "viewer", "proceed")}
    if not total:
        still = {"previous": gr.update(interactive=False), "following": gr.update(interactive=False)}
        nothing = {"preview": str(example_view.no_preview()), "exact": "", "position": ""}
        return {**there, **nothing, **still, **_NOT_EDITING}
    example = facts.examples(seen.dataset.id)[selection.place]
    return {
        **there,
        **editing.draw(example, selection),
        **_preview(facts, seen, selection, example),
        "position": example_view.position(example, place=selection.place, total=total),
        "previous": gr.update(interactive=selection.place > 0),
        "following": gr.update(interactive=selection.place < total - 1),
    }


def _preview(facts: ModelFacts, seen: Seen, selection: Selection, example: Example) -> dict[str, Any]:
    """Show the example as a conversation, and as the model reads it where the model's tokenizer is here."""
    settings = fitting.usable_settings(selection.settings)
    remark = seen.here.trouble or "This appears as soon as the model has arrived."
    if seen.here.folder is not None:
        try:
            shown = facts.show_example(seen.here.folder, example)
            warning = example_view.too_long(shown.tokens, max_length=settings.max_length, overlong=settings.overlong)
            return {
                "preview": str(example_view.conversation(example, warning=warning, doubt=shown.note)),
                "exact": str(exact_view.exact(shown.pieces, example, special=selection.special)),
                "exact_box": gr.update(label=f"{EXACT}: {counted(shown.tokens, 'token')}"),
            }
        except StudioError as error:
            remark = str(error)
    waiting = str(fragments.line("busy", remark))
    return {"preview": str(example_view.conversation(example)), "exact": waiting, "exact_box": gr.update(label=EXACT)}


def _lengths(facts: ModelFacts, seen: Seen, selection: Selection) -> dict[str, Any]:
    settings = fitting.usable_settings(selection.settings)
    tokens = seen.statistics
    if tokens is None:
        waiting = str(lengths.waiting(seen.state))
        label = gr.update(label=LENGTHS)
        return {"lengths": label, "figures": waiting, "histogram": lengths.bars(None), "meaning": ""}
    about = forecasts.known(facts.forecasts, settings.model)
    expected = forecasts.estimated(facts.forecasts, about, settings, fitting.workload(seen.parts))
    meaning = lengths.meaning(settings, seen.parts, time=None if expected is None else expected.time)
    return {
        "lengths": gr.update(label=f"{LENGTHS}: {lengths.summary(tokens, max_length=settings.max_length)}"),
        "figures": str(lengths.figures(tokens, max_length=settings.max_length)),
        "histogram": lengths.bars(tokens, max_length=settings.max_length),
        "meaning": str(fragments.stack([lengths.too_long(tokens, settings), meaning])),
    }


def _held_out(studio: Studio, facts: ModelFacts, seen: Seen, selection: Selection) -> dict[str, Any]:
    other = studio.data.get(selection.other) if selection.other else None
    found = facts.overlap(selection.version, selection.other) if other is not None else None
    comparing = other is not None and facts.is_comparing(selection.version, selection.other)
    usable, settings = seen.dataset.inspection.usable, fitting.usable_settings(selection.settings)
    split = fitting.places_of(facts, settings, seen.dataset.id, selection.other) if usable else None
    said = held_out.said(seen.parts, other, found, comparing=comparing, split=split)
    total = seen.parts.train + seen.parts.held_out
    label = f"{HELD_OUT}: {seen.parts.held_out:,} of {total:,}" if total and other is None else HELD_OUT
    return {"aside": gr.update(label=label), "held_out_said": str(said)}
