import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from studio.jobs import calibration
from studio.jobs.calibration import (
    MEMORY_LOCK,
    MOST_TIMINGS,
    TIMINGS,
    keep_timing,
    machine_key,
    read_machine,
    read_timings,
    write_machine,
)
from studio.models.machine import Machine, Rates, Timing
from studio.runs import lock, memory_watch
from studio.runs.memory_watch import free_memory_bytes

MACHINE = Machine("cpu", "a processor", 1, False, 1, (Rates("fp32", 1e11, 1e10, 1e-5),), machine_key(), 5.0)


def test_a_measurement_of_another_machine_does_not_count(tmp_path: Path) -> None:
    write_machine(tmp_path, replace(MACHINE, versions="another processor"))
    assert read_machine(tmp_path, key=machine_key()) is None
    assert read_machine(tmp_path, key="another processor") is not None


def test_the_memory_of_a_gpu_is_its_own(tmp_path: Path) -> None:
    write_machine(tmp_path, replace(MACHINE, device="cuda", memory_bytes=24))
    found = read_machine(tmp_path, key=machine_key())
    assert found is not None
    assert found.memory_bytes == 24


def test_the_key_names_processor_gpus_and_pytorch_without_importing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = tmp_path / "gpus" / "0000:01:00.0" / "information"
    gpu.parent.mkdir(parents=True)
    gpu.write_text("Model: \t\t NVIDIA H200\nIRQ: 1\n")
    plain = machine_key()
    assert "cores; torch " in plain.replace("; of which none", "")
    assert "NVIDIA H200" in machine_key(tmp_path)
    (tmp_path / "version").write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12\n")
    assert "NVIDIA H200; driver 535.183.01; " in machine_key(tmp_path)  # after an update fp32 and 512 tokens stayed
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert "of which 1" in machine_key()
    assert "torch" not in calibration.__dict__
    assert sys.version_info >= (3, 11)


@pytest.mark.parametrize(
    ("folder", "names"),
    [
        ("", ("memory.max", "memory.current", "inactive_file")),
        ("memory", ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")),
    ],
)
def test_the_limit_of_a_container_counts(
    folder: str, names: tuple[str, str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = tmp_path / folder
    group.mkdir(exist_ok=True)
    (group / names[0]).write_text("3000000\n")
    (group / names[1]).write_text("2500000\n")
    (group / "memory.stat").write_text(f"anon 5\n{names[2]} 400000\n")
    monkeypatch.setattr(memory_watch, "CGROUP", tmp_path)
    assert free_memory_bytes() == 900_000
    (group / names[0]).write_text("max\n")
    unlimited = free_memory_bytes()
    assert unlimited > 900_000
    (group / names[0]).write_text(str(2**63 - 4096))
    assert free_memory_bytes() > 900_000
    (group / names[0]).write_text("1000\n")
    assert free_memory_bytes() == 0


def test_what_runs_took_is_remembered_for_this_machine(tmp_path: Path) -> None:
    key = machine_key()
    write_machine(tmp_path, MACHINE)
    timings = [Timing("starter", "lora", "cpu", 5.0, float(number), 9.0, 18.0) for number in range(MOST_TIMINGS + 5)]
    for timing in timings:
        keep_timing(tmp_path, timing, key=key)
    found = read_machine(tmp_path, key=key)
    assert found is not None
    assert found.timings == tuple(timings[5:])
    assert read_timings(tmp_path, key="another processor") == ()
    keep_timing(tmp_path, timings[0], key="another processor")
    assert read_timings(tmp_path, key=key) == ()


@pytest.mark.parametrize("text", ["", "[]", '{"versions": 3}', '{"versions": "key", "timings": [{"model": 1}]}'])
def test_a_damaged_file_of_what_runs_took_is_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / TIMINGS).write_text(text)
    assert read_timings(tmp_path, key="key") == ()
    keep_timing(tmp_path, Timing("starter", "lora", "cpu"), key="key")
    assert len(read_timings(tmp_path, key="key")) == 1


def test_the_load_is_that_of_others(tmp_path: Path) -> None:
    write_machine(tmp_path, replace(MACHINE, load=0.9, timings=(Timing("a", "lora", "cpu"),)))
    busy = read_machine(tmp_path, key=machine_key(), load=lambda: 0.5)
    assert busy is not None
    assert (busy.load, busy.timings) == (0.5, ())
    held = lock.acquire(tmp_path / MEMORY_LOCK)
    assert held is not None
    ours = read_machine(tmp_path, key=machine_key(), load=lambda: 0.5)
    os.close(held)
    assert ours is not None
    assert ours.load == 0.0, "the load of a run of the studio is over when the next one starts"
