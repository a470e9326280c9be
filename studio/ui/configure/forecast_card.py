"""What a run will need, drawn: whether it fits, where the memory goes, how long it takes, what it leaves behind.

What is not known is said in words.
"""

from dataclasses import dataclass

from markupsafe import Markup

from studio.models.forecast.forecast import DOES_NOT_FIT, FITS, TIGHT, Forecast, cost
from studio.models.machine import Machine
from studio.planning.forecasts import Known
from studio.ui.kit import fragments
from studio.ui.kit.actions import button
from studio.ui.kit.fragments import Tile
from studio.ui.kit.numbers import parameters, share
from studio.wording import size

BADGES = {FITS: ("good", "Fits"), TIGHT: ("warning", "Tight"), DOES_NOT_FIT: ("bad", "Does not fit")}
_SMALLEST_SHARE = 0.01
"""A part of the memory below this share of all of it is not listed on its own."""


@dataclass(frozen=True)
class Learners:
    """How much of the model learns. `trouble` says why that is not known."""

    trainable: int = 0
    total: int = 0
    modules: tuple[str, ...] = ()
    trouble: str = ""


def card(about: Known, found: Forecast | None, learned: Learners, *, missing: str, price: float | None) -> Markup:
    """Draw the forecast; without one say what is missing for it, and show what can be counted all the same.

    `missing` says what a time waits for that cannot be estimated yet; `price` is that of an hour, where it was given.
    """
    if found is None or about.machine is None:
        return fragments.stack([fragments.tiles([_learners_tile(learned)]), _waiting(about)])
    return fragments.stack(
        [
            _verdict(found, about.machine),
            fragments.line("warning", about.machine.trouble) if about.machine.trouble else Markup(""),
            memory_bar(found, about.machine),
            _remedy(found),
            _two(fragments.tiles(_figures(found, about.machine, missing=missing, price=price))),
        ]
    )


def _two(tiles: Markup) -> Markup:
    return Markup('<div class="ls-two">{}</div>').format(tiles)


def _waiting(about: Known) -> Markup:
    if about.machine_trouble:
        return fragments.line("warning", f"{about.machine_trouble} So memory and time cannot be estimated.")
    if about.machine is None:
        return fragments.line("busy", "This machine is being measured, once. Estimates of memory and time follow.")
    return fragments.line("quiet", about.trouble or "Memory and time are estimated as soon as the model is known.")


def _verdict(found: Forecast, machine: Machine) -> Markup:
    kind, name = BADGES.get(found.verdict, ("unknown", "Not known"))
    need, have = size(found.memory_bytes), size(machine.memory_bytes)
    pool = "the GPU's memory" if machine.device == "cuda" else "free memory"
    said = {
        FITS: f"Needs {need} of {have} of {pool}.",
        TIGHT: f"Needs {need} of {have} of {pool}: close other programs first.",
        DOES_NOT_FIT: f"Needs {need}, and there are {have} of {pool}.",
    }.get(found.verdict, f"Needs {need} of memory. How much there is could not be found out.")
    return Markup('<div class="ls-verdict">{}<p>{}</p></div>').format(fragments.badge(kind, name), said)


def memory_bar(found: Forecast, machine: Machine) -> Markup:
    """Draw the parts of the memory against all there is, with a legend."""
    return fragments.render(
        "configure/forecast_card.html",
        parts=[part for part in found.memory if part.bytes > 0],
        places={part.name: place for place, part in enumerate(found.memory, 1)},
        needed=found.memory_bytes,
        there=machine.memory_bytes,
        whole=max(found.memory_bytes, machine.memory_bytes, 1),
        smallest=_SMALLEST_SHARE * found.memory_bytes,
        size=size,
    )


def _remedy(found: Forecast) -> Markup:
    if found.remedy is None:
        return Markup("")
    if not found.remedy.changes:
        return fragments.notice("bad", found.remedy.text)
    apply = button("Change it", "remedy", kind="primary", name=f"Change it: {found.remedy.text}")
    return Markup('<div class="ls-remedy"><p>{}</p>{}</div>').format(found.remedy.text, apply)


def _figures(found: Forecast, machine: Machine, *, missing: str, price: float | None) -> list[Tile]:
    whole = f"{share(found.trainable, all_parameters(found))} of {parameters(all_parameters(found))}"
    return [
        _time_tile(found, machine, missing=missing, price=price),
        Tile("Trainable parameters", f"{found.trainable:,}", whole),
        Tile("Result", size(found.file_bytes), "the file you take away"),
        Tile("On disk", size(found.disk_bytes), "while you keep the run"),
    ]


def all_parameters(found: Forecast) -> int:
    """Count the weights of the model as it is trained: an adapter comes on top of those of the base."""
    return found.parameters if found.trainable >= found.parameters else found.parameters + found.trainable


def _time_tile(found: Forecast, machine: Machine, *, missing: str, price: float | None) -> Tile:
    if found.seconds is None:
        return Tile("Time", "not known yet", missing if machine.rates else "once this machine is measured")
    if price:
        money = f"{cost(found.seconds, price):,.2f}"
        return Tile("Time", about_time(found.seconds), f"costs about {money} at {price:g} an hour")
    return Tile("Time", about_time(found.seconds), "on this machine")


def about_time(seconds: float) -> str:
    """Write an estimated time as one: "about 4 min"."""
    told = rough_time(seconds)
    return told if told.startswith("under") else f"about {told}"


def rough_time(seconds: float | None) -> str:
    """Write an estimated time no finer than it can be known: "under 1 min", "4 min", "1 h 20 min"; "-" for none."""
    if seconds is None:
        return "-"
    if seconds < 45:
        return "under 1 min"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{max(1, minutes)} min"
    hours, rest = divmod(5 * round(minutes / 5), 60)
    if hours >= 48:
        return f"{round(hours / 24)} days"
    return f"{hours} h {rest} min" if rest and hours < 10 else f"{hours} h"


def _learners_tile(learned: Learners) -> Tile:
    if learned.trouble:
        return Tile("Trainable parameters", "not known yet", learned.trouble)
    whole = f"{share(learned.trainable, learned.total)} of {parameters(learned.total)}"
    return Tile("Trainable parameters", f"{learned.trainable:,}", whole)
