"""Tables and other files for a person's own programs, written beside the exports of a run."""

from pathlib import Path

from studio.errors import DATA_FOLDER_HINT, RunError
from studio.runs.store import RunFolder
from studio.runs.whole_files import write_whole

_BEGINS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def in_a_cell(value: object) -> object:
    """Return what stands in a cell for a value: a text that a spreadsheet would compute as a formula is quoted."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_BEGINS_A_FORMULA) else value


def write_beside(run: RunFolder, name: str, text: str) -> Path:
    """Write a whole file beside the exports of a run, and return it. Raises RunError when the disk does not take it."""
    target = run.exports / name
    try:
        target.parent.mkdir(exist_ok=True)
        write_whole(target, text)
    except OSError as error:
        raise RunError(
            f"The file {target} cannot be written: {error.strerror or error}.",
            DATA_FOLDER_HINT,
        ) from error
    return target
