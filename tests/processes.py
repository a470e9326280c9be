"""Who is still there, as the system tells it."""

from pathlib import Path


def session_of(process_id: int) -> list[int]:
    """List the processes, dead ones left out, of the session that a worker began: itself and all that it started."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == process_id and fields[0] not in "ZX":
            found.append(int(path.parent.name))
    return found
