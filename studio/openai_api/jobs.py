"""Fine-tuning jobs: the runs of the studio in OpenAI's shape.

The id of a job is that of its run behind "ftjob-". Every run that is trained is listed, also those that were started on
the page. What a job was asked with, and a run does not say, lies beside its run:

    <home>/runs/<id>/openai-job.json
"""

import dataclasses
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from studio import codec
from studio.config import STARTER, RunConfig, setting_named
from studio.errors import RunError
from studio.events import Evaluated, Failed, Finished, Loaded, Noted, Prepared, Record, Resumed, Saved, Started, Stepped
from studio.files import disk_trouble, write_whole
from studio.limits import MOST_NAME
from studio.models.presets import BALANCED, derive
from studio.openai_api import files
from studio.openai_api.fields import Fields
from studio.openai_api.names import OWNER, checkpoint_id, choose, find_base
from studio.openai_api.shapes import not_found, refused, without
from studio.planning import run_context
from studio.planning.model_facts import ModelFacts
from studio.runs.event_log import read_events
from studio.runs.scheduler import RunState
from studio.runs.steps import ALL_TOKENS
from studio.runs.store import RunFolder
from studio.runs.view import Status
from studio.studio import Studio

PREFIX = "ftjob-"
NOUN = "fine-tuning job"
_NOTE = "openai-job.json"
_MOST_BYTES = 2**20
_MOST_MULTIPLIER = 1000
_COUNTING_SECONDS = 120.0
_LOOK_SECONDS = 0.2

_STATUS: dict[Status, str] = {
    "draft": "cancelled",
    "queued": "queued",
    "preparing": "running",
    "training": "running",
    "stopping": "cancelled",
    "stopped": "cancelled",
    "finished": "succeeded",
    "failed": "failed",
    "lost": "failed",
    "damaged": "failed",
}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class JobNote:
    """What a job was asked with beside the settings of its run. `model` is the name that the program gave."""

    model: str = ""
    validation_file: str = ""
    multiplier: float = 1.0
    suffix: str = ""
    metadata: str = ""


@dataclass(frozen=True)
class JobRequest:
    """What a program asks for. None stands for "auto"."""

    model: str
    training_file: str
    validation_file: str
    suffix: str
    seed: int | None
    epochs: int | None
    batch_size: int | None
    multiplier: float | None
    metadata: str


def read_job(body: object) -> JobRequest:
    """Read the request of a job. Raises ApiError with what is wrong in it."""
    fields = Fields(body)
    model, training_file = fields.text("model"), fields.text("training_file")
    chosen = _hyperparameters(fields)
    metadata = fields.given("metadata")
    if metadata is not None and not (isinstance(metadata, dict) and len(codec.dumps(metadata)) < _MOST_BYTES // 16):
        raise refused("'metadata' must be an object with a few short texts.", "metadata")
    request = JobRequest(
        model=model,
        training_file=training_file,
        validation_file=fields.text("validation_file", ""),
        suffix=fields.text("suffix", "", longest=MOST_NAME - 8),
        seed=None if fields.given("seed") is None else fields.whole("seed", 0, low=0, high=2**31 - 1),
        epochs=_whole(chosen, "n_epochs", "epochs"),
        batch_size=_whole(chosen, "batch_size", "batch_size"),
        multiplier=_multiplier(chosen),
        metadata="" if metadata is None else codec.dumps(metadata),
    )
    chosen.refuse_unknown()
    fields.only("integrations", ([],), "This studio reports to no other service. Leave 'integrations' out.")
    fields.refuse_unknown()
    return request


def _hyperparameters(fields: Fields) -> Fields:
    """Return the fields of the hyperparameters, from the method or from where they stood before there were methods."""
    older, given = fields.given("hyperparameters"), fields.given("method")
    if given is None:
        return Fields({} if older is None else older, "hyperparameters.")
    method = Fields(given, "method.")
    if method.text("type") != "supervised":
        raise refused(
            "This studio learns from examples: the method 'supervised'. Preferences and graders are not supported.",
            "method.type",
            code="unsupported_parameter",
        )
    supervised = method.given("supervised")
    method.refuse_unknown()
    inner = Fields({} if supervised is None else supervised, "method.supervised.")
    found = inner.given("hyperparameters")
    inner.refuse_unknown()
    if found is not None and older is not None:
        raise refused("Give the hyperparameters once: in the method.", "hyperparameters")
    found = older if found is None else found
    return Fields({} if found is None else found, "method.supervised.hyperparameters.")


def _whole(fields: Fields, name: str, setting: str) -> int | None:
    if fields.given(name) in (None, "auto"):
        return None
    bounds = setting_named(setting)
    return fields.whole(name, 0, low=int(bounds.low or 0), high=int(bounds.high or 0))


def _multiplier(fields: Fields) -> float | None:
    name = "learning_rate_multiplier"
    if fields.given(name) in (None, "auto"):
        return None
    return fields.number(name, 1.0, low=1 / _MOST_MULTIPLIER, high=_MOST_MULTIPLIER)


def create_job(
    studio: Studio, facts: ModelFacts, request: JobRequest, *, wait: Callable[[float], object] = time.sleep
) -> dict[str, Any]:
    """Start a run as a job asks for it; what is "auto" is what the studio suggests. Returns the job.

    Waits for the token counts that the suggestions follow from. Raises ApiError, and what `start_run` raises.
    """
    data = files.find(studio, request.training_file).id
    held_out = files.find(studio, request.validation_file).id if request.validation_file else ""
    settings = _base_of(studio, request.model)
    own = {"epochs": request.epochs, "batch_size": request.batch_size, "seed": request.seed}
    given = {name: value for name, value in own.items() if value is not None}
    settings = dataclasses.replace(settings, name=request.suffix.strip(), **given)  # type: ignore[arg-type]
    if studio.models.locate(settings.model) is not None:
        _count(studio, settings.model, [data, held_out], wait)
    context = run_context.look(studio, facts, settings, dataset_id=data, validation_dataset_id=held_out)
    case = dataclasses.replace(
        run_context.case(facts, context, settings, preset=BALANCED),
        own={name: value for name, value in given.items() if name != "seed"},
    )
    derived = {each.field: each.value for each in derive(case, estimate=facts.forecasts.estimate)}
    if settings.start_adapter:
        derived.pop("method", None)
    settings = dataclasses.replace(settings, **(derived | given))  # type: ignore[arg-type]
    multiplier = 1.0 if request.multiplier is None else request.multiplier
    settings = dataclasses.replace(settings, learning_rate=settings.learning_rate * multiplier)
    run = studio.start_run(settings, data, validation_dataset_id=held_out)
    note = JobNote(request.model, request.validation_file, multiplier, request.suffix, request.metadata)
    with disk_trouble("What the job was asked with", run.path):
        write_whole(run.path / _NOTE, codec.dumps(note))
    return document(studio, run)


def _base_of(studio: Studio, name: str) -> RunConfig:
    """Return settings with the base model that is named, or with the run whose adapter goes on. Raises ApiError."""
    base = find_base(studio, name)
    if base is not None:
        return RunConfig(model=base.model)
    if name in (STARTER, f"base/{STARTER}"):
        return RunConfig(model=STARTER)
    if "/" in name:  # one on the Hub that is not here yet: the run fetches it
        return RunConfig(model=name)
    model = choose(studio, name).model
    if model.step is not None or not model.is_adapter:
        raise refused("A training goes on from the adapter of a run, not from a checkpoint or a whole model.", "model")
    return RunConfig(model=model.model, start_adapter=model.run_id, method=studio.runs.get(model.run_id).config.method)


def _count(studio: Studio, model: str, datasets: list[str], wait: Callable[[float], object]) -> None:
    """Wait until the tokens of the data are counted, or cannot be: the suggestions do without then."""
    left = _COUNTING_SECONDS
    while left > 0 and any(id and studio.token_state(id, model).working for id in datasets):
        wait(_LOOK_SECONDS)
        left -= _LOOK_SECONDS


def jobs(studio: Studio) -> list[dict[str, Any]]:
    """List the runs that are trained as jobs, the newest first."""
    return [document(studio, run) for run in studio.runs.all() if not run.is_blend]


def find(studio: Studio, id: str) -> RunFolder:
    """Find the run of a job. Raises ApiError where there is none."""
    try:
        run = studio.runs.get(without(PREFIX, id, noun=NOUN))
    except RunError as error:
        raise not_found(NOUN, id) from error
    if run.is_blend:
        raise not_found(NOUN, id)
    return run


def cancel(studio: Studio, id: str) -> dict[str, Any]:
    """Ask a job to end; what it learned until then is kept. Raises ApiError for one that has ended."""
    run = find(studio, id)
    if _STATUS[studio.scheduler.view(run.id).status] not in ("queued", "running"):
        raise refused("This job has ended already, so there is nothing to cancel.", "id")
    studio.scheduler.stop(run.id)
    return document(studio, run)


def document(studio: Studio, run: RunFolder) -> dict[str, Any]:
    """Return a run as a job in OpenAI's shape."""
    state, note, config = studio.scheduler.view(run.id), _note(run), run.config
    status = _STATUS[state.status]
    steps = state.view.steps
    hyperparameters = {
        "n_epochs": config.epochs,
        "batch_size": config.batch_size,
        "learning_rate_multiplier": note.multiplier,
    }
    left = state.seconds_left
    return {
        "id": f"{PREFIX}{run.id}",
        "object": "fine_tuning.job",
        "created_at": int(run.origin.created),
        "finished_at": None if state.view.ended_at is None else int(state.view.ended_at),
        "model": note.model or run.origin.model_name,
        "fine_tuned_model": run.id if status == "succeeded" else None,
        "organization_id": OWNER,
        "status": status,
        "error": _error(state) if status == "failed" else None,
        "hyperparameters": hyperparameters,
        "method": {"type": "supervised", "supervised": {"hyperparameters": hyperparameters}},
        "training_file": f"{files.PREFIX}{run.origin.dataset_id}",
        "validation_file": note.validation_file or None,
        "result_files": [],
        "trained_tokens": int(steps.column(ALL_TOKENS)[-1]) if steps and status == "succeeded" else None,
        "seed": config.seed,
        "estimated_finish": None if left is None or status != "running" else int(studio.clock() + left),
        "integrations": [],
        "metadata": codec.parse(note.metadata) if note.metadata else None,
        "user_provided_suffix": note.suffix or None,
    }


def _error(state: RunState) -> dict[str, Any]:
    failed = state.view.failed
    if failed is not None:
        return {"code": failed.cause, "message": f"{failed.message} {failed.hint}".strip(), "param": None}
    return {"code": state.status, "message": state.headline, "param": None}


def _note(run: RunFolder) -> JobNote:
    try:
        return codec.read(JobNote, run.path / _NOTE, most_bytes=_MOST_BYTES)
    except FileNotFoundError:
        return JobNote()
    except (OSError, codec.Damaged):
        log.debug("What a job was asked with cannot be read", exc_info=True)
        return JobNote()


def events(studio: Studio, id: str) -> list[dict[str, Any]]:
    """List what the worker of a job said, the newest first. Raises ApiError and RunError."""
    run = find(studio, id)
    found = (_event(run, record) for record in reversed(read_events(run.events_path)[0]))
    return [event for event in found if event is not None]


def _event(run: RunFolder, record: Record) -> dict[str, Any] | None:
    told = _told(record.event)
    if told is None:
        return None
    level, message, data = told
    return {
        "object": "fine_tuning.job.event",
        "id": f"ftevent-{run.id}-{record.seq}",
        "created_at": int(record.time),
        "level": level,
        "message": message,
        "type": "metrics" if data else "message",
        "data": data,
    }


def _told(event: object) -> tuple[str, str, dict[str, Any]] | None:
    """Say an event in a sentence, with its figures; None for one that says nothing to a program."""
    match event:
        case Started():
            return "info", "The worker has started.", {}
        case Resumed():
            return "info", f"The training goes on behind step {event.step}.", {}
        case Loaded():
            return "info", f"The model is in memory: {event.trainable:,} weights learn, {event.precision}.", {}
        case Prepared():
            found = f"{event.train_examples:,} examples to learn, {event.validation_examples:,} held out"
            return "info", f"The data is ready: {found}; {event.total_steps:,} steps.", {}
        case Stepped():
            figures = {"step": event.step, "train_loss": event.loss, "learning_rate": event.learning_rate}
            return "info", f"Step {event.step}: training loss={event.loss:.4f}", figures
        case Evaluated():
            figures = {"step": event.step, "valid_loss": event.figure}
            return "info", f"Step {event.step}: validation loss={event.figure:.4f}", figures
        case Saved():
            return "info", f"Step {event.step} is saved.", {}
        case Noted():
            return "warn" if event.level == "warning" else "info", event.text, {}
        case Finished():
            return "info", event.summary, {}
        case Failed():
            return "error", f"{event.message} {event.hint}".strip(), {}
    return None


def checkpoints(studio: Studio, id: str) -> list[dict[str, Any]]:
    """List the checkpoints of a job that are still there, the last one first. Raises ApiError."""
    run = find(studio, id)
    view = studio.scheduler.view(run.id).view
    checks = {check.step: check.figure for check in view.evaluations}
    found = []
    for step in reversed(run.checkpoint_steps):
        metrics = {"step": float(step)}
        done = view.steps.count_until(step)
        metrics |= {"train_loss": view.steps[done - 1].loss} if done else {}
        metrics |= {"valid_loss": checks[step]} if step in checks else {}
        found.append(
            {
                "object": "fine_tuning.job.checkpoint",
                "id": f"ftckpt-{run.id}-{step}",
                "created_at": int(run.checkpoint(step).stat().st_mtime),
                "fine_tuned_model_checkpoint": checkpoint_id(run.id, step),
                "fine_tuning_job_id": id,
                "step_number": step,
                "metrics": metrics,
            }
        )
    return found
