"""The evaluations of runs, each made by a worker of its own. `automatic` has those that nobody asked for."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from studio.data.dataset_folders import Dataset
from studio.data.library import DatasetLibrary
from studio.errors import RunError
from studio.events import Finished
from studio.jobs import public_address, standard_tasks
from studio.jobs.automatic_evaluations import AutomaticEvaluations, holds_out, request_path
from studio.jobs.evaluation_report import (
    AT_THE_END,
    NOTHING_HELD_OUT,
    NOTHING_HELD_OUT_HINT,
    EvaluationReport,
    ScoredRow,
    read_report,
    read_rows,
)
from studio.jobs.jobs import Jobs, JobState
from studio.jobs.tasks import Evaluate, is_evaluation
from studio.jobs.verdicts import summary
from studio.limits import LONGEST_ANSWER_NOUN, require_within
from studio.runs.event_log import last_event
from studio.runs.store import RunFolder, RunStore
from studio.settings import Settings

log = logging.getLogger(__name__)

OF_A_FILE = "data-"
"""So begins the name of an evaluation on the rows of a file."""

EvaluationState = JobState[EvaluationReport]
"""How far an evaluation is: also "nothing" (that could be evaluated on), or "waiting" for its run to end.

The result is there when it is ready, and when a later attempt failed. The remark says while it works how many rows are
asked, and how long that is estimated to take.
"""


class Evaluations:
    """The evaluations of all runs of one data folder."""

    def __init__(
        self,
        runs: RunStore,
        datasets: DatasetLibrary,
        *,
        jobs: Jobs,
        settings: Settings,
        comes_first: Callable[[], str] = lambda: "",
    ) -> None:
        """`settings` say whether a run is evaluated at its end without being asked, and what visitors may name.

        `comes_first` says what is at work or about to be, as in "the run otter, about 3 min"; empty for nothing.
        """
        self._runs = runs
        self._datasets = datasets
        self._jobs = jobs
        self._settings = settings
        self._comes_first = comes_first
        self.automatic = AutomaticEvaluations(runs, jobs=jobs, settings=settings, comes_first=comes_first)

    def start(
        self,
        run_id: str,
        *,
        data: Path | Dataset | None = None,
        rows: int = 0,
        longest: int = 0,
        forgetting: bool = True,
        tasks: Sequence[str] = (),
        questions: int = standard_tasks.QUESTIONS,
    ) -> str:
        """Start to evaluate a run, unless that is under way, and return the name of the evaluation.

        It gives way to no training: somebody asked for it. A report on the same data is replaced when it is done.

        `data` is a data set, or a file of examples in any form that the studio reads, which becomes one; without it
        the held-out examples of the run are used. `rows` bounds how many, 0 takes all that the machine does in a few
        minutes. `longest` bounds every answer in tokens, 0 leaves that to the expected one. `tasks` are
        names of standard tasks in lm-evaluation-harness, each asked with `questions` questions.
        Raises RunError when the run has no result, or the work cannot be started, DataError for a file that cannot be
        used, and ConfigError for tasks that cannot be asked here.
        """
        public_address.check_tasks(tasks, self._settings)
        tasks = standard_tasks.check(tasks, questions)
        require_within(self._settings.limits, "answer_tokens", longest, LONGEST_ANSWER_NOUN)
        if isinstance(data, Path):
            public_address.check_files((data,), self._settings, ours=self._datasets.samples_folder)
        run = self._runs.get(run_id)
        if run.is_alive():
            raise RunError("This run is still training.", "Evaluate it when it has ended.")
        if run.result is None:
            raise RunError("This run has nothing to evaluate.", "Let a run finish, or stop it after its first steps.")
        if data is None and not holds_out(run):
            raise RunError(NOTHING_HELD_OUT, NOTHING_HELD_OUT_HINT)
        given = self._datasets.add(data) if isinstance(data, Path) else data
        name = _name("" if given is None else given.sha256, tasks, questions)
        task = Evaluate(
            run.path,
            name,
            data=None if given is None else self._datasets.examples(given.id).path,
            title="" if given is None else given.name,
            rows=rows,
            longest=longest,
            probes=forgetting,
            tasks=tuple(tasks),
            questions=questions,
            own_tasks=self._settings.allows_own_tasks,
        )
        if not self._jobs.state(task).working:
            self._jobs.start(task)
        if name == AT_THE_END:
            self.automatic.call_off(run)
        return name

    def cancel(self, run_id: str, name: str = AT_THE_END) -> None:
        """Ask an evaluation to end, and one that waits for the end of its run not to begin. Raises RunError."""
        run = self._runs.get(run_id)
        self.automatic.call_off(run)
        self._jobs.cancel(Evaluate(run.path, name))

    def state(self, run_id: str, name: str = AT_THE_END) -> EvaluationState:
        """Say how far an evaluation is. Raises RunError for an unknown run, or a name that no evaluation has."""
        run = self._runs.get(run_id)
        state = self._jobs.state(Evaluate(run.path, name))
        if state.working:
            return state.giving(None)
        report, text = _read_in_words(run, name)
        if state.failed is not None:
            return state.giving(report)
        if report is not None:
            return JobState("ready", text, report)
        if name == AT_THE_END and request_path(run).exists():
            return JobState("waiting", self._waiting_sentence(run))
        if name == AT_THE_END and not holds_out(run):
            return JobState("nothing", NOTHING_HELD_OUT)
        return JobState("none", _why_not(run, name) if state.status == "none" else "The evaluation was stopped.")

    def _waiting_sentence(self, run: RunFolder) -> str:
        """Say what an evaluation waits for that nobody asked for."""
        if run.is_alive():
            return "It is evaluated when it has finished."
        first = self._comes_first()
        return f"The evaluation waits for {first}, which comes first." if first else "It begins in a moment."

    def names(self, run_id: str) -> tuple[str, ...]:
        """List the evaluations that a run has, done or under way, the one at its end first. Raises RunError."""
        folder = self._runs.get(run_id).path / "evaluations"
        found = {path.name.removesuffix(".events.jsonl") for path in folder.glob("*.events.jsonl")}
        found |= {path.stem for path in folder.glob("*.json")}
        return tuple(sorted((each for each in found if is_evaluation(each)), key=lambda each: (each != "end", each)))

    def reports(self, run_id: str) -> tuple[EvaluationReport, ...]:
        """Return the reports of a run, the newest first. Raises RunError for an unknown run."""
        run = self._runs.get(run_id)
        found = (_read_in_words(run, name)[0] for name in self.names(run_id))
        return tuple(sorted((each for each in found if each), key=lambda report: report.created, reverse=True))

    def rows(self, run_id: str, name: str = AT_THE_END) -> tuple[ScoredRow, ...]:
        """Return the rows behind a report; none where there is no report. Raises RunError for an unknown run."""
        return read_rows(self._runs.get(run_id), name)


def _read_in_words(run: RunFolder, name: str) -> tuple[EvaluationReport | None, str]:
    """Read a report and put it in words; None for one of which nothing can be said, as for one that is damaged."""
    report = read_report(run, name)
    if report is None:
        return None, ""
    try:
        return report, summary(report).text
    except Exception:  # it may be of another version, or written by somebody: no page fails for it
        log.exception("The evaluation %s of the run %s cannot be put in words.", name, run.id)
        return None, ""


def _why_not(run: RunFolder, name: str) -> str:
    """Say why a run has no evaluation that nobody asked for."""
    last = last_event(run.events_path) if name == AT_THE_END else None
    if isinstance(last, Finished) and last.status == "stopped":
        return "You stopped this run, so it is evaluated only when you ask for it."
    return "This run was not evaluated when it finished."


def _name(sha256: str, tasks: Sequence[str], questions: int) -> str:
    """Name an evaluation by what is asked, so that none takes the place of another: on a file, with standard tasks."""
    if not tasks:
        return f"{OF_A_FILE}{sha256[:10]}" if sha256 else AT_THE_END
    asked = standard_tasks.fingerprint(tasks, questions)
    return f"{OF_A_FILE}{sha256[:10]}-{asked}" if sha256 else f"tasks-{asked}"
