import errno
import io
import re
import sys
import time
from pathlib import Path

import pytest
from safetensors import SafetensorError

from studio.errors import DataError, ModelError, NotConnected, OthersLost, RunError
from studio.events import Event, Failed, Finished, Loading, Noted, Started
from studio.ml.soundness import Diverged
from studio.models.starter import Stopped
from studio.runs.turns import EVALUATION, Holder
from studio.workers.job import Job, failure, help_job, run_job
from studio.workers.ranks import NOT_CONNECTED, OTHERS_LOST
from tests.workers.conftest import events

DONE = Finished(status="finished", summary="Done.", seconds=0.1)


def caused_by(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (DataError("The file is empty.", "Choose another."), "bad_input"),
        (Diverged("The loss is no longer a number.", "Lower the learning rate."), "diverged"),
        (MemoryError(), "out_of_memory"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk_full"),
        (SafetensorError("I/O error: No space left on device (os error 28)"), "disk_full"),
        (caused_by(RunError("The events cannot be written.", "x"), OSError(errno.ENOSPC, "full")), "disk_full"),
        (caused_by(RunError("It cannot be written.", "x"), OSError(errno.EDQUOT, "quota")), "disk_full"),
        (OSError(errno.EFBIG, "File too large"), "disk_full"),
        (PermissionError(errno.EACCES, "Permission denied"), "read_only"),
        (OSError(errno.EROFS, "Read-only file system"), "read_only"),
        (caused_by(ModelError("The model cannot be read.", "x"), PermissionError(errno.EACCES, "no")), "bad_input"),
        (KeyError("x"), "bug"),
    ],
)
def test_every_error_becomes_a_sentence(error: Exception, cause: str) -> None:
    told = failure(error)
    assert told.cause == cause
    assert told.message.endswith((".", ")."))
    assert told.hint
    assert "Traceback" not in told.message + told.hint


def test_a_job_writes_its_start_and_its_end(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"

    def work(job: Job) -> Finished:
        return DONE

    assert run_job("test", path, work) == 0
    assert [type(event) for event in events(path)] == [Started, Finished]


def test_a_job_that_fails_says_so_in_its_log(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"

    def work(job: Job) -> Finished:
        raise DataError("The file is empty.", "Choose another.")

    assert run_job("test", path, work) == 1
    last: Event = events(path)[-1]
    assert isinstance(last, Failed)
    assert (last.message, last.hint) == ("The file is empty.", "Choose another.")
    assert "Traceback" in last.detail


def test_a_job_says_why_it_failed_though_its_log_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk the trace went to a log that did not take it, and the run ended without a word."""

    class FullDisk(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    def work(job: Job) -> Finished:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sys, "stderr", FullDisk())
    assert run_job("test", tmp_path / "events.jsonl", work) == 1
    last = events(tmp_path / "events.jsonl")[-1]
    assert isinstance(last, Failed)
    assert last.cause == "disk_full"


def test_who_waits_says_for_what_and_how_long(tmp_path: Path) -> None:
    """A run waited for nine minutes, and the page said for another run, where an evaluation had the machine."""
    place = tmp_path / "accelerator.lock"
    told: list[Event] = []

    def stop_when_told(event: Event) -> None:
        told.append(event)
        waiting.ask_to_stop()

    waiting = Job(stop_when_told)
    holder = Holder("the evaluation of otter", until=time.time() + 250, kind=EVALUATION)
    with (
        Job(told.append).holding(place, waiting="", holder=holder),
        pytest.raises(Stopped),
        waiting.holding(place, waiting="Waiting for other work"),
    ):
        pass
    (said,) = told
    assert isinstance(said, Loading)
    assert said.is_waiting
    assert said.waits_for == EVALUATION
    assert re.fullmatch(r"Waiting for the evaluation of otter, \d to \d min", said.what)


def lose_the_others(job: Job) -> Finished:
    raise OthersLost("Another process of this run ended.", "Resume the run.")


def never_have_the_others(job: Job) -> Finished:
    raise NotConnected("The processes of this run could not be connected: the port is taken.", "Resume the run.")


def test_a_process_that_lost_those_on_other_nodes_ends_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run goes on in another job, so this must not be told as its end."""
    monkeypatch.setenv("GROUP_WORLD_SIZE", "2")
    assert run_job("train", tmp_path / "over-nodes", lose_the_others) == OTHERS_LOST
    started, noted = events(tmp_path / "over-nodes")
    assert isinstance(started, Started)
    assert noted == Noted("warning", "Another process of this run ended.")
    assert run_job("train", tmp_path / "never", never_have_the_others) == NOT_CONNECTED
    monkeypatch.delenv("GROUP_WORLD_SIZE")
    assert run_job("train", tmp_path / "here", lose_the_others) == 1
    last = events(tmp_path / "here")[-1]
    assert isinstance(last, Failed)
    assert last.message == "Another process of this run ended."


def test_the_first_process_of_another_node_writes_down_what_it_met(tmp_path: Path) -> None:
    def fail(job: Job) -> Finished:
        raise RunError("The disk is gone.", "Look for it.")

    assert help_job(fail, tmp_path / "events") == 1
    (told,) = events(tmp_path / "events")
    assert isinstance(told, Failed)
    assert told.message == "The disk is gone."
    assert help_job(lose_the_others, tmp_path / "none") == OTHERS_LOST
    assert events(tmp_path / "none") == [Noted("warning", "Another process of this run ended.")]
    assert help_job(never_have_the_others, tmp_path / "never") == NOT_CONNECTED
