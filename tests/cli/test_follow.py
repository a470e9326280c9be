"""Several runs followed in the terminal, where some of them go away meanwhile."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from studio.cli import follow
from studio.config import RunConfig
from studio.errors import RunError
from studio.jobs.variants import variants
from studio.runs.scheduler import RunState
from studio.runs.store import RunFolder
from studio.studio import Studio
from tests.ui.fake_studio import end_workers, fake_studio, finish


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    with fake_studio(tmp_path) as opened:
        yield opened


@pytest.fixture
def runs(studio: Studio) -> tuple[RunFolder, ...]:
    """Three runs that were started together; the first is at work."""
    data = studio.data.add_sample("order_slips")
    return studio.start_group(variants(RunConfig(name="tone"), [(data.id, data.name)], {"rank": (8, 16, 32)}))


def follow_all(studio: Studio, runs: tuple[RunFolder, ...]) -> list[str]:
    ended = follow.follow_all(studio, [run.id for run in runs], console=Console(file=io.StringIO()))
    return [state.run.id for state in ended]


def test_a_run_that_is_deleted_as_it_is_looked_at_is_left_out(
    studio: Studio, runs: tuple[RunFolder, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    view = studio.scheduler.view

    def look(id: str) -> RunState:
        if id == runs[1].id:
            studio.delete_run(id)
        return view(id)

    def pause(seconds: float) -> None:
        """Let the run at work finish, whichever it is."""
        at_work = next(run for run in runs if run.path.exists() and run.is_alive())
        finish(at_work, steps=2, clock=studio.clock)
        end_workers(studio)

    monkeypatch.setattr(studio.scheduler, "view", look)
    monkeypatch.setattr(follow.time, "sleep", pause)
    assert follow_all(studio, runs) == [runs[0].id, runs[2].id]


def test_all_are_stopped_although_one_cannot_be(
    studio: Studio, runs: tuple[RunFolder, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    presses = iter([KeyboardInterrupt()])

    def stop(id: str) -> None:
        asked.append(id)
        if id == runs[0].id:
            raise RunError("There is no such run.")
        studio.scheduler.queue.remove(id)

    def pause(seconds: float) -> None:
        for press in presses:
            raise press
        finish(runs[0], steps=2, clock=studio.clock)
        end_workers(studio)

    monkeypatch.setattr(studio.scheduler, "stop", stop)
    monkeypatch.setattr(follow.time, "sleep", pause)
    follow_all(studio, runs)
    assert asked == [run.id for run in runs]
