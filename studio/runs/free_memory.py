"""How much memory a new process may take, within what the container may have."""

import re
from contextlib import suppress
from pathlib import Path

import psutil

CGROUP = Path("/sys/fs/cgroup")
_NO_LIMIT = 1 << 60
"""A container without a limit names a number near 2**63."""


def free_memory_bytes() -> int:
    """Return the bytes of RAM that a new process may take: what is free, within what the container may have."""
    free = int(psutil.virtual_memory().available)
    room = _container_room()
    return free if room is None else max(0, min(free, room))


def _container_room() -> int | None:
    """Return what the memory limit of this container leaves, None without one. Cached files do not count as used."""
    for limit, used, cached in (
        (CGROUP / "memory.max", CGROUP / "memory.current", r"^inactive_file (\d+)$"),
        (
            CGROUP / "memory" / "memory.limit_in_bytes",
            CGROUP / "memory" / "memory.usage_in_bytes",
            r"^total_inactive_file (\d+)$",
        ),
    ):
        with suppress(OSError, ValueError):
            most = int(limit.read_text())
            found = re.search(cached, (used.parent / "memory.stat").read_text(), re.MULTILINE)
            if most < _NO_LIMIT:
                return most - int(used.read_text()) + (int(found[1]) if found else 0)
    return None
