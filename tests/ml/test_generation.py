import math
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from studio.data.tokenizing.rendering import ChatRenderer
from studio.ml import loading
from studio.ml.generation import BASE, PaneInput, Sampling, generate
from studio.ml.soundness import NotFinite
from tests.ml.conftest import FP32, NF4, PAD, conversation

GREEDY = Sampling(max_new_tokens=24)


def adapted(folder: Path, adapter: Path, placement: loading.Placement = FP32) -> PeftModel:
    return loading.load_adapter(loading.load_base(folder, placement), adapter)


def panes(renderer: ChatRenderer, *pairs: tuple[str, str]) -> list[PaneInput]:
    return [PaneInput(adapter=adapter, ids=renderer.prompt(conversation(prompt))) for adapter, prompt in pairs]


def plain_answer(model: object, folder: Path, prompt: str) -> list[int]:
    """What plain transformers answers greedily."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    messages = [{"role": "user", "content": prompt}]
    inputs = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    output = model.generate(**inputs, do_sample=False, max_new_tokens=24)  # type: ignore[attr-defined]
    return output[0, inputs["input_ids"].shape[1] :].tolist()


def test_one_batch_answers_like_plain_transformers_and_plain_peft(
    tiny_model: Path, memorised: Path, renderer: ChatRenderer
) -> None:
    model = adapted(tiny_model, memorised)
    questions = panes(renderer, (BASE, "What is red?"), ("default", "What is red?"), ("default", "Count to four."))
    ours = generate(model, questions, sampling=GREEDY, end_ids=renderer.end_ids, pad_id=PAD)

    base = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32)
    assert ours[0] == plain_answer(base, tiny_model, "What is red?")
    tuned = PeftModel.from_pretrained(base, str(memorised)).eval()
    assert ours[1] == plain_answer(tuned, tiny_model, "What is red?")
    assert ours[2] == plain_answer(tuned, tiny_model, "Count to four.")
    assert ours[0] != ours[1]


def test_base_and_adapter_mix_over_a_four_bit_base(tiny_model: Path, memorised: Path, renderer: ChatRenderer) -> None:
    model = adapted(tiny_model, memorised, NF4)
    together = generate(
        model,
        panes(renderer, (BASE, "What is red?"), ("default", "What is red?")),
        sampling=GREEDY,
        end_ids=renderer.end_ids,
        pad_id=PAD,
    )
    bare = loading.load_base(tiny_model, NF4)
    (alone,) = generate(
        bare, panes(renderer, (BASE, "What is red?")), sampling=GREEDY, end_ids=renderer.end_ids, pad_id=PAD
    )
    assert together[0] == alone
    assert together[0] != together[1]


def test_sampling_is_repeatable_and_equal_models_agree(
    tiny_model: Path, memorised: Path, renderer: ChatRenderer
) -> None:
    model = adapted(tiny_model, memorised)
    twice = panes(renderer, (BASE, "Hello"), (BASE, "Hello"))

    def draw(seed: int, top_p: float = 1.0) -> list[list[int]]:
        sampling = Sampling(temperature=1.0, top_p=top_p, max_new_tokens=16, seed=seed)
        return generate(model, twice, sampling=sampling, end_ids=renderer.end_ids, pad_id=PAD)

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)
    assert draw(1)[0] == draw(1)[1]
    greedy = generate(model, twice, sampling=Sampling(max_new_tokens=16), end_ids=renderer.end_ids, pad_id=PAD)
    assert draw(1, top_p=1e-6) == greedy


def test_samples_follow_the_softmax(tiny_model: Path, renderer: ChatRenderer) -> None:
    model = loading.load_base(tiny_model, FP32)
    ids = renderer.prompt(conversation("Hi"))
    with torch.inference_mode():
        expected = (model(input_ids=torch.tensor([ids])).logits[0, -1] / 0.5).softmax(-1)
    drawn = torch.zeros_like(expected)
    for seed in range(400):
        sampling = Sampling(temperature=0.5, max_new_tokens=1, seed=seed)
        ((token,),) = generate(model, [PaneInput(BASE, ids)], sampling=sampling, end_ids=(), pad_id=PAD)
        drawn[token] += 1 / 400
    likeliest = expected.topk(5).indices
    assert torch.allclose(drawn[likeliest], expected[likeliest], atol=0.08)


def test_tokens_are_passed_on_as_they_come_and_a_stop_is_heard(
    tiny_model: Path, memorised: Path, renderer: ChatRenderer
) -> None:
    model = adapted(tiny_model, memorised)
    steps: list[tuple[int | None, ...]] = []
    answers = generate(
        model,
        panes(renderer, (BASE, "What is red?"), ("default", "What is red?")),
        sampling=GREEDY,
        end_ids=renderer.end_ids,
        pad_id=PAD,
        on_tokens=lambda tokens: steps.append(tuple(tokens)),
    )
    assert [step[1] for step in steps if step[1] is not None] == answers[1]
    assert steps[-1][1] is None  # the tuned pane ended before the base did

    seen: list[int] = []
    stopped = generate(
        model,
        panes(renderer, (BASE, "What is red?")),
        sampling=GREEDY,
        end_ids=renderer.end_ids,
        pad_id=PAD,
        on_tokens=lambda tokens: seen.append(1),
        should_stop=lambda: len(seen) >= 3,
    )
    assert 3 <= len(stopped[0]) <= 4  # a step that was under way may still come


@pytest.mark.case("63-nan-in-the-base")
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_row_without_numbers_is_named_and_the_others_can_still_be_asked(
    tiny_model: Path, memorised: Path, renderer: ChatRenderer, value: float
) -> None:
    """It was answered with rubbish in silence, and later ended the answers of the others."""
    model = adapted(tiny_model, memorised)
    asked = panes(renderer, ("default", "What is red?"), (BASE, "What is red?"), ("default", "What is red?"))

    def answer(number: int, heard: list[Sequence[int | None]] | None = None) -> list[list[int]]:
        told = [] if heard is None else heard
        rows = asked if number < 0 else asked[number : number + 1]
        return generate(
            model, rows, sampling=GREEDY, end_ids=renderer.end_ids, pad_id=PAD, on_tokens=lambda each: told.append(each)
        )

    before = answer(1)
    adapter = next(weight for name, weight in model.named_parameters() if "lora_B.default" in name)
    adapter.data[0, 0] = value
    heard: list[Sequence[int | None]] = []
    with pytest.raises(NotFinite, match="answers with what is no number") as raised:
        answer(-1, heard)
    assert raised.value.rows == (0, 2)
    assert [step[1] for step in heard if step[1] is not None] == before[0], "the other row is answered to its end"
    assert all(step[0] is step[2] is None for step in heard)
    assert answer(1) == before, "the batch that failed leaves nothing behind in the model"

    next(weight for name, weight in model.named_parameters() if "lora_" not in name).data.fill_(value)
    with pytest.raises(NotFinite) as raised:
        answer(-1)
    assert raised.value.rows == (0, 1, 2)


def test_what_comes_after_the_end_of_a_row_need_not_be_numbers(
    tiny_model: Path, memorised: Path, renderer: ChatRenderer
) -> None:
    """Its padding is looked up in the word table, where that token may never have been trained."""
    model = adapted(tiny_model, memorised)
    asked = panes(renderer, (BASE, "What is red?"), ("default", "What is red?"))
    before = generate(model, asked, sampling=GREEDY, end_ids=renderer.end_ids, pad_id=PAD)
    assert len(before[1]) < len(before[0])
    unused = next(id for id in range(256) if all(id not in (*asked[0].ids, *answer) for answer in before))
    model.get_input_embeddings().weight.data[unused] = math.nan
    assert generate(model, asked, sampling=GREEDY, end_ids=renderer.end_ids, pad_id=unused) == before
