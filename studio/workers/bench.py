"""What an evaluation works with, and the two models on it: each is loaded after the other and asked the same."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.data.tokenizing.rendering import ChatRenderer
from studio.events import Loaded, Loading
from studio.jobs.tasks import Evaluate
from studio.runs.store import RunFolder, is_whole_model
from studio.workers.job import Job
from studio.workers.kept_outputs import Begun, SoFar, forget_others, keep, kept_path, read_kept, so_far

if TYPE_CHECKING:
    from studio.ml.loading import Placement

KEPT = "evaluations"
_TELL_SECONDS = 0.5
_BASE = "Base model"


@dataclass(frozen=True)
class Bench:
    """What an evaluation works with: the run, its base in `folder`, and how models are loaded."""

    job: Job
    task: Evaluate
    run: RunFolder
    home: Path
    folder: Path
    renderer: ChatRenderer
    placement: "Placement"


class ModelRunner:
    """Loads one model after another and has them observed, with its progress on the page."""

    def __init__(self, bench: Bench, observers: Sequence[Any], *, hold_until: Callable[[float], object]) -> None:
        """Each of the observers has `kind`, `key` and `observe`, see `Observer`. `hold_until` is told when all will be
        done, in seconds since the epoch, as soon as the first model has shown how long that takes here.
        """
        self._job = bench.job
        self._observers = observers
        self._folder = bench.folder
        self._placement = bench.placement
        self._kept = bench.home / KEPT
        self._own = bench.run.path / "evaluations"
        self._name = bench.task.name
        self.has_asked_all = True
        """Whether both models were asked everything here, and nothing was known of an earlier evaluation."""
        self._took = 0.0
        self._hold_until = hold_until

    def both(self, result: Path) -> tuple[list[Any], list[Any]]:
        """Observe the base, or read what was kept of it, and the result; return what each observer saw of both."""
        from studio.ml import loading
        from studio.ml.memory import release_memory

        paths = [kept_path(self._kept, self._folder, observer.key) for observer in self._observers]
        base = [read_kept(path, observer.kind) for path, observer in zip(paths, self._observers, strict=True)]
        self.has_asked_all = all(each is None for each in base)
        whole = is_whole_model(result)
        model = self._load() if None in base or not whole else None
        for place, observer in enumerate(self._observers):
            if base[place] is None:
                begun, began = so_far(paths[place]), time.monotonic()
                base[place] = self._look(observer, model, _BASE, begun)
                keep(paths[place], base[place])
                begun.forget()
                self._took += time.monotonic() - began
        if not whole:
            tuned = loading.load_adapter(model, result, dtype=self._placement.dtype)
        else:
            model = None
            release_memory()  # the memory of the base must be free before a whole model comes
            self._job.emit(Loading(what="Loading the tuned model"))
            tuned = loading.load_base(result, self._placement)
        return base, self._tuned(tuned, result)

    def _tuned(self, model: Any, result: Path) -> list[Any]:
        """Observe the result; what it said so far lies beside the report until that is written."""
        found = []
        if self.has_asked_all:
            self._hold_until(time.time() + self._took)
        for observer in self._observers:
            begun = so_far(kept_path(self._own, result, observer.key, name=self._name))
            forget_others(self._own, self._name, begun.path)
            found.append(self._look(observer, model, "Tuned model", begun))
            begun.forget()
        return found

    def _load(self) -> Any:
        from studio.ml import loading

        self._job.emit(Loading(what="Loading the base model"))
        model = loading.load_base(self._folder, self._placement)
        total, _ = loading.parameter_counts(model)
        self._job.emit(
            Loaded(
                parameters=total,
                trainable=0,
                device=self._placement.device,
                precision=self._placement.sentence,
                target_modules=(),
            )
        )
        return model

    def _look(self, observer: Any, model: Any, who: str, begun: SoFar) -> Any:
        from studio.ml.soundness import NotFinite, broken_model

        self.has_asked_all &= begun.begun == Begun()
        told_at = float("-inf")

        def tell(what: str, done: int, total: int) -> None:
            nonlocal told_at
            if time.monotonic() - told_at >= _TELL_SECONDS or done in (0, total):
                told_at = time.monotonic()
                self._job.emit(Loading(what=f"{who}: {what}", done=done, total=total))

        try:
            return observer.observe(model, tell, begun)
        except NotFinite as error:
            raise broken_model(is_base=who == _BASE) from error
