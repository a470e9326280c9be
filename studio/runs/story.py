"""What happened in a run, told in sentences with their times: what the page shows as its log."""

from dataclasses import dataclass

from studio.events import (
    Evaluated,
    Event,
    Failed,
    Finished,
    Forecasted,
    Loaded,
    Loading,
    Noted,
    Prepared,
    Resumed,
    Sampled,
    Saved,
    SpeedUps,
    Started,
    Stopping,
)
from studio.wording import between, counted, part_of

MOST_LINES = 400
_CHECKPOINT = "A checkpoint is saved, of step "


@dataclass(frozen=True)
class Line:
    """One sentence, and when it came to be true, in seconds since the epoch."""

    time: float
    text: str


@dataclass(frozen=True)
class Story:
    """The sentences until now; of a long run the last ones."""

    lines: tuple[Line, ...] = ()

    def after(self, event: Event, time: float) -> "Story":
        """Return the story with what an event adds to it."""
        text = _sentence(event)
        if not text or (self.lines and self.lines[-1].text == text):
            return self
        kept = self.lines
        if text.startswith(_CHECKPOINT) and kept and kept[-1].text.startswith(_CHECKPOINT):
            kept = kept[:-1]  # a long run saves every half a minute
        return Story((*kept, Line(time, text))[-MOST_LINES:])


def _sentence(event: Event) -> str:
    """Say what an event tells a person; nothing for one that is only of use to the page."""
    match event:
        case Started():
            return "The run started."
        case Resumed(step):
            return f"It continues after step {step:,}." if step else "It starts from the beginning again."
        case Loading() if event.is_fetching:
            return f"{event.what}." if not event.done else ""
        case Loading() if not event.what.startswith("Turning"):
            return f"{event.what}."
        case Loaded():
            learning = f"{event.trainable:,} of its numbers learn"
            return f"The base model is loaded: {learning}, on {event.device}, {event.precision}."
        case Prepared():
            return _data_sentence(event)
        case Forecasted(least_seconds=float(least), most_seconds=float(most)):
            return f"Estimated: {between(least, most)} of training."
        case SpeedUps(on):
            return f"It trains with {counted(len(on), 'speed-up')}."
    return _later_sentence(event)


def _later_sentence(event: Event) -> str:
    match event:
        case Evaluated():
            return _check_sentence(event)
        case Sampled(step, 0):
            return f"{_after(step)} the prompts to watch are answered."
        case Saved(step, path):
            return (
                f"{_CHECKPOINT}{step:,}."
                if path.startswith("checkpoints/")
                else f"The result is saved, of step {step:,}."
            )
        case Noted(_, text):
            return text
        case Stopping():
            return "You asked it to stop."
        case Finished(_, summary):
            return summary
        case Failed(_, message, hint):
            return f"{message} {hint}".strip()
    return ""


def _data_sentence(event: Prepared) -> str:
    learned, held_out = counted(event.train_examples, "example"), f"{event.validation_examples:,} held out"
    left_out = f", {event.left_out:,} left out" if event.left_out else ""
    return f"The data is ready: {learned} to learn from, {held_out}{left_out}; {counted(event.total_steps, 'step')}."


def _check_sentence(event: Evaluated) -> str:
    if not event.part:
        return f"{_after(event.step)} the held-out loss is {event.loss:.2f}."
    if event.whole is None:
        return f"{_after(event.step)} the loss over {part_of(event.part, event.of)} is {event.loss:.2f}."
    return (
        f"{_after(event.step)} the held-out loss is {event.whole:.2f} over all {event.of:,} examples, and "
        f"{event.loss:.2f} over the {event.part:,} of them that each check scores."
    )


def _after(step: int) -> str:
    return f"After step {step:,}" if step else "Before the first step"
