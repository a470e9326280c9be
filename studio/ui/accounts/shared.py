"""What is shown of a run to whoever has its link: a plain page that can be looked at, and nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from studio.accounts.links import Link
from studio.accounts.studios import Studios
from studio.config import FULL, STARTER
from studio.errors import StudioError
from studio.jobs.verdicts import summary
from studio.models.elsewhere import shown_name
from studio.runs.view import RunView

MOST_ANSWERS = 8
_WIDTH, _HEIGHT = 640, 160
_MOST_POINTS = 300


@dataclass(frozen=True)
class Pair:
    """A prompt with the answers from before the training and from the end of it."""

    prompt: str
    before: str
    after: str


@dataclass(frozen=True)
class SharedRun:
    """A run as a page shows it."""

    name: str
    headline: str
    facts: tuple[tuple[str, str], ...]
    curve: Markup
    pairs: tuple[Pair, ...]
    verdict: str


def look(studios: Studios, link: Link) -> SharedRun | None:
    """Return what a link shows; None where its account or its run is gone. Raises RunError when it cannot be read."""
    account = studios.people.find(link.account)
    if account is None:
        return None
    studio = studios.open(account)
    try:
        state = studio.scheduler.view(link.run)
    except StudioError:  # it was deleted
        return None
    config, view = state.run.config, state.view
    model = "Starter model" if config.model == STARTER else shown_name(config.model)
    method = "Full fine-tuning" if config.method == FULL else f"{config.method.upper()}, rank {config.rank}"
    checks = view.evaluations
    loss = f"{checks[0].loss:.3f} → {checks[-1].loss:.3f}" if len(checks) > 1 else ""
    facts = (("Base model", model), ("Method", method), ("Steps", f"{view.step:,}"), ("Held-out loss", loss))
    report = studio.evaluations.state(link.run).result if view.finished is not None else None
    return SharedRun(
        state.run.name,
        state.headline,
        tuple(fact for fact in facts if fact[1]),
        curve([step.loss for step in view.steps]),
        pairs(view),
        summary(report).text if report is not None else "",
    )


def pairs(view: RunView) -> tuple[Pair, ...]:
    """Set the answers at the start beside those at the end."""
    steps = sorted({sample.step for sample in view.samples})
    if len(steps) < 2:
        return ()
    last = view.kept_step if view.kept_step in steps[1:] else steps[-1]
    after = {sample.number: sample.answer for sample in view.samples if sample.step == last}
    first = [sample for sample in view.samples if sample.step == steps[0] and sample.number in after]
    return tuple(Pair(each.prompt, each.answer, after[each.number]) for each in first[:MOST_ANSWERS])


def curve(losses: Sequence[float]) -> Markup:
    """Draw the training loss by step; nothing for fewer than two points."""
    if len(losses) < 2:
        return Markup("")
    some = losses[:: max(1, len(losses) // _MOST_POINTS)]
    low, high = min(some), max(some)
    spread = high - low or 1.0
    points = " ".join(
        f"{place * _WIDTH / (len(some) - 1):.1f},{8 + (high - loss) / spread * (_HEIGHT - 16):.1f}"
        for place, loss in enumerate(some)
    )
    return Markup(
        '<svg class="curve" viewBox="0 0 {} {}" role="img" aria-label="Training loss"><polyline points="{}"/></svg>'
    ).format(_WIDTH, _HEIGHT, points)
