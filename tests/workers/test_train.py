"""The contract of the training worker: what it writes, in which order, whatever happens to it."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from studio.config import RunConfig
from studio.data.examples import TEXT, Example, Message
from studio.events import (
    Evaluated,
    Failed,
    Finished,
    Forecasted,
    Loaded,
    Measured,
    Noted,
    Prepared,
    Saved,
    Started,
    Stepped,
    Stopping,
)
from studio.jobs.calibration import machine_key, read_timings, write_machine
from studio.jobs.tasks import Train
from studio.ml.reference import load_reference
from studio.models.machine import Machine, Rates
from studio.runs import lock
from studio.runs.event_log import EventLog
from studio.runs.launcher import write_task
from studio.runs.store import RunFolder, RunStore
from studio.workers import train
from studio.workers.job import Job
from tests.tiny_model import write_tiny_model
from tests.workers.conftest import Start, events, wait_for

MakeRun = Callable[..., RunFolder]
ENDLESS = {"epochs": 100, "rows": 64, "batch_size": 1}


def test_a_run_goes_from_started_to_finished(make_run: MakeRun, start_cold: Start) -> None:
    run = make_run()
    assert start_cold(Train(run.path)).wait() == 0
    told = events(run.events_path)
    kinds = [type(event) for event in told]
    assert kinds[0] is Started
    assert kinds[-1] is Finished
    assert kinds.index(Loaded) < kinds.index(Prepared) < kinds.index(Stepped)
    assert [event.step for event in told if isinstance(event, Stepped)] == [1, 2, 3, 4]
    assert [event.step for event in told if isinstance(event, Evaluated)] == [0, 1, 2, 3, 4]
    prepared = next(event for event in told if isinstance(event, Prepared))
    assert (prepared.train_examples, prepared.validation_examples, prepared.total_steps) == (16, 4, 4)
    assert 0 < prepared.learned_tokens < prepared.tokens
    assert told[-3] == Saved(step=4, path="adapter")
    forecast = next(event for event in told if isinstance(event, Forecasted))
    assert forecast.memory_gib > 0
    assert isinstance(told[-2], Measured)
    assert 0 < told[-2].memory_gib < 4
    assert run.checkpoint_steps
    assert not list(run.path.glob("checkpoints/*/progress.safetensors")), "only a training needs that"


def test_two_processes_share_a_run(make_run: MakeRun, start: Start) -> None:
    alone, shared = (
        make_run(precision="fp32") for _ in range(2)
    )  # they cut a step elsewhere, and bf16 rounds otherwise
    variables = os.environ | {"CUDA_VISIBLE_DEVICES": "", "ACCELERATE_USE_CPU": "true"}
    assert start(Train(alone.path), env=variables).wait() == 0
    program = (
        "import sys; from pathlib import Path;"
        "from studio.workers.job import run_job;"
        "from studio.jobs.tasks import Train; from studio.workers.train import train_run;"
        "task = Train(Path(sys.argv[1]));"
        "sys.exit(run_job('train', task.paths.events, lambda job: train_run("
        "job, task, processes=2)))"
    )
    write_task(Train(shared.path))
    ended = subprocess.run([sys.executable, "-c", program, str(shared.path)], env=variables, timeout=300)
    assert ended.returncode == 0
    losses = [
        [event.loss for event in events(run.events_path) if isinstance(event, Stepped)] for run in (alone, shared)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert shared.result == shared.path / "adapter"


def test_a_full_run_leaves_a_whole_model(make_run: MakeRun, start: Start, tiny_model: Path) -> None:
    run = make_run(method="full", learning_rate=1e-3)
    assert start(Train(run.path)).wait() == 0
    assert run.result == run.path / "model"
    tuned = AutoModelForCausalLM.from_pretrained(run.result)
    ids = torch.tensor([[1, 2, 3]])
    assert not torch.equal(
        tuned(input_ids=ids).logits, AutoModelForCausalLM.from_pretrained(tiny_model)(input_ids=ids).logits
    )
    assert (run.result / "tokenizer.json").is_file()


def test_a_second_course_starts_from_a_run(make_run: MakeRun, start: Start) -> None:
    first = make_run()
    assert start(Train(first.path)).wait() == 0
    second = make_run(start_adapter=first.id)
    assert start(Train(second.path)).wait() == 0
    losses = [
        [event.loss for event in events(run.events_path) if isinstance(event, Stepped)] for run in (first, second)
    ]
    assert losses[1][0] < losses[0][0]
    lost = make_run(start_adapter="no-such-run")
    assert start(Train(lost.path)).wait() == 1
    assert "no adapter to continue from at 'no-such-run'" in next(
        event.message for event in events(lost.events_path) if isinstance(event, Failed)
    )


@pytest.mark.case("70-adapter-of-another-base")
def test_a_second_course_on_another_base_needs_a_word(make_run: MakeRun, start: Start, tmp_path: Path) -> None:
    """Tensors that fitted by name and shape were trained on, the others vanished, and nobody was told."""
    first = make_run()
    assert start(Train(first.path)).wait() == 0
    other = write_tiny_model(tmp_path / "another", seed=1)
    for adapter in (first.id, str(first.result)):
        second = make_run(start_adapter=adapter, model=str(other))
        assert start(Train(second.path), stderr=subprocess.DEVNULL).wait() == 1
        (failed,) = [event for event in events(second.events_path) if isinstance(event, Failed)]
        assert "was trained on another base model: on tiny, and this run's is another" in failed.message
        assert "same sizes, and other weights" in failed.message
        assert "--other-base" in failed.hint
        assert not any(isinstance(event, Stepped) for event in events(second.events_path))
    insisted = make_run(start_adapter=first.id, model=str(other), other_base=True)
    assert start(Train(insisted.path)).wait() == 0
    assert insisted.result is not None


def test_the_adapter_of_a_run_loads_with_plain_peft(make_run: MakeRun, start: Start, tiny_model: Path) -> None:
    run = make_run()
    assert start(Train(run.path)).wait() == 0
    assert run.result is not None
    ids = torch.tensor([[1, 2, 3]])
    base = AutoModelForCausalLM.from_pretrained(tiny_model)
    before = base(input_ids=ids).logits
    assert not torch.equal(before, PeftModel.from_pretrained(base, str(run.result))(input_ids=ids).logits)


def test_stopping_keeps_a_usable_adapter(make_run: MakeRun, start: Start, tiny_model: Path) -> None:
    run = make_run(**ENDLESS)
    worker = start(Train(run.path))
    wait_for(run.events_path, Stepped)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=60) == 0
    told = events(run.events_path)
    assert any(isinstance(event, Stopping) for event in told)
    assert isinstance(told[-1], Finished)
    assert told[-1].status == "stopped"
    assert run.result == run.path / "adapter"
    PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_model), str(run.result))


def test_a_killed_run_leaves_what_was_saved_before(make_run: MakeRun, start: Start) -> None:
    run = make_run(rows=64, batch_size=1, epochs=3)
    worker = start(Train(run.path))
    wait_for(run.events_path, Saved)
    worker.kill()
    worker.wait()
    assert not any(isinstance(event, Finished | Failed) for event in events(run.events_path))
    assert run.result is not None
    assert run.result.parent.name == "checkpoints"


def test_a_missing_model_is_a_sentence_and_a_status(make_run: MakeRun, start: Start, tmp_path: Path) -> None:
    run = make_run(model=str(tmp_path / "nothing"))
    assert start(Train(run.path), stderr=subprocess.DEVNULL).wait() == 1
    failed = events(run.events_path)[-1]
    assert isinstance(failed, Failed)
    assert "nothing" in failed.message
    assert failed.hint
    assert "Traceback" not in failed.message + failed.hint


def test_examples_that_do_not_fit_are_left_out_and_counted(make_run: MakeRun, start: Start) -> None:
    run = make_run(max_length=16)
    assert start(Train(run.path), stderr=subprocess.DEVNULL).wait() == 1
    failed = events(run.events_path)[-1]
    assert isinstance(failed, Failed)
    assert "None of the 16 examples fits into 16 tokens" in failed.message


def test_plain_text_is_trained_on_and_leaves_a_reference(tmp_path: Path, tiny_model: Path, start: Start) -> None:
    texts = [Example((Message(TEXT, f"The keeper lit lamp {place}."),), row=place + 1) for place in range(8)]
    run = RunStore(tmp_path).create(
        RunConfig(model=str(tiny_model), epochs=1, max_length=16, overlong="cut"),
        dataset_id="log",
        dataset_name="Log",
        dataset_sha256="0" * 64,
        train=texts,
        validation=(),
    )
    assert start(Train(run.path)).wait() == 0
    told = events(run.events_path)
    prepared = next(event for event in told if isinstance(event, Prepared))
    assert (prepared.train_examples, prepared.tokens, prepared.learned_tokens) == (8, 8 * 16, 8 * 15)
    probes = load_reference(run.path / "reference.safetensors").probes
    assert [(len(probe.ids), len(probe.prompt)) for probe in probes] == [(16, 8)] * 3


def test_what_a_run_took_is_kept_beside_what_was_estimated(make_run: MakeRun, start: Start, tmp_path: Path) -> None:
    """Estimates learned nothing from the runs that were made by them."""
    rates = tuple(Rates(precision, 2e11, 2e10, 5e-6) for precision in ("fp32", "bf16"))
    write_machine(tmp_path, Machine("cpu", "a processor", 2**34, False, 1, rates, machine_key(), 6.0))
    run = make_run(epochs=4)
    assert start(Train(run.path)).wait() == 0
    told = next(event for event in events(run.events_path) if isinstance(event, Forecasted))
    assert None not in (told.seconds, told.least_seconds, told.most_seconds)
    assert (told.least_seconds or 0) < (told.seconds or 0) < (told.most_seconds or 0)
    (timing,) = read_timings(tmp_path, key=machine_key())
    assert (timing.model, timing.method, timing.device) == (run.config.model, "lora", "cpu")
    for number in (timing.start_estimated, timing.start_seconds, timing.loop_estimated, timing.loop_seconds):
        assert number > 0
    took = next(event for event in events(run.events_path) if isinstance(event, Measured))
    assert timing.start_seconds + timing.loop_seconds == pytest.approx(took.seconds, abs=0.1)


def test_a_run_goes_on_in_the_format_in_which_it_began(make_run: MakeRun, start: Start, tmp_path: Path) -> None:
    """What "auto" means is measured: a machine that was measured again went on in another format, without a word."""
    write_machine(tmp_path, Machine("cpu", "a processor", 2**34, True, 1, (), machine_key(), 6.0))
    run = make_run()
    log = EventLog(run.events_path)
    log.emit(Started(1, "train"))
    log.emit(loaded("fp32"))
    log.close()
    assert start(Train(run.path)).wait() == 0
    assert [event.precision for event in events(run.events_path) if isinstance(event, Loaded)] == ["fp32", "fp32"]


@pytest.mark.parametrize(
    ("before", "has_bf16", "asked", "now", "is_said"),
    [
        ("bf16", True, "auto", "bf16", False),
        ("bf16", False, "auto", "fp32", True),
        ("fp16", True, "auto", "fp32", True),
        ("4-bit NF4, computing in bf16", True, "auto", "bf16", False),
        ("fp32", True, "bf16", "bf16", False),
    ],
)
def test_a_format_that_a_machine_does_not_know_is_given_up_and_said(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, before: str, has_bf16: bool, asked: str, now: str, is_said: bool
) -> None:
    run = make_run(precision=asked)
    log = EventLog(run.events_path)
    log.emit(loaded(before))
    monkeypatch.setattr("studio.ml.accelerator.has_bf16", lambda device: has_bf16)
    machine = Machine("cpu", "a processor", 2**34, False, 1, (), machine_key(), 6.0)
    assert train._settled_precision(Job(log.emit), run, machine) == now
    log.close()
    assert any(isinstance(event, Noted) for event in events(run.events_path)) == is_said


def loaded(precision: str) -> Loaded:
    return Loaded(parameters=1, trainable=1, device="cpu", precision=precision, target_modules=())


def test_a_second_run_waits_for_the_first(make_run: MakeRun, start: Start, tmp_path: Path) -> None:
    run = make_run()
    held = lock.acquire(tmp_path / "accelerator.lock")
    assert held is not None
    worker = start(Train(run.path))
    try:
        with lock.holding(tmp_path / "other.lock"):
            wait_for(run.events_path, Started)
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(timeout=30) == 0
    finally:
        import os

        os.close(held)
    told = events(run.events_path)
    assert isinstance(told[-1], Finished)
    assert told[-1].status == "stopped"


def test_a_four_bit_run_trains_and_keeps_its_reference(make_run: MakeRun, start: Start) -> None:
    run = make_run(method="qlora")
    assert start(Train(run.path)).wait() == 0
    loaded = next(event for event in events(run.events_path) if isinstance(event, Loaded))
    assert "NF4" in loaded.precision
    assert (run.path / "reference.safetensors").is_file()


def test_a_folder_of_model_files_that_are_damaged(
    make_run: MakeRun, start: Start, tiny_model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(tiny_model, folder)
    (folder / "model.safetensors").write_bytes(b"not weights")
    run = make_run(model=str(folder))
    assert start(Train(run.path), stderr=subprocess.DEVNULL).wait() == 1
    failed = events(run.events_path)[-1]
    assert isinstance(failed, Failed)
    assert "damaged" in failed.message
