"""What a run will need before it starts: memory, time, disk, trainable parameters, and what would make it fit.

Puts the arithmetic of `memory`, `duration` and `answers` together and settles what is left to the machine: whether
blocks are computed twice, and how many tokens go through the model at once. The page and the worker both ask here, so
that a run does what was estimated.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from studio.config import CHANGES_BASE, FULL, LORA, QLORA, RunConfig, problems
from studio.models.architecture import Architecture
from studio.models.forecast.answers import evaluation_seconds
from studio.models.forecast.duration import fixed_seconds, loop_seconds, run_seconds
from studio.models.forecast.memory import Part, memory_parts
from studio.models.forecast.plan import FEWEST_TOKENS, ITEM_BYTES, TOKENS_AT_ONCE, Plan, Workload, make_plan
from studio.models.forecast.remedies import Remedy, candidates
from studio.models.forecast.run_time import RunTime, corrected
from studio.models.machine import Machine

__all__ = [
    "DOES_NOT_FIT",
    "FITS",
    "TIGHT",
    "UNKNOWN",
    "Forecast",
    "MethodRow",
    "Part",
    "Remedy",
    "RunTime",
    "Workload",
    "compare_methods",
    "cost",
    "forecast",
]

FITS = "fits"
TIGHT = "tight"
DOES_NOT_FIT = "does-not-fit"
UNKNOWN = "unknown"

TIGHT_SHARE = 0.85
"""Above this share of the memory a run is tight: the forecast itself may be 15 % off."""

WORTH_SAYING = 0.97
"""A change that leaves more of the memory than this helps nobody who ran out of it."""

CLEARLY_FASTER = 0.9
"""Below this share of the time one way of running is taken instead of another that computes less."""

ADAPTER_BYTES = 4
"""An adapter is saved in fp32."""

BESIDE_BYTES = 4 * 2**20
"""What a run leaves beside its result: the tokenizer, the events, its own copy of a small data set."""

REFERENCE_LOGIT_BYTES = 3 * 24 * 4
"""And what the model said of a few rows: logits in fp32 at 24 positions of three, for each word."""

"""These starts move a part of the base into the adapter: the result is saved at twice the rank, beside its start."""


@dataclass(frozen=True)
class Forecast:
    """What a run will need, and how the engine will run it."""

    trainable: int
    parameters: int
    memory: tuple[Part, ...]
    time: RunTime | None
    """None where the machine is not calibrated, or there is no data yet."""
    disk_bytes: int
    """What the run leaves behind in its folder."""
    file_bytes: int
    """The adapter, or the model of a full fine-tuning."""
    verdict: str
    """"fits", "tight", "does-not-fit" or "unknown"."""
    remedy: Remedy | None
    checkpointing: bool
    """Whether blocks are computed twice to save memory."""
    micro_batch_tokens: int
    """How many tokens go through the model at once."""

    @property
    def seconds(self) -> float | None:
        """How long the training takes, as `time` has it."""
        return None if self.time is None else self.time.training_seconds

    @property
    def memory_bytes(self) -> int:
        """The highest memory of the run, in bytes."""
        return sum(part.bytes for part in self.memory)


@dataclass(frozen=True)
class MethodRow:
    """One method beside the others. `given_up` says in a sentence what choosing it costs."""

    method: str
    forecast: Forecast
    given_up: str


GIVEN_UP = {
    FULL: "The most memory and the largest file, and the model forgets more of what it knew.",
    LORA: "From much data it learns a little less than full fine-tuning; the base itself stays as it is.",
    QLORA: "Slower, as the base is unpacked again and again, and the base is a little less exact.",
}


def forecast(architecture: Architecture, config: RunConfig, *, machine: Machine, workload: Workload | None) -> Forecast:
    """Estimate memory, time and disk of a run, and settle how it is run. Without a workload the time is None.

    Raises ConfigError for target modules that the model does not have.
    """
    plan, parts, verdict = _settle(architecture, config, machine=machine, workload=workload)
    remedy = None
    if verdict == DOES_NOT_FIT:
        remedy = _remedy(architecture, config, machine=machine, workload=workload)
    file_bytes = _file_bytes(plan)
    beside = BESIDE_BYTES + architecture.vocabulary * REFERENCE_LOGIT_BYTES
    if config.initialisation in CHANGES_BASE and not plan.full:
        beside += file_bytes // 2
    return Forecast(
        trainable=plan.trainable,
        parameters=architecture.parameters,
        memory=parts,
        time=None if workload is None else _run_time(plan, machine, workload),
        disk_bytes=file_bytes + beside,
        file_bytes=file_bytes,
        verdict=verdict,
        remedy=remedy,
        checkpointing=plan.checkpointing,
        micro_batch_tokens=plan.micro_batch_tokens,
    )


def _run_time(plan: Plan, machine: Machine, workload: Workload) -> RunTime | None:
    loop = loop_seconds(plan, machine=machine, workload=workload)
    if loop is None:
        return None
    time = RunTime(fixed_seconds(plan, machine=machine), loop, evaluation_seconds(plan, machine, workload))
    return corrected(time, machine, model=plan.config.model, method=plan.config.method)


def compare_methods(
    architecture: Architecture, config: RunConfig, *, machine: Machine, workload: Workload | None
) -> tuple[MethodRow, ...]:
    """Forecast full fine-tuning, LoRA and QLoRA with otherwise the same settings, side by side. Raises ConfigError."""
    return tuple(
        MethodRow(
            method,
            forecast(architecture, replace(config, method=method), machine=machine, workload=workload),
            given_up,
        )
        for method, given_up in GIVEN_UP.items()
    )


def cost(seconds: float, price_per_hour: float) -> float:
    """Return what `seconds` cost at a price per hour, in the price's currency."""
    return seconds / 3600 * price_per_hour


def _shortened(workload: Workload, longest: int) -> Workload:
    """Cut a data set's rows at a length."""
    longest = min(workload.longest, longest)
    return replace(workload, longest=longest, tokens=min(workload.tokens, workload.examples * longest))


def _file_bytes(plan: Plan) -> int:
    """Count the result: a whole model in the number format of its base, or an adapter."""
    if plan.full:
        return plan.architecture.parameters * ITEM_BYTES.get(plan.architecture.stored, 2)
    return plan.trainable * ADAPTER_BYTES * (2 if plan.config.initialisation in CHANGES_BASE else 1)


def _settle(
    architecture: Architecture, config: RunConfig, *, machine: Machine, workload: Workload | None
) -> tuple[Plan, tuple[Part, ...], str]:
    """Take the fastest way of running a config that fits well, else the first that fits at all, else the smallest."""
    found, fitting = [], []
    for checkpointing, tokens in _ways(config, machine):
        plan = make_plan(
            architecture,
            config,
            machine=machine,
            workload=workload,
            checkpointing=checkpointing,
            micro_batch_tokens=tokens,
        )
        parts = memory_parts(plan)
        verdict = _verdict(sum(part.bytes for part in parts), machine)
        if verdict in (FITS, UNKNOWN):
            fitting.append((plan, parts, verdict))
            if machine.device != "cuda" or workload is None:
                return fitting[0]
        found.append((plan, parts, verdict))
    if fitting and workload is not None:
        return _fastest(fitting, machine, workload)
    return next((way for way in found if way[2] == TIGHT), found[-1])


def _fastest(
    ways: Sequence[tuple[Plan, tuple[Part, ...], str]], machine: Machine, workload: Workload
) -> tuple[Plan, tuple[Part, ...], str]:
    """Take the first way, or another that is clearly faster: a GPU that starts many small batches waits for them more
    than it would compute twice.
    """
    seconds = [run_seconds(way[0], machine=machine, workload=workload) or 0.0 for way in ways]
    quickest = min(range(len(ways)), key=seconds.__getitem__)
    return ways[quickest] if seconds[quickest] < CLEARLY_FASTER * seconds[0] else ways[0]


def _ways(config: RunConfig, machine: Machine) -> Iterator[tuple[bool, int]]:
    """Yield whether blocks are computed twice, and the tokens at once: the fastest first, the smallest last.

    Smaller micro-batches cost less time than computing the blocks twice, down to some size.
    """
    most = config.micro_batch_tokens or TOKENS_AT_ONCE[machine.device]
    sizes = [most]
    while not config.micro_batch_tokens and sizes[-1] > FEWEST_TOKENS[machine.device]:
        sizes.append(sizes[-1] // 2)
    for checkpointing in (False, True):
        if config.checkpointing == "auto" or (config.checkpointing == "on") == checkpointing:
            yield from ((checkpointing, size) for size in sizes)


def _verdict(memory_bytes: int, machine: Machine) -> str:
    if machine.memory_bytes <= 0:
        return UNKNOWN
    share = memory_bytes / machine.memory_bytes
    return FITS if share <= TIGHT_SHARE else TIGHT if share <= 1 else DOES_NOT_FIT


def savings(
    architecture: Architecture, config: RunConfig, *, machine: Machine, workload: Workload | None, most: int = 3
) -> tuple[tuple[str, int], ...]:
    """Return up to `most` single changes, of different settings, that make a run need less memory, and how much in
    bytes each then takes. Raises ConfigError for target modules that the model does not have.
    """
    now = forecast(architecture, config, machine=machine, workload=workload).memory_bytes
    found: dict[str, tuple[str, int]] = {}
    for remedy in candidates(config, machine=machine, workload=workload):
        changed = replace(config, **dict(remedy.changes))
        setting = remedy.changes[0][0]
        if setting in found or problems(changed):
            continue
        work = workload and _shortened(workload, changed.max_length)
        then = forecast(architecture, changed, machine=machine, workload=work).memory_bytes
        if then < WORTH_SAYING * now:
            found[setting] = (remedy.text, then)
        if len(found) == most:
            break
    return tuple(found.values())


def _remedy(
    architecture: Architecture, config: RunConfig, *, machine: Machine, workload: Workload | None
) -> Remedy | None:
    """Find the one change that makes a run fit, trying those first that take nothing from the result."""
    for remedy in candidates(config, machine=machine, workload=workload):
        changed = replace(config, **dict(remedy.changes))
        if problems(changed):
            continue
        work = workload and _shortened(workload, changed.max_length)
        if _settle(architecture, changed, machine=machine, workload=work)[2] != DOES_NOT_FIT:
            return remedy
    return Remedy("No single setting makes it fit. Choose a smaller base model, or a machine with more memory.", ())
