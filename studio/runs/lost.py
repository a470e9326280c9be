"""Runs that went silent: why, as far as anybody knows, and whether they are taken up again unasked.

Knows nothing of the queue, and starts nothing.
"""

import logging
import shutil
from contextlib import suppress
from dataclasses import replace

from studio import codec
from studio.events import Failed, Finished
from studio.files import write_whole
from studio.runs import lock, system_info
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
    with suppress(OSError):
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
    with suppress(OSError):
        write_whole(run.lost_path, codec.dumps(found))
        if run.is_alive():  # another server has just started it again: it is lost no more
            run.lost_path.unlink(missing_ok=True)
    return found


def _witness(run: RunFolder, view: RunView, worker: Worker | None) -> Witness:
    started, kills = view.started, system_info.memory_kills()
    restarted = started is not None and started.boot != "" and system_info.boot() not in ("", started.boot)
    counted = started is not None and started.memory_kills >= 0 and kills >= 0 and not restarted
    return Witness(
        exit_code=None if worker is None else worker.exit_code(),
        restarted=restarted,
        memory_kills=kills - started.memory_kills if counted and started is not None else 0,
        disk_full=_is_disk_full(run),
    )


def _is_disk_full(run: RunFolder) -> bool:
    with suppress(OSError):
        return shutil.disk_usage(run.path).free < FULL_BYTES
    return False


def _kept(run: RunFolder) -> Diagnosis | None:
    """Return what was written down; where that cannot be read, somebody saw it, and nobody takes the run up again."""
    try:
        return codec.read(Diagnosis, run.lost_path, most_bytes=_MOST_BYTES)
    except FileNotFoundError:
        return None
    except (OSError, codec.Damaged) as error:
        log.debug("The reason why %s was lost cannot be read: %s", run.id, error)
        return _UNREADABLE
