"""One run of the grid in a process of its own, and what it took.

Seconds are given twice. `seconds` passed on the clock, from the worker's first event to its last. `own_seconds` are
those in which the worker's main thread was computing: the threads of PyTorch share its work evenly, so on a machine
that does nothing else the two agree, and beside busy programs only the second says anything.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from forecasting.grid import Case
from studio import codec
from studio.config import RunConfig
from studio.jobs.calibration import machine_path
from studio.jobs.tasks import Train
from studio.models.forecast.forecast import Workload
from studio.models.machine import Machine
from studio.runs.launcher import worker_environment, write_task
from studio.runs.store import RunFolder, RunStore

ROOT = Path(__file__).resolve().parents[2]
LOOK_SECONDS = 0.05


class RunFailed(Exception):
    """A run of the grid did not come to its end."""


@dataclass(frozen=True)
class Measured:
    """One run: what it was, and what it took. `process_seconds` are those of all its threads."""

    case: str
    model: str
    config: RunConfig
    workload: Workload
    machine: Machine
    memory_bytes: int
    seconds: float
    own_seconds: float
    process_seconds: float
    loop_own_seconds: float


@dataclass(frozen=True)
class _Watched:
    """What a process that has ended had used: bytes at its highest, seconds of its main thread and of all threads.

    `own_at` is the main thread's seconds by the clock, to be looked up.
    """

    peak_bytes: int
    own_seconds: float
    process_seconds: float
    own_at: tuple[tuple[float, float], ...]


def measure(case: Case, *, model: Path, machine: Machine) -> Measured:
    """Run a case on a machine that was measured before. Raises RunFailed with the log when it fails."""
    with tempfile.TemporaryDirectory(prefix="forecast-") as name:
        home, precision = Path(name), machine.precision_of(case.config.precision)
        config = replace(case.config, model=str(model), precision=precision)
        run = RunStore(home).create(
            config,
            dataset_id="grid",
            dataset_name="Grid",
            dataset_sha256="0" * 64,
            train=case.examples(),
            validation=case.examples(held_out=True),
        )
        watched = _watch(
            [sys.executable, "-m", "studio.workers", "run", str(write_task(Train(run.path)))], log=run.log_path
        )
        told = [json.loads(line) for line in run.events_path.read_text(encoding="utf-8").splitlines()]
        if told[-1]["kind"] != "Finished":
            raise RunFailed(f"{case.name}: {told[-1]}\n{run.log_path.read_text(encoding='utf-8')[-2000:]}")
        ready = max(float(each["time"]) for each in told if each["kind"] in ("Loaded", "Prepared"))
        last = max(float(each["time"]) for each in told if each["kind"] == "Stepped")
        return Measured(
            case=case.name,
            model=case.model,
            config=config,
            workload=workload_of(run, model),
            machine=machine,
            memory_bytes=watched.peak_bytes,
            seconds=float(told[-1]["time"]) - float(told[0]["time"]),
            own_seconds=watched.own_seconds,
            process_seconds=watched.process_seconds,
            loop_own_seconds=_own_until(watched, last) - _own_until(watched, ready),
        )


def calibrate() -> Machine:
    """Measure the machine in a process of its own, as the worker does."""
    code = (
        "import sys; from pathlib import Path; from studio.workers.calibrate import calibrate; "
        "from studio.workers.job import Job; from studio.jobs.tasks import Calibrate; "
        "calibrate(Job(lambda event: None), Calibrate(Path(sys.argv[1])))"
    )
    with tempfile.TemporaryDirectory(prefix="machine-") as home:
        _watch([sys.executable, "-c", code, home], log=Path(home) / "log")
        return codec.loads(Machine, machine_path(Path(home)).read_text(encoding="utf-8"))


def workload_of(run: RunFolder, model: Path) -> Workload:
    """Count what a run has to do, as the page does before it starts."""
    from studio.data.example_files import ExampleFile
    from studio.data.tokenizing.rendering import ChatRenderer
    from studio.data.tokenizing.tokens import count_tokens

    renderer = ChatRenderer.load(model)
    counted = []
    for path in (run.train_path, run.validation_path):
        examples = ExampleFile(path)
        counts = count_tokens(examples, total=len(examples), renderer=renderer)
        kept = counts.lengths <= run.config.max_length
        counted.append((counts.lengths[kept], counts.learned[kept]))
    (lengths, learned), (held_out, _) = counted
    return Workload(
        examples=len(lengths),
        tokens=int(lengths.sum()),
        longest=int(lengths.max()),
        learned_tokens=int(learned.sum()),
        held_out_examples=len(held_out),
        held_out_tokens=int(held_out.sum()),
    )


def _watch(command: Sequence[str], *, log: Path) -> _Watched:
    """Run a command to its end without a GPU and without the network."""
    environment = worker_environment(os.environ) | {
        "CUDA_VISIBLE_DEVICES": "",
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_VERBOSITY": "error",
    }
    peak, own, whole, own_at = 0, 0.0, 0.0, []
    with log.open("w") as file:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=file, stderr=file)
        while process.poll() is None:
            try:
                status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii", errors="replace")
                thread = Path(f"/proc/{process.pid}/task/{process.pid}/schedstat").read_text(encoding="ascii")
                times = Path(f"/proc/{process.pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
                own = int(thread.split()[0]) / 1e9
                whole = (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")
                own_at.append((time.time(), own))
                peak = max(peak, *(int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line))
            except (OSError, ValueError, IndexError, TypeError):
                pass  # it is ending
            time.sleep(LOOK_SECONDS)
    return _Watched(peak * 1024, own, whole, tuple(own_at))


def _own_until(watched: _Watched, moment: float) -> float:
    """Return the main thread's seconds up to a moment."""
    return max((own for at, own in watched.own_at if at <= moment), default=0.0)
