"""What could make a result better, from the run's own curves: what they show, and what to do about it.

Each piece of advice names what was measured. What is changed is a setting, the base model, or the data.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from studio.config import RunConfig, setting_named
from studio.enough import ENOUGH_STEPS, FEW_STEPS, few_examples
from studio.events import Evaluated
from studio.models.catalog import KNOWN_MODELS, KnownModel
from studio.runs.view import RunView
from studio.wording import counted, part_of

MORE_PASSES, FEWER_PASSES, HIGHER_RATE, LARGER_MODEL, MORE_DATA = (
    "more-passes",
    "fewer-passes",
    "higher-rate",
    "larger-model",
    "more-data",
)

HARDLY_FELL = 0.95
"""A training loss that ends above this share of where it began has hardly fallen."""

ROSE = 1.03
"""A held-out loss that ends above this much of its best has risen."""

STILL_FALLING = 0.97
"""One that ends below this share of the check before it would go on falling."""

HIGH_LOSS = 2.0
"""Above this held-out loss the right next token gets a chance of less than one in seven, on average."""

MOST_PASSES = 20
_MOST_ADVICE = 3


@dataclass(frozen=True)
class Advice:
    """What the curves show, in a sentence with its figures, and what would help, by the names above."""

    found: str
    helps: tuple[str, ...]


def advise(view: RunView, config: RunConfig) -> tuple[Advice, ...]:
    """Say what could make the result of a run better, each help once; nothing where its curves are as they should be.

    `view` is that of a run that has ended with a result.
    """
    if not view.steps or view.saved_step is None:
        return ()
    if view.finished is not None and view.finished.status == "stopped" and view.step < view.total_steps:
        stopped = f"You stopped it after {view.step:,} of {counted(view.total_steps, 'step')}."
        return (Advice(f"{stopped} Resume it before you change anything else: the rest may do what it lacks.", ()),)
    advice: list[Advice] = []
    for each in _found(view, config):
        offered = {name for earlier in advice for name in earlier.helps}
        if helps := tuple(name for name in _that_change(each.helps, config, view) if name not in offered):
            advice.append(replace(each, helps=helps))
    return tuple(advice[:_MOST_ADVICE])


def _that_change(helps: Iterable[str], config: RunConfig, view: RunView) -> tuple[str, ...]:
    """Leave out what the settings have already."""
    return tuple(name for name in helps if name == MORE_DATA or changed(name, config, view) != config)


def _found(view: RunView, config: RunConfig) -> Iterator[Advice]:
    examples = view.prepared.train_examples if view.prepared is not None else 0
    rose, fell = _rising(view), _hardly_fell(view)
    if rose:
        yield Advice(rose, (MORE_DATA, FEWER_PASSES))
    elif fell:
        yield Advice(fell, (HIGHER_RATE, MORE_PASSES))
    elif view.step < FEW_STEPS:
        made = f"It made {counted(view.step, 'step')} only"
        yield Advice(f"{made}: too few to learn much. More epochs make more of them.", (MORE_PASSES,))
    elif going := _still_falling(view):
        yield Advice(going, (MORE_PASSES,))
    if examples and (few := few_examples(examples)):
        yield Advice(f"It learned from {counted(examples, 'example')}: {few}", (MORE_DATA,))
    if high := _high_loss(view):
        yield Advice(high, (MORE_DATA, LARGER_MODEL))


def _rising(view: RunView) -> str:
    checks = view.evaluations
    if len(checks) < 3:
        return ""
    best, last = min(checks, key=lambda each: each.loss), checks[-1]
    if last.loss <= ROSE * best.loss or best is last:
        return ""
    kept = f" Step {best.step:,} was kept, so the answers are those of then." if view.kept_step == best.step else ""
    return (
        f"The held-out loss was lowest at step {best.step:,} ({best.loss:.2f}) and rose to {last.loss:.2f} after it: "
        f"from there on the examples were learned by heart.{kept}{_over(last)}"
    )


def _hardly_fell(view: RunView) -> str:
    losses = view.steps.column("loss")
    if len(losses) < 10:
        return ""
    part = max(3, len(losses) // 10)
    first, last = float(losses[:part].mean()), float(losses[-part:].mean())
    if last <= HARDLY_FELL * first:
        return ""
    return f"The training loss hardly fell, from {first:.2f} to {last:.2f}: the model learned little."


def _still_falling(view: RunView) -> str:
    checks = [each for each in view.evaluations if each.step]
    if len(checks) < 2 or checks[-1].loss >= STILL_FALLING * checks[-2].loss:
        return ""
    return (
        f"The held-out loss was still falling at the end, from {checks[-2].loss:.2f} to {checks[-1].loss:.2f} between "
        f"its last two checks.{_over(checks[-1])}"
    )


def is_far_off(view: RunView) -> bool:
    """Say whether the held-out loss of what is kept is that of a model that mostly answers wrong."""
    kept = view.kept_evaluation
    return kept is not None and bool(kept.step) and kept.figure > HIGH_LOSS


def _high_loss(view: RunView) -> str:
    kept = view.kept_evaluation
    if kept is None or not is_far_off(view):
        return ""
    over = _over(kept) if kept.loss_of_all is None else ""
    return (
        f"A held-out loss of {kept.figure:.2f} is still high: on average the model gives each next token of the right "
        f"answers a chance of {100 * math.exp(-kept.figure):.0f} %.{over}"
    )


def _over(check: Evaluated) -> str:
    """Say of which examples the losses are that are the same at each check, where these are not all."""
    return f" Measured on {part_of(check.part, check.of)}, the same at each check." if check.part else ""


def larger_model(model: str) -> KnownModel | None:
    """Return the well-known model that is the next larger than this one; None where that is not known."""
    sizes = {each.id: each.parameters for each in KNOWN_MODELS}
    if model not in sizes:
        return None
    larger = [each for each in KNOWN_MODELS if each.parameters > sizes[model] and not each.gated]
    return min(larger, key=lambda each: each.parameters, default=None)


Changes = tuple[tuple[str, Any], ...]


def changes(name: str, config: RunConfig, view: RunView) -> Changes:
    """Return which settings a piece of advice changes, as names and values; none for one of the data.

    Raises KeyError for a name that is none.
    """
    return _CHANGES[name](config, view)


def changed(name: str, config: RunConfig, view: RunView) -> RunConfig:
    """Return settings with the change made, for a new run. Raises KeyError for a name that is none."""
    return replace(config, **dict(changes(name, config, view)))


def label(name: str, config: RunConfig, view: RunView) -> str:
    """Say on a button what is done: "Train for 6 passes". Raises KeyError for a name that is none."""
    made = dict(changes(name, config, view))
    match name:
        case "more-passes" | "fewer-passes":
            return f"Train for {counted(made['epochs'], 'epoch')}"
        case "higher-rate":
            return f"Raise the learning rate to {made['learning_rate']:g}"
        case "larger-model":
            larger = larger_model(config.model)
            return f"Try the larger {larger.title}" if larger else "Choose a larger model"
    return "Add or clean data"


def _more_passes(config: RunConfig, view: RunView) -> Changes:
    each = max(1, view.total_steps // max(1, config.epochs))
    wanted = max(2 * config.epochs, math.ceil(ENOUGH_STEPS / each) if view.total_steps < ENOUGH_STEPS else 0)
    return (("epochs", min(wanted, max(MOST_PASSES, config.epochs))),)


def _fewer_passes(config: RunConfig, view: RunView) -> Changes:
    best = min(view.evaluations, key=lambda each: each.loss, default=None)
    each = max(1, view.total_steps // max(1, config.epochs))
    passes = config.epochs if best is None else math.ceil(best.step / each)
    return (("epochs", max(1, min(passes, config.epochs - 1))), ("early_stopping", True))


def _higher_rate(config: RunConfig, view: RunView) -> Changes:
    most = setting_named("learning_rate").high or 1.0
    return (("learning_rate", min(float(f"{3 * config.learning_rate:.1g}"), most)),)


def _larger_model(config: RunConfig, view: RunView) -> Changes:
    larger = larger_model(config.model)
    return () if larger is None else (("model", larger.id), ("start_adapter", ""))


_CHANGES: Mapping[str, Callable[[RunConfig, RunView], Changes]] = {
    MORE_PASSES: _more_passes,
    FEWER_PASSES: _fewer_passes,
    HIGHER_RATE: _higher_rate,
    LARGER_MODEL: _larger_model,
    MORE_DATA: lambda config, view: (),
}

OF_SETTINGS = (MORE_PASSES, FEWER_PASSES, HIGHER_RATE, LARGER_MODEL)
"""The advice that changes settings, and not the data."""
