"""The self-test agrees where nothing is wrong, and tells where something is."""

import dataclasses
import os
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model

from studio.compare.chat_protocol import SelfTest, Tested
from studio.data.examples import Message
from studio.data.tokenizing.rendering import ChatRenderer
from studio.errors import ModelError, RunError
from studio.ml import loading
from studio.workers.chat_models import ChatModels, Wanted
from studio.workers.self_test import Setup, self_test
from tests.tiny_model import write_tiny_model

FP32 = loading.Placement(device="cpu", precision="fp32")
QUESTION = (Message("user", "What is the colour of number 7?"),)
PLENTY = 10**12


@pytest.fixture
def adapter(tiny_model: Path, tmp_path: Path) -> Path:
    torch.manual_seed(0)
    config = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)
    get_peft_model(loading.load_base(tiny_model, FP32), config).save_pretrained(str(tmp_path / "adapter"))
    return tmp_path / "adapter"


def setup(tiny_model: Path, placement: loading.Placement = FP32) -> Setup:
    return Setup(
        models=ChatModels(loading.load_base(tiny_model, placement), placement, free_bytes=lambda device: PLENTY),
        folder=tiny_model,
        placement=placement,
        end_ids=(257,),
        pad_id=257,
        free_bytes=lambda device: PLENTY,
    )


def ask_it(setup: Setup, adapter: str, *, tokens: int = 24) -> Tested:
    request = SelfTest(id=1, adapter=adapter, messages=QUESTION, tokens=tokens)
    return self_test(request, ChatRenderer.load(setup.folder).prompt(QUESTION), setup)


def test_the_panes_say_what_plain_transformers_and_plain_peft_say(tiny_model: Path, adapter: Path) -> None:
    told: list[str] = []
    found = ask_it(dataclasses.replace(setup(tiny_model), tell=told.append), str(adapter))
    assert (found.off_same, found.on_same) == (True, True)
    assert 24 < found.tokens <= 48
    assert found.seconds > 0
    assert found.note.startswith("Greedy, in fp32. With the base: the same ")
    assert "With the adapter on: the same " in found.note
    assert any("second time" in what for what in told)


def test_an_adapter_that_was_tampered_with_in_memory_is_found_out(tiny_model: Path, adapter: Path) -> None:
    here = setup(tiny_model)
    here.models.passes([Wanted(str(adapter))])
    with torch.no_grad():
        for name, parameter in here.models.base.named_parameters():
            if "lora_B" in name:
                parameter.mul_(-1)
    found = ask_it(here, str(adapter))
    assert (found.off_same, found.on_same) == (True, False)
    assert "With the adapter on: token " in found.note
    assert "logits are " in found.note
    assert "within rounding" not in found.note


def test_an_adapter_whose_file_is_another_one_by_now_is_found_out(tiny_model: Path, adapter: Path) -> None:
    """The file was replaced, and its time set back: what is in memory is not what is on the disk."""
    here = setup(tiny_model)
    here.models.passes([Wanted(str(adapter))])
    weights = adapter / "adapter_model.safetensors"
    before = weights.stat()
    torch.manual_seed(99)
    config = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)
    get_peft_model(loading.load_base(tiny_model, FP32), config).save_pretrained(str(adapter))
    os.utime(weights, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert not ask_it(here, str(adapter)).on_same


def test_a_base_that_was_tampered_with_is_found_out(tiny_model: Path, adapter: Path) -> None:
    here = setup(tiny_model)
    with torch.no_grad():
        here.models.base.lm_head.weight.mul_(-1)
    found = ask_it(here, str(adapter))
    assert (found.off_same, found.on_same) == (False, False)
    assert "With the base: token 1 is another one" in found.note


def test_a_whole_model_is_held_against_plain_transformers(tiny_model: Path, tmp_path: Path) -> None:
    whole = write_tiny_model(tmp_path / "whole", seed=5)
    found = ask_it(setup(tiny_model), str(whole))
    assert (found.off_same, found.on_same) == (True, True)
    assert "With the tuned model: the same " in found.note
    assert "peft" not in found.note


def test_the_base_alone_can_be_tested(tiny_model: Path) -> None:
    found = ask_it(setup(tiny_model), "")
    assert (found.off_same, found.on_same) == (True, True)
    assert found.tokens <= 24
    assert "adapter" not in found.note


@pytest.mark.parametrize(
    ("placement", "says"),
    [
        (loading.Placement("cpu", "fp32", bits=4), "Both copies of the base were packed in 4 bits"),
        (loading.Placement("cpu", "bf16"), "This conversation computes in bf16; for the test all was loaded in fp32"),
    ],
    ids=["nf4", "bf16"],
)
def test_a_base_that_is_no_plain_fp32_is_tested_and_the_note_says_how(
    tiny_model: Path, adapter: Path, placement: loading.Placement, says: str
) -> None:
    found = ask_it(setup(tiny_model, placement), str(adapter))
    assert (found.off_same, found.on_same) == (True, True)
    assert says in found.note


def test_it_ends_when_a_person_wants_it_to(tiny_model: Path, adapter: Path) -> None:
    with pytest.raises(RunError, match="was stopped"):
        ask_it(dataclasses.replace(setup(tiny_model), should_stop=lambda: True), str(adapter))


def test_a_second_copy_that_finds_no_room_is_a_sentence(tiny_model: Path, adapter: Path) -> None:
    with pytest.raises(ModelError, match=r"takes about 471\.1 kB, and 1\.0 kB are free"):
        ask_it(dataclasses.replace(setup(tiny_model), free_bytes=lambda device: 1000), str(adapter))
