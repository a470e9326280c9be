"""How a model reads the examples: its tokenizer and its layers, kept in memory once they were read from disk.

The bridge between what the page has selected (a data set's id, a model's name) and the plain functions of the data and
models layers. Knows nothing of components.
"""

import functools
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from studio.config import STARTER
from studio.data.examples import Example
from studio.data.inspection import TokenStatistics, count_tokens
from studio.data.library import DatasetLibrary
from studio.data.rendering import ChatRenderer
from studio.errors import ModelError
from studio.models.layout import ModelLayout, read_layout, remote_layout
from studio.models.locate import locate

MOST_COUNTED = 2000
"""So many examples are turned into tokens for the statistics, so that the page stays quick on large files."""


@dataclass(frozen=True)
class Here:
    """Where a model lies on this machine. `folder` is None while it is not here; `trouble` says why it cannot be."""

    folder: Path | None
    trouble: str = ""


class Reading:
    """Answers questions about data sets and models, remembering the answers while their files stay the same."""

    def __init__(
        self,
        home: Path,
        datasets: DatasetLibrary,
        *,
        ask_hub: Callable[[str], ModelLayout] = remote_layout,
    ) -> None:
        self._home = home
        self._remote = _RemoteLayouts(ask_hub)
        self._examples = functools.lru_cache(maxsize=4)(datasets.examples)
        self._load = functools.lru_cache(maxsize=4)(ChatRenderer.load)
        self._read_layout = functools.lru_cache(maxsize=8)(read_layout)
        self._count = functools.lru_cache(maxsize=32)(self._count_now)

    def where(self, model: str) -> Here:
        """Look for a model on this machine, without a network."""
        try:
            files = locate(model, self._home)
        except ModelError as error:
            return Here(None, str(error))
        return Here(None if files is None else files.folder)

    def examples(self, dataset_id: str) -> tuple[Example, ...]:
        """Return the examples of a stored data set. Raises DataError when there is no such set."""
        return self._examples(dataset_id)

    def renderer(self, folder: Path) -> ChatRenderer:
        """Return the tokenizer and chat template of a model. Raises ModelError when they cannot be read."""
        return self._load(folder)

    def layout(self, model: str) -> ModelLayout | None:
        """Return the linear layers of a model, or None while they are not known.

        A model on the Hub is asked for in the background, without fetching its weights: look again later. Raises
        ModelError when the files on this machine cannot be read.
        """
        here = self.where(model)
        if here.folder is not None:
            return self._read_layout(here.folder)
        return None if here.trouble or model == STARTER else self._remote.get(model)

    def count(self, dataset_id: str, *, folder: Path, max_length: int) -> TokenStatistics:
        """Count the tokens of at most `MOST_COUNTED` examples. Raises DataError and ModelError."""
        return self._count(dataset_id, folder, max_length)

    def _count_now(self, dataset_id: str, folder: Path, max_length: int) -> TokenStatistics:
        examples = self.examples(dataset_id)[:MOST_COUNTED]
        return count_tokens(examples, renderer=self.renderer(folder), max_length=max_length)


class _RemoteLayouts:
    """The layers of models on the Hub, each asked for once; a page must not wait for a network."""

    def __init__(self, ask: Callable[[str], ModelLayout]) -> None:
        self._ask = ask
        self._known: dict[str, ModelLayout | None] = {}
        self._guard = threading.Lock()

    def get(self, model: str) -> ModelLayout | None:
        """Return what is known of a model now, and begin to ask when nothing is."""
        with self._guard:
            if model in self._known:
                return self._known[model]
            self._known[model] = None
        threading.Thread(target=self._learn, args=(model,), name=f"layout-{model}", daemon=True).start()
        return None

    def _learn(self, model: str) -> None:
        with suppress(ModelError):  # what is wrong with it is said when it is fetched
            self._known[model] = self._ask(model)
