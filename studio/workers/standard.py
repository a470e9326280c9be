"""The standard tasks in an evaluation: both models are asked, and compared question by question."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.data.scoring.scores import Title
from studio.jobs import standard_tasks
from studio.jobs.evaluation_report import Figure
from studio.models.starter import Stopped
from studio.workers.figures import mean_figure
from studio.workers.kept_outputs import SoFar
from studio.workers.model_outputs import Tell

if TYPE_CHECKING:
    from studio.ml.loading import Placement


@dataclass(frozen=True)
class TaskScores:
    """What a model reached in one task: a share from 0 to 1 for each question, and how the harness calls that score."""

    name: str
    metric: str
    scores: tuple[float, ...]


@dataclass(frozen=True)
class StandardScores:
    """What a model reached in all tasks that it was asked."""

    tasks: tuple[TaskScores, ...]


class StandardObserver:
    """Asks one model after another the same standard tasks."""

    kind = StandardScores

    def __init__(
        self,
        names: tuple[str, ...],
        *,
        questions: int,
        home: Path | None,
        folder: Path,
        placement: "Placement",
        should_stop: Callable[[], bool],
        fetching: Callable[[str], None],
    ) -> None:
        """Have the questions on this machine; `fetching` hears whose are being fetched. `folder` is the base model's.

        `home` is the data folder whose own tasks are among those that can be asked; None where they must not run.

        Raises DataError when a task is not known or its questions cannot be had, and Stopped.
        """
        from transformers import AutoTokenizer

        from studio.ml import harness

        self._names = names
        self._questions = questions
        self._should_stop = should_stop
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        own = None if home is None else standard_tasks.own_folder(home)
        own_names = set() if home is None else {task.name for task in standard_tasks.own_tasks(home)}
        self._harness = harness.Harness(own=own, own_names=tuple(own_names), standard=not own_names.issuperset(names))
        for name in names:
            if should_stop():
                raise Stopped
            fetching(name)
            self._harness.load(name)
        told = [harness.VERSION, placement, questions, [(name, self._harness.fingerprint(name)) for name in names]]
        self.key = hashlib.sha256(repr(told).encode()).hexdigest()

    def observe(self, model: Any, progress: Tell, so_far: SoFar) -> StandardScores:
        """Ask a model all tasks, each from its first question.

        Raises DataError for a task that gives no share for each question, and Stopped.
        """
        return StandardScores(tuple(self._ask(model, name, progress) for name in self._names))

    def _ask(self, model: Any, name: str, progress: Tell) -> TaskScores:
        title = standard_tasks.title_of(name)
        metric, scores = self._harness.scores(
            model,
            self._tokenizer,
            name,
            questions=self._questions,
            on_progress=lambda done, total: progress(title, done, total),
            should_stop=self._should_stop,
        )
        return TaskScores(name, metric, scores)


def standard_figures(base: StandardScores, tuned: StandardScores, *, seed: int) -> tuple[Figure, ...]:
    """Make a figure of each task, both models on the same questions."""
    return tuple(
        mean_figure(
            before.name,
            before.scores,
            after.scores,
            seed=seed,
            title=Title(f"{standard_tasks.title_of(before.name)} ({before.metric})", "share", True),
        )
        for before, after in zip(base.tasks, tuned.tasks, strict=True)
    )
