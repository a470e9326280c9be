"""Several runs at once: which values of which settings are tried, what all of the runs take, and what starts them."""

from collections import Counter
from functools import partial
from typing import Any

import gradio as gr
from markupsafe import Markup

from studio.config import RunConfig, problems, setting_named
from studio.data.dataset_folders import Dataset
from studio.errors import ConfigError, DataError, TooMany
from studio.jobs.variants import TRIED, Variants, likely_values, read_values, variants
from studio.limits import require_within
from studio.models.catalog import KNOWN_MODELS
from studio.planning import fitting, groups
from studio.planning.groups import GroupForecast
from studio.planning.model_facts import ModelFacts
from studio.planning.run_context import RunContext
from studio.studio import Studio
from studio.ui.configure import actions, plan_card
from studio.ui.configure.state import Selection
from studio.ui.kit import form, fragments
from studio.ui.kit.components import html, picker, unchecked
from studio.ui.kit.drawn import Parts, Section
from studio.ui.kit.exchange import Fields
from studio.ui.kit.fragments import Tile
from studio.ui.kit.panel import Panel
from studio.wording import between, counted, dollars, listed, size

_NOTHING = ("Nothing", "")
_START = "Start several runs"
_ABOUT = (
    "Not sure which setting is best? Try a few values: each gets a run of its own with otherwise the same settings, "
    "and All runs shows which did best."
)


def build(panel: Panel[Selection]) -> tuple[gr.Button, gr.Textbox]:
    """Lay out what is tried; return the button that starts the runs, and what holds the id of the group then."""
    with gr.Accordion("Try several settings", open=False, elem_classes="ls-more", elem_id="several"):
        html(fragments.note(_ABOUT))
        for number, label in (("first", "What to try"), ("second", "And what else")):
            with gr.Row():
                tried = unchecked(gr.Dropdown)([_NOTHING], value="", label=label, elem_id=f"several-{number}")
                panel.input(f"{number}_tried", tried)
                values = unchecked(gr.Dropdown)(
                    [],
                    value=[],
                    multiselect=True,
                    allow_custom_value=True,
                    visible=False,
                    label="Values to try",
                    info="Choose some, or type a value and press Enter.",
                    elem_id=f"several-{number}-values",
                )
                panel.input(f"{number}_values", values)
        info = "Each gets runs of its own, with the same settings."
        more = picker(label="Other data sets too", info=info, elem_id="several-data", multiselect=True, visible=False)
        panel.input("more_data", more)
        first = gr.Checkbox(
            value=True,
            label="Let other runs go first",
            info="A run that you start alone does not wait for all of these: the one that trains saves its work, lets "
            "it go first, and goes on by itself.",
            elem_id="several-gives-way",
        )
        panel.input("gives_way", first)
        panel.html("several")
        button = gr.Button(_START, variant="primary", interactive=False, elem_id="start-several")
        start = panel.part("start_several", button)
        started = gr.Textbox(visible=False, label="Group id")
    return start, started


def section(studio: Studio, facts: ModelFacts, selection: Selection, context: RunContext) -> Section:
    """Draw what is tried and what it takes."""
    tried = (
        *(selection.first_tried, selection.first_values, selection.second_tried, selection.second_values),
        *(selection.more_data, selection.settings, selection.validation_dataset_id),
    )
    others = _other_data(studio, context)
    seen = (tried, context, others, len(studio.scheduler.waiting()))
    return Section(seen, partial(_parts, studio, facts, selection, context, others))


def _other_data(studio: Studio, context: RunContext) -> tuple[tuple[str, str], ...]:
    """List the versions of data sets beside the chosen one, by what they are called."""
    if context.dataset is None:
        return ()
    stored = [each for each in studio.data.all() if each.id != context.dataset.id and not each.inspection.verdict]
    names = Counter(each.name for each in (*stored, context.dataset))
    return tuple((_called(each, names[each.name] > 1), each.id) for each in stored)


def _called(dataset: Dataset, is_one_of_several: bool) -> str:
    return f"{dataset.name}, version {dataset.version}" if is_one_of_several else dataset.name


def _parts(
    studio: Studio,
    facts: ModelFacts,
    selection: Selection,
    context: RunContext,
    others: tuple[tuple[str, str], ...],
) -> Parts:
    settings = fitting.usable_settings(selection.settings)
    drawn: dict[str, Any] = {
        "more_data": gr.update(choices=list(others), visible=bool(others or selection.more_data)),
    }
    for number, tried, other in (
        ("first", selection.first_tried, selection.second_tried),
        ("second", selection.second_tried, selection.first_tried),
    ):
        offered = [name for name in TRIED if name == tried or (name != other and form.applies(name, settings))]
        drawn[f"{number}_tried"] = gr.update(
            choices=[_NOTHING, *((setting_named(name).label, name) for name in offered)],
            visible=number == "first" or bool(selection.first_tried or tried),
        )
        drawn[f"{number}_values"] = gr.update(choices=_value_choices(tried, settings), visible=bool(tried))
    said, ready = _said(studio, facts, selection, context)
    label = f"Start {counted(ready, 'run')}" if ready else _START
    return {**drawn, "several": str(said), "start_several": gr.update(value=label, interactive=bool(ready))}


def _value_choices(name: str, settings: RunConfig) -> list[tuple[str, str]]:
    """Offer the values of a setting: all where they are few, else likely ones."""
    if name not in TRIED:
        return []
    if name == "model":
        return [(known.title, known.id) for known in KNOWN_MODELS]
    each = setting_named(name)
    return [(form.CHOICE_LABELS.get(value, value), value) for value in each.choices or likely_values(name, settings)]


def _said(studio: Studio, facts: ModelFacts, selection: Selection, context: RunContext) -> tuple[Markup, int]:
    """Say what the runs will take or what is missing, and how many can be started; 0 where none can."""
    if not (selection.first_tried or selection.second_tried or selection.more_data):
        return Markup(""), 0
    settings = selection.settings
    if context.dataset is None or problems(settings):
        return fragments.line("quiet", plan_card.start_label(context.dataset, settings, context.state)), 0
    try:
        planned = plan(studio, selection, context)
        require_within(studio.limits, "group_runs", len(planned.runs), "runs in one group")
    except (ConfigError, DataError, TooMany) as error:
        return fragments.notice("warning", error.message, error.hint), 0
    found = groups.expected(facts, planned, validation_dataset_id=selection.validation_dataset_id)
    can_start = plan_card.can_start(context.dataset, settings, context.state)
    return _forecast(studio, planned, found, place=settings.place), found.runs if can_start else 0


def plan(studio: Studio, selection: Selection, context: RunContext) -> Variants:
    """Return the runs that are to be started. Raises ConfigError, and DataError for a data set that is gone."""
    if context.dataset is None:
        raise ConfigError("No data set is chosen.", "Choose one on the Data tab.")
    typed = (
        (selection.first_tried, selection.first_values),
        (selection.second_tried, selection.second_values),
    )
    tried = {name: read_values(name, [str(value) for value in values]) for name, values in typed if name}
    if selection.first_tried and selection.first_tried == selection.second_tried:
        label = setting_named(selection.first_tried).label
        raise ConfigError(f"{label} is chosen twice.", "Give all of its values in one row.")
    more = dict.fromkeys(id for id in selection.more_data if id != context.dataset.id)
    chosen = (context.dataset, *map(studio.data.get, more))
    names = Counter(each.name for each in chosen)
    called = [(each.id, _called(each, names[each.name] > 1)) for each in chosen]
    return variants(selection.settings, called, tried, architecture=context.about.architecture)


def _forecast(studio: Studio, planned: Variants, found: GroupForecast, *, place: str) -> Markup:
    together = between(*found.seconds) if found.seconds else "not known yet"
    note = "from the start of the first to the end of the last"
    if found.unknown and found.seconds:
        note = f"without {counted(found.unknown, 'run')} whose time is not known yet"
    tiles = [
        Tile("Runs", f"{found.runs:,}", f"of at most {studio.limits.group_runs:,}"),
        Tile("Together", together, note if found.seconds else "once model and tokens are known"),
        Tile("On disk", size(found.disk_bytes) if found.disk_bytes else "not known yet", "while you keep them"),
    ]
    names = fragments.join(Markup("<li>{}</li>").format(fragments.own(run.says)) for run in planned.runs if run.says)
    lines = [
        fragments.tiles(tiles),
        Markup('<ul class="ls-several">{}</ul>').format(names),
    ]
    if found.too_large:
        which = listed(found.too_large[:3]) if found.too_large[0] else "these settings"
        lines.append(fragments.line("bad", f"The memory of this machine is too small for {which}."))
    if place:
        at_once = counted(min(studio.places.runs_at_once(place), studio.limits.runs_at_place_each), "run")
        lines.append(
            fragments.line("quiet", f"{at_once} at once at {place}. The times are those of this machine, one by one.")
        )
    if studio.places.is_on_hub(place):
        most = dollars(found.runs * studio.places.get(place).cap_usd)
        lines.append(fragments.line("warning", f"All of them together cost at most {most}."))
    if waiting := len(studio.scheduler.waiting()):
        lines.append(fragments.line("busy", f"They wait behind {counted(waiting, 'run')} in the queue."))
    if any(run.config.rank != planned.runs[0].config.rank for run in planned.runs) and "alpha" not in planned.tried:
        lines.append(fragments.line("quiet", "Alpha rises and falls with the rank, so that adapters act as strongly."))
    return fragments.stack(lines)


def start(studio: Studio, selection: Selection) -> Fields:
    """Start the runs, clear what belonged to them, and tell the id of their group. Raises StudioError."""
    if selection.context is None:
        return Fields()
    planned = plan(studio, selection, selection.context)
    runs = studio.start_group(
        planned, validation_dataset_id=selection.validation_dataset_id, gives_way=selection.gives_way
    )
    group = runs[0].origin.group
    after = actions.after_start(selection)
    values = {**after.values, "first_tried": "", "second_tried": "", "more_data": []}
    return Fields(values, {"started_group": "" if group is None else group.id})
