"""Rows of tokens and a small training, for the tests of the machine-learning layer."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from studio.config import RunConfig
from studio.data.examples import Example, Message
from studio.data.tokenizing.rendering import ChatRenderer
from studio.events import Event
from studio.ml import loading
from studio.ml.batches import TokenRow
from studio.ml.checkpoints import Keeper, Progress
from studio.ml.methods import make_trainable
from studio.ml.training import Trainer, TrainingResult

PAD = 257
FP32 = loading.Placement(device="cpu", precision="fp32")
NF4 = loading.Placement(device="cpu", precision="fp32", bits=4)

FOUR = (
    ("What is red?", "A rose."),
    ("What is blue?", "The sea in June."),
    ("Count to four.", "One, two, three, four."),
    ("Say nothing.", "..."),
)


def conversation(prompt: str, answer: str = "") -> tuple[Message, ...]:
    question = Message("user", prompt)
    return (question, Message("assistant", answer)) if answer else (question,)


@dataclass
class Trained:
    """A model after a small training, with everything that the training said."""

    model: Any
    result: TrainingResult
    events: list[Event] = field(default_factory=list)


@pytest.fixture(scope="session")
def renderer(tiny_model: Path) -> ChatRenderer:
    return ChatRenderer.load(tiny_model)


@pytest.fixture(scope="session")
def four_rows(renderer: ChatRenderer) -> tuple[TokenRow, ...]:
    """Four conversations as the loss sees them."""
    rendered = [renderer.render(Example(conversation(*pair))) for pair in FOUR]
    return tuple(TokenRow(ids=each.ids, labels=each.labels) for each in rendered)


def run_training(
    folder: Path,
    rows: tuple[TokenRow, ...],
    *,
    config: RunConfig,
    placement: loading.Placement = FP32,
    validation: tuple[TokenRow, ...] = (),
    should_stop: Callable[[], bool] = lambda: False,
    save: Callable[[Progress], str] = lambda progress: f"checkpoints/step-{progress.step}",
    resume: Progress | None = None,
    model: Any = None,
    kept: dict[int, Progress] | None = None,
    sample: Callable[[int], bool] = lambda step: True,
) -> Trained:
    """Train what the settings say on the model in `folder`, or on a model that is ready for it.

    `kept` holds the checkpoints of an earlier training, and takes those of this one.
    """
    import torch

    torch.manual_seed(config.seed)
    model = make_trainable(loading.load_base(folder, placement), config) if model is None else model
    events: list[Event] = []
    kept = {} if kept is None else kept

    def keep(progress: Progress) -> str:
        tensors = {name: tensor.clone() for name, tensor in progress.tensors.items()}
        kept[progress.step] = dataclasses.replace(progress, tensors=tensors)
        return save(progress)

    trainer = Trainer(
        model,
        train_rows=rows,
        validation_rows=validation,
        config=config,
        placement=placement,
        pad_id=PAD,
        emit=events.append,
        should_stop=should_stop,
        keeper=Keeper(save=keep, load=kept.__getitem__, share=1.0),
        sample=sample,
        checkpointing=config.checkpointing == "on",
    )
    return Trained(model=model, result=trainer.run(resume), events=events)


MEMORISE = RunConfig(rank=16, alpha=32, learning_rate=1e-2, epochs=60, batch_size=4, max_length=128, schedule="linear")


@pytest.fixture(scope="session")
def memorised(tiny_model: Path, four_rows: tuple[TokenRow, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an adapter that knows the four conversations by heart."""
    trained = run_training(tiny_model, four_rows, config=MEMORISE)
    folder = tmp_path_factory.mktemp("adapters") / "memorised"
    trained.model.save_pretrained(folder)
    return folder
