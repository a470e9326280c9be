"""What a run is doing, or came to, in a sentence or two: the same on the page, in a notice and on the command line."""

from studio.events import Checking, Evaluated, Loading
from studio.runs.time_left import seconds_left
from studio.runs.view import RunView, died_twice
from studio.wording import brief_duration, counted, part_of, size

_WORTH_SAYING = 60.0
"""Waiting for less than this many seconds is not mentioned."""


def headline(view: RunView, state: str, now: float, *, reason: str = "") -> str:
    """Say in a sentence or two what the run is doing. `reason` says why a lost run was lost, and why one waits or stops
    where no person asked for that.
    """
    match state:
        case "draft":
            return "Not started yet. Add it to the queue to train it."
        case "queued":
            return f"Waiting for its turn{_to_resume_after(view)}. {reason}".strip()
        case "preparing":
            return _preparing_sentence(view)
        case "training":
            return _training_sentence(view, now)
        case "stopping":
            saving = loading_sentence(view) if view.loading else "This takes a moment."
            sooner, later = "Stopping before the first step.", "Stopping as soon as the step that it is at is done."
            return _joined(later if view.steps else sooner, reason, saving)
        case "finished":
            return _finished_sentence(view)
        case "stopped":
            return _stopped_sentence(view)
        case "failed" if view.failed:
            trouble = f"{view.failed.message} {view.failed.hint}".strip()
            return f"Failed{_after_step(view)}. {trouble} {_what_is_saved(view)}".strip()
        case "damaged":
            return damaged_sentence(view)
    twice = "It ended twice at the same step, so it waits for you." if died_twice(view) else ""
    sentences = (f"The run ended without a word{_after_step(view)}.", reason, twice, _what_is_saved(view))
    return _joined(*sentences)


def damaged_sentence(view: RunView) -> str:
    """Say what of a run's events cannot be read, and what can be done."""
    number = counted(view.passed_over, "line")
    found = f"{number} of events.jsonl cannot be read" if view.passed_over else "some of events.jsonl is missing"
    return (
        f"Damaged: {view.trouble or found + '.'} How the run ended is not known, so it is not resumed. "
        f"Duplicate it to train with its settings again, or delete it."
    )


def measured_sentence(view: RunView) -> str:
    """Say what was measured of the result on held-out examples, or that nothing was; empty without a result."""
    if not view.steps or view.saved_step is None:
        return ""
    found = view.kept_evaluation
    if found is None:
        held_out = view.prepared is None or view.prepared.validation_examples
        why = "It was not checked on held-out examples" if held_out else "No examples were held out"
        return f"{why}, so how good it is was not measured."
    if not found.step:
        return (
            f"Its only check was before the first step (held-out loss {found.figure:.2f}), so how good it became was "
            "not measured."
        )
    return _change(view.evaluations[0], found, view.kept_step)


def _change(first: Evaluated, last: Evaluated, kept_step: int) -> str:
    checked = f" at step {last.step:,}, its last check" if last.step < kept_step else ""
    if first is last:
        return f"Held-out loss: {last.figure:.2f}{checked}{_over(last)}."
    before, after, over = first.loss_of_all, last.loss_of_all, ""
    if before is None or after is None:  # losses are compared over the same examples alone
        before, after, over = first.loss, last.loss, _over(last)
    went = "fell" if after < before else "rose" if after > before else "stayed"
    return f"Held-out loss {went} from {before:.2f} to {after:.2f}{checked}{over}."


def _over(check: Evaluated) -> str:
    return "" if check.only is None else f" (over {part_of(*check.only)})"


def _preparing_sentence(view: RunView) -> str:
    if view.started is None or view.ended_at is not None:
        return "Starting the worker."
    if not (view.loading or view.loaded or view.prepared):
        return "Starting: the libraries are being loaded."
    return loading_sentence(view)


def _to_resume_after(view: RunView) -> str:
    return f", to resume after step {view.saved_step:,}" if view.saved_step else ""


def loading_sentence(view: RunView) -> str:
    """Say what is on its way, and how far it is."""
    if view.loading is None:
        return "Preparing the data." if view.loaded else "Loading the base model."
    return _progress_sentence(view.loading)


def _progress_sentence(event: Loading | Checking) -> str:
    unit = f" {event.unit}" if event.unit and event.unit != "bytes" else ""
    if not event.total:
        done = f" ({size(event.done)})" if event.unit == "bytes" and event.done else ""
    elif event.unit == "bytes":
        done = f" ({size(event.done)} of {size(event.total)})"
    else:
        done = f" ({event.done:,} of {event.total:,}{unit})"
    return f"{event.what[:1].upper()}{event.what[1:]}{done}."


def _training_sentence(view: RunView, now: float) -> str:
    of_total = f" of {view.total_steps:,}" if view.total_steps else ""
    checking = "" if view.checking is None else _progress_sentence(view.checking)
    if not view.steps:
        return f"Before training: {checking}" if checking else f"Training: the first step{of_total} is on its way."
    if view.total_steps and view.step >= view.total_steps:
        saving = loading_sentence(view) if view.loading else checking or "The result is being checked and saved."
        return f"Training: step {view.step:,}{of_total} is done. {saving}"
    left = seconds_left(view, now)
    at = f"Training: step {view.step:,}{of_total}{'' if left is None else f', {brief_duration(left)} left'}."
    return _joined(at, checking)


def _finished_sentence(view: RunView) -> str:
    if view.finished is None or not view.steps:
        return view.finished.summary if view.finished and view.finished.summary else "Finished."
    took = f"in {brief_duration(view.time.working)}{_waited(view)}"
    if view.step < view.total_steps:
        of_total = f"{view.step:,} of {counted(view.total_steps, 'step')}"
        done = f"Finished early, after {of_total} {took}: nothing more was gained."
    else:
        done = f"Finished: {counted(view.step, 'step')} {took}."
    kept = f"Step {view.kept_step:,} is kept, where it scored best." if view.kept_step < view.step else ""
    saved = _what_is_saved(view) if view.saved_step is None or view.saved_step < view.kept_step else ""
    return _joined(done, kept, measured_sentence(view), saved)


def _waited(view: RunView) -> str:
    """Say how long it waited besides, where that is worth a word."""
    waited = view.time.waiting
    return f" (and {brief_duration(waited)} of waiting)" if waited >= _WORTH_SAYING else ""


def _stopped_sentence(view: RunView) -> str:
    forced = "" if view.finished else "It did not end by itself and was ended by force."
    of_total = f" of {view.total_steps:,}" if view.steps and view.total_steps else ""
    saved = _what_is_saved(view) or "There was nothing to keep."
    return _joined(f"Stopped by you{_after_step(view)}{of_total}.", forced, saved, measured_sentence(view))


def _after_step(view: RunView) -> str:
    return f" after step {view.step:,}" if view.steps else " before the first step"


def _what_is_saved(view: RunView) -> str:
    if view.saved_step is None:
        return "Nothing was saved." if view.steps else ""
    if view.saved_step >= view.kept_step:
        return "What it learned is saved."
    return f"What it learned up to step {view.saved_step:,} is saved."


def _joined(*sentences: str) -> str:
    return " ".join(sentence for sentence in sentences if sentence)
