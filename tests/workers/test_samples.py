from collections.abc import Callable
from pathlib import Path

import pytest

from studio.config import RunConfig
from studio.data.examples import Example, Message
from studio.data.tokenizing.rendering import ChatRenderer
from studio.events import Checking, Event, Sampled
from studio.ml import loading
from studio.ml.methods import make_trainable
from studio.ml.soundness import NotFinite
from studio.runs.store import RunFolder, RunStore
from studio.workers.job import Job
from studio.workers.samples import MOST_OWN, MOST_PROMPTS, PROMPT_TOKENS, Sampler, prompts_of

MakeRun = Callable[..., RunFolder]
FP32 = loading.Placement(device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def renderer(tiny_model: Path) -> ChatRenderer:
    return ChatRenderer.load(tiny_model)


def test_held_out_examples_are_asked_without_their_answers(make_run: MakeRun, renderer: ChatRenderer) -> None:
    prompts = prompts_of(make_run(held_out=6), renderer)
    assert all(prompt.expected for prompt in prompts), "the answer of the data stands beside those of the model"
    assert [prompt.text for prompt in prompts] == [
        f"Is number {index} {colour}?" for index, colour in enumerate(("red", "blue", "green"))
    ]
    assert len(prompts) == MOST_PROMPTS
    for prompt in prompts:
        text = renderer.decode(list(prompt.ids))
        assert "assistant" in text
        assert "Yes" not in text


def test_the_persons_own_prompts_come_instead(make_run: MakeRun, renderer: ChatRenderer) -> None:
    own = ("  What is red? ", "", "   ", *(f"Question {number}?" for number in range(12)), "x" * 9000)
    prompts = prompts_of(make_run(sample_prompts=own), renderer)
    assert [prompt.text for prompt in prompts] == ["What is red?", *(f"Question {number}?" for number in range(7))]
    assert len(prompts) == MOST_OWN
    assert {prompt.expected for prompt in prompts} == {""}


def test_there_may_be_nothing_to_ask(tmp_path: Path, tiny_model: Path, renderer: ChatRenderer) -> None:
    run = RunStore(tmp_path).create(
        RunConfig(model=str(tiny_model), max_length=2048),
        dataset_id="",
        dataset_name="",
        dataset_sha256="",
        train=(),
        validation=[Example((Message("user", "x" * (PROMPT_TOKENS + 1)), Message("assistant", "y")), row=1)],
    )
    assert prompts_of(run, renderer) == ()
    (run.validation_path).write_text("")
    assert prompts_of(run, renderer) == ()


@pytest.fixture
def asked(make_run: MakeRun, tiny_model: Path, renderer: ChatRenderer) -> tuple[Sampler, Job, list[Event]]:
    run, told = make_run(), list[Event]()
    job = Job(told.append)
    model = make_trainable(loading.load_base(tiny_model, FP32), run.config).eval()
    return Sampler(job, model, prompts_of(run, renderer), renderer=renderer, pad_id=257), job, told


def test_the_answers_are_told_in_order_and_are_the_same_each_time(
    asked: tuple[Sampler, Job, list[Event]],
) -> None:
    sampler, _, told = asked
    assert sampler(0)
    assert sampler(7)
    samples = [event for event in told if isinstance(event, Sampled)]
    assert [(event.step, event.number) for event in samples] == [(0, 0), (0, 1), (0, 2), (7, 0), (7, 1), (7, 2)]
    assert [event.answer for event in samples[:3]] == [event.answer for event in samples[3:]]
    assert all(0 < len(event.answer) < 400 for event in samples)
    assert all("<|im_" not in event.answer for event in samples)
    checking = [event for event in told if isinstance(event, Checking)]
    assert {event.what for event in checking} == {"Asking the 3 prompts to watch"}, (
        "it takes a minute on a busy machine"
    )
    assert [event.step for event in checking if not event.done] == [0, 7]
    assert all(event.done < event.total for event in checking)


class EndsAnywhere(ChatRenderer):
    """Takes every token for the end of an answer."""

    end_ids = tuple(range(258))  # type: ignore[assignment]


def test_it_is_known_whether_an_answer_ended_by_itself(make_run: MakeRun, tiny_model: Path) -> None:
    run = make_run()
    model = make_trainable(loading.load_base(tiny_model, FP32), run.config).eval()
    for kind, ended in ((ChatRenderer, None), (EndsAnywhere, 4)):
        renderer = kind.load(tiny_model)
        sampler = Sampler(Job(lambda event: None), model, prompts_of(run, renderer), renderer=renderer, pad_id=257)
        assert sampler(4)
        assert sampler.ended_by_itself == ended


def test_a_stop_comes_first_and_says_that_something_was_left_out(asked: tuple[Sampler, Job, list[Event]]) -> None:
    sampler, job, told = asked
    job.ask_to_stop()
    assert not sampler(3)
    assert told == []


@pytest.mark.case("63-nan-in-the-base")
def test_a_model_that_diverged_is_not_sampled(make_run: MakeRun, tiny_model: Path, renderer: ChatRenderer) -> None:
    run = make_run()
    model = make_trainable(loading.load_base(tiny_model, FP32), run.config).eval()
    next(weight for name, weight in model.named_parameters() if "lora_B" in name).data.fill_(float("nan"))
    told: list[Event] = []
    sampler = Sampler(Job(told.append), model, prompts_of(run, renderer), renderer=renderer, pad_id=257)
    with pytest.raises(NotFinite):
        sampler(3)
    assert not any(isinstance(event, Sampled) for event in told)
