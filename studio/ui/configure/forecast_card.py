"""What a run will need, drawn: whether it fits, where the memory goes, how long it takes, what it leaves behind.

What is not known is said in words.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup

from studio.enough import FEW_STEPS
from studio.models.forecast.forecast import DOES_NOT_FIT, FITS, TIGHT, Forecast, RunTime, cost
from studio.models.machine import Machine
from studio.planning.forecasts import Known
from studio.ui.kit import fragments
from studio.ui.kit.actions import button
from studio.ui.kit.fragments import Tile
from studio.ui.kit.numbers import parameters, share
from studio.wording import between, counted, size

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


def summary(about: Known, found: Forecast | None, *, missing: str, price: float | None, room: Markup | str) -> Markup:
    """Say how long a run takes and how much memory it needs; without a forecast, what is missing for one.

    `missing` says what a time waits for that cannot be estimated yet; `price` is that of an hour, where it was given.
    `room` says whether the adapter can hold what it is to learn.
    """
    if found is None or about.machine is None:
        return fragments.stack([_waiting(about), room])
    need, have = size(found.memory_bytes), size(about.machine.memory_bytes)
    tiles = [
        _time_tile(found, about.machine, missing=missing, price=price),
        Tile("Memory", need, f"of {have}" if about.machine.memory_bytes > 0 else "how much there is is not known"),
    ]
    return fragments.stack(
        [
            fragments.tiles(tiles),
            _verdict(found, about.machine),
            fragments.line("warning", about.machine.trouble) if about.machine.trouble else Markup(""),
            _remedy(found),
            room,
        ]
    )


def elsewhere(place: str) -> Markup:
    """Say that a forecast is not one of the place where the run trains; nothing where that is this machine."""
    if not place:
        return Markup("")
    return fragments.line("quiet", f"This is what it takes on this machine. At {place} it takes other time and memory.")


def details(found: Forecast | None, machine: Machine | None, learned: Learners, plan: Markup) -> Markup:
    """Say what happens step by step, where the memory goes, and what the run leaves behind."""
    if found is None or machine is None:
        return fragments.stack([plan, fragments.tiles([_learners_tile(learned)])])
    whole = f"{share(found.trainable, all_parameters(found))} of {parameters(all_parameters(found))}"
    tiles = [
        Tile("Trainable parameters", f"{found.trainable:,}", whole),
        Tile("Result", size(found.file_bytes), "its weights; the zip adds the tokenizer"),
        Tile("On disk", size(found.disk_bytes), "while you keep the run"),
    ]
    of = f" of {size(machine.memory_bytes)}" if machine.memory_bytes > 0 else ""
    title = fragments.subheading(f"Where the memory goes: {size(found.memory_bytes)}{of}")
    memory = Markup("<div>{}{}</div>").format(title, memory_bar(found, machine))
    return fragments.stack([plan, memory, fragments.tiles(tiles)])


def room(learned: Learners, tokens: int) -> Markup:
    """Say whether the adapter can hold what it is to learn; nothing while one of the two is not known.

    The ratio is that of learned tokens, each counted once however often the run goes through them, to trainable
    parameters. Up to 1 is room enough: a parameter of a language model holds about two bits of knowledge (Allen-Zhu
    and Li 2024, arXiv 2404.05405), a token of a usual data set about one bit to be learned (Schulman et al., "LoRA
    Without Regret", Thinking Machines Lab 2025). Beyond it LoRA may learn less than full fine-tuning does.
    """
    if learned.trouble or not learned.trainable or not tokens:
        return Markup("")
    holds, has = in_millions(learned.trainable), in_millions(tokens)
    said = f"The adapter holds {holds} numbers, your data {has} learned tokens: "
    if tokens <= learned.trainable:
        return fragments.line("good", f"{said}room enough.")
    return fragments.line("warning", f"{said}too little room for all of it. A higher rank gives more, under Advanced.")


def few_steps(steps: int) -> Markup:
    """Warn of a run that makes too few steps to change much; nothing where there are enough."""
    if not 0 < steps < FEW_STEPS:
        return Markup("")
    more = "More epochs, under Advanced, or more examples make more of them."
    return fragments.line("warning", f"The run makes {counted(steps, 'step')}: too few to change much. {more}")


def in_millions(number: int) -> str:
    """Write a number in millions where it is not small: "4.9 M", "0.2 M", "9,216"."""
    return f"{number / 1e6:,.1f} M" if number >= 100_000 else f"{number:,}"


def _waiting(about: Known) -> Markup:
    if about.machine_trouble:
        return fragments.line("warning", f"{about.machine_trouble} So memory and time cannot be estimated.")
    if about.machine is None:
        return fragments.line("busy", "This machine is being measured, once. Estimates of memory and time follow.")
    return fragments.line("quiet", about.trouble or "Memory and time are estimated once the model is known.")


def _verdict(found: Forecast, machine: Machine) -> Markup:
    kind, name = BADGES.get(found.verdict, ("unknown", "Not known"))
    pool = "the GPU's memory" if machine.device == "cuda" else "free memory"
    said = {
        FITS: f"It fits into {pool}.",
        TIGHT: f"It needs almost all of {pool}: close other programs first.",
        DOES_NOT_FIT: f"It needs more than there is of {pool}.",
    }.get(found.verdict, "How much memory there is could not be found out.")
    return Markup('<div class="ls-verdict">{}<p>{}</p></div>').format(fragments.badge(kind, name), said)


def memory_bar(found: Forecast, machine: Machine) -> Markup:
    """Draw the parts of the memory a run needs, with a legend; where that is more than there is, a line says how far it
    goes.
    """
    return fragments.render(
        "configure/forecast_card.html",
        parts=[part for part in found.memory if part.bytes > 0],
        places={part.name: place for place, part in enumerate(found.memory, 1)},
        needed=found.memory_bytes,
        there=machine.memory_bytes,
        whole=max(found.memory_bytes, 1),
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


def all_parameters(found: Forecast) -> int:
    """Count the weights of the model as it is trained: an adapter comes on top of those of the base."""
    return found.parameters if found.trainable >= found.parameters else found.parameters + found.trainable


def _time_tile(found: Forecast, machine: Machine, *, missing: str, price: float | None) -> Tile:
    if found.time is None:
        return Tile("Training", "not known yet", missing if machine.rates else "once this machine is measured")
    return Tile("Training", written_time(found.time), "; ".join(_time_notes(found.time, price)))


def _time_notes(time: RunTime, price: float | None) -> Iterator[str]:
    """Say what comes after the training, what its time was corrected by and what it considers."""
    yield after_training(time) or "on this machine"
    if price:
        least, most = (cost(seconds, price) for seconds in time.range)
        yield f"costs {least:,.2f} to {most:,.2f} at {price:g} an hour"
    if time.correction.runs:
        yield f"corrected by {counted(time.correction.runs, 'run')} on this machine"
    if time.slower > 1:
        yield f"{time.slower:g} times as long as usual, because other programs are at work"


def written_time(time: RunTime | None) -> str:
    """Write how long a training takes as the range that is known: "2 to 5 min"; "-" for none."""
    return "-" if time is None else between(*time.training_range)


def after_training(time: RunTime) -> str:
    """Say how long the evaluation takes that follows in the background; nothing where there is none."""
    if not time.evaluation_seconds:
        return ""
    return f"then evaluation {between(*time.evaluation_range)} in the background"


def _learners_tile(learned: Learners) -> Tile:
    if learned.trouble:
        return Tile("Trainable parameters", "not known yet", learned.trouble)
    whole = f"{share(learned.trainable, learned.total)} of {parameters(learned.total)}"
    return Tile("Trainable parameters", f"{learned.trainable:,}", whole)
