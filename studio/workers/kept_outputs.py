"""What models said to the questions of an evaluation, kept in files by a hash of what was asked.

What a base says is kept whole, so that it is asked once for any number of runs. What a model has said when an
evaluation is stopped is kept as far as it goes, so that the same evaluation later goes on from there.
"""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from studio import codec
from studio.files import write_whole
from studio.logs import logged

Seen = TypeVar("Seen")

log = logging.getLogger(__name__)

BEGUN = ".begun"


@dataclass(frozen=True)
class Begun:
    """What one model has said so far, a value for each row; None for one that was not reached.

    Losses with the number of their tokens, answers with whether they ended at their limit, and log-likelihoods.
    """

    losses: tuple[tuple[float, int] | None, ...] = ()
    answers: tuple[tuple[str, bool] | None, ...] = ()
    labels: tuple[tuple[float, ...] | None, ...] = ()
    texts: tuple[tuple[float, int] | None, ...] = ()
    choices: tuple[tuple[float, ...] | None, ...] = ()


@dataclass
class SoFar:
    """What one model has said, in memory and in the file `path`, from which an earlier worker's part is read."""

    path: Path
    begun: Begun = field(default_factory=Begun)

    def __post_init__(self) -> None:
        self.begun = read_kept(self.path, Begun) or Begun()

    def part(self, name: str, count: int) -> list[Any]:
        """Return the values of one part of the questions, a field of `Begun`, with None where one is missing."""
        found = list(getattr(self.begun, name))
        return found if len(found) == count else [None] * count

    def keep(self, name: str, values: Sequence[Any]) -> None:
        """Take the values of one part in, and write all down."""
        self.begun = replace(self.begun, **{name: tuple(values)})
        keep(self.path, self.begun)

    def forget(self) -> None:
        """Delete the file: all is kept elsewhere by now."""
        with logged(log, "What a model said so far could not be deleted", OSError):
            self.path.unlink(missing_ok=True)


def kept_path(folder: Path, model: Path, key: str, *, name: str = "base") -> Path:
    """Return the file in `folder` for the outputs of the model in the folder `model` on the questions of `key`."""
    files = sorted((path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in model.glob("*.safetensors"))
    digest = hashlib.sha256(f"{key} {model.resolve()} {files}".encode()).hexdigest()
    return folder / f"{name}-{digest[:32]}.json"


def so_far(path: Path) -> SoFar:
    """Read what is kept of an evaluation that was stopped, whose whole outputs would lie at `path`."""
    return SoFar(path.with_suffix(BEGUN))


def forget_others(folder: Path, name: str, kept: Path) -> None:
    """Delete what an evaluation of this name has begun with other questions or another result."""
    with logged(log, "What an earlier evaluation had begun could not be deleted", OSError):
        for path in folder.glob(f"{name}-*{BEGUN}"):
            if path != kept:
                path.unlink(missing_ok=True)


def read_kept(path: Path, kind: type[Seen]) -> Seen | None:
    """Read kept outputs; None where there are none, or they cannot be read."""
    try:
        return codec.read(kind, path)
    except FileNotFoundError:
        return None
    except (OSError, codec.Damaged) as error:
        log.warning("What a model said, kept in %s, cannot be read; it is asked again: %s", path, error, exc_info=True)
        return None


def keep(path: Path, seen: object) -> None:
    """Keep the outputs of a model. If the disk is full, the model is asked again next time."""
    with logged(log, "What a model said could not be kept", OSError, level=logging.INFO):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, codec.dumps(seen))
