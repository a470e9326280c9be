"""How many tokens a data set has for a model: counted once, kept beside the data set, and shown while it is counted.

    <home>/datasets/<id>/tokens/<fingerprint of tokenizer and template>.npz

A small set is counted at once; a large one by a worker. Neither is done by this process: a model's tokenizer is not
trusted.
"""

import functools
import logging
from pathlib import Path

from studio.data.library import DatasetLibrary
from studio.data.tokenizing.tokens import TokenCounts, load
from studio.errors import DATA_FOLDER_HINT, DataError, StudioError
from studio.jobs.jobs import Jobs, JobState
from studio.jobs.rendering import Rendering
from studio.jobs.tasks import CountTokens
from studio.models.locate import ModelFiles

log = logging.getLogger(__name__)

_COUNTING = "Counting the tokens"
AT_ONCE = 2000
AT_ONCE_BYTES = 2_000_000
"""So many examples in a file of so many bytes are counted without a worker: it takes about a second."""


TokenState = JobState[TokenCounts]
"""The token counts of a data set for a model, or how far they are; the sentence of a failed one says why."""


class TokenCounting:
    """The token counts of the data sets of one library."""

    def __init__(self, datasets: DatasetLibrary, *, jobs: Jobs, rendering: Rendering) -> None:
        self._datasets = datasets
        self._jobs = jobs
        self._rendering = rendering
        self._load = functools.lru_cache(maxsize=8)(load)

    def state(self, dataset_id: str, files: ModelFiles | None) -> TokenState:
        """Return the counts, or begin to count and say how far that is. `files` is None while the model is not here."""
        if files is None:
            return JobState("none", "The tokens are counted once the model is downloaded.")
        try:
            return self._state(dataset_id, files.folder)
        except StudioError as error:
            return JobState("failed", str(error))
        except OSError as error:
            log.warning("The token counts of %s cannot be kept: %s", dataset_id, error, exc_info=True)
            sentence = f"The token counts cannot be kept: {error.strerror or error}. {DATA_FOLDER_HINT}"
            return JobState("failed", sentence)

    def _state(self, dataset_id: str, model: Path) -> TokenState:
        fingerprint = self._rendering.fingerprint(model)
        target = self._datasets.folder(dataset_id) / "tokens" / f"{fingerprint[:16]}.npz"
        if target.is_file():
            try:
                return self._counted(target)
            except DataError as error:
                log.warning("%s", error, exc_info=True)
                target.unlink(missing_ok=True)
        examples = self._datasets.examples(dataset_id)
        if not len(examples):
            return JobState("none", "")
        if len(examples) <= AT_ONCE and examples.path.stat().st_size <= AT_ONCE_BYTES:
            self._rendering.count(model, examples.path, target)
            return self._counted(target)
        task = CountTokens(examples.path, model, target)
        self._jobs.start_once(task, retry=True)
        state = self._jobs.state(task, starting=_COUNTING)
        if state.failed is not None:
            return state.giving(None, sentence=f"{state.failed.message} {state.failed.hint}".strip())
        if target.is_file():
            return self._counted(target)
        return state.giving(None) if state.working else JobState("working", _COUNTING)

    def _counted(self, target: Path) -> TokenState:
        return JobState("ready", "", self._load(target))
