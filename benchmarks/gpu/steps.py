"""Short trainings by the studio's own loop, and what each took beside what was forecast."""

import random
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gpu.processes import Bench

WARM_UP = 3
"""Steps that are not timed."""
CONTEXT_GIB = 0.5
LEARNED = 0.5
"""The share of a row that is learned."""


@dataclass(frozen=True)
class Case:
    """One short training: a shape, a method, rows evenly from the shortest to the longest, and the steps."""

    name: str
    shape: str
    method: str
    lengths: tuple[int, int]
    batch: int
    steps: int
    cap_gib: float = 0.0
    """The memory that it may take; 0 leaves that to the benchmark."""


CASES = (
    Case("4b lora", "qwen3-4b", "lora", (2048, 2048), 8, 9),
    Case("8b nf4", "llama-8b", "qlora", (2048, 2048), 4, 9),
    Case("1b lora", "llama-1b", "lora", (128, 2048), 16, 10),
    Case("4b lora, whole card", "qwen3-4b", "lora", (2048, 2048), 8, 9, cap_gib=79.0),
    Case("4b nf4", "qwen3-4b", "qlora", (2048, 2048), 4, 9),
    Case("gemma3 lora", "gemma3", "lora", (256, 2048), 8, 9),
    Case("gemma2 lora", "gemma2", "lora", (256, 2048), 8, 9),
    Case("1b lora, 1 row of 8k", "llama-1b", "lora", (8192, 8192), 1, 12),
    Case("1b full", "llama-1b", "full", (128, 2048), 16, 9, cap_gib=40.0),
)
PROFILED = ("1b lora", "4b lora, whole card", "8b nf4")


def make_rows(case: Case, bench: Bench, *, words: int) -> list[Any]:
    """Make rows of random tokens, the second half of each learned."""
    from studio.ml.batches import IGNORED, TokenRow

    draw = random.Random(0)
    low, high = (bench.scale.tokens(each) for each in case.lengths)
    count = case.batch * case.steps
    rows = []
    for number in range(count):
        length = low + (high - low) * number // max(1, count - 1)
        ids = [draw.randrange(words) for _ in range(length)]
        cut = int(length * (1 - LEARNED))
        rows.append(TokenRow(ids=ids, labels=[IGNORED] * cut + ids[cut:]))
    return rows


@dataclass
class Run:
    """What a short training told."""

    losses: list[float] = field(default_factory=list)
    tokens_per_second: list[float] = field(default_factory=list)
    step_seconds: list[float] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    engines: list[Any] = field(default_factory=list)
    micro_batches: int = 0
    syncs: list[str] = field(default_factory=list)

    @property
    def speed(self) -> float:
        """The median of tokens a second, without the first steps."""
        timed = sorted(self.tokens_per_second[WARM_UP:]) or [0.0]
        return timed[len(timed) // 2]

    @property
    def seconds(self) -> float:
        """The median of a step, without the first ones."""
        timed = sorted(self.step_seconds[WARM_UP:]) or [0.0]
        return timed[len(timed) // 2]


def run_steps(
    model: Any,
    rows: Sequence[Any],
    config: Any,
    placement: Any,
    *,
    micro_batch_tokens: int = 0,
    checkpointing: bool = False,
    count_syncs: bool = False,
    profile: Any = None,
) -> Run:
    """Train for one epoch; the step before the last is watched for syncs or profiled where that is asked for."""
    from studio.events import Noted, Stepped
    from studio.ml.checkpoints import Keeper
    from studio.ml.training import Trainer

    run = Run()
    total = config.total_steps(len(rows))
    watch = _Syncs(run) if count_syncs else profile

    def emit(event: Any) -> None:
        if isinstance(event, Noted):
            run.notes.append(event.text)
        if isinstance(event, Stepped):
            run.losses.append(round(event.loss, 4))
            run.tokens_per_second.append(event.tokens_per_second)
            run.step_seconds.append(event.tokens / event.tokens_per_second)
            if watch is not None and event.step == total - 2:
                run.micro_batches = 0
                watch.__enter__()
            elif watch is not None and event.step == total - 1:
                watch.__exit__(None, None, None)

    with _watched(run):
        Trainer(
            model,
            train_rows=rows,
            validation_rows=(),
            config=config,
            placement=placement,
            pad_id=257,
            emit=emit,
            should_stop=lambda: False,
            keeper=Keeper(save=lambda progress: "", load=lambda step: None, share=1e-9),
            checkpointing=checkpointing,
            micro_batch_tokens=micro_batch_tokens,
        ).run()
    if watch is not None:  # those of the last step are counted as well
        run.micro_batches //= 2
        run.tokens_per_second, run.step_seconds = run.tokens_per_second[:-2], run.step_seconds[:-2]
    return run


@contextmanager
def _watched(run: Run) -> Iterator[None]:
    """Note which engines are made, and count what goes through them."""
    from studio.ml.engine import Engine

    make, batch = Engine.__init__, Engine.batch

    def noted(self: Any, *args: Any, **options: Any) -> None:
        make(self, *args, **options)
        self.was_packed, self.told = self.is_packed, self.speedups
        run.engines.append(self)

    def counted(self: Any, rows: Any) -> Any:
        run.micro_batches += 1
        return batch(self, rows)

    Engine.__init__, Engine.batch = noted, counted  # type: ignore[method-assign]
    try:
        yield
    finally:
        Engine.__init__, Engine.batch = make, batch  # type: ignore[method-assign]


class _Syncs:
    """Where the processor waited for the GPU, while this is entered."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._caught: Any = None

    def __enter__(self) -> None:
        import torch

        self._caught = warnings.catch_warnings(record=True)
        self._told = self._caught.__enter__()
        warnings.simplefilter("always")
        if torch.cuda.is_available():
            torch.cuda.set_sync_debug_mode(1)

    def __exit__(self, *_: object) -> None:
        import torch

        if torch.cuda.is_available():
            torch.cuda.set_sync_debug_mode(0)
        self._run.syncs = [
            f"{Path(each.filename).name}:{each.lineno}" for each in self._told if "synchroniz" in str(each.message)
        ]
        self._caught.__exit__(None, None, None)


def machine_of(bench: Bench, cap_gib: float) -> Any:
    """Return this machine as it was measured, with the memory that a run may take."""
    from studio.codec import read
    from studio.models.machine import Machine

    path = bench.work / "machine.json"
    end = time.monotonic() + 30
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.1)
    machine = read(Machine, path)
    return replace(machine, memory_bytes=int(cap_gib * 2**30))


def cap_memory(bench: Bench, gib: float) -> None:
    """Let this process hold no more of the GPU than `gib`, CUDA's own part included."""
    import torch

    if bench.device == "cuda":
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, (gib - CONTEXT_GIB) * 2**30 / total))


def peak(bench: Bench) -> tuple[float, float]:
    """Return the most memory that tensors took and that the allocator held, in GiB."""
    import torch

    if bench.device != "cuda":
        return 0.0, 0.0
    return torch.cuda.max_memory_allocated() / 2**30, torch.cuda.max_memory_reserved() / 2**30


def fresh_peak(bench: Bench) -> None:
    from studio.ml.memory import release_memory

    release_memory()
    if bench.device == "cuda":
        import torch

        torch.cuda.reset_peak_memory_stats()


def useful_flops(architecture: Any, config: Any, rows: Sequence[Any]) -> float:
    """Count the operations of a step's products: nothing that is done twice, and no gradient of what is frozen."""
    tokens = sum(len(row.ids) for row in rows)
    learned = sum(row.learned for row in rows)
    passes = 6 if config.method == "full" else 4
    head = architecture.hidden * architecture.vocabulary
    adapters = sum(config.rank * (each.inputs + each.outputs) for each in architecture.layout.layers)
    pairs = sum(len(row.ids) ** 2 / 2 for row in rows)
    attention = 4 * 3.5 * architecture.layers * architecture.heads * architecture.head_size * pairs
    own = passes * architecture.linear_parameters * tokens + passes * head * learned + attention
    return float(own + (0 if config.method == "full" else 6 * adapters * tokens))


def train_case(bench: Bench, case: Case) -> None:
    """Train a case with the memory of a smaller card, and hold it against its forecast."""
    import torch

    from studio.config import RunConfig
    from studio.ml.loading import choose_placement, load_base
    from studio.ml.methods import make_trainable
    from studio.models.architecture import architecture_in
    from studio.models.forecast.forecast import Workload, forecast

    folder = bench.model(case.shape)
    cap_gib = case.cap_gib or bench.cap_gib
    cap_memory(bench, cap_gib)
    config = RunConfig(
        method=case.method, model=str(folder), epochs=1, batch_size=case.batch, max_length=max(case.lengths),
        learning_rate=1e-5 if case.method == "full" else 1e-4,
    )  # fmt: skip
    placement = choose_placement(precision="auto", bits=config.base_bits)
    base = load_base(folder, placement)
    loaded = peak(bench)[0]
    architecture = architecture_in(folder)
    rows = make_rows(case, bench, words=architecture.vocabulary)
    lengths = [len(row.ids) for row in rows]
    workload = Workload(len(rows), sum(lengths), max(lengths), sum(row.learned for row in rows), 0, 0)
    machine = machine_of(bench, cap_gib)
    expected = forecast(architecture, config, machine=machine, workload=workload)
    bench.record("4 forecast", case=case.name, gib=round(expected.memory_bytes / 2**30, 2), verdict=expected.verdict,
                 tokens_at_once=expected.micro_batch_tokens, checkpointing=expected.checkpointing)  # fmt: skip
    model = make_trainable(base, config)
    del base
    with bench.alone():
        fresh_peak(bench)
        began = time.monotonic()
        run = run_steps(
            model, rows, config, placement, count_syncs=True,
            micro_batch_tokens=expected.micro_batch_tokens, checkpointing=expected.checkpointing,
        )  # fmt: skip
        whole = time.monotonic() - began
        allocated, reserved = peak(bench)
    flops = useful_flops(architecture, config, rows) / len(rows) * case.batch
    rate = flops / run.seconds if run.seconds else 0.0
    seconds = _forecast_step(bench, architecture, config, machine, workload, expected)
    bench.record(
        "4 training",
        case=case.name,
        forecast_step_seconds=seconds and round(seconds, 4),
        tflops=round(rate / 1e12, 1),
        gib_allocated=round(allocated, 2),
        gib_held=round(reserved + CONTEXT_GIB, 2),
        loaded_gib=round(loaded, 2),
        whole_seconds=round(whole, 1),
        **_what_was_forecast(expected),
        **_what_was_run(run),
    )
    if bench.profiles and case.name in PROFILED:
        with bench.alone(), suppress(torch.OutOfMemoryError):
            _profile(bench, case, model, rows, config, placement, expected)


def _what_was_forecast(expected: Any) -> dict[str, Any]:
    """Return what the record of a training says of its forecast."""
    return {
        "gib_forecast": round(expected.memory_bytes / 2**30, 2),
        "parts": {part.name: round(part.bytes / 2**30, 2) for part in expected.memory},
        "verdict": expected.verdict,
        "tokens_at_once": expected.micro_batch_tokens,
        "checkpointing": expected.checkpointing,
    }


def _what_was_run(run: Any) -> dict[str, Any]:
    """Return what the record of a training says of its steps."""
    return {
        "packed": run.engines[0].was_packed,
        "left_out": run.engines[0].told.left_out,
        "attention": run.engines[0].told.attention,
        "tokens_per_second": round(run.speed),
        "step_seconds": round(run.seconds, 4),
        "micro_batches": run.micro_batches,
        "syncs": len(run.syncs),
        "sync_places": Counter(run.syncs).most_common(8),
        "losses": [run.losses[0], run.losses[-1]],
        "finite": all(each == each and abs(each) < 1e9 for each in run.losses),
        "notes": run.notes,
    }


def _forecast_step(bench: Bench, architecture: Any, config: Any, machine: Any, workload: Any, found: Any) -> Any:
    """Return the seconds of a step as they were forecast: the loop without what saving takes."""
    from studio.models.forecast import duration
    from studio.models.forecast.plan import make_plan

    plan = make_plan(
        architecture, config, machine=machine, workload=workload,
        checkpointing=found.checkpointing, micro_batch_tokens=found.micro_batch_tokens,
    )  # fmt: skip
    kept, duration.CHECKPOINT_BYTES = duration.CHECKPOINT_BYTES, 0
    try:
        seconds = duration.loop_seconds(plan, machine=machine, workload=workload)
    finally:
        duration.CHECKPOINT_BYTES = kept
    return seconds and seconds / config.total_steps(workload.examples)


def _profile(
    bench: Bench, case: Case, model: Any, rows: Sequence[Any], config: Any, placement: Any, found: Any
) -> None:
    """Say which kernels one step of a case spends its time in."""
    from torch.profiler import ProfilerActivity, profile

    kind = ProfilerActivity.CUDA if bench.device == "cuda" else ProfilerActivity.CPU
    watch = profile(activities=[kind])
    few = rows[: 4 * config.batch_size]
    run_steps(
        model, few, config, placement, profile=watch,
        micro_batch_tokens=found.micro_batch_tokens, checkpointing=found.checkpointing,
    )  # fmt: skip
    events = [event for event in watch.key_averages() if event.device_type.name == kind.name]
    whole = sum(_own(event) for event in events) or 1
    top = sorted(events, key=_own, reverse=True)[:28]
    bench.record(
        "4 profile",
        case=case.name,
        gpu_milliseconds=round(whole / 1000, 1),
        kernels=sum(event.count for event in events),
        top=[(round(100 * _own(e) / whole, 1), e.count, e.key[:110]) for e in top],
    )


def _own(event: Any) -> float:
    """Return the microseconds of a kernel, or of an operation on a processor."""
    return float(event.self_device_time_total or event.self_cpu_time_total)
