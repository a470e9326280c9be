"""Many rows answered together get the answers that each gets alone, for every family, with and without an adapter."""

import itertools
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from studio.config import RunConfig
from studio.data.tokenizing.rendering import ChatRenderer
from studio.ml import loading
from studio.ml.answering import MOST_ROWS, _within_memory, answer_rows
from studio.ml.generation import BASE, PaneInput, Sampling, generate
from studio.ml.reading import can_read
from studio.ml.soundness import NotFinite
from tests.ml.conftest import FOUR, FP32, NF4, PAD, conversation
from tests.ml.tiny_families import FAMILIES, WORDS, make_adapted, make_model

CONFIG = RunConfig(rank=4, alpha=8)
ENDS = tuple(range(2, 8))
"""So many tokens end an answer that random models end some rows early and others not at all."""

LIMITS = (14, 3, 14, 9, 14, 1, 14, 14)
BUDGET = 160
"""Too little for all rows at once, so that rows leave and others join."""


def make_prompts(*, shared: int, seed: int = 0) -> list[list[int]]:
    """Prompts of 1 to 40 tokens behind what they share; some are longer than the windows of the families."""
    rng = random.Random(seed)
    start = [rng.randrange(8, WORDS) for _ in range(shared)]
    return [[*start, *(rng.randrange(8, WORDS) for _ in range(length))] for length in (5, 40, 1, 17, 9, 23, 2, 12)]


def one_by_one(model: Any, prompts: list[list[int]], *, adapter: str) -> list[list[int]]:
    """What each prompt is answered alone, without padding, by transformers' own `generate`."""
    return [
        generate(
            model,
            [PaneInput(adapter, tuple(prompt))],
            sampling=Sampling(max_new_tokens=limit),
            end_ids=ENDS,
            pad_id=0,
        )[0]
        for prompt, limit in zip(prompts, LIMITS, strict=True)
    ]


def together(model: Any, prompts: list[list[int]], *, adapter: str = BASE, token_budget: int = BUDGET) -> Any:
    return answer_rows(
        model, prompts, adapter=adapter, limits=LIMITS, end_ids=ENDS, pad_id=0, token_budget=token_budget
    )


@contextmanager
def passes_seen(model: Any) -> Iterator[list[tuple[int, int, int]]]:
    """Note every pass through a model as (rows, columns of the cache and new ones, new columns)."""
    seen: list[tuple[int, int, int]] = []

    def note(module: Any, inputs: Any, options: dict[str, Any]) -> None:
        if options.get("past_key_values") is not None:
            rows, new = options["input_ids"].shape
            seen.append((rows, options["attention_mask"].shape[1], new))

    hook = model.register_forward_pre_hook(note, with_kwargs=True)
    try:
        yield seen
    finally:
        hook.remove()


@pytest.mark.parametrize("family", FAMILIES)
def test_answers_are_those_of_one_generate_a_row(family: str) -> None:
    model = make_adapted(family, CONFIG)
    assert can_read(model, pad_id=0) > 0
    answers = {}
    for adapter in (BASE, "default"):
        for shared in (0, 20):
            prompts = make_prompts(shared=shared)
            expected = one_by_one(model, prompts, adapter=adapter)
            assert together(model, prompts, adapter=adapter) == expected
            assert together(model, prompts, adapter=adapter, token_budget=4096) == expected
            answers[adapter, shared] = expected
    assert answers[BASE, 0] != answers["default", 0]
    assert len({len(answer) for answer in answers[BASE, 0]}) > 2  # not all run to their limit


def test_a_base_without_adapters_is_answered_by_itself() -> None:
    model = make_model("llama")
    prompts = make_prompts(shared=4)
    assert together(model, prompts) == one_by_one(model, prompts, adapter=BASE)
    with pytest.raises(ValueError, match="none loaded"):
        together(model, prompts, adapter="default")


def test_rows_leave_when_they_end_and_make_room_for_others_within_the_budget() -> None:
    model = make_model("llama")
    prompts = make_prompts(shared=0)
    with passes_seen(model) as seen:
        answers = together(model, prompts)
    own = seen[4:]  # after those that try the model out
    assert max(rows * columns for rows, columns, _ in own) <= BUDGET
    steps = [rows for rows, _, new in own if new == 1]
    assert max(steps) > 2
    assert steps[-1] < max(steps)
    assert len(steps) < sum(map(len, answers)) / 2
    joined = [place for place, (_, _, new) in enumerate(own) if new > 1]
    assert joined[-1] > len(joined)  # prompts are read between the steps, not all before them


def test_a_long_answer_goes_on_alone() -> None:
    model = make_model("llama")
    prompts = make_prompts(shared=0)
    with passes_seen(model) as seen:
        answer_rows(model, prompts, adapter=BASE, limits=[30, *[2] * 7], end_ids=(), pad_id=0)
    assert [rows for rows, _, new in seen[4:] if new == 1] == [8, *[1] * 28]


def test_there_are_never_more_rows_than_lines_of_logits_that_fit() -> None:
    model = make_model("llama")
    with passes_seen(model) as seen:
        answers = answer_rows(model, [[9, 10]] * 300, adapter=BASE, limits=[2] * 300, end_ids=(), pad_id=0)
    assert max(rows for rows, _, _ in seen) == MOST_ROWS
    assert answers == answers[:1] * 300


def test_what_all_prompts_begin_with_is_read_once() -> None:
    model = make_model("llama")
    prompts = make_prompts(shared=50)
    with passes_seen(model) as seen:
        answer_rows(model, prompts, adapter=BASE, limits=[1] * 8, end_ids=ENDS, pad_id=0)
    assert seen[4:] == [(1, 50, 50), (8, 90, 40)]


@pytest.mark.parametrize("own", [{"repetition_penalty": 1.7}, {"no_repeat_ngram_size": 1}])
def test_what_a_models_own_settings_ask_for_is_followed(own: dict[str, Any]) -> None:
    """`generate` takes what is not said from the model's generation_config.json, and a penalty changes the answers."""
    model = make_model("qwen2")
    prompts = make_prompts(shared=3)
    before = together(model, prompts)
    for name, value in own.items():
        setattr(model.generation_config, name, value)
    expected = one_by_one(model, prompts, adapter=BASE)
    assert together(model, prompts) == expected
    assert expected != before


def recurrent(family: str) -> Any:
    from transformers import Lfm2Config, Lfm2ForCausalLM, MambaConfig, MambaForCausalLM

    torch.manual_seed(0)
    sizes = {"vocab_size": WORDS, "hidden_size": 32, "num_hidden_layers": 2, "initializer_range": 0.2}
    if family == "mamba":
        return MambaForCausalLM(MambaConfig(**sizes, state_size=8, intermediate_size=64)).eval()
    kinds = ["conv", "full_attention"]
    config = Lfm2Config(**sizes, layer_types=kinds, num_attention_heads=4, num_key_value_heads=2, intermediate_size=48)
    return Lfm2ForCausalLM(config).eval()


@pytest.mark.parametrize("family", ["mamba", "lfm2"])
def test_a_model_that_keeps_a_state_gets_rows_of_one_length(family: str) -> None:
    """What it keeps is no list of keys and values: padding in front would be part of it."""
    model = recurrent(family)
    assert can_read(model, pad_id=0) == 0
    prompts = make_prompts(shared=0)
    prompts[3] = prompts[0][::-1]
    done: list[int] = []
    answers = answer_rows(model, prompts, adapter=BASE, limits=LIMITS, end_ids=ENDS, pad_id=0, on_progress=done.append)
    assert answers == one_by_one(model, prompts, adapter=BASE)
    assert done == [1, 2, 4, 5, 6, 7, 8]


def test_progress_is_told_and_a_stop_is_heard() -> None:
    model = make_model("llama")
    prompts = make_prompts(shared=0)
    done: list[int] = []
    limits = [0, *LIMITS[1:]]
    answers = answer_rows(
        model,
        prompts,
        adapter=BASE,
        limits=limits,
        end_ids=ENDS,
        pad_id=0,
        on_progress=done.append,
        token_budget=BUDGET,
    )
    assert answers[0] == []
    assert done == sorted(set(done))
    assert done[-1] == 8

    asked = itertools.count(1)
    stopped = answer_rows(
        model, prompts, adapter=BASE, limits=[14] * 8, end_ids=(), pad_id=0, should_stop=lambda: next(asked) > 3
    )
    assert [len(answer) for answer in stopped] == [3] * 8
    assert answer_rows(model, [], adapter=BASE, limits=[], end_ids=(), pad_id=0) == []
    with pytest.raises(ValueError, match="at least one token"):
        answer_rows(model, [[5], []], adapter=BASE, limits=[1, 1], end_ids=(), pad_id=0)


@pytest.mark.parametrize("placement", [FP32, NF4], ids=["fp32", "nf4"])
def test_a_trained_model_answers_what_it_learned(
    tiny_model: Path, memorised: Path, renderer: ChatRenderer, placement: loading.Placement
) -> None:
    model = loading.load_adapter(loading.load_base(tiny_model, placement), memorised)
    prompts = [renderer.prompt(conversation(question)) for question, _ in FOUR]
    options: dict[str, Any] = {"limits": [40] * 4, "end_ids": renderer.end_ids, "pad_id": PAD}
    answers = answer_rows(model, prompts, adapter="default", **options)
    if placement == FP32:
        assert [renderer.decode(answer[:-1]) for answer in answers] == [answer for _, answer in FOUR]
    for adapter, found in (("default", answers), (BASE, answer_rows(model, prompts, adapter=BASE, **options))):
        for prompt, answer in zip(prompts, found, strict=True):
            (alone,) = generate(
                model,
                [PaneInput(adapter, prompt)],
                sampling=Sampling(max_new_tokens=40),
                end_ids=renderer.end_ids,
                pad_id=PAD,
            )
            assert answer == alone


@pytest.mark.case("63-nan-in-the-base")
@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_answers_without_numbers_are_an_error(family: str) -> None:
    """The likeliest of NaN is a word like any other."""
    model = make_model(family)
    with torch.no_grad():
        next(model.parameters())[5] = float("nan")
    with pytest.raises(NotFinite):
        answer_rows(model, [[4, 5], [6, 7, 5]], adapter=BASE, limits=[3, 3], end_ids=(), pad_id=0)


def test_when_the_memory_runs_out_it_goes_on_with_half_the_room() -> None:
    """An evaluation ended there: the room for keys and values was the same on every GPU."""
    rooms: list[int] = []

    def answer(budget: int) -> None:
        rooms.append(budget)
        if budget > 2048:
            raise RuntimeError("CUDA error: out of memory")

    _within_memory(answer, 8192)
    assert rooms == [8192, 4096, 2048]
    with pytest.raises(RuntimeError, match="out of memory"):
        _within_memory(lambda budget: answer(10**6), 8192)
    with pytest.raises(RuntimeError, match="other"):
        _within_memory(lambda budget: (_ for _ in ()).throw(RuntimeError("other")), 8192)
