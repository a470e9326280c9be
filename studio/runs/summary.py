"""What a table says of one run: its settings, how far it is, its best loss and the shape of its curve."""

import functools
import time
from array import array
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from statistics import median

from studio.config import FULL
from studio.events import LAST_TIME, Evaluated
from studio.runs.following import Following
from studio.runs.steps import Numbers
from studio.runs.store import RunFolder, RunGroup
from studio.runs.view import WORKING, RunView, Status, status

SPARK_POINTS = 24
_FLOAT_BYTES = array("f").itemsize


@dataclass(frozen=True, slots=True)
class Summary:
    """One run in a table. None is what is not known, or has no meaning.

    `best_loss` is the lowest on the held-out examples after the first step: before it, it is the base model's. It is
    over all of them once they were scored, before that over `best_part`: how many of how many, None where all. Times
    are in seconds, `created` since the epoch; `seconds` is what its workers worked, without what they `waited`
    for other work, and `is_waiting` says that its worker waits so now. `status` is None while the run's events were not
    read yet. `place` is its place in the queue, 1 for the next. `curve` holds its `spark` in little room. `model` is
    the base model as it was chosen, `base` as the worker finds it. `was_launched` says whether it ever had a worker.
    `trouble` says why the folder cannot be read as a run; nothing but its name is known then. `group` is the id of the
    runs that it was started with, and `group_name` what they are called.
    """

    id: str
    name: str
    note: str
    dataset: str
    model: str
    base: str
    method: str
    rank: int | None
    learning_rate: float | None
    epochs: int | None
    created: float
    status: Status | None = None
    best_loss: float | None = None
    best_part: tuple[int, int] | None = None
    seconds: float | None = None
    waited: float = 0.0
    is_waiting: bool = False
    step: int = 0
    total_steps: int = 0
    curve: bytes = b""
    tokens_per_second: float | None = None
    place: int = 0
    was_launched: bool = False
    has_result: bool = False
    trouble: str = ""
    dataset_id: str = ""
    dataset_sha256: str = ""
    group: str = ""
    group_name: str = ""

    @property
    def spark(self) -> tuple[float, ...]:
        """At most 24 training losses, from the first step to the last."""
        return tuple(round(loss, 4) for loss in array("f", self.curve))

    @property
    def last_loss(self) -> float | None:
        """The last of the training losses; None before the first."""
        return round(array("f", self.curve[-_FLOAT_BYTES:])[0], 4) if self.curve else None

    @property
    def is_at_work(self) -> bool:
        """Whether a worker is at it."""
        return self.status in WORKING


def of_settings(run: RunFolder, name: str) -> Summary:
    """Say what is known of a run before its events are read. Raises RunError when its folder is damaged."""
    config, origin = run.config, run.origin
    group = origin.group or RunGroup("")
    return Summary(
        id=run.id,
        name=name,
        note="",
        dataset=origin.dataset_name,
        model=origin.model_name,
        base=config.model,
        method=config.method,
        rank=None if config.method == FULL else config.rank,
        learning_rate=config.learning_rate,
        epochs=config.epochs,
        created=origin.created,
        dataset_id=origin.dataset_id,
        dataset_sha256=origin.dataset_sha256,
        group=group.id,
        group_name=group.name,
    )


def of_name(id: str) -> Summary:
    """Say what the name of its folder says of a run."""
    created = 0.0
    with suppress(ValueError, OverflowError):
        created = _hour(id[:11]) + 60 * int(id[11:13]) + int(id[13:15])
    name = id[16:] if created else id
    return of_damaged(id, name, "", created=min(max(0.0, created), LAST_TIME), status=None)


@functools.lru_cache(maxsize=1000)
def _hour(text: str) -> float:
    """Return when an hour began that is written as in the name of a folder. Raises ValueError and OverflowError."""
    return time.mktime(time.strptime(text, "%Y%m%d-%H"))


def curve_of(losses: Sequence[float]) -> bytes:
    """Put losses as a summary holds them."""
    return array("f", losses).tobytes()


def of_damaged(id: str, name: str, trouble: str, *, created: float, status: Status | None = "damaged") -> Summary:
    """Say what is known of a folder that cannot be read as a run."""
    return Summary(
        id=id,
        name=name,
        note="",
        dataset="",
        model="",
        base="",
        method="",
        rank=None,
        learning_rate=None,
        epochs=None,
        created=created,
        status=status,
        trouble=trouble,
    )


def of_rest(run: RunFolder) -> Summary:
    """Read a run that nobody is at, and that does not wait. Raises RunError when its folder is damaged."""
    view = Following(run.events_path).view()
    state = status(view, alive=False, launched=run.was_launched, stop_asked=run.stop_request.exists())
    return of_view(run, view, state)


def of_view(run: RunFolder, view: RunView, state: Status, *, place: int = 0) -> Summary:
    """Say what a run's events say of it. Raises RunError when its folder is damaged."""
    about = run.about
    steps = view.steps
    speeds = _spread(steps.column("tokens_per_second"))
    best = _best_check(view)
    return replace(
        of_settings(run, about.name or run.config.name or run.id),
        note=about.note,
        status=state,
        best_loss=None if best is None else best.figure,
        best_part=None if best is None else best.only,
        seconds=view.seconds_at_work if view.ended_at or steps else None,
        waited=view.time.waiting,
        is_waiting=state in WORKING and view.loading is not None and view.loading.is_waiting,
        step=view.step,
        total_steps=view.total_steps,
        curve=curve_of(_spread(steps.column("loss"))),
        tokens_per_second=median(speeds) if speeds else None,
        place=place,
        was_launched=run.was_launched,
        has_result=run.result is not None,
    )


def _best_check(view: RunView) -> Evaluated | None:
    """Choose the lowest of the checks after the first step, of those over all held-out examples where there are any."""
    checks = [each for each in view.evaluations if each.step]
    over_all = [each for each in checks if each.loss_of_all is not None]
    return min(over_all or checks, key=lambda each: each.figure, default=None)


def _spread(column: Numbers) -> list[float]:
    """Choose at most 24 of the steps, evenly, with the first and the last."""
    count = len(column)
    if count <= SPARK_POINTS:
        return [float(each) for each in column]
    return [float(column[place * (count - 1) // (SPARK_POINTS - 1)]) for place in range(SPARK_POINTS)]
