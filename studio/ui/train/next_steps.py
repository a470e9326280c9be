"""What can be done with a run at the moment, each as a button with what follows from it. `actions` does it."""

from markupsafe import Markup

from studio.runs.scheduler import RunState
from studio.runs.view import WORKING
from studio.ui.kit import fragments
from studio.ui.kit.actions import button
from studio.wording import counted

QUEUE, UP, DOWN, CANCEL, STOP, DISCARD = "queue", "up", "down", "cancel", "stop", "discard"

IN_TRASH = "You can put it back from the Trash until you empty that."


def actions(state: RunState, *, waiting: int = 0) -> Markup:
    """Draw what can be done. `waiting` is how many runs of this data folder wait for their turn, this one too."""
    if state.status == "queued":
        return _list(_in_queue(state, waiting))
    if state.status in WORKING:
        return _list(_at_work(state))
    if state.status == "draft":
        put = button("Add to queue", QUEUE, key=state.run.id, kind="primary", once=True)
        return _list([fragments.act(put, "It trains as soon as nothing else does. You may close this page meanwhile.")])
    return _list([_going_on(state)]) if state.can_resume else Markup("")


def _list(rows: list[Markup]) -> Markup:
    return Markup('<div class="ls-acts">{}</div>').format(fragments.join(rows))


def _in_queue(state: RunState, waiting: int) -> list[Markup]:
    id, count = state.run.id, max(state.of_all, state.place)
    rows = []
    if count > 1:
        buttons = fragments.join(
            [
                button("Up", UP, key=id, name="Move this run one place up in the queue") if state.own_place > 1 else "",
                button("Down", DOWN, key=id, name="Move this run one place down in the queue")
                if state.own_place < waiting
                else "",
            ]
        )
        rows.append(fragments.act(buttons, f"Place {state.place:,} of {count:,} in the queue: {_before(state.place)}"))
    leave = button("Remove from queue", CANCEL, key=id)
    kept = "What it has learned stays." if state.view.steps else "Its settings stay."
    return [*rows, fragments.act(leave, f"It does not train until you add it again. {kept}")]


def _before(place: int) -> str:
    if place == 1:
        return "the next to train, as soon as nothing else does."
    return f"{counted(place - 1, 'run')} {'trains' if place == 2 else 'train'} before it."


def _at_work(state: RunState) -> list[Markup]:
    id = state.run.id
    if state.status == "stopping":
        return [_asks_twice(id, "Ends it at once, without saving, and moves it to the Trash.")]
    label = "Stop and save" if state.view.steps else "Stop"
    if state.view.steps:
        sentence = "Saves what it has learned so far. You can compare, export or resume it."
    else:
        sentence = "Nothing is learned yet: the run ends without a result. You can start it again."
    stop = button(label, STOP, key=id, kind="primary" if state.view.steps else "", once=True)
    return [fragments.act(stop, sentence), _asks_twice(id, "Ends the run at once and moves it to the Trash.")]


def _asks_twice(id: str, sentence: str) -> Markup:
    """Draw Discard, which asks once: the press opens the question, and what is in it does it."""
    sure = button("Yes, discard this run", DISCARD, key=id, kind="stop", once=True)
    return Markup(
        '<details class="ls-act ls-ask"><summary><span class="ls-button ls-stop">Discard</span>'
        "<span>{}</span></summary>{}</details>"
    ).format(sentence, fragments.act(sure, f"What it learned goes with it. {IN_TRASH}"))


def _going_on(state: RunState) -> Markup:
    id, steps = state.run.id, state.run.checkpoint_steps
    again = "" if state.status != "failed" else " It may fail for the same reason again."
    if not steps:
        start = button("Start again", QUEUE, key=id, once=True)
        return fragments.act(start, f"It has no checkpoint, so it starts from the beginning.{again}")
    label = button(f"Resume from step {steps[-1]:,}", QUEUE, key=id, once=True)
    repeated = state.view.step - steps[-1]
    redone = (
        f" The {counted(repeated, 'step')} after it {'is' if repeated == 1 else 'are'} done again."
        if repeated > 0
        else ""
    )
    return fragments.act(label, f"It continues from its newest checkpoint as if it had never stopped.{redone}{again}")
