"""What is shown of a run or a comparison to whoever has its link: a plain page that can be looked at, and nothing
else.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from studio.accounts.links import CONVERSATION, RUN, SHEET, Link
from studio.accounts.studios import Studios
from studio.compare.conversations import Conversation, open_conversations
from studio.compare.sheets import Sheet, open_sheets
from studio.config import FULL, STARTER
from studio.errors import StudioError
from studio.jobs.verdicts import summary
from studio.logs import logged
from studio.models.elsewhere import shown_name
from studio.runs.view import RunView
from studio.studio import Studio

MOST_ANSWERS = 8
MOST_QUESTIONS = 200
_WIDTH, _HEIGHT = 640, 160
_MOST_POINTS = 300

log = logging.getLogger(__name__)


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


@dataclass(frozen=True)
class Said:
    """What one model answered, or why it could not."""

    title: str
    text: str
    trouble: str = ""


@dataclass(frozen=True)
class Asked:
    """A question with what each model answered."""

    question: str
    answers: tuple[Said, ...]


@dataclass(frozen=True)
class SharedComparison:
    """A conversation or a prompt sheet as a page shows it. `more` is how many questions are not shown."""

    name: str
    asked: tuple[Asked, ...]
    more: int = 0


def look(studios: Studios, link: Link) -> SharedRun | SharedComparison | None:
    """Return what a link shows; None where its account or what it leads to is gone, or cannot be read."""
    account = studios.people.find(link.account)
    if account is None or account.leaving:
        return None
    with logged(log, "What a link leads to is gone", StudioError):
        if link.kind == CONVERSATION:
            return conversation(open_conversations(studios.people.home_of(account)).get(link.id))
        if link.kind == SHEET:
            return sheet(open_sheets(studios.people.home_of(account)).get(link.id))
        if link.kind == RUN:
            return _run(studios.open(account), link.id)
    return None


def conversation(kept: Conversation) -> SharedComparison:
    """Set what several models answered in a conversation side by side, question by question."""
    asked = []
    for place, question in enumerate(kept.questions):
        turns = [(talk.title, talk.turns[place]) for talk in kept.talks if place < len(talk.turns)]
        said = (Said(title, turn.answer.text, turn.answer.trouble) for title, turn in turns)
        asked.append(Asked(question, tuple(said)))
    return SharedComparison(kept.name, tuple(asked[:MOST_QUESTIONS]), max(0, len(asked) - MOST_QUESTIONS))


def sheet(kept: Sheet) -> SharedComparison:
    """Set what several models answered to each prompt of a sheet side by side."""
    asked = [
        Asked(
            row.prompt.text,
            tuple(
                Said(column.label, cell.text, cell.trouble)
                for column, cell in zip(kept.columns, row.cells, strict=False)
            ),
        )
        for row in kept.rows
        if row.cells
    ]
    return SharedComparison(kept.name, tuple(asked[:MOST_QUESTIONS]), max(0, len(asked) - MOST_QUESTIONS))


def _run(studio: Studio, id: str) -> SharedRun:
    state = studio.scheduler.view(id)
    config, view = state.run.config, state.view
    model = "Starter model" if config.model == STARTER else shown_name(config.model)
    method = "Full fine-tuning" if config.method == FULL else f"{config.method.upper()}, rank {config.rank}"
    checks = view.evaluations
    loss = f"{checks[0].loss:.3f} → {checks[-1].loss:.3f}" if len(checks) > 1 else ""
    facts = (("Base model", model), ("Method", method), ("Steps", f"{view.step:,}"), ("Held-out loss", loss))
    report = studio.evaluations.state(id).result if view.finished is not None else None
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
