"""What the constants of the forecast should be, given what was measured.

Gauss-Newton on the logarithms of the constants, with a pull towards what they are: a constant that the runs say nothing
of stays. Knows the constants by their names alone, and changes no file.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from forecasting.running import Measured
from studio.models.architecture import architecture_in
from studio.models.forecast import duration, forecast
from studio.models.forecast import memory as forecast_memory
from studio.models.forecast.duration import fixed_seconds, loop_seconds
from studio.models.forecast.memory import memory_parts
from studio.models.forecast.plan import Plan, make_plan

ROUNDS = 4
PULL = 0.02
"""How much a constant that is off by its own size counts beside a run that is."""
NUDGE = 0.02

MEMORY = (
    "BACKWARD_HIDDEN",
    "BACKWARD_FEED",
    "LOGIT_BYTES",
    "HELD_SHARE.cpu",
    "HELD_SHARE_OF_SEVERAL.cpu",
    "HELD_BY_SIZES",
    "PROGRAM_BYTES.cpu",
)
TIME = (
    "PRODUCT_SHARE.cpu",
    "SKINNY_SHARE.cpu",
    "HIDDEN_PASSES",
    "FEED_PASSES",
    "LOGIT_PASSES.cpu",
    "BLOCK_CALLS.cpu",
    "UPDATE_BYTES",
    "ATTENTION_SHARE.cpu",
)
FIXED = ("TRIED_TOKENS", "BLOCK_SECONDS")


def suggest(results: Sequence[Measured], work: Path) -> str:
    """Fit memory, the loop and what is beside it apart; return a line for each constant."""
    architectures = {name: architecture_in(work / name) for name in {each.model for each in results}}

    def plan(run: Measured) -> Plan:
        found = forecast(architectures[run.model], run.config, machine=run.machine, workload=run.workload)
        return make_plan(
            architectures[run.model],
            run.config,
            machine=run.machine,
            workload=run.workload,
            checkpointing=found.checkpointing,
            micro_batch_tokens=found.micro_batch_tokens,
        )

    plans = [(plan(run), run) for run in results]

    def memory() -> list[float]:
        return [math.log(sum(p.bytes for p in memory_parts(plan)) / run.memory_bytes) for plan, run in plans]

    def loop() -> list[float]:
        found = [loop_seconds(plan, machine=run.machine, workload=run.workload) or 1.0 for plan, run in plans]
        return [math.log(each / run.loop_own_seconds) for each, (_, run) in zip(found, plans, strict=True)]

    def fixed() -> list[float]:
        found = [fixed_seconds(plan, machine=run.machine) for plan, run in plans]
        return [
            math.log(each / (run.own_seconds - run.loop_own_seconds))
            for each, (_, run) in zip(found, plans, strict=True)
        ]

    lines = []
    for module, names, errors in (
        (forecast_memory, MEMORY, memory),
        (duration, TIME, loop),
        (duration, FIXED, fixed),
    ):
        for name, value in _fit(module, names, errors).items():
            lines.append(f"{module.__name__}.{name}: {_get(module, name):.4g} -> {value:.4g}")
    return "\n".join(lines)


def _fit(module: object, names: Sequence[str], errors: Callable[[], list[float]]) -> dict[str, float]:
    import numpy

    values = {name: _get(module, name) for name in names}
    first = dict(values)
    for _ in range(ROUNDS):
        with _set(module, values):
            here = numpy.array(errors())
            slopes = []
            for name in names:
                with _set(module, {name: values[name] * math.exp(NUDGE)}):
                    slopes.append((numpy.array(errors()) - here) / NUDGE)
        pull = PULL**0.5 * numpy.eye(len(names))
        away = numpy.array([math.log(values[name] / first[name]) for name in names])
        matrix = numpy.concatenate([numpy.stack(slopes, axis=1), pull])
        wanted = numpy.concatenate([-here, -pull @ away])
        change = numpy.linalg.lstsq(matrix, wanted, rcond=None)[0].clip(-1, 1)
        values = {name: values[name] * math.exp(step) for name, step in zip(names, change, strict=True)}
    return values


@contextmanager
def _set(module: object, values: dict[str, float]) -> Iterator[None]:
    before = {name: _get(module, name) for name in values}
    for name, value in values.items():
        _put(module, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            _put(module, name, value)


def _get(module: object, name: str) -> float:
    name, _, key = name.partition(".")
    found = getattr(module, name)
    return float(found[key] if key else found)


def _put(module: object, name: str, value: float) -> None:
    name, _, key = name.partition(".")
    if key:
        getattr(module, name)[key] = value
    else:
        setattr(module, name, value)
