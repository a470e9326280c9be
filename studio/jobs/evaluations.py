"""The evaluations of runs: each made by a worker of its own, one without being asked when a run ends.

A run that shall be evaluated at its end has a file that says so, so that it happens even when the server that started
the run is gone by then. Knows nothing of how a score is made.
"""

import functools
import logging
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from studio import codec
from studio.data.dataset_folders import Dataset
from studio.data.library import DatasetLibrary
from studio.errors import RunError, TooMany
from studio.events import LAST_TIME, Failed, Finished, Loading
from studio.files import at_older_name, read_bytes, write_whole
from studio.jobs import public_address, standard_tasks
from studio.jobs.evaluation_report import (
    AT_THE_END,
    NOTHING_HELD_OUT,
    NOTHING_HELD_OUT_HINT,
    EvaluationReport,
    ScoredRow,
)
from studio.jobs.jobs import Job
from studio.limits import LONGEST_ANSWER_NOUN, require_within
from studio.logs import logged
from studio.runs.event_log import last_event
from studio.runs.launcher import JobPaths, Launch, request_stop
from studio.runs.store import RunFolder, RunStore
from studio.settings import Settings

log = logging.getLogger(__name__)

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,199}")
OF_A_FILE = "data-"
"""So begins the name of an evaluation on the rows of a file."""

_MOST_TRIES = 2
"""An evaluation that takes the whole machine down is not tried for ever."""

_MOST_ROWS_BYTES = 256 * 2**20

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EvaluationState:
    """How far an evaluation is. `status` is "none", "nothing" (that could be evaluated on), "waiting" (for the run to
    end), "working", "ready" or "failed".

    `done` of `total` says how far; both are 0 where that is not known. `report` is there when it is ready, and when a
    later attempt failed. `plan` says while it works how many rows are asked, and how long that is foreseen to take.
    """

    status: str
    sentence: str
    report: EvaluationReport | None = None
    failed: Failed | None = None
    done: int = 0
    total: int = 0
    name: str = AT_THE_END
    plan: str = ""


class Evaluations:
    """The evaluations of all runs of one data folder."""

    def __init__(self, runs: RunStore, datasets: DatasetLibrary, *, launch: Launch, settings: Settings) -> None:
        """`settings` say whether a run is evaluated at its end without being asked, and what visitors may name."""
        self._runs = runs
        self._datasets = datasets
        self._launch = launch
        self._settings = settings
        self._guard = threading.Lock()
        self._jobs: dict[Path, Job] = {}
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
    ) -> EvaluationState:
        """Start to evaluate a run, unless that is under way; a report on the same data is replaced when it is done.

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
        job = self._job(run, name)
        if not job.state().working:
            (run.path / "evaluations").mkdir(exist_ok=True)
            arguments = ["evaluate", str(run.path), name, "--rows", str(rows)]
            arguments += ["--longest", str(longest)] if longest else []
            if given is not None:
                arguments += ["--data", str(self._datasets.examples(given.id).path), "--title", given.name]
            arguments += [] if forgetting else ["--no-probes"]
            arguments += [] if self._settings.allows_own_tasks else ["--no-own-tasks"]
            arguments += ["--questions", str(questions), "--tasks", *tasks] if tasks else []
            job.start(arguments, self._launch)
            with self._guard:
                self._jobs[evaluation_paths(run, name).events] = job
        return self.state(run_id, name)

    def cancel(self, run_id: str, name: str = AT_THE_END) -> None:
        """Ask an evaluation to end, and one that waits for the end of its run not to begin. Raises RunError."""
        run = self._runs.get(run_id)
        self._expect_no_longer(run)
        job = self._job(run, name)
        if job.withdraw():
            return
        process_id = job.process_id() if job.state().working else None
        if process_id is not None:
            request_stop(process_id)

    def state(self, run_id: str, name: str = AT_THE_END) -> EvaluationState:
        """Say how far an evaluation is. Raises RunError for an unknown run, or a name that no evaluation has."""
        run = self._runs.get(run_id)
        job = self._job(run, name).state()
        state = functools.partial(EvaluationState, name=name)
        if job.working:
            at = job.loading or Loading("Starting.")
            return state("working", at.what, done=at.done, total=at.total, plan=job.noted)
        report = read_report(run, name)
        if job.failed is not None:
            return state("failed", job.failed.message, report=report, failed=job.failed)
        if report is not None:
            return state("ready", report.headline, report=report)
        if name == AT_THE_END and request_path(run).exists():
            return state("waiting", f"It is evaluated {'when it ends' if run.is_alive() else 'in a moment'}.")
        if name == AT_THE_END and not _holds_out(run):
            return state("nothing", NOTHING_HELD_OUT)
        return state("none", "Not evaluated yet." if job.finished is None else "The evaluation was stopped.")

    def names(self, run_id: str) -> tuple[str, ...]:
        """List the evaluations that a run has, done or under way, the one at its end first. Raises RunError."""
        folder = self._runs.get(run_id).path / "evaluations"
        found = {path.name.removesuffix(".events.jsonl") for path in folder.glob("*.events.jsonl")}
        found |= {path.stem for path in folder.glob("*.json")}
        return tuple(sorted((each for each in found if _NAME.fullmatch(each)), key=lambda each: (each != "end", each)))

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

    def _job(self, run: RunFolder, name: str) -> Job:
        """Return the job of an evaluation. One that never began is not remembered: anybody can invent a name."""
        paths = evaluation_paths(run, name)
        with self._guard:
            job = self._jobs.get(paths.events) or Job(paths)
            if paths.events.exists():
                self._jobs[paths.events] = job
            return job


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


def evaluation_paths(run: RunFolder, name: str) -> JobPaths:
    """Say where the worker of an evaluation has its files. Raises RunError for what is no name of one."""
    if not _NAME.fullmatch(name):
        raise RunError(f"'{name[:80]}' is no evaluation.", "Choose one from the list.")
    folder = run.path / "evaluations"
    return JobPaths(folder / f"{name}.lock", folder / f"{name}.events.jsonl", folder / f"{name}.log")


def write_evaluation(run: RunFolder, report: EvaluationReport, rows: tuple[ScoredRow, ...]) -> None:
    """Write the rows and, last, the report; the rows of the report before it go when nothing needs them any more.

    Raises OSError when the disk does not take them.
    """
    folder = run.path / "evaluations"
    folder.mkdir(exist_ok=True)
    path = rows_path(run, report)
    write_whole(path, "\n".join(codec.dumps(row) for row in rows))
    write_whole(folder / f"{report.name}.json", codec.dumps(report))
    for pattern in ("{}.rows*.jsonl", ".{}.rows*.tmp"):
        for older in folder.glob(pattern.format(report.name)):
            if older != path:
                older.unlink(missing_ok=True)


def rows_path(run: RunFolder, report: EvaluationReport) -> Path:
    """Return the file of the rows behind a report: one of its own, so that no report meets the rows of another."""
    return run.path / "evaluations" / f"{report.name}.rows-{round(report.created * 1000)}.jsonl"


def read_report(run: RunFolder, name: str) -> EvaluationReport | None:
    """Read a report; None when there is none, or none that can be read."""
    path = run.path / "evaluations" / f"{name}.json"
    try:
        report = codec.read(EvaluationReport, path)
    except FileNotFoundError:
        return None
    except (OSError, codec.Damaged) as error:
        log.debug("The evaluation %s cannot be read: %s", path, error, exc_info=True)
        return None
    return report if report.name == name and 0 <= report.created <= LAST_TIME else None


def read_rows(run: RunFolder, name: str) -> tuple[ScoredRow, ...]:
    """Read the rows of a report; none when they are not there or cannot be read."""
    report = read_report(run, name)
    if report is None:
        return ()
    path = rows_path(run, report)
    if not path.exists():  # reports had this name for their rows once
        path = path.with_name(f"{name}.rows.jsonl")
    try:
        content = read_bytes(path, most_bytes=_MOST_ROWS_BYTES) or b""
        return tuple(codec.loads(ScoredRow, line) for line in content.split(b"\n") if line)
    except (OSError, codec.Damaged) as error:
        log.warning("The rows of the evaluation %s cannot be read: %s", path, error, exc_info=True)
        return ()


def _tries(run: RunFolder) -> int:
    with logged(log, "The request for an evaluation cannot be read", OSError, ValueError):
        return int(read_bytes(request_path(run), most_bytes=100) or b"")
    return 0
