"""What this machine can do: measured once by a worker, kept in the data folder, and read by page and command line.

    <home>/machine.json

A measurement is valid for one machine and one PyTorch; another one makes it again. The memory is looked up at each
reading, as it changes from hour to hour.
"""

import importlib.metadata
import logging
import os
import platform
import re
from dataclasses import replace
from pathlib import Path

from studio import codec
from studio.files import write_whole
from studio.graphics_card import DRIVER, card_names, driver_version
from studio.logs import logged
from studio.models.machine import Machine
from studio.runs.memory_watch import free_memory_bytes

log = logging.getLogger(__name__)


def machine_path(home: Path) -> Path:
    """Say where the measurement of this machine is kept."""
    return home / "machine.json"


def read_machine(home: Path, *, key: str) -> Machine | None:
    """Read the measurement with the memory as it is now; None where there is none for this machine."""
    try:
        machine = codec.read(Machine, machine_path(home))
    except FileNotFoundError:
        return None
    except (OSError, codec.Damaged) as error:
        log.debug("The measurement of this machine cannot be read: %s", error, exc_info=True)
        return None
    if machine.versions != key:
        return None
    return replace(machine, memory_bytes=free_memory_bytes()) if machine.device == "cpu" else machine


def write_machine(home: Path, machine: Machine) -> None:
    """Keep a measurement, whole or not at all. Raises OSError."""
    write_whole(machine_path(home), codec.dumps(machine))


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
