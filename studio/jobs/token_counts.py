"""How many tokens a data set has for a model: counted once, kept beside the data set, and shown while it is counted.

    <home>/datasets/<id>/tokens/<fingerprint of tokenizer and template>.npz

A small set is counted at once; a large one by a worker. Neither is done by this process: a model's tokenizer is not
trusted.
"""

import functools
import logging
import threading
from dataclasses import dataclass
from pathlib import Path

from studio.data.library import DatasetLibrary
from studio.data.tokenizing.tokens import TokenCounts, load
from studio.errors import DATA_FOLDER_HINT, DataError, StudioError
from studio.jobs.jobs import Job
from studio.jobs.rendering import Rendering
from studio.models.locate import ModelFiles
from studio.runs.launcher import Launch, token_paths

log = logging.getLogger(__name__)

AT_ONCE = 2000
AT_ONCE_BYTES = 2_000_000
"""So many examples in a file of so many bytes are counted without a worker: it takes about a second."""


@dataclass(frozen=True)
class TokenState:
    """The token counts of a data set for a model, or how far they are. `trouble` says why there will be none."""

    counts: TokenCounts | None = None
    sentence: str = ""
    done: int = 0
    total: int = 0
    working: bool = False
    trouble: str = ""


class TokenCounting:
    """The token counts of the data sets of one library."""

    def __init__(self, datasets: DatasetLibrary, *, home: Path, launch: Launch, rendering: Rendering) -> None:
        self._datasets = datasets
        self._home = home
        self._launch = launch
        self._guard = threading.Lock()
        self._jobs: dict[Path, Job] = {}
        self._rendering = rendering
        self._load = functools.lru_cache(maxsize=8)(load)

    def state(self, dataset_id: str, files: ModelFiles | None) -> TokenState:
        """Return the counts, or begin to count and say how far that is. `files` is None while the model is not here."""
        if files is None:
            return TokenState(sentence="The tokens are counted as soon as the model has arrived.")
        try:
            return self._state(dataset_id, files.folder)
        except StudioError as error:
            return TokenState(trouble=str(error))
        except OSError as error:
            log.warning("The token counts of %s cannot be kept: %s", dataset_id, error, exc_info=True)
            return TokenState(trouble=f"The token counts cannot be kept: {error.strerror or error}. {DATA_FOLDER_HINT}")

    def _state(self, dataset_id: str, model: Path) -> TokenState:
        fingerprint = self._rendering.fingerprint(model)
        target = self._datasets.folder(dataset_id) / "tokens" / f"{fingerprint[:16]}.npz"
        if target.is_file():
            try:
                return TokenState(self._load(target))
            except DataError as error:
                log.warning("%s", error, exc_info=True)
                target.unlink(missing_ok=True)
        examples = self._datasets.examples(dataset_id)
        if not len(examples):
            return TokenState()
        if len(examples) <= AT_ONCE and examples.path.stat().st_size <= AT_ONCE_BYTES:
            self._rendering.count(model, examples.path, target)
            return TokenState(self._load(target))
        with self._guard:
            return self._by_worker(examples.path, model, target)

    def _by_worker(self, examples: Path, model: Path, target: Path) -> TokenState:
        job = self._jobs.get(target)
        if job is None:
            job = Job(token_paths(target))
            if not job.state().lock_held:
                job.start(["tokens", str(examples), str(model), str(target), "--home", str(self._home)], self._launch)
            self._jobs[target] = job
        state = job.state()
        if state.failed is not None:
            return TokenState(trouble=f"{state.failed.message} {state.failed.hint}".strip())
        if target.is_file():
            return TokenState(self._load(target))
        at = state.loading
        return TokenState(
            sentence=at.what if at is not None else "Counting the tokens",
            done=at.done if at is not None else 0,
            total=at.total if at is not None else 0,
            working=True,
        )
