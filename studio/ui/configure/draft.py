"""What a person has set on the Configure tab, as their browser keeps it over a reload.

It comes from a browser, so what cannot be right is left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from studio.config import RunConfig, Setting, problems, setting_named, settings
from studio.models.presets import BALANCED, DERIVED, PRESETS
from studio.planning.suggestions import Suggestion
from studio.ui.kit import form

KEY = "lora-studio-configure"
"""Under which name the browser keeps it."""

_MOST_TEXTS = 1_000


@dataclass(frozen=True)
class Draft:
    """What a person has set: the preset, the price of an hour, and each setting that is not as suggested."""

    preset: str = BALANCED
    price: float | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


def typed(config: RunConfig, suggestion: Suggestion) -> dict[str, Any]:
    """Return the settings that are neither at their default nor as suggested, and have no fault."""
    usual = {each.name: suggestion.values.get(each.name, each.default) for each in settings()}
    wrong = {problem.field for problem in problems(config)}
    names = usual.keys() - {*form.TERMINAL_ONLY} - wrong
    return {
        each.name: getattr(config, each.name)
        for each in settings()
        if each.name in names and (getattr(config, each.name) != usual[each.name] or each.name in suggestion.own)
    }


def written(draft: Draft) -> dict[str, Any]:
    """Write a draft as plain JSON."""
    values = {name: list(value) if isinstance(value, tuple) else value for name, value in draft.settings.items()}
    return {"preset": draft.preset, "price": draft.price, "settings": values}


def read(document: object) -> Draft:
    """Read what a browser kept; anything that cannot be right is left out."""
    if not isinstance(document, Mapping):
        return Draft()
    preset, price, values = (document.get(name) for name in ("preset", "price", "settings"))
    return Draft(
        next((each.id for each in PRESETS if each.id == preset), BALANCED),
        float(price) if isinstance(price, int | float) and _is_number(price) else None,
        _sound(values) if isinstance(values, Mapping) else {},
    )


def filled_in(draft: Draft, config: RunConfig, suggestion: Suggestion) -> tuple[RunConfig, Suggestion]:
    """Put a draft into the settings, but for those that were set on the page already; its values are the person's."""
    new = {
        name: value
        for name, value in draft.settings.items()
        if getattr(config, name) in (setting_named(name).default, suggestion.values.get(name))
    }
    own = {name: value for name, value in new.items() if name in DERIVED}
    return replace(config, **new), replace(suggestion, own={**suggestion.own, **own})


def _sound(values: Mapping[object, Any]) -> dict[str, Any]:
    known = {each.name: each for each in settings() if each.name not in form.TERMINAL_ONLY}
    found = {name: _as_kind(known[name], values[name]) for name in known if _is_of(known[name], values.get(name))}
    wrong = {problem.field for problem in problems(RunConfig(**found))}
    return {name: value for name, value in found.items() if name not in wrong}


def _as_kind(each: Setting, value: Any) -> Any:
    return tuple(value) if each.kind is tuple else each.kind(value)


def _is_of(each: Setting, value: object) -> bool:
    if each.kind is tuple:
        return isinstance(value, list) and len(value) <= _MOST_TEXTS and all(isinstance(one, str) for one in value)
    if each.kind in (int, float):
        return _is_number(value) and (each.kind is float or float(value).is_integer())  # type: ignore[arg-type]
    return isinstance(value, each.kind)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12
