"""What this machine can do: measured once by a worker, kept in the data folder, and read by page and command line.

    <home>/machine.json    what a calibration measured
    <home>/timings.json    what runs took beside what was estimated of them

Both are valid for one machine and one PyTorch; another one makes them again. Memory and load are looked up at each
reading, as they change from hour to hour.
"""

import importlib.metadata
import logging
import os
import platform
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from studio import codec
from studio.files import write_whole
from studio.graphics_card import DRIVER, card_names, driver_version
from studio.homes import shared_home
from studio.logs import logged
from studio.models.machine import Machine, Timing
from studio.runs import lock
from studio.runs.memory_watch import free_memory_bytes

MEMORY_LOCK = "accelerator.lock"

TIMINGS = "timings.json"
MOST_TIMINGS = 60
"""So many of the newest runs are remembered."""

_MOST_TIMINGS_BYTES = 2**20

log = logging.getLogger(__name__)


def machine_path(home: Path) -> Path:
    """Say where the measurement of this machine is kept."""
    return shared_home(home) / "machine.json"


def accelerator_lock(home: Path) -> Path:
    """Say which lock is held by whatever uses the accelerator: one run, evaluation or measurement at a time."""
    return shared_home(home) / MEMORY_LOCK


def _no_load() -> float:
    return 0.0


def read_machine(home: Path, *, key: str, load: Callable[[], float] = _no_load) -> Machine | None:
    """Read the measurement, with memory and `load` as they are now; None where there is none for this machine.

    While a run of the studio is at work the load is its own, and over when the next one starts: none is told then.
    """
    try:
        machine = codec.read(Machine, machine_path(home))
    except FileNotFoundError:
        return None
    except (OSError, codec.Damaged) as error:
        log.debug("The measurement of this machine cannot be read: %s", error, exc_info=True)
        return None
    if machine.versions != key:
        return None
    machine = replace(machine, timings=read_timings(home, key=key))
    if machine.device != "cpu":
        return machine
    is_ours = lock.is_held(accelerator_lock(home))
    return replace(machine, memory_bytes=free_memory_bytes(), load=0.0 if is_ours else load())


def write_machine(home: Path, machine: Machine) -> None:
    """Keep a measurement, whole or not at all. Raises OSError."""
    write_whole(machine_path(home), codec.dumps(replace(machine, timings=(), load=0.0)))


@dataclass(frozen=True)
class _Timings:
    """The file of what runs took. `versions` is the key of the machine, as in its measurement."""

    versions: str
    timings: tuple[Timing, ...]


def read_timings(home: Path, *, key: str) -> tuple[Timing, ...]:
    """Read what runs took on this machine, the newest last; nothing where that is not known or cannot be read."""
    try:
        found = codec.read(_Timings, shared_home(home) / TIMINGS, most_bytes=_MOST_TIMINGS_BYTES)
    except FileNotFoundError:
        return ()
    except (OSError, codec.Damaged) as error:
        log.debug("What runs took here cannot be read: %s", error, exc_info=True)
        return ()
    return found.timings if found.versions == key else ()


def keep_timing(home: Path, timing: Timing, *, key: str) -> None:
    """Add what a run took. Call it while holding the lock of the accelerator. Raises OSError."""
    kept = (*read_timings(home, key=key), timing)[-MOST_TIMINGS:]
    write_whole(shared_home(home) / TIMINGS, codec.dumps(_Timings(key, kept)))


def machine_key(driver: Path = DRIVER) -> str:
    """Name what a measurement depends on: processor, cores, GPUs that may be seen, their driver, and the version of
    PyTorch.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        torch = importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        torch = "none"
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    seen = () if visible is None else (f"of which {visible or 'none'}",)
    version = driver_version(driver)
    cards = (*card_names(driver), *([f"driver {version}"] if version else []))
    return "; ".join((processor_name(), f"{cores} cores", *cards, *seen, f"torch {torch}"))


def processor_name() -> str:
    """Return the processor's own name."""
    with logged(log, "The name of the processor cannot be read", OSError):
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        if found:
            return found[1].strip()
    return platform.processor() or platform.machine() or "processor"
