"""Runs that went silent: why, as far as anybody knows, and whether they are taken up again unasked."""

import logging
import shutil
from dataclasses import replace
from pathlib import Path

from studio import codec
from studio.events import Failed, Finished
from studio.files import write_whole
from studio.logs import logged
from studio.runs import lock
from studio.runs.diagnosis import Diagnosis, Witness, diagnose
from studio.runs.event_log import last_event
from studio.runs.launcher import Worker
from studio.runs.store import RunFolder
from studio.runs.view import RunView

RECOVERED_SECONDS = 7 * 24 * 3600.0
"""A run that was lost longer ago than this is not taken up again unasked."""

FULL_BYTES = 1_000_000
"""A disk with less room than this is as good as full."""

_MOST_BYTES = 2**20
_UNREADABLE = Diagnosis(
    "unknown",
    "Why is not known: lost.json in its folder is damaged.",
    "Resume it if you want it to go on.",
    witnessed=True,
)

log = logging.getLogger(__name__)


def was_lost_alone(run: RunFolder, now: float) -> bool:
    """Tell whether a run went silent while no server was there to see it. Cheap: reads the end of its events."""
    if run.stop_request.exists() or run.is_blend or not run.was_launched or run.is_alive():
        return False
    kept = _kept(run)
    if (kept is not None and kept.witnessed) or isinstance(last_event(run.events_path), Finished | Failed):
        return False
    with logged(log, "A run has no log that could be looked at", OSError):
        return now - run.log_path.stat().st_mtime < RECOVERED_SECONDS
    return False


def diagnosis_of(run: RunFolder, view: RunView, worker: Worker | None) -> Diagnosis:
    """Say why a run was lost, and write it down: its exit code is known to one server alone, and not for long.

    `worker` is the last one that this server started for the run; None when it started none.
    """
    kept = _kept(run)
    if kept is not None:
        return kept
    if worker is not None and lock.last_holder(run.lock_path) not in (None, worker.process_id):
        worker = None  # another server has started the run since
    found = replace(diagnose(run.log_tail(), _witness(run, view, worker)), witnessed=worker is not None)
    with logged(log, "Why a run was lost could not be written", OSError, level=logging.INFO):
        write_whole(run.lost_path, codec.dumps(found))
        if run.is_alive():  # another server has just started it again: it is lost no more
            run.lost_path.unlink(missing_ok=True)
    return found


def _witness(run: RunFolder, view: RunView, worker: Worker | None) -> Witness:
    started, kills = view.started, memory_kills()
    restarted = started is not None and started.boot != "" and boot() not in ("", started.boot)
    counted = started is not None and started.memory_kills >= 0 and kills >= 0 and not restarted
    return Witness(
        exit_code=None if worker is None else worker.exit_code(),
        restarted=restarted,
        memory_kills=kills - started.memory_kills if counted and started is not None else 0,
        disk_full=_is_disk_full(run),
    )


def _is_disk_full(run: RunFolder) -> bool:
    with logged(log, "The room on the disk could not be read", OSError):
        return shutil.disk_usage(run.path).free < FULL_BYTES
    return False


def _kept(run: RunFolder) -> Diagnosis | None:
    """Return what was written down; where that cannot be read, somebody saw it, and nobody takes the run up again."""
    try:
        return codec.read(Diagnosis, run.lost_path, most_bytes=_MOST_BYTES)
    except FileNotFoundError:
        return None
    except (OSError, codec.Damaged) as error:
        log.debug("The reason why %s was lost cannot be read: %s", run.id, error, exc_info=True)
        return _UNREADABLE


_BOOT = Path("/proc/sys/kernel/random/boot_id")
_COUNTERS = Path("/proc/vmstat")
_OWN_EVENTS = Path("/sys/fs/cgroup/memory.events")
_OWN_GROUP = Path("/proc/self/cgroup")


def boot() -> str:
    """Return the name of this start of the computer; empty where the system has none."""
    with logged(log, "This system does not name its start", OSError):
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
    with logged(log, "This process is in no group with counters", OSError, IndexError):
        group = _OWN_GROUP.read_text(encoding="utf-8").split("::", 1)[1].strip().lstrip("/")
        if group:
            return Path("/sys/fs/cgroup") / group / "memory.events"
    return Path("/nonexistent")


def _counter(path: Path, name: str) -> int | None:
    with logged(log, "This system does not count the programs it ends", OSError, ValueError):
        for line in path.read_text(encoding="ascii", errors="replace").splitlines():
            key, _, value = line.partition(" ")
            if key == name:
                return int(value)
    return None
