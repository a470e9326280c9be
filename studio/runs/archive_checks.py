"""Reading every file of a run that was brought in, before it is taken in: what cannot be read is refused whole."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from studio import codec, events
from studio.config import RunConfig, modernised, problems
from studio.data import example_lines
from studio.errors import ModelError, RunError
from studio.limits import MOST_NAME
from studio.models.adapter_files import check_adapter
from studio.models.adapter_settings import SETTINGS as ADAPTER_SETTINGS
from studio.models.blend_kinds import KINDS
from studio.models.tensor_files import read_header
from studio.runs import archive_paths
from studio.runs.blend_parents import Blend
from studio.runs.store import MOST_NOTE, About, RunOrigin

LATEST = 4_102_444_800.0
"""The first second of the year 2100, since the epoch: no run was made later."""

_SMALL, _LARGE = 2**20, 64 * 2**20
_LONGEST_LINE = 16 * 2**20
_MOST_LINES = 5_000_000
_LARGEST_WHOLE = 2**53

_UNREADABLE = (ValueError, TypeError, LookupError, OverflowError, RecursionError, AttributeError)


def check_files(folder: Path) -> None:
    """Read all files of a run that was unpacked into `folder`. Raises RunError naming the first that is damaged."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        inner = path.relative_to(folder).as_posix()
        try:
            _reader(inner)(path)
        except _UNREADABLE as error:
            why = str(error)[:200] if isinstance(error, ValueError) and str(error) else "it is not what a studio writes"
            raise RunError(
                f"The run was not imported: its file {inner} is damaged ({why}).",
                "Download the run again where it was trained, and bring in that file.",
            ) from error
    for learned in sorted({path.parent for path in folder.rglob("*.safetensors")}):
        _check_tensors(learned)


def check_made(folder: Path, inner: str) -> None:
    """Read what a run has made at another place: the files in `folder`, which belong at `inner` in the run's folder.

    Raises RunError naming the first that is damaged.
    """
    try:
        for path in sorted(folder.iterdir()):
            _reader(f"{inner}/{path.name}")(path)
        _check_headers(folder)
    except (*_UNREADABLE, ModelError) as error:
        why = str(error).replace(str(folder), inner)[:300]
        raise RunError(
            f"What came home from the place is damaged, and was not taken: {inner} ({why}).",
            "Resume the run; it goes on from its newest checkpoint.",
        ) from error


def _reader(inner: str) -> Callable[[Path], None]:
    known: dict[str, Callable[[Path], None]] = {
        archive_paths.CONFIG: _check_config,
        archive_paths.ORIGIN: _check_origin,
        archive_paths.ABOUT: _check_about,
        archive_paths.PARENTS: _check_parents,
        archive_paths.TRAIN: _check_examples,
        archive_paths.VALIDATION: _check_examples,
        archive_paths.EVENTS: _check_events,
        "reference.later": lambda path: _bounded(path, 0),
    }
    if inner in known:
        return known[inner]
    if inner.endswith(".json"):
        return _check_settings
    return (lambda path: None) if inner.endswith(".safetensors") else (lambda path: _bounded(path, _LARGE))


def _check_config(path: Path) -> None:
    config = codec.from_plain(RunConfig, modernised(_document(path, _SMALL)))
    blended = (path.parent / archive_paths.PARENTS).exists()
    # A blend has the rank that its parents give it, which may be above what can be trained.
    faults = [each.text for each in problems(config) if not (blended and each.field in ("rank", "alpha"))]
    if faults:
        raise ValueError(faults[0])


def _check_origin(path: Path) -> None:
    origin = codec.from_plain(RunOrigin, _document(path, _SMALL))
    if not 0 <= origin.created <= LATEST:
        raise ValueError(f"it was made at no possible time, {origin.created:g} seconds after 1970")
    if origin.group is not None and not origin.group.is_sound:
        raise ValueError("it names a group of runs that cannot be")


def _check_about(path: Path) -> None:
    about = codec.from_plain(About, _document(path, _SMALL))
    if len(about.name) > 4 * MOST_NAME or len(about.note) > MOST_NOTE:
        raise ValueError("the name or the note is too long")


def _check_parents(path: Path) -> None:
    blend = codec.from_plain(Blend, _document(path, _SMALL))
    if blend.kind not in KINDS or not blend.parents:
        raise ValueError("it names no kind of blend, or no parents")


def _check_examples(path: Path) -> None:
    for line in _lines(path):
        example = example_lines.decode(line)
        if not example.messages:
            raise ValueError("an example is empty")
        if example.tools:
            codec.parse(example.tools)


def _check_events(path: Path) -> None:
    for line in _lines(path, torn_end=True):
        record = events.decode(line.decode("utf-8"))
        if not 0 < record.seq < _LARGEST_WHOLE or not 0 <= record.time <= LATEST:
            raise ValueError("an event has no possible number or time")
        if isinstance(record.event, events.Finished) and not 0 <= record.event.seconds <= LATEST:
            raise ValueError(f"it took {record.event.seconds:g} seconds")


def _check_settings(path: Path) -> None:
    if not isinstance(_document(path, _LARGE), dict | list):
        raise ValueError("it holds no settings")


def _check_tensors(folder: Path) -> None:
    """Check that the weights in a folder are what their headers and settings say. Raises RunError.

    The one place that looks at weights before a run is taken in.
    """
    try:
        _check_headers(folder)
    except ModelError as error:
        # The folder is a temporary one of this machine, which says nothing to a person.
        message = error.message.replace(f"{folder}/", "").replace(str(folder), folder.name)
        raise RunError(f"The run was not imported: {message}", error.hint) from error


def _check_headers(folder: Path) -> None:
    for path in sorted(folder.glob("*.safetensors")):
        read_header(path)
    if (folder / ADAPTER_SETTINGS).is_file():
        check_adapter(folder)


def _document(path: Path, most_bytes: int) -> Any:
    _bounded(path, most_bytes)
    return codec.parse(path.read_bytes())


def _bounded(path: Path, most_bytes: int) -> None:
    if path.stat().st_size > most_bytes:
        raise ValueError(f"it is larger than {most_bytes:,} bytes")


def _lines(path: Path, *, torn_end: bool = False) -> Iterator[bytes]:
    """Yield the lines of a file. With `torn_end` a last one without its end is passed over, as readers of events do."""
    with path.open("rb") as file:
        for number in range(_MOST_LINES + 1):
            line = file.readline(_LONGEST_LINE)
            if not line or (torn_end and len(line) < _LONGEST_LINE and not line.endswith(b"\n")):
                return
            if number == _MOST_LINES or len(line) == _LONGEST_LINE:
                raise ValueError(f"line {number + 1:,} is too long, or there are too many")
            if line.strip():
                yield line
