import time
from pathlib import Path

import pytest

from studio.events import Event, Finished, Loading, Saved
from studio.jobs.calibration import machine_key, read_machine
from studio.jobs.tasks import Calibrate
from studio.workers import calibrate
from studio.workers.job import Job


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure for a moment only."""
    monkeypatch.setattr(calibrate, "TRY_SECONDS", 0.001)
    monkeypatch.setattr(calibrate, "WIDTHS", {"cpu": (32, 64), "cuda": (32, 64), "mps": (32, 64)})


@pytest.mark.usefixtures("quick")
def test_the_machine_is_measured_and_kept(tmp_path: Path) -> None:
    told: list[Event] = []
    began = time.monotonic()
    finished = calibrate.calibrate(Job(told.append), Calibrate(tmp_path))
    assert time.monotonic() - began < 60
    assert isinstance(finished, Finished)
    assert [type(event) for event in told] == [Loading, Saved]
    machine = read_machine(tmp_path, key=machine_key())
    assert machine is not None
    assert machine.name
    assert machine.start_seconds > 0
    assert {rates.precision for rates in machine.rates} >= {"fp32"}
    for rates in machine.rates:
        assert 1e6 < rates.flops < 1e17
        assert 1e6 < rates.bytes_per_second < 1e15
        assert 1e-9 < rates.seconds_per_call < 0.1
        assert [width for width, _ in rates.by_width] == [32, 64]


def test_a_machine_can_be_described_without_measuring() -> None:
    machine = calibrate.describe()
    assert machine.rates == ()
    assert machine.memory_bytes > 2**20
    assert machine.versions == machine_key()
