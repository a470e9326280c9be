"""What the machine of a place is, as a job there finds it: versions, cores, memory, graphics cards, free disk."""

import logging
import os
import platform
import shutil
import socket
from importlib import metadata
from pathlib import Path

from studio.jobs.places.protocol import Facts
from studio.logs import logged
from studio.runs.memory_watch import free_memory_bytes

PACKAGES = ("torch", "transformers", "peft", "tokenizers", "safetensors", "accelerate", "numpy", "pyarrow", "psutil")
"""What a run needs at a place; with other versions its losses may be others."""

log = logging.getLogger(__name__)


def versions_here() -> tuple[tuple[str, str], ...]:
    """Return the version of each package that a run needs; an empty one where it is not installed."""
    found = []
    for name in PACKAGES:
        version = ""
        with logged(log, "A package is not installed", metadata.PackageNotFoundError):
            version = metadata.version(name)
        found.append((name, version))
    return tuple(found)


def facts_here(scratch: Path) -> Facts:
    """Say what this machine is; `scratch` is the folder in which runs work."""
    names, memory = _cards()
    return Facts(
        host=socket.gethostname(),
        python=platform.python_version(),
        versions=versions_here(),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=free_memory_bytes() / 2**30,
        gpus=names,
        gpu_memory_gib=memory,
        disk_gib=shutil.disk_usage(scratch).free / 2**30,
    )


def _cards() -> tuple[tuple[str, ...], float]:
    """Return the names of the graphics cards that PyTorch can use, and the memory of the smallest in GiB."""
    with logged(log, "PyTorch cannot be read, so no graphics card is known", ImportError, OSError, RuntimeError):
        import torch

        if torch.cuda.is_available():
            found = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
            return tuple(each.name for each in found), min(each.total_memory for each in found) / 2**30
    return (), 0.0
