"""One run of the table, opened: what it is at, and everything that can be done with it. Markup alone."""

from markupsafe import Markup

from studio.runs.scheduler import RunState
from studio.runs.summary import Summary
from studio.ui.kit import actions as presses
from studio.ui.kit import fragments
from studio.ui.kit.numbers import moment
from studio.ui.runs import table

JUMPS = ("train", "compare", "evaluate", "export", "like", "edit")
"""What leads to another tab: the page wires that."""


def none_open() -> Markup:
    """Say what fills the card."""
    return fragments.empty(
        "No run is open", "Press the name of a run in the table: what can be done with it then stands here."
    )


def card(state: RunState, summary: Summary) -> Markup:
    """Head the card with the run's name, its state and the sentence that says what it is at."""
    top = fragments.top(table.state_badge(summary), state.headline)
    began = f"{summary.dataset} · {table.base_name(summary.model)} · created {moment(summary.created)}"
    return fragments.stack([fragments.heading(summary.name, began), top])


def damaged_card(summary: Summary) -> Markup:
    """Head the card of a folder that cannot be read as a run, saying why."""
    top = fragments.top(table.state_badge(summary), summary.trouble)
    return fragments.stack([fragments.heading(summary.name, "A folder among the runs"), top])


def damaged_actions(summary: Summary) -> Markup:
    """Offer the one thing that can be done with it."""
    row = fragments.buttons(_button("Move to the bin", "delete", summary, kind="stop", once=True))
    note = "It is kept in the bin, where its files can be looked at, until you empty the bin."
    return fragments.join([row, Markup('<p class="ls-note">{}</p>').format(note)])


def actions(state: RunState, summary: Summary) -> Markup:
    """Offer what can be done with the run as it is now, in groups, the likeliest first."""
    at_work = summary.is_at_work
    shown = [_queue_button(state, summary), _button("Open in Train", "train", summary)]
    if summary.has_result and not at_work:
        shown += [_button(verb.capitalize(), verb, summary) for verb in ("compare", "evaluate", "export")]
    if state.status in ("draft", "queued") and not summary.was_launched:
        shown.append(_button("Edit the settings", "edit", summary))
    shown.append(_button("Start from these settings", "like", summary))
    shown.append(_button("Duplicate as a draft", "duplicate", summary, once=True))
    note = ""
    if at_work:
        note = "A run at work cannot be deleted. Stop it on the Train tab first."
    else:
        shown.append(_button("Move to the bin", "delete", summary, kind="stop", once=True))
        note = "From the bin below it can be put back until you empty it."
    row = fragments.buttons(*shown)
    return fragments.join([row, Markup('<p class="ls-note">{}</p>').format(note)])


def _queue_button(state: RunState, summary: Summary) -> Markup:
    if state.status == "queued":
        return _button("Take out of the queue", "cancel", summary)
    if not state.can_resume:
        return Markup("")
    if state.status == "draft":
        label = "Put in the queue"
    elif state.run.checkpoint_steps:
        label = f"Go on from step {state.run.checkpoint_steps[-1]:,}"
    else:
        label = "Start again"
    return _button(label, "queue", summary, kind="primary", once=True)


def _button(label: str, verb: str, summary: Summary, *, kind: str = "", once: bool = False) -> Markup:
    # What leads to another tab leads to its top.
    scroll = "header" if verb in JUMPS else ""
    return presses.button(label, verb, key=summary.id, kind=kind, once=once, scroll=scroll)
