"""Trains a run at another place: submits it there, follows it, and brings home what it says and makes, as it comes.

This process is the run's worker as every other: it holds the lock of the run and writes its events, so page, curves,
stop and resume are as they are for a run on this machine. What names the job is written into the run's folder before
it is submitted: a worker that takes the run up after this one was killed finds the job again.
"""

import logging
import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from studio import codec
from studio.errors import NoAnswer, RunError
from studio.events import Event, Failed, Finished, Loading, Noted, Record, Started, encode
from studio.jobs.automatic_evaluations import request_path
from studio.jobs.places.away import Away, new_away, read_away, write_away
from studio.jobs.places.book import Place, Places
from studio.jobs.places.ending import EndingJobs
from studio.jobs.places.engines import look_seconds, open_engine, open_storage, spec_of
from studio.jobs.places.protocol import (
    REPORT,
    STOP,
    WORK,
    Engine,
    JobSeen,
    Paid,
    Report,
    Storage,
    files_of_run,
    part_of_run,
)
from studio.jobs.tasks import TrainElsewhere, home_of
from studio.logs import logged
from studio.models.starter import Stopped
from studio.runs import lost
from studio.runs.precision import last_loaded
from studio.runs.scheduler import GIVE_WAY_GRACE_SECONDS
from studio.runs.store import DISCARD, GIVE_WAY, KEEP, RunFolder
from studio.workers.base_model import ensure_model
from studio.workers.bringing import Bringing, Gone
from studio.workers.job import Job
from studio.workers.sending import base_here, send_run
from studio.workers.spending import Spending
from studio.workers.train import clean_up as clean_up_run

ASK_SECONDS = 5.0
"""So often the place is asked how the job is, unless its report is looked at more seldom."""

MOST_DEATHS = 3
"""A job that ended without a word so often, and never got further, is not started again."""

SILENT_SECONDS = 60.0
"""A job that was not heard of for so long is told of."""

TOLD_SECONDS = 10.0
"""The same of a place that does not answer."""

RETRY_SECONDS = 2.0
WAKE_SECONDS = 10.0
"""So often a place that does not answer is asked to serve its files again."""

STOP_SECONDS = 240.0
"""So long a job that was asked to stop may take; then it is ended."""

GIVE_WAY_SECONDS = GIVE_WAY_GRACE_SECONDS - 60.0
"""The same for one that gives way: nobody wants it to end, and this process is given an hour for it."""

SURE_SECONDS = 10.0
"""A job that the place does not know, or says has ended, may still have something to say for so long."""

NEW_SECONDS = 60.0
"""A job that was just submitted need not be known yet."""

_REST_SECONDS = 0.5
_MOST_REPORT_BYTES = 16 * 2**20
_LONGEST_SAID = 300

Answer = TypeVar("Answer")

log = logging.getLogger(__name__)


def train_elsewhere(job: Job, task: TrainElsewhere) -> Finished | Failed:
    """Have a run trained at the place that its settings name, and bring it home. Raises RunError and ModelError."""
    run = RunFolder(task.run)
    places = Places(home_of(task.run))
    ending = EndingJobs(run.path.parent.parent)
    try:
        place = places.get(run.config.place)
        job.emit(Loading(what=f"Asking {place.name}"))
        journey = Journey(job, run, place, open_engine(place, places), open_storage(place), ending)
    except BaseException:  # nobody follows a job that it has there
        ending.add_run(run.path)
        raise
    return journey.go()


def clean_up(task: TrainElsewhere, last: Event) -> None:
    """Drop what only the training needed, here and at the place."""
    run = RunFolder(task.run)
    clean_up_run(task, last)
    with logged(log, "What a run has left at its place was not deleted", RunError, OSError, level=logging.INFO):
        away = read_away(run.path)
        if away is not None and not away.is_open and isinstance(last, Finished):
            open_storage(Places(home_of(task.run)).get(away.place)).delete(f"runs/{away.key}")


class Journey:
    """One run at one place, from here. `engine` starts its jobs there, `storage` has their files."""

    def __init__(
        self, job: Job, run: RunFolder, place: Place, engine: Engine, storage: Storage, ending: EndingJobs
    ) -> None:
        self._job = job
        self._run = run
        self._place = place
        self._engine = engine
        self._storage = storage
        self._spending = Spending(place, engine, job.emit) if isinstance(engine, Paid) else None
        self._look_seconds = look_seconds(place)
        self._sure_seconds = max(SURE_SECONDS, 3 * self._look_seconds)
        self._began = time.monotonic()
        self._asked_at: float | None = None
        self._has_passed_on = False
        self._is_evaluated_there = False
        self._began_to_evaluate = False
        self._is_left_behind = False
        self._silent_since: float | None = None
        self._woken_at = time.monotonic()
        self._told = ""
        self._last_report: Report | None = None
        found = read_away(run.path)
        if found is not None and found.place != place.name:
            ending.add_run(run.path)
        self._away = found if found is not None and found.place == place.name else new_away(place.name, found)
        self._ending = ending
        self._may_be_taken = self._away.is_open
        """Whether the place may have the open job although it did not say so."""
        self._was_asked_before = False

    def go(self) -> Finished | Failed:
        """See the run to its end, however many jobs that takes. Raises RunError.

        A job that is paid for and not over then is written down, and ended.
        """
        try:
            ended = self._go()
        except BaseException:
            self._let_go()
            raise
        if self._is_left_behind:
            self._let_go()
        return ended

    def _go(self) -> Finished | Failed:
        if not (self._away.is_open and self._is_there()):
            if self._away.is_open:
                self._keep(self._closed())
            self._submit(begun=self._job.follows_another)
        while True:
            self._ending.remove(self._away.job)
            ended = self._follow()
            if ended is not None and not self._was_stopped_before(ended):
                if not self._is_left_behind:
                    self._keep(self._closed())
                return ended
            if ended is None:
                self._count_death(self._last_report)
            else:
                self._was_asked_before = False
                self._keep(self._closed())
            self._job.emit(Started(os.getpid(), "train", lost.boot(), lost.memory_kills()))
            self._submit(begun=True)

    def _was_stopped_before(self, ended: Finished | Failed) -> bool:
        """Tell whether a job has stopped because it was asked to before the run was resumed, which goes on."""
        is_stopped = isinstance(ended, Finished) and ended.status == "stopped"
        return self._was_asked_before and is_stopped and not self._is_stopping()

    def _let_go(self) -> None:
        """End the open job where it is paid for, and write down that it shall end as long as it is not known to be
        over.
        """
        if self._spending is None or not self._away.is_paid:
            return
        with logged(log, "That a job shall end was not written down", RunError, OSError, level=logging.WARNING):
            if not self._may_be_taken:
                self._keep(replace(self._away, is_open=False))
                return
            self._ending.add(self._away)
        with logged(log, "A job was left that is paid for", RunError, OSError, level=logging.WARNING):
            self._engine.stop(self._away.job)
            if self._engine.state(self._away.job) == "ended":
                self._keep(self._closed())
                self._ending.remove(self._away.job)

    def _is_there(self) -> bool:
        """Tell whether the job that this run was left at is worth following; one that never began is started."""
        part = self._part
        state = self._until_answered(lambda: self._engine.state(self._away.job))
        self._was_asked_before = self._until_answered(lambda: self._storage.has(f"{part}/{STOP}"))
        if self._was_asked_before:  # the run is resumed; the job may not have read it yet
            self._until_answered(lambda: self._storage.delete(f"{part}/{STOP}"))
        has_spoken = self._until_answered(lambda: self._storage.has(f"{part}/{REPORT}"))
        if self._spending is not None and state == "ended" and not has_spoken:
            return False  # it was ended before it began
        if state != "unknown" or has_spoken:
            return True
        if self._until_answered(lambda: self._storage.has(f"{part}/{WORK}")):
            self._until_answered(self._start)
            return True
        return False

    @property
    def _part(self) -> str:
        return part_of_run(self._away.key, self._away.attempt)

    def _submit(self, *, begun: bool) -> None:
        """Send what the run needs, write down what the job is called, and start it."""
        away = replace(self._away, attempt=self._away.attempt + 1, is_open=True)
        if self._spending is not None:
            spending = self._spending
            away = self._until_answered(lambda: spending.begin(away))
        self._until_answered(lambda: self._send(away, begun=begun))
        self._may_be_taken = False
        self._keep(away)
        self._until_answered(self._start)

    def _send(self, away: Away, *, begun: bool) -> None:
        self._engine.prepare()
        if self._place.send_models:
            ensure_model(self._run.config.model, home_of(self._run.path), self._job)
        work = send_run(
            self._run,
            self._place,
            self._storage,
            files=files_of_run(away.key),
            begun=_first_lines(self._run) if begun else "",
            evaluates=request_path(self._run).exists(),
            report=self._job.report,
            should_stop=self._is_stopping,
        )
        self._raise_if_stopped()
        self._storage.write(f"{part_of_run(away.key, away.attempt)}/{WORK}", codec.dumps(work).encode())

    def _start(self) -> None:
        """Have the present job started, if the place does not have it, for no longer than can be paid for now."""
        if self._spending is None:
            return self._ask_for_it()
        if self._engine.state(self._away.job) != "unknown":
            self._may_be_taken = True
            return
        try:
            begun = self._spending.begin(self._away)
            if begun != self._away:
                self._keep(begun)
            self._ask_for_it()
        except NoAnswer:
            raise
        except RunError:
            if not self._may_be_taken:  # it is refused, and costs nothing
                self._keep(replace(self._away, is_open=False))
            raise

    def _ask_for_it(self) -> None:
        spec = spec_of(
            self._place,
            part=self._part,
            files=files_of_run(self._away.key),
            nodes=self._run.config.nodes,
            can_be_fewer=bool(self._run.checkpoint_steps),
            seconds=self._away.seconds,
        )
        may_have_been_taken, self._may_be_taken = self._may_be_taken, True
        try:
            self._engine.submit(self._away.job, spec)
        except NoAnswer:
            raise
        except RunError:
            self._may_be_taken = may_have_been_taken
            raise

    def _follow(self) -> Finished | Failed | None:
        """Bring home what the present job does until it ends; None where it ended without a word."""
        here = base_here(self._run.config, home_of(self._run.path))
        bringing = Bringing(
            self._job,
            self._run,
            self._storage,
            attempt=self._away.attempt,
            part=self._part,
            here=here,
            leaves_off=self._leaves_off,
        )
        if bringing.is_attached:
            bringing.say_again()
        self._last_report = None
        ask_seconds = max(ASK_SECONDS, self._look_seconds)
        watch, beat, heard_at = _Watch(self._engine, self._away.job, ask_seconds), -1, time.monotonic()
        while True:
            try:
                report = self._report()
                if report is not None and report.beat != beat:
                    bringing.take_in(report)
                    beat, heard_at, self._silent_since = report.beat, time.monotonic(), None
                    self._told = self._told if report.evaluating else ""
                    self._is_evaluated_there = report.evaluating
                    self._began_to_evaluate |= report.evaluating
                    if report.ended:
                        self._last_report = report
                        return self._end_of(bringing, report)
                if self._spending is not None:
                    self._spending.tell(self._away)
                if watch.has_ended() and time.monotonic() - heard_at > self._sure_seconds:
                    return self._ended(bringing) if bringing.last or self._is_stopping() else None
                self._tell_how_it_waits(watch, report, time.monotonic() - heard_at)
                self._pass_stop_on()
                never_began = report is None and watch.seen == "waiting"
                if self._must_end() or (self._is_stopping() and never_began):
                    self._engine.stop(self._away.job)
                    return self._ended(bringing)
            except Gone:
                log.info("A file was deleted at the place while it was asked for", exc_info=True)
            except NoAnswer as error:
                if self._must_end():
                    self._is_left_behind = True
                    return self._ended(bringing)
                self._tell_silence(error)
                self._wake_place()
                heard_at = time.monotonic()
            self._rest()

    def _rest(self) -> None:
        """Wait until it is time to look again; a request to stop is not kept waiting."""
        until = time.monotonic() + self._look_seconds
        while True:
            time.sleep(max(0.0, min(until - time.monotonic(), _REST_SECONDS)))
            if time.monotonic() >= until or (self._is_stopping() and not self._has_passed_on):
                return

    def _closed(self) -> Away:
        """Return the present job as one that is over, with what it cost."""
        if self._spending is not None:
            return self._spending.ended(self._away)
        return replace(self._away, is_open=False)

    def _report(self) -> Report | None:
        content = self._storage.read(f"{self._part}/{REPORT}", most_bytes=_MOST_REPORT_BYTES)
        if content is None:
            return None
        try:
            found = codec.loads(Report, content)
            said = {name: getattr(found, name)[:_LONGEST_SAID] for name in ("trouble", "hint", "lost")}
            return replace(found, **said)
        except codec.Damaged as error:
            raise RunError(
                f"What {self._place.name} says of the run cannot be read ({error}).",
                "Check that the storage of the place is whole, then resume the run.",
            ) from error

    def _end_of(self, bringing: Bringing, report: Report) -> Finished | Failed | None:
        if bringing.last is not None or self._is_stopping():
            return self._ended(bringing)
        if report.died:
            return None
        self._keep(self._closed())
        raise RunError(report.trouble or f"The run ended at {self._place.name} without a word.", report.hint)

    def _ended(self, bringing: Bringing) -> Finished | Failed:
        """Return the end of the run as it was told, or else say that it stopped there."""
        if bringing.last is None:
            return self._stopped_there()
        self._settle_evaluation(bringing)
        return self._with_reason(bringing.last)

    def _settle_evaluation(self, bringing: Bringing) -> None:
        """Drop the request for an evaluation that came home, that the place tried in vain, or that a person stopped.

        One whose time was up there, or that gave way, is still asked for: it is made here.
        """
        is_stopped = self._began_to_evaluate and self._run.stop_wanted in (KEEP, DISCARD)
        is_in_vain = self._is_evaluated_there and not bringing.has_evaluation and not self._is_stopping()
        if is_in_vain and not self._is_called_off:
            self._job.emit(Noted("warning", f"{self._place.name} could not evaluate the run. Evaluate it here."))
        if bringing.has_evaluation or is_stopped or is_in_vain:
            with logged(log, "The request for an evaluation could not be deleted", OSError, level=logging.WARNING):
                request_path(self._run).unlink(missing_ok=True)

    def _with_reason(self, last: Finished | Failed) -> Finished | Failed:
        """Say of a run that stopped unasked that its time, or its money, was used up."""
        if self._spending is None or not isinstance(last, Finished) or last.status != "stopped" or self._is_stopping():
            return last
        if self._was_asked_before:
            return last
        text = self._spending.why_it_ended(self._away)
        self._job.emit(Noted("warning", f"{text} Its checkpoints are here, and it can be resumed."))
        return replace(last, summary=f"{text} {last.summary}")

    def _stopped_there(self) -> Finished:
        steps = self._run.checkpoint_steps
        kept = f"what it had learned by step {steps[-1]:,} is here" if steps else "nothing of it was saved yet"
        left = " It did not answer, and may still be at work on it." if self._is_left_behind else ""
        summary = f"Stopped at {self._place.name}; {kept}.{left}"
        return Finished(status="stopped", summary=summary, seconds=time.monotonic() - self._began)

    def _count_death(self, said: Report | None) -> None:
        """Take note that a job ended without a word, or lost the connection between its nodes, as it `said`. Raises
        RunError where too many did at the same step.
        """
        never, lost = (False, "") if said is None else (said.never, said.lost)
        steps = self._run.checkpoint_steps
        step = steps[-1] if steps else 0
        if self._spending is not None and not self._until_answered(lambda: self._storage.has(f"{self._part}/{REPORT}")):
            self._keep(self._closed())
            raise self._spending.why_it_never_began(self._away)
        deaths = self._away.deaths + 1 if step <= self._away.step else 1
        self._keep(replace(self._closed(), deaths=deaths, step=step))
        name = self._place.name
        if deaths >= MOST_DEATHS and never:
            gave_up = (
                f"The nodes of the run could not work together at {name}, {deaths} times, not beyond step {step:,}."
            )
            raise RunError(
                f"{gave_up} {lost}".strip(),
                "Have whoever runs the place look at the network between the nodes: all their ports have to be open "
                "among them. Then resume the run, or let it have one node.",
            )
        if deaths >= MOST_DEATHS:
            gave_up = f"The run ended {deaths} times without a word at {name}, not beyond step {step:,}."
            raise RunError(
                f"{gave_up} {lost}".strip(),
                "Its memory may not be enough, or its nodes end jobs: look at the log, and resume the run when that is "
                "settled. Its checkpoints are here.",
            )
        again = f"goes on from step {step:,}" if step else "begins again"
        if never:
            self._job.emit(
                Noted("warning", f"The nodes of a job at {name} lost one another. The run {again} in a new one.")
            )
        else:
            self._job.emit(Noted("warning", f"A job at {name} ended without a word. The run {again} in another one."))

    def _tell_how_it_waits(self, watch: "_Watch", report: Report | None, seconds: float) -> None:
        name = self._place.name
        if report is not None and report.evaluating:
            self._say(f"Evaluating at {name}")
        elif report is not None and report.trouble and not report.ended:
            self._say(f"Waiting for {name}: {report.trouble}")
        elif report is not None and seconds > SILENT_SECONDS:
            self._say(f"Waiting for {name}: the job there has not been heard of for a while")
        elif report is None:
            self._say(f"Waiting for room at {name}" if watch.seen == "waiting" else f"Starting at {name}")

    def _tell_silence(self, error: NoAnswer) -> None:
        """Say that the place does not answer, once that takes long."""
        now = time.monotonic()
        if self._silent_since is None:
            self._silent_since = now
            log.warning("%s", error, exc_info=True)
        if now - self._silent_since > TOLD_SECONDS:
            self._say(f"Waiting for {self._place.name}. {error.message}")

    def _wake_place(self) -> None:
        """See to it now and then that the storage of a place that was started again is served."""
        if time.monotonic() - self._woken_at > WAKE_SECONDS:
            with logged(log, "The place does not answer yet", RunError, level=logging.INFO):
                self._engine.prepare()
            self._woken_at = time.monotonic()

    def _say(self, what: str) -> None:
        if what != self._told:
            self._job.emit(Loading(what=what))
            self._told = what

    def _keep(self, away: Away) -> None:
        write_away(self._run.path, away)
        self._away = away

    def _is_stopping(self) -> bool:
        return self._job.should_stop() or self._run.stop_request.exists()

    def _raise_if_stopped(self) -> None:
        if self._is_stopping():
            raise Stopped

    def _must_end(self) -> bool:
        """Tell whether a job that was asked to stop has had its time, or nothing of it is wanted."""
        if not self._is_stopping():
            return False
        if self._run.stop_wanted == DISCARD:
            return True
        if self._asked_at is None:
            self._asked_at = time.monotonic()
        patience = GIVE_WAY_SECONDS if self._run.stop_wanted == GIVE_WAY else STOP_SECONDS
        return time.monotonic() - self._asked_at > patience

    @property
    def _is_called_off(self) -> bool:
        """Whether the run is trained, and nobody wants the evaluation any more that the place is at."""
        return self._began_to_evaluate and not request_path(self._run).exists()

    def _leaves_off(self) -> bool:
        """Pass a request to stop on, also while much comes home, and tell whether the rest is not waited for."""
        self._pass_stop_on()
        return self._must_end()

    def _pass_stop_on(self) -> None:
        if (self._is_stopping() or self._is_called_off) and not self._has_passed_on:
            self._storage.write(f"{self._part}/{STOP}", b"stop\n")
            self._has_passed_on = True

    def _until_answered(self, ask: Callable[[], Answer]) -> Answer:
        """Ask the place until it answers. Raises Stopped where the person does not want to wait any more."""
        while True:
            self._raise_if_stopped()
            try:
                return ask()
            except NoAnswer as error:
                self._tell_silence(error)
                time.sleep(RETRY_SECONDS)


class _Watch:
    """How a job is by the word of its place, which is asked now and then."""

    def __init__(self, engine: Engine, job: str, ask_seconds: float) -> None:
        self._engine = engine
        self._job = job
        self._ask_seconds = ask_seconds
        self._began = time.monotonic()
        self._next = 0.0
        self.seen: JobSeen = "waiting"

    def has_ended(self) -> bool:
        """Tell whether the job is over. Raises NoAnswer."""
        now = time.monotonic()
        if now >= self._next:
            self.seen = self._engine.state(self._job)
            self._next = now + self._ask_seconds
        return self.seen == "ended" or (self.seen == "unknown" and now - self._began > NEW_SECONDS)


def _first_lines(run: RunFolder) -> str:
    """Return what the worker there finds of those before it: that there were some, and what they computed in."""
    loaded = last_loaded(run)
    events: tuple[Event, ...] = (Loading(what="Going on at another place"), *([] if loaded is None else [loaded]))
    return "\n".join(encode(Record(seq=seq, time=time.time(), event=each)) for seq, each in enumerate(events, start=1))
