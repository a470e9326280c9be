"""What is caught and not raised again can be read, with its trace, where that is asked for."""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.data.library import DatasetLibrary
from studio.logs import VERBOSE, log_to_stderr, logged
from studio.runs.launcher import PROJECT_ROOT, worker_environment

log = logging.getLogger("studio.tests")


@pytest.fixture(autouse=True)
def _logger_as_before() -> Iterator[None]:
    studio = logging.getLogger("studio")
    handlers, level = studio.handlers, studio.level
    yield
    studio.handlers = handlers
    studio.setLevel(level)


def went_on() -> None:
    with logged(log, "The file was not deleted", OSError):
        raise PermissionError("it is not yours")


def test_an_error_of_another_kind_is_raised() -> None:
    with pytest.raises(ValueError, match="other"), logged(log, "The file was not deleted", OSError):
        raise ValueError("other")


def test_what_was_swallowed_is_logged_with_its_trace(capsys: pytest.CaptureFixture[str]) -> None:
    log_to_stderr({VERBOSE: "1"})
    went_on()
    written = capsys.readouterr().err
    assert "DEBUG studio.tests: The file was not deleted" in written
    assert "in went_on" in written
    assert "PermissionError: it is not yours" in written


def test_without_verbose_a_warning_is_one_line_and_only_a_bug_has_a_trace(capsys: pytest.CaptureFixture[str]) -> None:
    log_to_stderr({})
    went_on()
    assert capsys.readouterr().err == ""
    error = OSError("no room")
    log.warning("The upload stays: %s", error, exc_info=error)
    assert capsys.readouterr().err == "The upload stays: no room\n"
    log.error("Trouble 1", exc_info=error)
    assert "OSError: no room" in capsys.readouterr().err


def test_a_data_set_that_was_left_out_is_read_with_verbose(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The only trace of a swallowed error was that something was missing."""
    log_to_stderr({VERBOSE: "1"})
    folder = tmp_path / "datasets" / "broken"
    folder.mkdir(parents=True)
    (folder / "dataset.json").write_text("no document")
    (folder / "examples.jsonl").write_text("")
    assert DatasetLibrary(tmp_path, samples_folder=tmp_path).all() == ()
    written = capsys.readouterr().err
    assert "studio.shelf: " in written
    assert "is left out" in written
    assert "Traceback" in written


@pytest.mark.parametrize("options", ["--verbose resume none", "resume none --verbose", "resume none"])
def test_every_command_takes_verbose(tmp_path: Path, options: str) -> None:
    done = subprocess.run(
        [sys.executable, "app.py", *options.split()],
        cwd=PROJECT_ROOT,
        env={**os.environ, "STUDIO_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "There is no run" in done.stderr
    assert ("Traceback" in done.stderr) == ("--verbose" in options)


def test_a_worker_logs_as_much_as_the_studio() -> None:
    assert worker_environment({VERBOSE: "1"})[VERBOSE] == "1"
