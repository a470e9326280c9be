from pathlib import Path

import pytest

from studio.config import RunConfig
from studio.events import Prepared
from studio.jobs.calibration import machine_key, write_machine
from studio.ml.batches import TokenRow
from studio.models.architecture import read_architecture
from studio.models.forecast.forecast import FITS, RunTime, Workload
from studio.models.machine import Machine, Rates, Timing
from studio.workers.estimates import estimate, leg_timing, peak_bytes, this_machine, workload_of
from studio.workers.rows import Rows
from tests.models.known_configs import KNOWN

ROWS = Rows(
    train=[TokenRow([1] * 10, [-100] * 6 + [1] * 4), TokenRow([1] * 30, [-100] * 10 + [1] * 20)],
    validation=[TokenRow([1] * 7, [1] * 7)],
    prepared=Prepared(2, 1, 0, 40, 24, 1),
)
MACHINE = Machine("cpu", "a processor", 1, False, 1, (Rates("fp32", 2e11, 2e10, 5e-6),), machine_key(), 6.0)


def test_rows_are_summed_up() -> None:
    assert workload_of(ROWS) == Workload(2, 40, 30, 24, 1, 7)


def test_a_run_is_estimated_with_the_memory_that_is_free_now() -> None:
    architecture = read_architecture(KNOWN["SmolLM2-135M"][0])
    found = estimate(architecture, RunConfig(), machine=MACHINE, rows=ROWS)
    assert found.verdict == FITS
    assert found.seconds is not None
    assert found.micro_batch_tokens > 0


def test_a_machine_that_was_not_measured_has_no_rates(tmp_path: Path) -> None:
    assert this_machine(tmp_path).rates == ()
    write_machine(tmp_path, MACHINE)
    assert this_machine(tmp_path).rates == MACHINE.rates


def test_the_highest_memory_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    found = peak_bytes("cpu")
    assert 50 * 2**20 < found < 2**45

    def missing(self: Path, **_: object) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", missing)
    assert peak_bytes("cpu") == pytest.approx(found, rel=0.3)


def test_a_worker_is_put_beside_what_was_estimated_of_its_steps() -> None:
    expected = RunTime(start=10.0, loop=600.0, slower=1.5)
    config = RunConfig(method="qlora")
    half = leg_timing(expected, config, device="cpu", done=(30, 60), seconds=500.0, loop_seconds=480.0)
    assert half == Timing("starter", "qlora", "cpu", 15.0, 20.0, 450.0, 480.0)
    barely = leg_timing(expected, config, device="cpu", done=(2, 60), seconds=50.0, loop_seconds=30.0)
    assert (barely.loop_estimated, barely.start_estimated) == (0.0, 15.0)
