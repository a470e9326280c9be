"""A contender's process, from its start to its end, and the most memory that it held. Knows nothing of training."""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parents[1]
LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Ran:
    """A process that ended well. Times are in seconds since the epoch; `peak_mib` is the kernel's own VmHWM.

    `others_share` is the share of all processors that other programs used meanwhile: figures taken beside busy programs
    say little, because PyTorch's threads wait for one another.
    """

    began: float
    ended: float
    peak_mib: float
    others_share: float
    told: str


def run(
    command: Sequence[str],
    *,
    name: str,
    settings: dict[str, str] | None = None,
    find: Callable[[int], int | None] = lambda own: own,
) -> Ran:
    """Run a command without a GPU and without the network, and watch the process that `find` names, from its own id.

    Raises SystemExit with the end of what it said when it ends badly.
    """
    environment = os.environ | {
        "CUDA_VISIBLE_DEVICES": "",
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_VERBOSITY": "error",
        "PYTHONPATH": str(BENCHMARKS),
    }
    with tempfile.TemporaryFile("w+", encoding="utf-8") as told, tempfile.TemporaryFile("w+") as errors:
        began, busy = time.time(), _busy_seconds() - _own_seconds()
        process = subprocess.Popen(command, stdout=told, stderr=errors, env=environment | (settings or {}))
        peak, watched = 0.0, None
        try:
            while process.poll() is None:
                watched = watched or find(process.pid)
                peak = max(peak, _peak_mib(watched) if watched else 0.0)
                time.sleep(LOOK_SECONDS)
        finally:
            process.terminate()
            process.wait()
        ended = time.time()
        told.seek(0)
        errors.seek(0)
        if process.returncode:
            tail = f"{told.read()[-2000:]}\n{errors.read()[-4000:]}".strip()
            raise SystemExit(f"{name} ended with status {process.returncode}:\n{tail}")
        others = (_busy_seconds() - _own_seconds() - busy) / (ended - began) / (os.cpu_count() or 1)
        return Ran(began, ended, peak, max(0.0, others), told.read())


def run_module(
    module: str,
    arguments: Sequence[str],
    *,
    name: str,
    python: str = sys.executable,
    settings: dict[str, str] | None = None,
) -> Ran:
    """Run one of the benchmark's own modules in a process of its own."""
    return run([python, "-m", f"training.{module}", *arguments], name=name, settings=settings)


def _busy_seconds() -> float:
    """Return how long all processors together have worked since the machine started."""
    import psutil

    spent = psutil.cpu_times()
    return float(spent.user + spent.nice + spent.system + spent.irq + spent.softirq + spent.steal)


def _own_seconds() -> float:
    """Return what this process and its ended children have used."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def _peak_mib(process_id: int) -> float:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process_id}/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0
