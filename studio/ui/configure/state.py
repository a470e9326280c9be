"""What a person has chosen on the Configure tab, and what follows from a change of that.

The settings that nobody has set follow the suggestions. What a person has set is kept in the browser as a draft, so
that a reload loses nothing.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from studio.config import RunConfig
from studio.jobs.variants import TRIED, likely_values
from studio.models.presets import BALANCED, DERIVED, Value
from studio.planning import fitting, run_context, suggestions
from studio.planning.model_facts import ModelFacts
from studio.planning.run_context import RunContext
from studio.planning.suggestions import Following
from studio.studio import Studio
from studio.ui.configure import draft
from studio.ui.configure.draft import Draft
from studio.ui.data import library


@dataclass(frozen=True)
class Source:
    """The run whose settings are in the form. `use` is "copied", "editing" or "saved".

    `trouble` says why its data set could not be chosen, `changes` what is not as it was in that run.
    """

    run_id: str
    name: str
    use: str
    trouble: str = ""
    changes: str = ""


@dataclass(frozen=True)
class Selection:
    """The form of one page, what is suggested for it, and what that followed from.

    `draft` is what the browser keeps, empty until that is known; `is_restored` says that it was taken into the form.
    """

    settings: RunConfig = field(default_factory=RunConfig)
    preset: str = BALANCED
    price: Any = ""
    """What was typed. Nothing is an empty text: for nothing else the field of the page stays empty."""
    dataset_id: str = ""
    validation_dataset_id: str = ""
    draft: Mapping[str, Any] = field(default_factory=dict)
    is_restored: bool = False
    following: Following = field(default_factory=Following)
    context: RunContext | None = None
    taken_from: Source | None = None
    copied: Mapping[str, Value] = field(default_factory=dict)
    """What of the suggested fields came from a run. It gives way to a preset; what a person typed does not."""
    first_tried: str = ""
    first_values: tuple[str, ...] = ()
    second_tried: str = ""
    second_values: tuple[str, ...] = ()
    """Two settings of which several values are tried, as they are typed; empty for none."""
    more_data: tuple[str, ...] = ()
    """Data sets that are learned from in runs of their own."""
    gives_way: bool = True
    """Whether such runs let others go first."""

    @property
    def price_per_hour(self) -> float | None:
        """The price that was typed, where it can be one."""
        return _price(self.price)


def settle(studio: Studio, facts: ModelFacts, before: Selection, now: Selection) -> Selection:
    """Take the draft of an earlier visit in, let the suggestions follow, and keep what the person has set."""
    if now.draft and not now.is_restored:
        now = _restored(now)
    if now.taken_from != before.taken_from and now.taken_from is not None:
        now = _all_own(now)
    if now.first_tried != before.first_tried:
        now = replace(now, first_values=_likely(now, now.first_tried))
    if now.second_tried != before.second_tried:
        now = replace(now, second_values=_likely(now, now.second_tried))
    context = run_context.look(
        studio,
        facts,
        now.settings,
        dataset_id=now.dataset_id or library.keep_or_last(studio, None),
        validation_dataset_id=now.validation_dataset_id,
    )
    now = replace(now, context=context)
    if _cause(now) != _cause(before):
        case = run_context.case(facts, context, fitting.usable_settings(now.settings), preset=now.preset)
        following = suggestions.follow(now.settings, now.following.suggestion, case, estimate=facts.forecasts.estimate)
        now = replace(now, following=following, settings=following.settings)
    if not now.is_restored:
        return now
    kept = Draft(now.preset, now.price_per_hour, draft.typed(now.settings, now.following.suggestion))
    return replace(now, draft=draft.written(kept))


def _cause(selection: Selection) -> tuple[object, ...]:
    """What the suggestions follow from."""
    return selection.context, selection.settings, selection.preset, selection.following


def _likely(selection: Selection, name: str) -> tuple[str, ...]:
    return likely_values(name, fitting.usable_settings(selection.settings)) if name in TRIED else ()


def _all_own(selection: Selection) -> Selection:
    """Let no setting follow the suggestions: all of them are those of a run."""
    own = {name: getattr(selection.settings, name) for name in DERIVED}
    suggestion = replace(selection.following.suggestion, own=own)
    return replace(selection, following=replace(selection.following, suggestion=suggestion), copied=own)


def with_preset(selection: Selection, preset: str) -> Selection:
    """Choose a preset. What was copied from a run and not changed since follows the suggestions again."""
    suggestion = selection.following.suggestion
    given_back = {name for name, value in selection.copied.items() if getattr(selection.settings, name) == value}
    own = {name: value for name, value in suggestion.own.items() if name not in given_back}
    values: dict[str, Any] = {name: suggestion.values[name] for name in given_back}
    return replace(
        selection,
        preset=preset,
        settings=replace(selection.settings, **values),
        following=replace(selection.following, suggestion=replace(suggestion, own=own)),
        copied={},
    )


def _restored(selection: Selection) -> Selection:
    """Take the draft in, but for what was set on the page already."""
    kept = draft.read(selection.draft)
    settings, suggestion = draft.filled_in(kept, selection.settings, selection.following.suggestion)
    return replace(
        selection,
        settings=settings,
        preset=kept.preset,
        price=selection.price if kept.price is None or selection.price_per_hour is not None else kept.price,
        following=replace(selection.following, suggestion=suggestion),
        is_restored=True,
    )


def _price(value: object) -> float | None:
    number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0
    return number if math.isfinite(number) and 0 < number < 1e9 else None
