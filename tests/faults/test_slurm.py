"""Runs on Slurm by submitit's own local executor: the same pickles and folders, without a cluster."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from studio.errors import RunError
from studio.jobs.places.away import read_away
from studio.jobs.places.book import SLURM, Place, Places
from studio.jobs.places.engines import spec_of
from studio.jobs.places.slurm_jobs import SlurmEngine
from studio.jobs.tasks import Train, TrainElsewhere
from studio.runs import lock
from studio.runs.launcher import Task, Worker, launch
from tests.cluster.conftest import write_python
from tests.faults.ground import Expected, Ground, check_finished, kill, wait


def carry(task: Task, /) -> Worker:
    """Start the worker here of a run that trains elsewhere: a real process."""
    assert isinstance(task, Train)
    return launch(TrainElsewhere(task.run), command=(sys.executable, "-m", "studio.workers"))


@dataclass(frozen=True)
class Lab:
    ground: Ground
    place: Place


@pytest.fixture
def lab(tmp_path: Path, tiny_model: Path) -> Iterator[Lab]:
    pytest.importorskip("submitit", reason="submitit is not installed (pip install -r requirements-cluster.txt)")
    shared = tmp_path / "shared"
    shared.mkdir()
    python = str(write_python(tmp_path / "python"))
    place = Place("lab", SLURM, folder=str(shared), scratch=str(tmp_path / "scratch"), python=python, executor="local")
    ground = Ground(tmp_path / "home", tiny_model, carry)  # type: ignore[arg-type]
    yield Lab(ground, Places(ground.home).add(place))
    for run in ground.store.all():
        ground.scheduler.discard(run.id)


def test_a_run_ends_as_one_here_though_its_worker_here_died(lab: Lab, steady: Expected) -> None:
    run = lab.ground.make_run(place="lab")
    lab.ground.start(run)
    wait(lambda: run.checkpoint_steps or not run.is_alive(), what="a checkpoint here", pause=0.02, seconds=120)
    kill(lock.holder(run.lock_path))  # type: ignore[arg-type]
    wait(lambda: not run.is_alive(), what="the lock to be let go of")
    lab.ground.finish(run, seconds=200)
    check_finished(lab.ground, run, steady)
    assert read_away(run.path).attempt == 1  # type: ignore[union-attr]


def test_a_machine_without_slurm_says_so(tmp_path: Path) -> None:
    pytest.importorskip("submitit")
    place = Place("lab", SLURM, folder=str(tmp_path))
    with pytest.raises(RunError, match="Slurm"):
        SlurmEngine(place).submit("lora-studio-run-0-1", spec_of(place, part="runs/r/1", files="runs/r/files"))
