"""What steps back leaves the processor to others, as a process and as a session."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from studio import priority
from studio.priority import step_back

WAIT = "print('up', flush=True); input()"
GROUPS = Path("/proc/self/autogroup").exists()


def waiting(*, own_session: bool) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", WAIT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=own_session,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    return process


def group_of(process_id: int) -> int | None:
    """Return by how much the session of a process steps back; None where Linux does not group it by its session."""
    said = Path(f"/proc/{process_id}/autogroup").read_text().split()
    return int(said[-1]) if said else None


@pytest.mark.parametrize("own_session", [True, False])
def test_a_process_steps_back_and_its_session_where_it_leads_one(own_session: bool) -> None:
    """Linux shares the processor among sessions first: the number of a process alone changed nothing beside others."""
    process = waiting(own_session=own_session)
    try:
        before, group = os.getpriority(os.PRIO_PROCESS, process.pid), group_of(process.pid) if GROUPS else None
        step_back(3, process.pid)
        behind = os.getpriority(os.PRIO_PROCESS, process.pid)
        assert behind == min(19, before + 3)
        if group is not None:
            assert group_of(process.pid) == (behind if own_session else group), "others of the session stay as they are"
    finally:
        process.communicate("\n")


def test_nothing_steps_back_behind_the_last() -> None:
    process = waiting(own_session=True)
    try:
        step_back(15, process.pid)
        step_back(15, process.pid)
        assert os.getpriority(os.PRIO_PROCESS, process.pid) == 19
    finally:
        process.communicate("\n")


def test_what_is_gone_does_not_step_back_and_that_is_no_error() -> None:
    process = waiting(own_session=True)
    process.communicate("\n")
    step_back(3, process.pid)


def test_a_system_that_is_asked_too_often_is_asked_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Linux takes one change in a tenth of a second."""
    asked = []

    def write(self: Path, text: str, encoding: str) -> None:
        asked.append(text)
        if len(asked) < 3:
            raise BlockingIOError

    monkeypatch.setattr(Path, "write_text", write)
    monkeypatch.setattr(priority.time, "sleep", lambda seconds: None)
    priority._write(tmp_path / "autogroup", "3")
    assert asked == ["3"] * 3
