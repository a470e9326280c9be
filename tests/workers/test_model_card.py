from collections.abc import Callable

import pytest

from studio.config import STARTER
from studio.jobs.model_card import card_of
from studio.runs.store import RunFolder

MakeRun = Callable[..., RunFolder]


def card(run: RunFolder, kind: str = "adapter") -> str:
    return card_of(run, kind=kind, steps=12)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, ["A LoRA adapter, made", "| LoRA: an adapter beside a frozen base |", "| 16, 32, 0.0 |", "all-linear |"]),
        ({"method": "qlora"}, ["4-bit NF4 with double quantisation"]),
        ({"method": "qlora-8bit"}, ["frozen base in 8-bit"]),
        ({"rslora": True}, ["alpha / sqrt(rank) (rsLoRA)"]),
        ({"dora": True}, ["A DoRA adapter, made", "DoRA: the length"]),
        ({"initialisation": "pissa"}, ["PiSSA, written as an adapter of twice the rank on the unchanged base"]),
        ({"lora_plus_ratio": 16.0}, ["B learns 16 times as fast as A"]),
        ({"optimizer": "paged-adamw-8bit"}, ["| optimiser | paged 8-bit AdamW |"]),
        ({"weight_decay": 0.1}, ["| weight decay | 0.1 |"]),
        ({"train_embeddings": True}, ["A LoRA adapter with a word table and an output head of its own"]),
        ({"start_adapter": "first-run", "dora": True}, ["A LoRA adapter, made", "first-run, whose rank and modules"]),
    ],
    ids=str,
)
def test_the_card_of_an_adapter_names_its_method(
    make_run: MakeRun, settings: dict[str, object], words: list[str]
) -> None:
    text = card(make_run(**settings))
    assert all(word in text for word in words), text
    assert "PeftModel.from_pretrained(base, folder)" in text
    assert "| 12 |" in text


def test_defaults_are_not_told(make_run: MakeRun) -> None:
    text = card(make_run())
    assert not any(word in text for word in ("optimiser", "LoRA+", "rsLoRA", "DoRA", "start of the adapter", "decay"))
    assert "starter" not in text


def test_the_card_of_a_merged_model_says_what_was_merged(make_run: MakeRun) -> None:
    assert "A language model with a DoRA adapter merged into it" in card(make_run(dora=True), "merged")


def test_the_card_of_a_full_run_knows_no_adapter(make_run: MakeRun) -> None:
    text = card(make_run(method="full", model=STARTER), "merged")
    assert "A language model that was trained further as a whole, made" in text
    assert "every weight was trained" in text
    assert "The base is the studio's starter model" in text
    assert not any(word in text for word in ("adapter", "rank", "target modules", "peft"))
