"""What the Train tab says about a run: headline, progress, figures, settings.

Functions from a `RunState` to markup.
"""

from markupsafe import Markup

from studio.config import settings
from studio.jobs.evaluations import EvaluationState
from studio.runs.scheduler import RunState
from studio.runs.series import smoothed
from studio.runs.view import ENDED, WORKING, RunView, Status
from studio.ui.kit import fragments
from studio.ui.kit.form import CHOICE_LABELS
from studio.ui.kit.fragments import Tile
from studio.ui.kit.numbers import brief_duration, parameters, share
from studio.wording import counted

PHASES = {
    "draft": ("quiet", "Draft"),
    "queued": ("quiet", "Waiting"),
    "preparing": ("busy", "Getting ready"),
    "training": ("busy", "Training"),
    "stopping": ("warning", "Stopping"),
    "finished": ("good", "Finished"),
    "stopped": ("warning", "Stopped"),
    "failed": ("bad", "Failed"),
    "lost": ("bad", "Lost"),
    "damaged": ("bad", "Damaged"),
}


def no_run() -> Markup:
    """Say what fills this card."""
    return fragments.empty(
        "No run yet",
        "Choose a data set, look over the settings and press Start training on the Configure tab. The run then shows "
        "here, and it goes on when you close the page.",
    )


def status_panel(state: RunState, evaluation: EvaluationState | None = None) -> Markup:
    """Say in a sentence what the run is doing, with a bar and the figures; and, at its end, how good it became."""
    kind, name = PHASES[state.status]
    shown = [fragments.top(fragments.badge(kind, name), state.headline)]
    if state.status in WORKING or state.view.steps:  # what never began has no progress
        shown.append(fragments.bar(progress(state), name="Progress of the run"))
    if state.view.steps:
        shown.append(fragments.tiles(figures(state)))
    if evaluation is not None:
        shown.append(evaluation_line(evaluation))
    warnings = [note.text for note in state.view.notes if note.level == "warning"]
    shown += [fragments.notice("warning", text) for text in warnings]
    return fragments.stack(shown)


def evaluation_line(evaluation: EvaluationState) -> Markup:
    """Say what came of the evaluation of a run that has ended, or how far it is."""
    if evaluation.result is not None:
        at_limit = evaluation.result.at_limit
        kind = "warning" if at_limit is not None and at_limit.is_tuned else "good"
        return fragments.notice(kind, evaluation.result.headline)
    if evaluation.status == "failed":
        return fragments.notice("warning", f"It could not be evaluated: {evaluation.sentence}")
    if evaluation.status not in ("waiting", "working"):
        return Markup("")
    far = f", {evaluation.done:,} of {evaluation.total:,}" if evaluation.total else ""
    told = f"{evaluation.sentence.rstrip('.')}{far}."
    return fragments.notice("busy", f"It is being evaluated. {told}" if evaluation.status == "working" else told)


def phase(status: Status) -> str:
    """Name a status in a word or two."""
    return PHASES[status][1]


def progress(state: RunState) -> float | None:
    """Return how far the run is, from 0 to 1; None while it is at work and the end is not known."""
    view = state.view
    if state.status == "preparing":
        loading = view.loading
        return loading.done / loading.total if loading is not None and loading.total else None
    if state.status == "finished":
        return 1.0
    return view.step / view.total_steps if view.total_steps else 0.0


def figures(state: RunState) -> list[Tile]:
    """List the figures of the last step."""
    view, last = state.view, state.view.steps[-1]
    return [
        Tile("Step", f"{view.step:,}", f"of {view.total_steps:,}" if view.total_steps else ""),
        Tile("Epoch", f"{last.epoch:.1f}", f"of {state.run.config.epochs}"),
        Tile("Loss", f"{_recent_loss(view):.3f}", "lower is better"),
        _held_out_tile(state),
        *_time_tiles(state),
        Tile("Speed", f"{last.tokens_per_second:,.0f}", "tokens a second"),
        Tile("Memory", f"{last.memory_gib:.1f} GiB", "at most" if state.status in ENDED else "at most so far"),
    ]


def _recent_loss(view: RunView) -> float:
    losses: list[float] = view.steps.column("loss")[-200:].tolist()
    return smoothed(losses)[-1]


def _held_out_tile(state: RunState) -> Tile:
    view = state.view
    if view.evaluations:
        return Tile("Held-out loss", f"{view.evaluations[-1].loss:.3f}", "examples it never learned")
    if view.prepared and not view.prepared.validation_examples:
        return Tile("Held-out loss", "-", "none held out")
    if state.status in ENDED:
        return Tile("Held-out loss", "-", "never checked")
    return Tile("Held-out loss", "...", "after the first check")


def _time_tiles(state: RunState) -> list[Tile]:
    view = state.view
    if state.status in ENDED:
        return [Tile("Took", brief_duration(view.seconds_at_work or 0.0), "at work")]
    if state.status in ("stopping", "queued"):
        return []
    if state.seconds_left is None:
        return [Tile("Time left", "...", "after three steps")]
    return [Tile("Time left", brief_duration(state.seconds_left), "at this pace")]


def own_settings(state: RunState) -> Markup:
    """List what this run ran with, whatever the form holds now."""
    view, origin = state.view, state.run.origin
    rows = [("Data set", origin.dataset_name)]
    if view.prepared:
        split = f"{view.prepared.train_examples:,} learned, {view.prepared.validation_examples:,} held out"
        rows.append(("Examples", f"{split}, {view.prepared.left_out:,} left out"))
        rows.append(("Learned", f"{counted(view.prepared.learned_tokens, 'token')} an epoch"))
    if view.loaded:
        whole = view.loaded.parameters + view.loaded.trainable
        part = share(view.loaded.trainable, whole)
        rows.append(("Trainable parameters", f"{view.loaded.trainable:,} ({part} of {parameters(whole)})"))
        rows.append(("Computed on", f"{view.loaded.device}, {view.loaded.precision}"))
    rows += [*_speedup_rows(view), *_forecast_rows(view)]
    for each in settings():
        value = getattr(state.run.config, each.name)
        if value not in ("", ()):
            rows.append((each.label, in_words(value)))
    return fragments.pairs(rows)


def _speedup_rows(view: RunView) -> list[tuple[str, str]]:
    """Say which speed-ups were on, why others were not, and how many steps fp16 cost."""
    rows = []
    if view.speedups is not None:
        attention = f"; attention: {view.speedups.attention}" if view.speedups.attention else ""
        rows.append(("Speed-ups", f"{in_words(view.speedups.on)}{attention}"))
        if view.speedups.left_out:
            rows.append(("Without", "; ".join(view.speedups.left_out)))
    if view.skipped:
        rows.append(("Skipped", f"{counted(view.skipped, 'step')}, whose gradient was too large for fp16"))
    return rows


def _forecast_rows(view: RunView) -> list[tuple[str, str]]:
    """Hold what was estimated against what was measured."""
    if view.forecast is None:
        return []
    seconds = view.forecast.seconds
    time = "" if seconds is None else f", {brief_duration(seconds)}"
    rows = [("Forecast", f"{view.forecast.memory_gib:.1f} GiB{time}")]
    if view.measured is None:
        return rows
    off = f"{view.forecast.memory_gib / view.measured.memory_gib - 1:+.0%}" if view.measured.memory_gib else "unknown"
    text = f"{view.measured.memory_gib:.1f} GiB, {brief_duration(view.measured.seconds)}; the forecast was {off} off"
    if seconds is not None and view.measured.seconds:
        text += f" in memory and {seconds / view.measured.seconds - 1:+.0%} in time"
    return [*rows, ("Measured", f"{text}.")]


def in_words(value: object) -> str:
    """Write the value of a setting."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(str(item) for item in value) or "none"
    if isinstance(value, float):
        return f"{value:g}"
    return CHOICE_LABELS.get(str(value), str(value)) or "none"
