"""The calibration job: measures products, passes over memory, the start of an operation, and its own start.

Each figure is the median of many short tries. On a processor only the seconds that the thread itself worked are
counted, so other programs do not matter. The threads of PyTorch share the work evenly, so one thread is enough to
measure.
"""

import logging
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from studio.events import Finished, Loading, Saved
from studio.jobs.calibration import accelerator_lock, machine_key, processor_name, write_machine
from studio.jobs.tasks import Calibrate
from studio.models.machine import Machine, Rates
from studio.runs.memory_watch import free_memory_bytes
from studio.runs.turns import Holder
from studio.workers.job import Job

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

WIDTHS = {"cpu": (128, 512, 1024, 2048), "cuda": (512, 1024, 2048, 4096, 8192), "mps": (256, 512, 1024, 2048)}
TOKENS = {"cpu": 512, "cuda": 8192, "mps": 2048}
"""Rows of a product: about as many as a micro-batch has."""

UNPACKED_WIDTH = {"cpu": 1024, "cuda": 8192}
"""A GPU unpacks a smaller weight in less time than it takes to start."""

TRY_SECONDS = 0.25
"""So long is each thing measured; the whole job takes a few seconds."""

_FEWEST_TRIES = 5


def calibrate(job: Job, task: Calibrate) -> Finished:
    """Measure this machine and keep the result. Waits until no run holds the accelerator."""
    began = time.monotonic()
    with job.holding(
        accelerator_lock(task.home),
        waiting="Waiting for a run to finish",
        holder=Holder("the measurement of this machine"),
    ):
        job.emit(Loading(what="Measuring this machine"))
        write_machine(task.home, measure())
    job.emit(Saved(step=0, path="machine.json"))
    return Finished("finished", "This machine is measured.", time.monotonic() - began)


def measure() -> Machine:
    """Describe this machine with all its rates. The process must be a fresh one: its start is measured too."""
    from studio.ml import loading
    from studio.ml.accelerator import has_bf16

    start_seconds = time.process_time()  # importing is one thread's work
    machine = describe()
    precisions = ("fp32", "bf16") if has_bf16(machine.device) else ("fp32", "fp16") if machine.fp16 else ("fp32",)
    rates = tuple(measure_rates(machine.device, precision) for precision in precisions)
    if machine.device != "cpu":
        return replace(machine, rates=rates, start_seconds=start_seconds)
    # Some processors have instructions for bf16 that are slower than those for fp32; the rest is faster in any case.
    bf16 = len(rates) > 1 and rates[1].flops > loading.BF16_SHARE * rates[0].flops
    return replace(machine, rates=rates, start_seconds=start_seconds, bf16=bf16)


def describe() -> Machine:
    """Describe this machine without measuring anything, as a run that cannot wait needs it."""
    import torch

    from studio.ml import loading  # brings transformers and peft: their time belongs to the start
    from studio.ml.accelerator import find_accelerator, needs_fp16

    found = find_accelerator()
    device = found.device
    is_cuda = device == "cuda"
    return Machine(
        device=device,
        name=torch.cuda.get_device_name(0) if is_cuda else processor_name(),
        memory_bytes=torch.cuda.get_device_properties(0).total_memory if is_cuda else free_memory_bytes(),
        bf16=loading.computes_in_bf16(device),
        devices=torch.cuda.device_count() if is_cuda else 1,
        rates=(),
        versions=machine_key(),
        fp16=needs_fp16(device),
        trouble=found.trouble,
    )


def measure_rates(device: str, precision: str) -> Rates:
    """Measure what the forecast of time needs in one precision."""
    by_width = tuple((width, _product_rate(device, precision, width)) for width in WIDTHS[device])
    return Rates(
        precision=precision,
        flops=max(rate for _, rate in by_width),
        bytes_per_second=_pass_rate(device, precision),
        seconds_per_call=_call_seconds(device, precision),
        by_width=by_width,
        unpacked_per_second=0.0 if device == "mps" else _unpack_rate(device, precision),
    )


def _product_rate(device: str, precision: str, width: int) -> float:
    """Operations per second of a layer's product and of its gradient by the input, for a square layer."""
    import torch

    weight = torch.randn(width, width, device=device, dtype=_dtype(precision))
    rows = torch.randn(TOKENS[device], width, device=device, dtype=weight.dtype)

    def both() -> None:
        torch.nn.functional.linear(rows, weight) @ weight

    return 4 * TOKENS[device] * width**2 / _seconds(both, device)


def _pass_rate(device: str, precision: str) -> float:
    """Bytes per second of a sum of two tensors, as large as those between the products."""
    import torch

    left, right = (torch.randn(TOKENS[device], 2048, device=device, dtype=_dtype(precision)) for _ in range(2))
    return 3 * left.numel() * left.element_size() / _seconds(lambda: left + right, device)


def _call_seconds(device: str, precision: str, *, calls: int = 100) -> float:
    """Seconds of one tiny operation with its gradient."""
    import torch

    small = torch.ones(16, device=device, dtype=_dtype(precision), requires_grad=True)

    def chain() -> None:
        value = small
        for _ in range(calls):
            value = value * 1.0
        torch.autograd.backward([value.sum()])

    return _seconds(chain, device) / (2 * calls)


def _unpack_rate(device: str, precision: str) -> float:
    """4-bit weights unpacked per second; 0 where bitsandbytes is missing or cannot do it."""
    import torch

    width = UNPACKED_WIDTH[device]
    try:
        from bitsandbytes.functional import dequantize_4bit, quantize_4bit

        weight = torch.randn(width, width, device=device, dtype=_dtype(precision))
        packed, state = quantize_4bit(weight, quant_type="nf4", compress_statistics=True)
        return width**2 / _seconds(lambda: dequantize_4bit(packed, state), device)
    except (ImportError, RuntimeError, NotImplementedError):
        log.info("4-bit layers cannot be measured here", exc_info=True)
        return 0.0


def _seconds(work: Callable[[], object], device: str) -> float:
    """Return the median seconds of `work` over `TRY_SECONDS`, after one try that does not count."""
    import torch

    finish: Callable[[], None] = torch.cuda.synchronize if device == "cuda" else lambda: None
    if device == "mps":
        finish = torch.mps.synchronize
    clock = time.thread_time if device == "cpu" else time.perf_counter
    work()
    finish()
    tries: list[float] = []
    end = time.perf_counter() + TRY_SECONDS
    while len(tries) < _FEWEST_TRIES or time.perf_counter() < end:
        began = clock()
        work()
        finish()
        tries.append(clock() - began)
    return statistics.median(tries)


def _dtype(precision: str) -> "torch.dtype":
    import torch

    return {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision, torch.float32)
