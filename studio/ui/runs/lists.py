"""What is around the table of the runs, as markup: the queue, the Trash, and what came of an action."""

import logging
from collections.abc import Sequence

from markupsafe import Markup

from studio.errors import RunError
from studio.runs.store import RunFolder
from studio.runs.summary import Summary
from studio.ui.kit import actions, fragments
from studio.ui.kit.numbers import moment
from studio.ui.runs.table import ordinal
from studio.wording import counted

log = logging.getLogger(__name__)

_MOST_BINNED = 100


def queue(waiting: Sequence[Summary], at_work: Sequence[Summary]) -> Markup:
    """List which run trains and which wait, in the order of their turns; nothing when none waits."""
    if not waiting:
        return Markup("")
    rows = [_queue_row("Now", run, Markup("")) for run in at_work]
    for place, run in enumerate(waiting, start=1):
        rows.append(_queue_row(ordinal(place).capitalize(), run, _queue_buttons(run, place, len(waiting))))
    text = "One run trains at a time. The next one starts by itself, even when this page is closed."
    return Markup('<section class="ls-card ls-queue">{}<ol class="ls-list ls-rows">{}</ol></section>').format(
        fragments.heading("Queue", text), fragments.join(rows)
    )


def _queue_row(place: str, run: Summary, buttons: Markup) -> Markup:
    return Markup('<li><b>{}</b><span class="ls-grow">{}</span><span class="ls-buttons">{}</span></li>').format(
        place, fragments.own(f"{run.name} · {run.dataset}"), buttons
    )


def _queue_buttons(run: Summary, place: int, count: int) -> Markup:
    shown = []
    if place > 1:
        shown.append(actions.button("Up", "up", key=run.id, name=f"Move {run.name} up"))
    if place < count:
        shown.append(actions.button("Down", "down", key=run.id, name=f"Move {run.name} down"))
    if not run.was_launched:
        shown.append(
            actions.button("Edit", "edit", key=run.id, name=f"Edit the settings of {run.name}", scroll="header")
        )
    shown.append(actions.button("Remove from queue", "cancel", key=run.id, name=f"Remove {run.name} from the queue"))
    return fragments.join(shown)


def bin_list(binned: Sequence[RunFolder], *, sure: bool) -> Markup:
    """List what is in the Trash, with what puts it back and what deletes it permanently, which is asked about."""
    if not binned:
        return fragments.empty("The Trash is empty", "A run that you delete stays here until you empty the Trash.")
    rows = fragments.join(
        Markup('<li><span class="ls-grow">{}</span>{}</li>').format(_binned(run), _back(run))
        for run in binned[:_MOST_BINNED]
    )
    more = f"And {len(binned) - _MOST_BINNED:,} more." if len(binned) > _MOST_BINNED else ""
    parts = [Markup('<ul class="ls-list ls-rows">{}</ul>').format(rows), fragments.line("quiet", more) if more else ""]
    if sure:
        learned = "it" if len(binned) == 1 else "they"
        asked = (
            f"Delete {counted(len(binned), 'run')} permanently, with all that {learned} learned? This cannot be undone."
        )
        parts.append(fragments.notice("warning", asked))
        buttons = [
            actions.button("Delete permanently", "empty", kind="stop", once=True),
            actions.button("Keep", "keep"),
        ]
    else:
        buttons = [actions.button("Empty Trash", "ask", kind="stop")]
    return fragments.stack([*parts, fragments.buttons(*buttons)])


def _binned(run: RunFolder) -> str:
    try:
        return f"{run.name} · {run.origin.dataset_name} · {moment(run.origin.created)}"
    except RunError:
        log.debug("A run cannot be read", exc_info=True)
        return f"{run.name} · cannot be read"


def _back(run: RunFolder) -> Markup:
    return actions.button("Put back", "restore", key=run.id, name=f"Put {run.name} back", scroll="runs-one", once=True)


def said(sentence: str) -> Markup:
    """Say what came of an action, until the next one or until it is put away."""
    if not sentence:
        return Markup('<div role="status"></div>')
    away = actions.button("Close", "said", name="Close this message")
    return Markup('<div role="status" class="ls-said"><span>{}</span>{}</div>').format(sentence, away)
