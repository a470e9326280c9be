"""What the Train tab says about a run: headline, progress, figures, settings.

Functions from a `RunState` to markup.
"""

from markupsafe import Markup

from studio.config import settings
from studio.events import Spent
from studio.jobs.evaluations import EvaluationState
from studio.jobs.tradeoff import peak_memory_gib
from studio.jobs.verdicts import summary
from studio.runs.advice import advise, is_far_off, label
from studio.runs.scheduler import RunState
from studio.runs.series import smoothed
from studio.runs.view import ENDED, WORKING, RunView
from studio.ui.kit import fragments
from studio.ui.kit.actions import button
from studio.ui.kit.form import CHOICE_LABELS
from studio.ui.kit.fragments import Tile
from studio.ui.kit.numbers import clock_time, parameters, share
from studio.wording import between, brief_duration, counted, dollars, part_of, size

RESTORE = "restore"
GIB = 2**30

PHASES = {
    "draft": ("quiet", "Draft"),
    "queued": ("quiet", "Waiting"),
    "preparing": ("busy", "Getting ready"),
    "training": ("busy", "Training"),
    "stopping": ("busy", "Stopping"),
    "finished": ("good", "Finished"),
    "stopped": ("quiet", "Stopped"),
    "failed": ("bad", "Failed"),
    "lost": ("bad", "Lost"),
    "damaged": ("bad", "Damaged"),
}


WAITING_PHASE = ("quiet", "Waiting")

NOT_READY = "It is hardly of use yet: its loss is still so high that its answers will seldom be as yours are."
WHAT_TO_DO = "Do one of the things under “What could make it better”."


def no_run(discarded: str = "", key: str = "") -> Markup:
    """Say what fills this card. `discarded` is the name of a run that was just discarded, `key` its id."""
    if discarded:
        said = fragments.notice("quiet", f"{discarded} was discarded.", "It is in the Trash, at the end of All runs.")
        back = button("Put it back", RESTORE, key=key, name=f"Put {discarded} back", once=True)
        return fragments.stack([said, fragments.buttons(back)])
    return fragments.empty(
        "No run yet",
        "Choose a data set, check the settings and press Start training on the Configure tab. The run then shows here, "
        "and it continues when you close the page.",
    )


def status_panel(state: RunState, evaluation: EvaluationState | None = None) -> Markup:
    """Say in a sentence what the run is doing, with a bar and the figures; and, at its end, how good it became."""
    kind, name = phase_of(state)
    shown = [fragments.top(fragments.badge(kind, name), state.headline)]
    if state.status in WORKING:  # what ended needs no bar
        shown.append(fragments.bar(progress(state), name="Progress of the run"))
    if tiles := figures(state, evaluation):
        shown.append(fragments.tiles(tiles))
    if evaluation is not None:
        shown.append(evaluation_line(evaluation))
    if (evaluation is None or evaluation.result is None) and is_far_off(state.view) and advice_card(state):
        shown.append(fragments.notice("warning", NOT_READY, WHAT_TO_DO))
    if state.run.config.place and state.status not in ENDED:
        place, nodes = state.run.config.place, state.run.config.nodes
        where = f"It trains at {place}." if nodes == 1 else f"It trains at {place}, on {nodes:,} nodes."
        shown.append(fragments.line("quiet", where))
    if state.view.spent is not None:
        shown.append(fragments.line("quiet", spent_in_words(state.view.spent)))
    warnings = [note.text for note in state.view.notes if note.level == "warning"]
    shown += [fragments.notice("warning", text) for text in warnings]
    return fragments.stack(shown)


def spent_in_words(spent: Spent) -> str:
    """Say what a run has cost until now at a place that is paid for."""
    cost, most = dollars(spent.usd), dollars(spent.most_usd)
    return f"It has cost about {cost}, by the time of its jobs and the price of an hour. It costs at most {most}."


def phase_of(state: RunState) -> tuple[str, str]:
    """Return the colour and the name of what the run is at: one that waits for the machine is not at work."""
    loading = state.view.loading
    if state.status == "preparing" and loading is not None and loading.is_waiting:
        return WAITING_PHASE
    return PHASES[state.status]


def advice_card(state: RunState) -> Markup:
    """Say what could make the result better, each with the button that does it; nothing where there is nothing."""
    config, view = state.run.config, state.view
    if state.status not in ("finished", "stopped") or state.run.is_blend:
        return Markup("")
    rows = [
        Markup("<li><p>{}</p>{}</li>").format(
            each.found,
            fragments.buttons(*(_help(name, label(name, config, view), state) for name in each.helps)),
        )
        for each in advise(view, config)
    ]
    if not rows:
        return Markup("")
    head = fragments.subheading("What could make it better")
    return Markup('<section class="ls-advice">{}<ul>{}</ul></section>').format(head, fragments.join(rows))


def _help(name: str, text: str, state: RunState) -> Markup:
    return button(text, name, key=state.run.id, scroll="header", once=True)


def evaluation_line(evaluation: EvaluationState) -> Markup:
    """Say what came of the evaluation of a run that has ended, or how far it is."""
    if evaluation.result is not None:
        said = summary(evaluation.result)
        then = "" if said.next is None else fragments.notice(said.next.kind, said.next.text)
        measured = fragments.notice("warning" if said.cautions else said.change.kind, said.change.text, said.rest)
        return fragments.join([then, measured]) if then else measured
    if evaluation.status == "failed":
        return fragments.notice("warning", f"It could not be evaluated: {evaluation.sentence}")
    if evaluation.status not in ("waiting", "working"):
        return Markup("")
    far = f", {evaluation.done:,} of {evaluation.total:,}" if evaluation.total else ""
    told = f"{evaluation.sentence.rstrip('.')}{far}."
    if evaluation.status == "waiting":
        return fragments.notice("quiet", told)
    return fragments.notice("busy", f"It is being evaluated. {told}")


def progress(state: RunState) -> float | None:
    """Return how far the run is, from 0 to 1; None while it is at work and the end is not known."""
    view = state.view
    if state.status == "preparing":
        loading = view.loading
        return loading.done / loading.total if loading is not None and loading.total else None
    if state.status == "finished":
        return 1.0
    return view.step / view.total_steps if view.total_steps else 0.0


def figures(state: RunState, evaluation: EvaluationState | None = None) -> list[Tile]:
    """List what matters most: how far it is, its losses and its time. `own_settings` has the rest."""
    view = state.view
    if not view.steps:
        return _estimates(view) if state.status in WORKING else []
    epoch = f"epoch {view.steps[-1].epoch:.1f} of {state.run.config.epochs}"
    shown = [
        Tile("Step", f"{view.step:,}", f"of {view.total_steps:,}; {epoch}" if view.total_steps else epoch),
        Tile("Training loss", f"{_recent_loss(view):.3f}", _at_kept_step(view) or "lower is better"),
        _held_out_tile(state),
        *_time_tiles(state),
    ]
    report = None if evaluation is None else evaluation.result
    if report is not None:
        shown.append(Tile("Evaluation took", brief_duration(report.seconds), "after the training"))
    return shown


def _estimates(view: RunView) -> list[Tile]:
    """Say what the run will take while it gets ready."""
    if view.forecast is None:
        return []
    memory = Tile("Estimated memory", size(view.forecast.memory_gib * GIB), "at the peak")
    return [*_estimated_time(view), memory]


def _estimated_time(view: RunView) -> list[Tile]:
    if view.forecast is None or view.forecast.least_seconds is None or view.forecast.most_seconds is None:
        return []
    return [Tile("Estimated time", between(view.forecast.least_seconds, view.forecast.most_seconds), "of training")]


def _recent_loss(view: RunView) -> float:
    """Return the smoothed training loss at the step that is kept."""
    end = view.steps.count_until(view.kept_step)
    losses: list[float] = view.steps.column("loss")[max(0, end - 200) : end].tolist()
    return smoothed(losses)[-1]


def _at_kept_step(view: RunView) -> str:
    return f"at step {view.kept_step:,}, which is kept" if view.kept_step < view.step else ""


def _held_out_tile(state: RunState) -> Tile:
    view, found = state.view, state.view.kept_evaluation
    if found is not None:
        if not found.step:
            return Tile("Held-out loss", f"{found.figure:.3f}", "before training")
        checked = f"at step {found.step:,}" if found.step < view.step and state.status in ENDED else ""
        place = _at_kept_step(view) or checked
        if found.loss_of_all is None:
            over = f"over {part_of(found.part, found.of)}"
            return Tile("Held-out loss", f"{found.loss:.3f}", f"{place}, {over}" if place else over)
        return Tile("Held-out loss", f"{found.figure:.3f}", place or "of unseen examples")
    if view.prepared and not view.prepared.validation_examples:
        return Tile("Held-out loss", "-", "no examples held out")
    if state.status in ENDED:
        return Tile("Held-out loss", "-", "never checked")
    return Tile("Held-out loss", "...", "after the first check")


def _time_tiles(state: RunState) -> list[Tile]:
    view = state.view
    if state.status in ENDED:
        waited = view.time.waiting
        besides = f"after waiting {brief_duration(waited)}" if waited >= 1 else "training and its checks"
        return [Tile("Took", brief_duration(view.time.working), besides)]
    if state.status in ("stopping", "queued"):
        return []
    if state.seconds_left is None:
        return _estimated_time(view) or [Tile("Time left", "...", "after three steps")]
    return [Tile("Time left", brief_duration(state.seconds_left), "with checks and saving")]


def own_settings(state: RunState) -> Markup:
    """List the settings of this run, whatever the form holds now, and what was measured besides."""
    view, origin = state.view, state.run.origin
    rows: list[tuple[str, str]] = [("Data set", fragments.own(origin.dataset_name))]
    if view.prepared:
        learned, held_out, left_out = (
            view.prepared.train_examples,
            view.prepared.validation_examples,
            view.prepared.left_out,
        )
        rows.append(("Examples", f"{learned:,} learned, {held_out:,} held out, {left_out:,} left out"))
        if check := next((each for each in view.evaluations if each.part), None):
            scored = f"{part_of(check.part, check.of)} at the checks in between, the same each time"
            rows.append(("Held-out loss", f"{scored}; all {check.of:,} at the start and the end"))
        rows.append(("Learned", f"{counted(view.prepared.learned_tokens, 'token')} in each epoch"))
    if view.loaded:
        whole = view.loaded.parameters + view.loaded.trainable
        part = share(view.loaded.trainable, whole)
        rows.append(("Trainable parameters", f"{view.loaded.trainable:,} ({part} of {parameters(whole)})"))
        rows.append(("Runs on", f"{view.loaded.device}, {view.loaded.precision}"))
    rows += [*_speedup_rows(view), *_measured_rows(view)]
    for each in settings():
        value = getattr(state.run.config, each.name)
        if value not in ("", ()):
            words = in_words(value)
            rows.append((each.label, fragments.own(words) if each.kind is str and not each.choices else words))
    return fragments.pairs(rows)


def _speedup_rows(view: RunView) -> list[tuple[str, str]]:
    """Say which speed-ups were on, why others were not, and how many steps fp16 cost."""
    rows = []
    if view.speedups is not None:
        attention = f"; attention: {view.speedups.attention}" if view.speedups.attention else ""
        rows.append(("Speed-ups", f"{in_words(view.speedups.on)}{attention}"))
        if view.speedups.left_out:
            rows.append(("Speed-ups left out", "; ".join(view.speedups.left_out)))
    if view.skipped:
        rows.append(("Skipped", f"{counted(view.skipped, 'step')}, whose gradient was too large for fp16"))
    return rows


def _measured_rows(view: RunView) -> list[tuple[str, str]]:
    """Put what was measured beside what was estimated, and say what the time was spent on."""
    rows = []
    if view.steps:
        rows.append(("Speed", f"{view.steps[-1].tokens_per_second:,.0f} tokens a second"))
    memory = peak_memory_gib(view)
    if memory is not None:
        expected = None if view.forecast is None else view.forecast.memory_gib
        rows.append(("Memory", f"{size(memory * GIB)} at the peak{_against(expected, memory)}"))
    if view.time.has_begun and view.steps:
        whole = view.step == view.total_steps and view.ended_at is not None and view.forecast is not None
        expected = view.forecast.seconds if whole and view.forecast is not None else None
        rows.append(("Time", f"{brief_duration(view.time.working)}{_against(expected, view.time.working)}"))
        rows.append(("Time was spent on", time_in_words(view)))
    return rows


def _against(estimated: float | None, measured: float) -> str:
    """Say by how much an estimate was off: "the estimate was 11 % too low"."""
    if not estimated or not measured:
        return ""
    off = round(100 * (estimated / measured - 1))
    return f"; the estimate was {abs(off):,} % too {'low' if off < 0 else 'high'}" if off else "; as estimated"


def log_text(state: RunState, evaluation: EvaluationState | None = None, *, written: str = "") -> str:
    """Tell what happened in the run, a line each, and below that what its worker wrote of its own."""
    told = [f"{clock_time(line.time)}  {line.text}" for line in state.view.story.lines]
    report = None if evaluation is None else evaluation.result
    if report is not None:
        told.append(f"{clock_time(report.created)}  The run is evaluated: {summary(report).text}")
    return "\n".join([*told, *(["", "What the libraries wrote:", written] if written else [])])


def time_in_words(view: RunView) -> str:
    """Say what the time of a run was spent on: "training 4 min 40 s, checks 1 min 20 s, waiting 9 min"."""
    spent = view.time
    parts = (
        ("training", spent.training),
        ("checks", spent.checking),
        ("waiting for other work", spent.waiting),
        ("downloading the model", spent.fetching),
    )
    return ", ".join(f"{name} {brief_duration(seconds)}" for name, seconds in parts if seconds >= 1)


def in_words(value: object) -> str:
    """Write the value of a setting."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(str(item) for item in value) or "none"
    if isinstance(value, float):
        return f"{value:g}"
    return CHOICE_LABELS.get(str(value), str(value)) or "none"
