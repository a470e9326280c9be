"""The number format in which a run really computed.

The setting "auto" means another one on another machine, and may in another version, so what counts is what the run's
worker found.
"""

from studio.events import Loaded
from studio.runs.event_log import decode_lines, lines_with
from studio.runs.store import RunFolder

_PRECISIONS = ("fp32", "bf16", "fp16")
_MARK = b'"kind":"Loaded"'
"""What stands in the line of every `Loaded`: of a long run few lines need to be decoded."""


def precision_of(run: RunFolder) -> str:
    """Return "fp32", "bf16" or "fp16", as the newest worker of the run said; its setting where none came so far.

    Raises RunError when the run cannot be read.
    """
    loaded = last_loaded(run)
    said = loaded.precision if loaded is not None else ""
    return next((name for name in _PRECISIONS if said.endswith(name)), run.config.precision)


def last_loaded(run: RunFolder) -> Loaded | None:
    """Return what the newest worker said of the model that it loaded. Raises RunError when the run cannot be read."""
    found = (record.event for record in reversed(decode_lines(lines_with(run.events_path, _MARK))))
    return next((event for event in found if isinstance(event, Loaded)), None)
