"""What a worker says while it works: one frozen dataclass per kind of event, one JSON line per event.

A reader that meets a kind it does not know gets `Unknown`, so an older page can follow a newer worker.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from operator import itemgetter

from studio import codec


@dataclass(frozen=True)
class Started:
    """The worker's process is up, before anything heavy is imported.

    `boot` names the start of the computer, and `memory_kills` counts the programs that its system has ended for want of
    memory since then, -1 where nobody counts: both tell later why a worker went silent.
    """

    process_id: int
    job: str
    boot: str = ""
    memory_kills: int = -1


@dataclass(frozen=True)
class Resumed:
    """The training goes on behind `step`, as if it had never stopped; what was done beyond it is done again."""

    step: int


@dataclass(frozen=True)
class Loading:
    """Something is on its way. `total` is 0 where the end is not known; `unit` is "bytes" or empty.

    `waits_for` is the kind of work that has the accelerator meanwhile, see `runs.turns`, where that is known.
    """

    what: str
    done: int = 0
    total: int = 0
    unit: str = ""
    waits_for: str = ""

    @property
    def is_waiting(self) -> bool:
        """Whether nothing is done meanwhile: other work has the machine."""
        return self.what.startswith("Waiting")

    @property
    def is_fetching(self) -> bool:
        """Whether the base model is on its way to this machine."""
        return self.unit == "bytes" or self.what.startswith(("Downloading", "Unpacking"))

    @property
    def is_evaluating(self) -> bool:
        """Whether the training is done, and its result is being evaluated where it was trained."""
        return self.what.startswith("Evaluating")


@dataclass(frozen=True)
class Checking:
    """The model is being checked after `step` steps: `what` says how, in words. `done` of `total` are in `unit`."""

    step: int
    what: str
    done: int
    total: int
    unit: str


@dataclass(frozen=True)
class Loaded:
    """The base model is in memory with its adapter attached."""

    parameters: int
    trainable: int
    device: str
    precision: str
    target_modules: tuple[str, ...]


@dataclass(frozen=True)
class SpeedUps:
    """Which of the engine's speed-ups are on for this model, by the names of `config.SPEEDUPS`.

    `left_out` says of each other one why it is not on, as "name: reason". `attention` names what computes attention.
    """

    on: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    attention: str = ""


@dataclass(frozen=True)
class Prepared:
    """The data is rendered and the plan is known. Token counts are for one epoch of the training rows."""

    train_examples: int
    validation_examples: int
    left_out: int
    tokens: int
    learned_tokens: int
    total_steps: int


@dataclass(frozen=True)
class Forecasted:
    """What the run is expected to take from its start to its end: the highest memory, and seconds, None where the
    machine was never measured. The time will hardly be below `least_seconds` or above `most_seconds`, None in older
    runs.
    """

    memory_gib: float
    seconds: float | None
    least_seconds: float | None = None
    most_seconds: float | None = None


@dataclass(frozen=True)
class Measured:
    """What a worker took: the highest memory of its process, or of the GPU, and its seconds without waiting."""

    memory_gib: float
    seconds: float


@dataclass(frozen=True)
class Spent:
    """What a run has cost until now at a place that is paid for, estimated, in US dollars; and the cap for it."""

    usd: float
    most_usd: float
    per_hour: float


@dataclass(frozen=True)
class Stepped:
    """One optimiser step is done. `loss` is the mean over the step's learned tokens, before the step.

    `tokens` is how many tokens the step read, 0 where an older worker did not count them.
    """

    step: int
    epoch: float
    loss: float
    learning_rate: float
    grad_norm: float
    tokens_per_second: float
    memory_gib: float
    tokens: int = 0


@dataclass(frozen=True)
class Skipped:
    """A step changed nothing, since a number of its gradient was too large for fp16; the next ones are scaled less.

    `count` is how many steps of the run were skipped so far, `scale` what the loss is multiplied with from here on.
    """

    step: int
    count: int
    scale: float


@dataclass(frozen=True)
class Evaluated:
    """The mean loss over the learned tokens of held-out rows, after `step` steps.

    Of all of them; or of a part, which is the same at each check of the run: then `part` of `of` rows were scored, and
    at the ends of the run `whole` is the loss over all of them, None else. Losses over other rows are not comparable.
    """

    step: int
    loss: float
    part: int = 0
    of: int = 0
    whole: float | None = None

    @property
    def loss_of_all(self) -> float | None:
        """The loss over all held-out rows, None where only a part was scored."""
        return self.whole if self.part else self.loss

    @property
    def only(self) -> tuple[int, int] | None:
        """Over how many of how many rows `figure` is, None where over all."""
        return (self.part, self.of) if self.loss_of_all is None else None

    @property
    def figure(self) -> float:
        """The loss that is told where it stands alone: over all held-out rows where these were scored."""
        return self.loss if self.whole is None else self.whole


@dataclass(frozen=True)
class Sampled:
    """What the model answers to a prompt after `step` steps. `number` counts the prompts from 0.

    `expected` is the answer of the example that the prompt is of; a prompt of a person's own has none.
    """

    step: int
    number: int
    prompt: str
    answer: str
    expected: str = ""


@dataclass(frozen=True)
class Saved:
    """Something that can be used was written whole. `path` is relative to the run's folder."""

    step: int
    path: str


@dataclass(frozen=True)
class Noted:
    """A remark for the person. `level` is "info" or "warning"."""

    level: str
    text: str


@dataclass(frozen=True)
class Stopping:
    """The worker has seen that it is asked to stop, and is putting its work away."""


@dataclass(frozen=True)
class Finished:
    """The worker is done. `status` is "finished" or "stopped"; `summary` is a sentence.

    `kept_step` is the step that the result is of, where an earlier one was better than the last; None else.
    """

    status: str
    summary: str
    seconds: float
    kept_step: int | None = None


@dataclass(frozen=True)
class Failed:
    """The worker could not go on. `cause` is a short name, `detail` the trace for the log, never for the page."""

    cause: str
    message: str
    hint: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Unknown:
    """An event of a kind that this version does not know."""

    kind: str


Event = (
    Started
    | Resumed
    | Loading
    | Checking
    | Loaded
    | SpeedUps
    | Prepared
    | Forecasted
    | Stepped
    | Skipped
    | Evaluated
    | Sampled
    | Saved
    | Noted
    | Stopping
    | Measured
    | Spent
    | Finished
    | Failed
    | Unknown
)

_KINDS: dict[str, type[Event]] = {
    kind.__name__: kind
    for kind in (
        Started,
        Resumed,
        Loading,
        Checking,
        Loaded,
        SpeedUps,
        Prepared,
        Forecasted,
        Measured,
        Spent,
        Stepped,
        Skipped,
        Evaluated,
        Sampled,
        Saved,
        Noted,
        Stopping,
        Finished,
        Failed,
    )
}


@dataclass(frozen=True)
class Record:
    """An event with its place in the run: `seq` counts from 1, `time` is in seconds since the epoch."""

    seq: int
    time: float
    event: Event


def encode(record: Record, *, there: str = "") -> str:
    """Write a record as one line without its line end. Raises ValueError for a number that is not finite.

    `there` is the number that it had in another place, where it comes from there.
    """
    line = {"seq": record.seq, "time": round(record.time, 3), "kind": type(record.event).__name__}
    if there:
        line[THERE] = there
    return json.dumps(line | codec.to_plain(record.event), ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def decode(line: str | bytes) -> Record:
    """Read a record. Raises Damaged when the line is not one."""
    value = codec.parse(line)
    if not isinstance(value, dict) or type(value.get("kind")) is not str:
        raise codec.Damaged("not an event line")
    seq, time = value.get("seq"), value.get("time")
    if type(seq) is not int or not 0 < seq <= MOST_SEQ:
        raise codec.Damaged("an event without its number")
    if not isinstance(time, int | float) or isinstance(time, bool) or not 0 <= time <= LAST_TIME:
        raise codec.Damaged("an event at no time")
    kind = _KINDS.get(value["kind"])
    event = Unknown(value["kind"]) if kind is None else codec.from_plain(kind, value)
    return Record(seq=seq, time=float(time), event=event)


MOST_SEQ = 2**53
LAST_TIME = 253_402_214_400.0
"""The end of the year 9999: no event has a larger number, and none is from later."""

THERE = "there"
"""Under this key a line has the number that the event had in another place."""

STEP_MARK = b'"kind":"Stepped"'
"""What stands in the line of every `Stepped`, and of no other event: inside a text the quotation marks are escaped."""


def decode_steps(lines: Sequence[bytes]) -> list[tuple[float, ...]]:
    """Read many lines of `Stepped` at once, which takes a third of the time of one after the other.

    Returns for each its `seq`, its `time` and the fields of `Stepped`, in this order. What stands there is not checked
    to be numbers. Raises Damaged or LookupError when a line is not one.
    """
    text = f"[{b','.join(lines).decode('utf-8')}]"
    if text.count("{") != len(lines) or text.count("[") != 1:  # a step holds nothing nested
        raise codec.Damaged("not one step a line")
    try:
        values = _JSON.decode(text)
    except (ValueError, RecursionError) as error:
        raise codec.Damaged(str(error)) from error
    if len(values) != len(lines) or not all(type(value) is dict for value in values):
        raise codec.Damaged("not one event a line")
    if values and "tokens" in values[0] and "tokens" in values[-1]:
        return list(map(_WITH_TOKENS, values))
    return [(*_WITHOUT_TOKENS(value), value.get("tokens", 0)) for value in values]


_JSON = json.JSONDecoder(parse_constant=codec.refuse_constant)
_STEP_FIELDS = tuple(field.name for field in fields(Stepped))
_WITH_TOKENS = itemgetter("seq", "time", *_STEP_FIELDS)
_WITHOUT_TOKENS = itemgetter("seq", "time", *_STEP_FIELDS[:-1])
