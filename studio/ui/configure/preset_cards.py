"""The three presets as cards to press, and the reasons of the settings that follow from the chosen one."""

from collections.abc import Iterable, Mapping

from markupsafe import Markup

from studio.config import setting_named
from studio.models.forecast.run_time import RunTime
from studio.models.presets import PRESETS, Derived
from studio.planning.suggestions import Following
from studio.ui.configure.forecast_card import after_training, written_time
from studio.ui.kit import fragments
from studio.ui.kit.actions import button
from studio.ui.kit.form import CHOICE_LABELS


def presets(chosen: str, times: Mapping[str, RunTime | None], following: Following | None = None) -> Markup:
    """Draw the presets; `times` is how long each would take, None where that is not known.

    `chosen` is empty where the settings are those of a run. What a person has set stays whichever is pressed: it is
    named, with the way back.
    """
    cards = fragments.join(
        Markup(
            '<button type="button" class="ls-preset" data-verb="preset" data-key="{}" aria-pressed="{}">'
            "<strong>{}</strong>{}<span>{}</span></button>"
        ).format(
            each.id,
            "true" if each.id == chosen else "false",
            each.title,
            _time(times.get(each.id)),
            each.text,
        )
        for each in PRESETS
    )
    group = Markup('<div class="ls-presets" role="group" aria-label="How thorough">{}</div>').format(cards)
    found = times.get(chosen)
    later = "" if found is None else after_training(found)
    note = Markup('<p class="ls-note">The times are those of training, {}.</p>').format(later) if later else Markup("")
    return group + _kept(chosen, following) + note


def _kept(chosen: str, following: Following | None) -> Markup:
    theirs = () if following is None or not chosen else following.theirs
    if following is None or not theirs:
        return Markup("")
    named = ", ".join(title(each.field, getattr(following.settings, each.field)) for each in theirs)
    name = next(each.title for each in PRESETS if each.id == chosen)
    said = Markup('<p class="ls-note">{}</p>').format(f"Your own values stay with every choice: {named}.")
    return said + fragments.buttons(button(f"Use all values of {name}", "back", key="all"))


def _time(time: RunTime | None) -> Markup:
    return Markup("") if time is None else Markup("<em>{}</em>").format(written_time(time))


def reasons(following: Following) -> Markup:
    """List why each setting is what it is. What the person has set stands out, with the way back."""
    listed = following.derived
    if not listed:
        return Markup("")
    theirs = {each.field for each in following.theirs}
    items = fragments.join(
        _own(each, getattr(following.settings, each.field)) if each.field in theirs else _suggested(each)
        for each in listed
    )
    head = fragments.subheading("Why these values")
    return head + Markup('<ul class="ls-why">{}</ul>').format(items) + _all_back(listed, theirs)


def _suggested(each: Derived) -> Markup:
    return Markup("<li><strong>{}</strong><span>{}</span></li>").format(title(each.field, each.value), each.reason)


def _own(each: Derived, value: object) -> Markup:
    suggested, label = written(each.value), setting_named(each.field).label.lower()
    said = f"The suggestion is {suggested}. {each.reason}"
    back = button(f"Back to {suggested}", "back", key=each.field, name=f"Back to the suggestion for {label}")
    shown = Markup('<li class="ls-own"><strong>{}</strong><span>{}</span>{}</li>')
    return shown.format(title(each.field, value), said, back)


def _all_back(listed: Iterable[Derived], theirs: set[str]) -> Markup:
    if sum(each.field in theirs for each in listed) < 2:
        return Markup("")
    return fragments.buttons(button("Back to all suggestions", "back", key="all"))


def title(field: str, value: object) -> str:
    """Name a setting with its value: "Rank: 16"."""
    return f"{setting_named(field).label}: {written(value)}"


def written(value: object) -> str:
    """Write a value as its control shows it."""
    if value is None:
        return "empty"
    if isinstance(value, float):
        return f"{value:.8f}".rstrip("0").rstrip(".")
    return f"{value:,}" if isinstance(value, int) else CHOICE_LABELS.get(str(value), str(value))
