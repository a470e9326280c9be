"""Which settings follow the suggestions, and which the person has set.

A field becomes the person's when its control holds something else than was suggested, and the studio's again when they
put the suggestion back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from studio.config import RunConfig, setting_named
from studio.models.presets import DERIVED, Case, Derived, Estimate, Value, derive


@dataclass(frozen=True)
class Suggestion:
    """What was suggested last, by field, and what the person has set instead."""

    values: Mapping[str, Value] = field(default_factory=lambda: {name: _default(name) for name in DERIVED})
    own: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class Following:
    """The settings of the form with the suggestions in them, and what has to change for that.

    `case` is what the suggestions followed from, with what is the person's.
    """

    settings: RunConfig = field(default_factory=RunConfig)
    changes: Mapping[str, Value] = field(default_factory=dict)
    suggestion: Suggestion = field(default_factory=Suggestion)
    derived: tuple[Derived, ...] = ()
    case: Case = field(default_factory=Case)

    @property
    def theirs(self) -> tuple[Derived, ...]:
        """The suggestions that the person has replaced."""
        return tuple(each for each in self.derived if getattr(self.settings, each.field) != each.value)


def follow(settings: RunConfig, before: Suggestion, case: Case, *, estimate: Estimate) -> Following:
    """Let every field that is not the person's follow the suggestions for a case."""
    own = {name: getattr(settings, name) for name in DERIVED if _is_own(settings, before, name)}
    case = replace(case, own=own)
    derived = derive(case, estimate=estimate)
    suggested = {each.field: each.value for each in derived}
    changes = {name: value for name, value in suggested.items() if name not in own and getattr(settings, name) != value}
    suggestion = Suggestion({**before.values, **suggested}, own)
    return Following(replace(settings, **changes), changes, suggestion, derived, case)  # type: ignore[arg-type]


def _is_own(settings: RunConfig, before: Suggestion, name: str) -> bool:
    """Whether a value was set by hand; it stays the person's when it comes to equal the suggestion."""
    value = getattr(settings, name)
    return bool(value != before.values[name]) or (name in before.own and before.own[name] == value)


def _default(name: str) -> Value:
    value: Value = setting_named(name).default
    return value
