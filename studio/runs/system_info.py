"""What the system tells of itself: since when it runs, and how many programs it ended for want of memory."""

from contextlib import suppress
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_COUNTERS = Path("/proc/vmstat")
_OWN_EVENTS = Path("/sys/fs/cgroup/memory.events")
_OWN_GROUP = Path("/proc/self/cgroup")


def boot() -> str:
    """Return the name of this start of the computer; empty where the system has none."""
    with suppress(OSError):
        return _BOOT.read_text(encoding="ascii").strip()
    return ""


def memory_kills() -> int:
    """Count the programs that the system has ended for want of memory, those of this container included.

    -1 where nobody counts.
    """
    counts = [_counter(path, "oom_kill") for path in (_COUNTERS, _OWN_EVENTS, _group_events())]
    known = [count for count in counts if count is not None]
    return sum(known) if known else -1


def _group_events() -> Path:
    with suppress(OSError, IndexError):
        group = _OWN_GROUP.read_text(encoding="utf-8").split("::", 1)[1].strip().lstrip("/")
        if group:
            return Path("/sys/fs/cgroup") / group / "memory.events"
    return Path("/nonexistent")


def _counter(path: Path, name: str) -> int | None:
    with suppress(OSError, ValueError):
        for line in path.read_text(encoding="ascii", errors="replace").splitlines():
            key, _, value = line.partition(" ")
            if key == name:
                return int(value)
    return None
