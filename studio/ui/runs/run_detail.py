"""One run of the table, opened: what it is at, and everything that can be done with it. Markup alone."""

from markupsafe import Markup

from studio.runs.scheduler import RunState
from studio.runs.summary import Summary
from studio.ui.kit import actions as presses
from studio.ui.kit import fragments
from studio.ui.kit.numbers import moment
from studio.ui.runs import table
from studio.ui.train.cards import time_in_words

JUMPS = ("train", "compare", "evaluate", "export", "like", "edit")
"""What leads to another tab: the page wires that."""


def none_open() -> Markup:
    """Say what fills the card."""
    return fragments.empty(
        "No run is open", "Click the name of a run in the table to see it and what you can do with it."
    )


def card(state: RunState, summary: Summary) -> Markup:
    """Head the card with the run's name, its state and the sentence that says what it is at."""
    top = fragments.top(table.state_badge(summary), state.headline)
    began = f"{summary.dataset} · {table.base_name(summary.model)} · created {moment(summary.created)}"
    return fragments.stack([fragments.heading(fragments.own(summary.name), began), top, _facts(state, summary)])


def _facts(state: RunState, summary: Summary) -> Markup:
    """List its first settings, and what its time was spent on."""
    rows = [("Method", table.method_name(summary.method))]
    if summary.rank is not None:
        rows.append(("Rank", f"{summary.rank}"))
    if summary.learning_rate is not None:
        rows.append(("Learning rate", table.rate(summary.learning_rate)))
    if summary.epochs is not None:
        rows.append(("Epochs", f"{summary.epochs}"))
    if state.run.config.place:
        rows.append(("Trains at", state.run.config.place))
    if state.run.config.nodes > 1:
        rows.append(("Nodes", f"{state.run.config.nodes}"))
    spent = time_in_words(state.view)
    time = fragments.line("quiet", f"Time: {spent}.") if spent else Markup("")
    return fragments.stack([fragments.pairs(rows), time])


def damaged_card(summary: Summary) -> Markup:
    """Head the card of a folder that cannot be read as a run, saying why."""
    top = fragments.top(table.state_badge(summary), summary.trouble)
    return fragments.stack([fragments.heading(fragments.own(summary.name), "A folder among the runs"), top])


def damaged_actions(summary: Summary) -> Markup:
    """Offer the one thing that can be done with it."""
    row = fragments.buttons(_button("Move to Trash", "delete", summary, kind="stop", once=True))
    note = "Its files stay in the Trash until you empty that."
    return fragments.join([row, fragments.note(note)])


def actions(state: RunState, summary: Summary) -> Markup:
    """Offer what can be done with the run as it is now, in groups, the likeliest first."""
    at_work = summary.is_at_work
    shown = [_queue_button(state, summary), _button("Open in Train", "train", summary)]
    if state.can_resume and state.run.config.place:
        shown.append(_button("Continue on this machine", "here", summary, once=True))
    if summary.has_result and not at_work:
        shown += [_button(verb.capitalize(), verb, summary) for verb in ("compare", "evaluate", "export")]
    if state.status in ("draft", "queued") and not summary.was_launched:
        shown.append(_button("Edit settings", "edit", summary))
    shown.append(_button("New run with these settings", "like", summary))
    shown.append(_button("Duplicate as draft", "duplicate", summary, once=True))
    note = ""
    if at_work:
        note = "A run that is training cannot be deleted. Stop it on the Train tab first."
    else:
        shown.append(_button("Move to Trash", "delete", summary, kind="stop", once=True))
        note = "You can put it back from the Trash below until you empty that."
    row = fragments.buttons(*shown)
    return fragments.join([row, fragments.note(note)])


def _queue_button(state: RunState, summary: Summary) -> Markup:
    if state.status == "queued":
        return _button("Remove from queue", "cancel", summary)
    if not state.can_resume:
        return Markup("")
    if state.status == "draft":
        label = "Add to queue"
    elif state.run.checkpoint_steps:
        label = f"Resume from step {state.run.checkpoint_steps[-1]:,}"
    else:
        label = "Start again"
    return _button(label, "queue", summary, kind="primary", once=True)


def _button(label: str, verb: str, summary: Summary, *, kind: str = "", once: bool = False) -> Markup:
    # What leads to another tab leads to its top.
    scroll = "header" if verb in JUMPS else ""
    return presses.button(label, verb, key=summary.id, kind=kind, once=once, scroll=scroll)
