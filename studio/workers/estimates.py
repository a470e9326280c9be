"""The forecast of a run once its rows are known, and what the run took at its end.

The forecast settles how the engine runs: whether blocks are computed twice, and how many tokens go through at once.
"""

import logging
import sys
from dataclasses import replace
from pathlib import Path

from studio.config import RunConfig
from studio.jobs import calibration
from studio.jobs.calibration import machine_key, machine_path, read_machine
from studio.jobs.evaluation_report import EvaluationReport
from studio.logs import logged
from studio.models.architecture import Architecture
from studio.models.forecast.forecast import Forecast, RunTime, Workload, forecast
from studio.models.machine import Machine, Timing
from studio.runs.memory_watch import free_memory_bytes
from studio.workers.rows import Rows

FEWEST_STEPS = 3
"""What fewer steps took says nothing of how long others will."""

log = logging.getLogger(__name__)


def this_machine(home: Path, *, load: float = 0.0) -> Machine:
    """Return the machine as it was measured, or without rates where it was not, or computes on another device now.

    `load` is the share of the processor that other programs have.
    """
    from studio.ml.accelerator import find_accelerator
    from studio.workers.calibrate import describe

    found = read_machine(home, key=machine_key())
    if found is not None and found.device != find_accelerator().device:
        machine_path(home).unlink(missing_ok=True)  # it is measured again when the page is opened next
        found = None
    if found is None:
        return describe()
    return replace(found, load=load) if found.device == "cpu" else found


def estimate(architecture: Architecture, config: RunConfig, *, machine: Machine, rows: Rows) -> Forecast:
    """Forecast a run by its own rows. Raises ConfigError for target modules that the model does not have."""
    return forecast(architecture, config, machine=_with_own_memory(machine), workload=workload_of(rows))


def workload_of(rows: Rows) -> Workload:
    """Sum up rows as the forecast needs them."""
    from studio.ml.batches import learned_in, lengths_of

    lengths = lengths_of(rows.train)
    return Workload(
        examples=len(rows.train),
        tokens=int(lengths.sum()),
        longest=int(lengths.max(initial=0)),
        learned_tokens=learned_in(rows.train),
        held_out_examples=len(rows.validation),
        held_out_tokens=int(lengths_of(rows.validation).sum()),
    )


def leg_timing(
    expected: RunTime, config: RunConfig, *, device: str, done: tuple[int, int], seconds: float, loop_seconds: float
) -> Timing:
    """Put what a worker took beside what was estimated of it. It did so many of so many steps.

    `loop_seconds` of all its `seconds` passed between its first step and its last.
    """
    steps, total = done
    return Timing(
        model=config.model,
        method=config.method,
        device=device,
        start_estimated=expected.slower * expected.start,
        start_seconds=seconds - loop_seconds,
        loop_estimated=expected.slower * expected.loop * steps / total if steps >= FEWEST_STEPS else 0.0,
        loop_seconds=loop_seconds,
    )


def evaluation_timing(config: RunConfig, report: EvaluationReport, estimated: float) -> Timing:
    """Put what an evaluation took beside what was estimated of it."""
    return Timing(
        model=config.model,
        method=config.method,
        device=report.device,
        evaluation_estimated=estimated,
        evaluation_seconds=report.seconds,
    )


def keep_timing(home: Path, timing: Timing) -> None:
    """Remember what was done for later estimates, where the disk takes it."""
    with logged(log, "What the run took is not remembered", OSError):
        calibration.keep_timing(home, timing, key=machine_key())


def peak_bytes(device: str) -> int:
    """Return the highest memory of this process until now, as the forecast counts it; 0 where that cannot be told."""
    if device == "cuda":
        import torch

        from studio.ml.accelerator import CUDA_CONTEXT_BYTES

        return int(torch.cuda.max_memory_reserved()) + CUDA_CONTEXT_BYTES
    with logged(log, "This system does not tell the highest memory", OSError, ValueError):
        for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return _most_resident_bytes()


def _with_own_memory(machine: Machine) -> Machine:
    """Count what this process holds already as free, on a GPU its context: it is part of the forecast."""
    if machine.device == "cuda":
        from studio.ml.accelerator import CUDA_CONTEXT_BYTES, free_gpu_bytes

        return replace(machine, memory_bytes=min(machine.memory_bytes, free_gpu_bytes() + CUDA_CONTEXT_BYTES))
    if machine.device != "cpu":
        return machine
    import psutil

    return replace(machine, memory_bytes=free_memory_bytes() + int(psutil.Process().memory_info().rss))


def _most_resident_bytes() -> int:
    """Return the kernel's own figure where there is no /proc: bytes on a Mac, KiB elsewhere."""
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
