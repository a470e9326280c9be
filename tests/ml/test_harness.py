"""Standard tasks by lm-evaluation-harness, held against the studio's own likelihoods."""

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoTokenizer

from studio.errors import DataError
from studio.ml import loading
from studio.ml.evaluation import score_continuations
from studio.ml.generation import BASE
from studio.ml.loading import Placement
from studio.ml.soundness import NotFinite
from studio.models.starter import Stopped
from tests.own_task import CHOICES, questions, write_task

harness = pytest.importorskip("studio.ml.harness", reason="lm-evaluation-harness is not installed")

FP32 = Placement("cpu", "fp32")
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def model(tiny_model: Path, tmp_path: Path) -> Any:
    """A base with an adapter that has learned something, if only noise."""
    torch.manual_seed(5)
    adapter = LoraConfig(
        r=4, lora_alpha=400, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False
    )
    get_peft_model(loading.load_base(tiny_model, FP32), adapter).save_pretrained(str(tmp_path / "adapter"))
    return loading.load_adapter(loading.load_base(tiny_model, FP32), tmp_path / "adapter")


def by_our_own(model: Any, tokenizer: Any, count: int, adapter: str) -> tuple[float, ...]:
    prompts = [f"Question: {each['question']}\nAnswer:" for each in questions(count)]
    asked = [tuple(tokenizer.encode(prompt)) for prompt in prompts]
    whole = [[tuple(tokenizer.encode(f"{prompt} {choice}")) for choice in CHOICES] for prompt in prompts]
    rest = [tuple(ids[len(prompt) :] for ids in each) for prompt, each in zip(asked, whole, strict=True)]
    found = score_continuations(model, asked, rest, adapter=adapter, pad_id=0)
    return tuple(float(row.index(max(row)) == number % len(CHOICES)) for number, row in enumerate(map(list, found)))


def test_base_and_tuned_are_right_where_our_own_likelihoods_say_so(
    model: Any, tiny_model: Path, tmp_path: Path
) -> None:
    write_task(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    asking = harness.Harness(own=tmp_path / "tasks", own_names=["drawers"], standard=False)
    asking.load("drawers")
    heard: list[tuple[int, int]] = []

    def scores(of: Any) -> tuple[str, tuple[float, ...]]:
        found: tuple[str, tuple[float, ...]] = asking.scores(
            of,
            tokenizer,
            "drawers",
            questions=24,
            on_progress=lambda done, total: heard.append((done, total)),
            should_stop=lambda: False,
        )
        return found

    base = scores(loading.load_base(tiny_model, FP32))
    tuned = scores(model)
    assert base == ("acc", by_our_own(model, tokenizer, 24, BASE))
    assert tuned == ("acc", by_our_own(model, tokenizer, 24, "default"))
    assert base != tuned
    assert heard[0] == (0, 96)
    assert heard[-1][0] > 0
    assert scores(model) == tuned, "the same questions again"


def test_fewer_questions_are_drawn_from_all_of_them_and_stay_the_same(
    model: Any, tiny_model: Path, tmp_path: Path
) -> None:
    write_task(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)

    def scores(**changes: Any) -> Any:
        asking = harness.Harness(own=tmp_path / "tasks", own_names=["drawers"], standard=False)
        asking.load("drawers")
        fixed = {"questions": 7, "on_progress": lambda done, total: None, "should_stop": lambda: False}
        return asking.scores(model, tokenizer, "drawers", **{**fixed, **changes})

    assert len(scores()[1]) == 7
    assert scores() == scores()
    with pytest.raises(Stopped):
        scores(should_stop=lambda: True)


def test_a_task_that_is_made_of_others_is_asked_in_all_its_parts(model: Any, tiny_model: Path, tmp_path: Path) -> None:
    """As MMLU is: its groups hold groups, and only its leaves hold questions."""
    for name, count in (("oak", 9), ("elm", 2), ("ash", 9)):
        write_task(tmp_path, name=name, count=count)
    for name, parts in (("broad", "[oak, elm]"), ("wood", "[broad, ash]")):
        text = f"group: {name}\ntask: {parts}\naggregate_metric_list:\n  - metric: acc\n    weight_by_size: true\n"
        (tmp_path / "tasks" / f"{name}.yaml").write_text(text)
    asking = harness.Harness(own=tmp_path / "tasks", own_names=["wood"], standard=False)
    asking.load("wood")
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    metric, scores = asking.scores(
        model, tokenizer, "wood", questions=12, on_progress=lambda done, total: None, should_stop=lambda: False
    )
    assert (metric, len(scores)) == ("acc", 4 + 2 + 4)
    assert asking.fingerprint("wood")


def test_what_is_no_task_or_a_broken_one_is_a_sentence(tmp_path: Path) -> None:
    write_task(tmp_path)
    (tmp_path / "tasks" / "drawers.jsonl").unlink()
    asking = harness.Harness(own=tmp_path / "tasks", own_names=["drawers"], standard=False)
    with pytest.raises(DataError, match="has no task 'nobody'"):
        asking.load("nobody")
    with pytest.raises(DataError, match="Your task 'drawers' cannot be used"):
        asking.load("drawers")


@pytest.mark.case("63-nan-in-the-base")
@pytest.mark.parametrize("kind", ["multiple_choice", "generate_until"])
def test_a_model_without_numbers_is_an_error(tiny_model: Path, tmp_path: Path, kind: str) -> None:
    """It was scored as if it had chosen."""
    write_task(tmp_path)
    if kind == "generate_until":
        file = tmp_path / "tasks" / "drawers.yaml"
        text = file.read_text().replace("multiple_choice", kind)
        kept = [line for line in text.splitlines() if not line.startswith("doc_to_choice")]
        file.write_text("\n".join(kept).replace("metric: acc", "metric: exact_match") + "\n")
    broken = loading.load_base(tiny_model, FP32)
    with torch.no_grad():
        broken.lm_head.weight[7] = float("nan")
    asking = harness.Harness(own=tmp_path / "tasks", own_names=["drawers"], standard=False)
    asking.load("drawers")
    with pytest.raises(NotFinite):
        asking.scores(
            broken,
            AutoTokenizer.from_pretrained(tiny_model),
            "drawers",
            questions=3,
            on_progress=lambda done, total: None,
            should_stop=lambda: False,
        )
