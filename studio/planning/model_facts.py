"""How a model reads the examples: its tokenizer, its layers, and the examples themselves, cached once opened.

The bridge between what the page has selected (a data set's id, a model's name) and the plain functions of the layers
below. Examples stay on disk and are read one by one.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from studio.config import STARTER
from studio.data.checking.checks import overlap
from studio.data.checking.findings import Finding
from studio.data.example_files import ExampleFile
from studio.data.examples import Example
from studio.data.splitting import Split, split_examples
from studio.data.tokenizing.tokens import TokenCounts, TokenStatistics, statistics
from studio.errors import ModelError
from studio.jobs.jobs import JobState
from studio.jobs.rendering_protocol import Shown
from studio.jobs.token_counts import TokenState
from studio.models.architecture import Architecture, architecture_in, read_architecture
from studio.models.layout import ModelLayout, read_layout, remote_layout
from studio.models.lookup import STARTER_CONFIG, find_architecture
from studio.planning.background import InBackground, Threads
from studio.planning.forecasts import Forecasts
from studio.studio import Studio


@dataclass(frozen=True)
class Here:
    """Where a model lies on this machine. `folder` is None while it is not here; `trouble` says why it cannot be."""

    folder: Path | None
    trouble: str = ""


class ModelFacts:
    """Answers questions about data sets and models, remembering the answers while their files stay the same."""

    def __init__(
        self,
        studio: Studio,
        *,
        ask_hub: Callable[[str], ModelLayout] | None = None,
        forecasts: Forecasts | None = None,
    ) -> None:
        limits = studio.limits
        self._threads = Threads(limits)
        look_up = functools.partial(InBackground, threads=self._threads, limits=limits)
        self.forecasts = forecasts or Forecasts(
            machine=studio.models.machine, architecture=self.architecture, evaluates=studio.settings.evaluate
        )
        self._studio = studio
        self.show_example: Callable[[Path, Example], Shown] = studio.rendering.show
        ask = ask_hub or functools.partial(remote_layout, hub=studio.models.hub)
        self._layouts: InBackground[str, ModelLayout] = look_up(ask)
        self._architectures: InBackground[str, Architecture] = look_up(self._ask_for_architecture)
        self._read_architecture = functools.lru_cache(maxsize=8)(architecture_in)
        self._overlaps: InBackground[tuple[str, str], Finding] = look_up(self._compare)
        self._examples = functools.lru_cache(maxsize=8)(studio.data.examples)
        self._read_layout = functools.lru_cache(maxsize=8)(read_layout)
        self._split = functools.lru_cache(maxsize=2)(self._split_now)  # a million places are 40 MB
        self._statistics = functools.lru_cache(maxsize=16)(_statistics)

    def is_looking(self) -> bool:
        """Tell whether an answer is still being looked for."""
        return self._threads.are_busy

    def where(self, model: str) -> Here:
        """Look for a model on this machine, without a network."""
        if not model:  # it would be looked up as the folder that the server runs in
            return Here(None, "No base model is chosen. Choose one on the Configure tab.")
        try:
            files = self._studio.models.locate(model)
        except ModelError as error:
            return Here(None, str(error))
        return Here(None if files is None else files.folder)

    def token_state(self, dataset_id: str, model: str) -> TokenState:
        """Return the token counts of a data set for a model, or how far they are."""
        here = self.where(model)
        if here.folder is None:
            return JobState("failed" if here.trouble else "none", here.trouble)
        return self._studio.token_state(dataset_id, model)

    def examples(self, dataset_id: str) -> ExampleFile:
        """Return the examples of a stored data set. Raises DataError when there is no such set."""
        return self._examples(dataset_id)

    def layout(self, model: str) -> ModelLayout | None:
        """Return the linear layers of a model, or None while they are not known.

        A model on the Hub is asked for in the background, without fetching its weights: look again later. Raises
        ModelError when the files on this machine cannot be read.
        """
        here = self.where(model)
        if here.folder is not None:
            return self._read_layout(here.folder)
        return None if here.trouble or model == STARTER else self._layouts.get(model)

    def architecture(self, model: str) -> Architecture | None:
        """Return the numbers of a model that a forecast needs, or None while they are not known.

        A model on the Hub is asked for in the background, as for `layout`. Raises ModelError when they never will be.
        """
        here = self.where(model)
        if here.folder is not None:
            return self._read_architecture(here.folder)
        if here.trouble:
            raise ModelError(here.trouble)
        return read_architecture(STARTER_CONFIG) if model == STARTER else self._architectures.get(model)

    def statistics(self, counts: TokenCounts, *, max_length: int) -> TokenStatistics:
        """Say what token counts mean for a longest example; at once when it was asked before."""
        return self._statistics(counts, max_length)

    def split(self, dataset_id: str, *, share: float, seed: int, stratify: bool) -> Split:
        """Split a data set as a run does. Raises DataError when it is unknown or empty."""
        return self._split(dataset_id, share, seed, stratify)

    def overlap(self, dataset_id: str, other_id: str) -> Finding | None:
        """Return what two data sets have in common, compared in the background: None until then, or when nothing is."""
        return self._overlaps.get((dataset_id, other_id))

    def is_comparing(self, dataset_id: str, other_id: str) -> bool:
        """Say whether two data sets are still being compared, and begin to when they were not."""
        self._overlaps.get((dataset_id, other_id))
        return self._overlaps.is_working((dataset_id, other_id))

    def _ask_for_architecture(self, model: str) -> Architecture:
        studio = self._studio
        return find_architecture(
            model, studio.settings.home, hub=studio.models.hub, locate=lambda name, home: studio.models.locate(name)
        )

    def _compare(self, ids: tuple[str, str]) -> Finding | None:
        return overlap(self.examples(ids[0]), self.examples(ids[1]))

    def _split_now(self, dataset_id: str, share: float, seed: int, stratify: bool) -> Split:
        return split_examples(self.examples(dataset_id), share=share, seed=seed, stratify=stratify)


def _statistics(counts: TokenCounts, max_length: int) -> TokenStatistics:
    return statistics(counts, max_length=max_length)
