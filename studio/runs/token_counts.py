"""How many tokens a data set has for a model: counted once, kept beside the data set, and shown while it is counted.

    <home>/datasets/<id>/tokens/<fingerprint of tokenizer and template>.npz

A small set is counted at once; a large one by a worker. Knows nothing of how tokens are counted.
"""

import functools
import threading
from dataclasses import dataclass
from pathlib import Path

from studio.data.library import DatasetLibrary
from studio.data.tokenizing.rendering import ChatRenderer
from studio.data.tokenizing.tokens import TokenCounts, count_tokens, load, save
from studio.errors import StudioError
from studio.models.locate import ModelFiles
from studio.runs.jobs import Job
from studio.runs.launcher import Launch, token_paths

AT_ONCE = 2000
"""So many examples are counted without a worker: it takes less than a second."""


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

    def __init__(self, datasets: DatasetLibrary, *, home: Path, launch: Launch) -> None:
        self._datasets = datasets
        self._home = home
        self._launch = launch
        self._guard = threading.Lock()
        self._jobs: dict[Path, Job] = {}
        self.renderer = functools.lru_cache(maxsize=4)(ChatRenderer.load)
        self._load = functools.lru_cache(maxsize=8)(load)

    def state(self, dataset_id: str, files: ModelFiles | None) -> TokenState:
        """Return the counts, or begin to count and say how far that is. `files` is None while the model is not here."""
        if files is None:
            return TokenState(sentence="The tokens are counted as soon as the model has arrived.")
        try:
            return self._state(dataset_id, files.folder)
        except StudioError as error:
            return TokenState(trouble=str(error))

    def _state(self, dataset_id: str, model: Path) -> TokenState:
        renderer = self.renderer(model)
        target = self._datasets.folder(dataset_id) / "tokens" / f"{renderer.fingerprint[:16]}.npz"
        if target.is_file():
            return TokenState(self._load(target))
        examples = self._datasets.examples(dataset_id)
        if not len(examples):
            return TokenState()
        with self._guard:
            if len(examples) <= AT_ONCE:
                if not target.is_file():
                    target.parent.mkdir(exist_ok=True)
                    save(count_tokens(examples, total=len(examples), renderer=renderer), target)
                return TokenState(self._load(target))
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
