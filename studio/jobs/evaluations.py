"""The evaluations of runs: each made by a worker of its own, one without being asked when a run ends.

A run that shall be evaluated at its end has a file that says so, so that it happens even when the server that started
the run is gone by then.
"""

import logging
import threading
from collections.abc import Sequence
from pathlib import Path

from studio.data.dataset_folders import Dataset
from studio.data.library import DatasetLibrary
from studio.errors import RunError, TooMany
from studio.events import Failed, Finished
from studio.files import at_older_name, read_bytes, write_whole
from studio.jobs import public_address, standard_tasks
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
from studio.limits import LONGEST_ANSWER_NOUN, require_within
from studio.logs import logged
from studio.runs.event_log import last_event
from studio.runs.store import RunFolder, RunStore
from studio.settings import Settings

log = logging.getLogger(__name__)

OF_A_FILE = "data-"
"""So begins the name of an evaluation on the rows of a file."""

_MOST_TRIES = 2
"""An evaluation that takes the whole machine down is not tried for ever."""


EvaluationState = JobState[EvaluationReport]
"""How far an evaluation is: also "nothing" (that could be evaluated on), or "waiting" for its run to end.

The result is there when it is ready, and when a later attempt failed. The remark says while it works how many rows are
asked, and how long that is foreseen to take.
"""


class Evaluations:
    """The evaluations of all runs of one data folder."""

    def __init__(self, runs: RunStore, datasets: DatasetLibrary, *, jobs: Jobs, settings: Settings) -> None:
        """`settings` say whether a run is evaluated at its end without being asked, and what visitors may name."""
        self._runs = runs
        self._datasets = datasets
        self._jobs = jobs
        self._settings = settings
        self._guard = threading.Lock()
        self._expected: set[str] = set()

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

        A report on the same data is replaced when it is done.

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
            raise RunError("This run is still training.", "It is evaluated when it ends.")
        if run.result is None:
            raise RunError("This run has nothing to evaluate.", "Let a run finish, or stop it after its first steps.")
        if data is None and not _holds_out(run):
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
        return name

    def cancel(self, run_id: str, name: str = AT_THE_END) -> None:
        """Ask an evaluation to end, and one that waits for the end of its run not to begin. Raises RunError."""
        run = self._runs.get(run_id)
        self._expect_no_longer(run)
        self._jobs.cancel(Evaluate(run.path, name))

    def state(self, run_id: str, name: str = AT_THE_END) -> EvaluationState:
        """Say how far an evaluation is. Raises RunError for an unknown run, or a name that no evaluation has."""
        run = self._runs.get(run_id)
        state = self._jobs.state(Evaluate(run.path, name))
        if state.working:
            return state.giving(None)
        report = read_report(run, name)
        if state.failed is not None:
            return state.giving(report)
        if report is not None:
            return JobState("ready", report.headline, report)
        if name == AT_THE_END and request_path(run).exists():
            return JobState("waiting", f"It is evaluated {'when it ends' if run.is_alive() else 'in a moment'}.")
        if name == AT_THE_END and not _holds_out(run):
            return JobState("nothing", NOTHING_HELD_OUT)
        never = state.status == "none"
        return JobState("none", "Not evaluated yet." if never else "The evaluation was stopped.")

    def names(self, run_id: str) -> tuple[str, ...]:
        """List the evaluations that a run has, done or under way, the one at its end first. Raises RunError."""
        folder = self._runs.get(run_id).path / "evaluations"
        found = {path.name.removesuffix(".events.jsonl") for path in folder.glob("*.events.jsonl")}
        found |= {path.stem for path in folder.glob("*.json")}
        return tuple(sorted((each for each in found if is_evaluation(each)), key=lambda each: (each != "end", each)))

    def reports(self, run_id: str) -> tuple[EvaluationReport, ...]:
        """Return the reports of a run, the newest first. Raises RunError for an unknown run."""
        run = self._runs.get(run_id)
        found = (read_report(run, name) for name in self.names(run_id))
        return tuple(sorted((each for each in found if each), key=lambda report: report.created, reverse=True))

    def rows(self, run_id: str, name: str = AT_THE_END) -> tuple[ScoredRow, ...]:
        """Return the rows behind a report; none where there is no report. Raises RunError for an unknown run."""
        return read_rows(self._runs.get(run_id), name)

    def expect(self, run: RunFolder) -> None:
        """Remember that a run which was just started is to be evaluated when it ends, where it holds rows out."""
        if self._settings.evaluate and _holds_out(run):
            with logged(log, "The request for an evaluation could not be written", OSError, level=logging.INFO):
                write_whole(request_path(run), "0")
            with self._guard:
                self._expected.add(run.id)

    def recover(self) -> None:
        """Remember what an earlier server expected; call it when one starts."""
        if self._settings.evaluate:
            found = {run.id for run in self._runs.all() if request_path(run).exists()}
            with self._guard:
                self._expected |= found

    def tick(self) -> None:
        """Start the evaluations of the runs that have ended: to be called about once a second."""
        with self._guard:
            expected = tuple(self._expected)
        for id in expected:
            try:
                run = self._runs.get(id)
                if not run.is_alive():
                    self._begin(run)
            except RunError as error:  # it was deleted, or is damaged
                log.info("The run %s is not evaluated: %s", id, error, exc_info=True)
                self._forget(id)
            except Exception:  # one bad run must not hold up the others
                log.exception("The run %s is not evaluated.", id)
                self._forget(id)

    def _begin(self, run: RunFolder) -> None:
        """Start the evaluation of a run that nobody is at, if it ended with something to evaluate."""
        last = last_event(run.events_path)
        if last is None or not isinstance(last, Finished | Failed):
            if not run.is_alive() and not run.was_launched:
                self._forget(run.id)
            return  # it was lost, or waits: it may go on
        self._forget(run.id)
        tries = _tries(run)
        usable = isinstance(last, Finished) and run.result is not None and _holds_out(run)
        if not usable or tries >= _MOST_TRIES:
            self._expect_no_longer(run)
            return
        try:
            write_whole(request_path(run), str(tries + 1))
            self._start_or_wait(run, tries)
        except (OSError, RunError) as error:  # it can be asked for
            log.warning("The run %s is not evaluated: %s", run.id, error, exc_info=True)

    def _start_or_wait(self, run: RunFolder, tries: int) -> None:
        """Start the evaluation of a run, or expect it still where there is no room for it now."""
        try:
            self.start(run.id)
        except TooMany as error:
            log.info("The run %s is evaluated later: %s", run.id, error, exc_info=True)
            write_whole(request_path(run), str(tries))
            with self._guard:
                self._expected.add(run.id)

    def _expect_no_longer(self, run: RunFolder) -> None:
        self._forget(run.id)
        with logged(log, "The request for an evaluation could not be deleted", OSError, level=logging.INFO):
            request_path(run).unlink(missing_ok=True)

    def _forget(self, id: str) -> None:
        with self._guard:
            self._expected.discard(id)


def _holds_out(run: RunFolder) -> bool:
    with logged(log, "The held-out examples cannot be read", OSError):
        return run.validation_path.stat().st_size > 0
    return False


def _name(sha256: str, tasks: Sequence[str], questions: int) -> str:
    """Name an evaluation by what is asked, so that none takes the place of another: on a file, with standard tasks."""
    if not tasks:
        return f"{OF_A_FILE}{sha256[:10]}" if sha256 else AT_THE_END
    asked = standard_tasks.fingerprint(tasks, questions)
    return f"{OF_A_FILE}{sha256[:10]}-{asked}" if sha256 else f"tasks-{asked}"


def request_path(run: RunFolder) -> Path:
    """Return the file that is there while a run shall be evaluated; it holds how often that was begun."""
    return at_older_name(run.path / "evaluation.request", "evaluation.wish")


def _tries(run: RunFolder) -> int:
    with logged(log, "The request for an evaluation cannot be read", OSError, ValueError):
        return int(read_bytes(request_path(run), most_bytes=100) or b"")
    return 0
