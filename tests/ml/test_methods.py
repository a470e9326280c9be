"""Every method trains, saves what plain peft or transformers can load, and goes on from where it was."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from studio.config import RunConfig
from studio.errors import ConfigError, ModelError
from studio.events import Noted, Stepped
from studio.ml import loading
from studio.ml.batches import TokenRow
from studio.ml.checkpoints import Progress, read_progress, write_progress
from studio.ml.engine import Engine
from studio.ml.methods import keep_start, make_trainable, save_model
from tests.ml.conftest import FP32, MEMORISE, NF4, Trained, run_training
from tests.ml.tiny_families import FAMILIES, make_model

FEW = dataclasses.replace(MEMORISE, epochs=8, batch_size=2)


def losses(trained: Trained) -> list[float]:
    return [event.loss for event in trained.events if isinstance(event, Stepped)]


@pytest.mark.parametrize(
    "change",
    [
        {"rslora": True},
        {"dora": True},
        {"initialisation": "gaussian"},
        {"initialisation": "orthogonal"},
        {"initialisation": "pissa"},
        {"initialisation": "olora"},
        {"lora_plus_ratio": 4.0, "learning_rate": 5e-3},
        {"train_embeddings": True, "learning_rate": 2e-3},
        {"dropout": 0.1},
        {"optimizer": "adamw-8bit"},
        {"method": "full", "learning_rate": 3e-3},
        {"method": "qlora"},
        {"method": "qlora-8bit"},
        {"targets": "attention"},
        {"checkpointing": "on"},
    ],
    ids=lambda change: ",".join(f"{key}={value}" for key, value in change.items()),
)
def test_each_variant_learns_and_is_loaded_again(
    tiny_model: Path, four_rows: tuple[TokenRow, ...], tmp_path: Path, change: dict[str, Any]
) -> None:
    config = dataclasses.replace(FEW, **change)
    placement = dataclasses.replace(FP32, bits=config.base_bits)
    torch.manual_seed(0)
    model = make_trainable(loading.load_base(tiny_model, placement), config)
    start = keep_start(model, config, tmp_path / "start")
    trained = run_training(tiny_model, four_rows, config=config, placement=placement, model=model)
    assert losses(trained)[-1] < 0.8 * losses(trained)[0]
    save_model(model, tmp_path / "result", start=start)
    if config.method == "full":
        again = AutoModelForCausalLM.from_pretrained(tmp_path / "result")
    else:
        again = PeftModel.from_pretrained(loading.load_base(tiny_model, placement), str(tmp_path / "result"))
    ids = torch.tensor([four_rows[0].ids])
    with torch.no_grad():
        expected, found = model.eval()(input_ids=ids).logits, again.eval()(input_ids=ids).logits
    assert torch.allclose(expected, found, atol=2e-3)


@pytest.mark.parametrize("initialisation", ["standard", "gaussian", "orthogonal", "pissa", "olora"])
def test_a_fresh_adapter_changes_nothing(tiny_model: Path, initialisation: str) -> None:
    ids = torch.tensor([[5, 6, 7, 8]])
    base = loading.load_base(tiny_model, FP32)
    with torch.no_grad():
        before = base(input_ids=ids).logits.clone()
        model = make_trainable(base, dataclasses.replace(FEW, initialisation=initialisation))
        assert torch.allclose(model.eval()(input_ids=ids).logits, before, atol=1e-4)


@pytest.mark.parametrize("change", [{}, {"optimizer": "adamw-8bit"}, {"dropout": 0.2}, {"method": "full"}], ids=str)
def test_resuming_equals_never_having_stopped(
    tiny_model: Path, four_rows: tuple[TokenRow, ...], tmp_path: Path, change: dict[str, Any]
) -> None:
    config = dataclasses.replace(FEW, epochs=3, **change)
    if config.method == "full":
        config = dataclasses.replace(config, learning_rate=1e-3)
    kept: list[Path] = []

    def save(progress: Progress) -> str:
        folder = tmp_path / str(progress.step)
        folder.mkdir(exist_ok=True)
        write_progress(progress, folder)
        kept.append(folder)
        return folder.name

    whole = run_training(tiny_model, four_rows, config=config, validation=four_rows[:1], save=save)
    progress = read_progress(kept[1])
    assert 0 < progress.step < whole.result.steps
    again = run_training(tiny_model, four_rows, config=config, validation=four_rows[:1], resume=progress)
    assert losses(again) == losses(whole)[progress.step :]
    assert again.result.first_validation_loss == whole.result.first_validation_loss
    assert again.result.validation_loss == whole.result.validation_loss
    for (name, one), (_, other) in zip(whole.model.named_parameters(), again.model.named_parameters(), strict=True):
        assert torch.equal(one, other), name


def test_a_second_course_goes_on_from_an_adapter(
    tiny_model: Path, memorised: Path, four_rows: tuple[TokenRow, ...]
) -> None:
    base = loading.load_base(tiny_model, FP32)
    model = make_trainable(base, FEW, start_adapter=memorised)
    second = run_training(tiny_model, four_rows, config=FEW, model=model)
    fresh = run_training(tiny_model, four_rows, config=FEW)
    assert losses(second)[0] < 0.2 * losses(fresh)[0]
    assert second.result.steps == fresh.result.steps


def test_an_adapter_of_another_model_is_refused(memorised: Path) -> None:
    with pytest.raises(
        ModelError, match=r"of its \d+ layers do not fit the base model\. Its layer model\.layers\.0.*has none"
    ):
        make_trainable(make_model("gpt2"), FEW, start_adapter=memorised)


def test_a_rank_above_a_layers_width_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"above the width of the layer .* which is 16"):
        make_trainable(make_model("llama"), RunConfig(rank=20))


def test_modules_that_the_model_lacks_are_refused() -> None:
    with pytest.raises(ConfigError, match="no module named q_proj"):
        make_trainable(make_model("gpt2"), RunConfig(targets="chosen", chosen_modules=("q_proj",)))


@pytest.mark.parametrize("family", FAMILIES)
def test_targets_are_found_in_every_family(family: str) -> None:
    model = make_trainable(make_model(family), RunConfig(rank=2))
    names = loading.adapted_modules(model)
    assert names
    assert not any("head" in name or "embed" in name for name in names)


def test_the_paged_optimiser_needs_a_gpu(tiny_model: Path, four_rows: tuple[TokenRow, ...]) -> None:
    with pytest.raises(ConfigError, match="paged optimiser"):
        run_training(tiny_model, four_rows, config=dataclasses.replace(FEW, optimizer="paged-adamw-8bit"))


def test_out_of_memory_is_tried_once_more_with_half_the_tokens(
    tiny_model: Path, four_rows: tuple[TokenRow, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    whole = Engine.summed_loss

    def once_too_large(engine: Engine, batch: Any) -> torch.Tensor:
        calls.append(batch.tokens)
        if len(calls) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return whole(engine, batch)

    monkeypatch.setattr(Engine, "summed_loss", once_too_large)
    config = dataclasses.replace(FEW, micro_batch_tokens=80, batch_size=4, epochs=2)
    trained = run_training(tiny_model, four_rows, config=config)
    (note,) = [event for event in trained.events if isinstance(event, Noted)]
    assert "40 tokens" in note.text
    assert calls[1] < calls[0]
    undisturbed = run_training(tiny_model, four_rows, config=dataclasses.replace(config, micro_batch_tokens=40))
    assert losses(trained) == pytest.approx(losses(undisturbed), rel=1e-5)

    monkeypatch.setattr(Engine, "summed_loss", lambda engine, batch: (_ for _ in ()).throw(MemoryError()))
    with pytest.raises(MemoryError):
        run_training(tiny_model, four_rows, config=config)


def test_a_four_bit_run_can_use_dora(tiny_model: Path, four_rows: tuple[TokenRow, ...]) -> None:
    config = dataclasses.replace(FEW, method="qlora", dora=True)
    trained = run_training(tiny_model, four_rows, config=config, placement=NF4)
    assert losses(trained)[-1] < losses(trained)[0]
