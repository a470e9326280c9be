"""The blend worker on the adapters of two runs."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM

from studio.events import Event, Failed, Finished, Loaded, Started
from studio.jobs.blends import start_blend
from studio.jobs.exports import read_report
from studio.jobs.jobs import Jobs
from studio.jobs.model_card import card_of
from studio.jobs.tasks import Export, MakeBlend
from studio.ml import loading
from studio.runs.blend_parents import read_blend
from studio.runs.event_log import EventLog
from studio.runs.launcher import Worker
from studio.runs.store import RunFolder, RunStore
from tests.workers.conftest import Start, events

MakeRun = Callable[..., RunFolder]
FP32 = loading.Placement(device="cpu", precision="fp32")


@pytest.fixture
def learned(make_run: MakeRun, tiny_model: Path) -> Callable[..., RunFolder]:
    """Make a run that has learned something, without the time that it takes."""

    def _learned(name: str, *, rank: int = 4) -> RunFolder:
        run = make_run(name=name, rank=rank)
        torch.manual_seed(len(name))
        config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM")
        model = get_peft_model(loading.load_base(tiny_model, FP32), config)
        with torch.no_grad():
            for path, parameter in model.named_parameters():
                if "lora_B" in path:
                    parameter.normal_(std=0.1)
        model.save_pretrained(str(run.path / "adapter"))
        log = EventLog(run.events_path)
        told: tuple[Event, ...] = (Started(1, "train"), Loaded(1, 1, "cpu", "fp32", ()), Finished("finished", "", 1.0))
        for event in told:
            log.emit(event)
        log.close()
        return run

    return _learned


def set_up(home: Path, *parents: RunFolder, weights: list[float], kind: str) -> RunFolder:
    """Make the folder of a blend; the worker is started by the test."""
    jobs = Jobs(lambda task: Worker(0, exit_code=lambda: None))
    return start_blend(jobs, RunStore(home), [parent.id for parent in parents], weights, kind, created=1_790_000_000.0)


def test_two_adapters_become_one_that_plain_peft_loads_and_that_can_be_exported(
    learned: Callable[..., RunFolder], start: Start, tiny_model: Path, tmp_path: Path
) -> None:
    one, two = learned("one"), learned("two", rank=3)
    run = set_up(tmp_path, one, two, weights=[0.7, 0.3], kind="cat")
    assert start(MakeBlend(run.path)).wait() == 0
    last = events(run.events_path)[-1]
    assert isinstance(last, Finished)
    assert last.summary == "Merged (Concatenation): 0.7 of one and 0.3 of two. The adapter has rank 7."
    assert run.result == run.path / "adapter"
    assert json.loads((run.path / "adapter" / "adapter_config.json").read_text())["r"] == run.config.rank == 7

    ids = torch.tensor([[5, 6, 7, 8]])

    def logits(*adapters: tuple[float, Path]) -> torch.Tensor:
        model = AutoModelForCausalLM.from_pretrained(tiny_model)
        with torch.no_grad():
            for weight, folder in adapters:
                tuned = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_model), str(folder))
                for path, module in tuned.named_modules():
                    if hasattr(module, "get_delta_weight"):
                        inner = model.get_submodule(path.removeprefix("base_model.model."))
                        inner.weight += weight * module.get_delta_weight("default")
            found: torch.Tensor = model(input_ids=ids).logits
        return found

    expected = logits((0.7, one.path / "adapter"), (0.3, two.path / "adapter"))
    assert torch.allclose(logits((1.0, run.path / "adapter")), expected, atol=1e-4)
    assert not torch.allclose(logits(), expected, atol=1e-2)

    assert start(Export(run.path, "adapter")).wait() == 0
    report = read_report(run.exports, "adapter")
    assert report is not None
    assert report.same_answers == report.answers
    card = card_of(run, kind="adapter", steps=0)
    assert "A LoRA adapter, merged from others, made with LoRA Studio" in card
    for row in ("| merge method | Concatenation (peft: cat) |", "| parent 1 | 0.7 of one |", "| rank | 7 |"):
        assert row in card
    assert "learning rate" not in card


def test_a_parent_that_is_gone_is_a_sentence_and_leaves_no_adapter(
    learned: Callable[..., RunFolder], start: Start, tmp_path: Path
) -> None:
    one, two = learned("one"), learned("two")
    run = set_up(tmp_path, one, two, weights=[0.5, 0.5], kind="svd")
    RunStore(tmp_path).delete(two.id)
    assert start(MakeBlend(run.path), stderr=subprocess.DEVNULL).wait() == 1
    last = events(run.events_path)[-1]
    assert isinstance(last, Failed)
    assert (last.message, run.result) == ("The run 'two' is gone.", None)
    assert read_blend(run) is not None
