"""The log of a studio that is fuzzed: which traces are in it, and which of them only say that a value was refused."""

import re
from pathlib import Path

REFUSALS = ("gradio.exceptions.Error", "gradio.exceptions.ComponentProcessingError", "studio.errors.")
"""How a refusal ends in the log. Gradio writes down those of its own components with their trace."""


class Log:
    """The server's log, read as it grows. A trace in it is a finding."""

    def __init__(self, path: Path) -> None:
        self._file = path.open(encoding="utf-8", errors="replace")
        self._held = ""

    def traces(self) -> list[str]:
        """Return every whole trace that came since the last look."""
        self._held += self._file.read()
        found = re.findall(r"Traceback \(most recent call last\):\n(?:[ \t].*\n|\n)*(?:[\w.]+.*\n)", self._held)
        if found:
            self._held = self._held[self._held.rindex(found[-1]) + len(found[-1]) :]
        return found


def is_refusal(trace: str) -> bool:
    """Tell whether a trace only says that Gradio, before any listener was called, or a listener refused a value."""
    lines = trace.strip().splitlines()
    before = any(name in trace for name in ("in preprocess_data", "in validate_inputs", "has no backend method"))
    return lines[-1].startswith(REFUSALS) or before


def kind_of(trace: str) -> str:
    """Name a trace by its last line and the last place of the studio's own in it."""
    lines = trace.strip().splitlines()
    places = [line.strip() for line in lines if "/studio/" in line] or [
        line.strip() for line in lines if "File" in line
    ]
    return f"{re.sub(r'[0-9a-f]{6,}', '...', lines[-1])[:90]} at {places[-1] if places else '?'}"
