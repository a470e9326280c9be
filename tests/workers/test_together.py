"""Answers that are written together are those that each is given alone, whoever joins and leaves."""

import queue
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model

from studio.compare.chat_protocol import Answered, FromWorker, Leave, Open, Token, Trouble, Write
from studio.data.examples import Message
from studio.data.tokenizing.rendering import ChatRenderer
from studio.errors import ModelError
from studio.ml import loading
from studio.ml.generation import PaneInput, Sampling, generate
from studio.workers.chat_models import ChatModels, Wanted
from studio.workers.streaming import Text, UpToMark
from studio.workers.together import Setting, Together, write_together
from tests.data.tokenizing.test_tool_form import BARE, MARKED
from tests.ml.conftest import FP32
from tests.tiny_model import write_tiny_model

LONGEST = 24


class Threads:
    """Nothing is tried out."""

    def step(self) -> None: ...

    def pause(self) -> None: ...


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> dict[str, str]:
    """Two adapters that peft can mix, one that it cannot, and a whole model; each says something else."""
    folder = tmp_path_factory.mktemp("learned")
    torch.manual_seed(3)
    for name, dora in (("one", False), ("two", False), ("dora", True)):
        config = LoraConfig(
            r=2, target_modules="all-linear", task_type="CAUSAL_LM", use_dora=dora, init_lora_weights=False
        )
        get_peft_model(loading.load_base(tiny_model, FP32), config).save_pretrained(str(folder / name))
    write_tiny_model(folder / "whole", seed=5)
    return {"base": "", **{name: str(folder / name) for name in ("one", "two", "dora", "whole")}}


@pytest.fixture(scope="module")
def renderer(tiny_model: Path) -> ChatRenderer:
    return ChatRenderer.load(tiny_model)


@pytest.fixture(scope="module")
def writes(folders: dict[str, str]) -> list[Write]:
    """Questions of different lengths to different models, some of them drawn."""
    asked = [
        ("base", 1.0, 0.0, "Is it black?"),
        ("one", 1.0, 0.0, "Is number 3 black? " * 4),
        ("two", 1.0, 1.0, "Why?"),
        ("one", 0.5, 0.0, "Is it white or red, and how do you know?"),
        ("base", 1.0, 0.7, "Tell me of the sea. " * 3),
        ("dora", 1.0, 0.0, "Is it green?"),
        ("whole", 1.0, 0.0, "Is it gold?"),
        ("two", 1.0, 0.0, "Count to four."),
    ]
    return [
        Write(
            id=number,
            adapter=folders[name],
            messages=(Message("user", text),),
            strength=strength,
            temperature=temperature,
            top_p=0.9,
            max_new_tokens=LONGEST - number,
            seed=number,
        )
        for number, (name, strength, temperature, text) in enumerate(asked, start=1)
    ]


@pytest.fixture(scope="module")
def alone(writes: list[Write], tiny_model: Path, renderer: ChatRenderer) -> dict[int, str]:
    """What each is answered by `generate` when nobody else asks."""
    return {write.id: _text(renderer, _alone(tiny_model, renderer, write)) for write in writes}


def _alone(tiny_model: Path, renderer: ChatRenderer, write: Write) -> list[int]:
    (turn,) = ChatModels(loading.load_base(tiny_model, FP32), FP32).passes([Wanted(write.adapter, write.strength)])
    sampling = Sampling(write.temperature, write.top_p, write.max_new_tokens, write.seed)
    asked = [PaneInput(turn.adapters[0], renderer.prompt(write.messages))]
    return generate(turn.model, asked, sampling=sampling, end_ids=renderer.end_ids, pad_id=257)[0]


def _text(renderer: ChatRenderer, ids: Sequence[int]) -> str:
    text = Text(renderer)
    return "".join(text.add(id) for id in ids if id not in renderer.end_ids) + text.rest()


class Worker:
    """What the worker holds, and what it says."""

    def __init__(
        self, tiny_model: Path, renderer: ChatRenderer, *, token_budget: int = 0, is_read: bool = True
    ) -> None:
        self.said: list[FromWorker] = []
        self.halted: set[int] = set()
        models = ChatModels(loading.load_base(tiny_model, FP32), FP32)
        if not is_read:
            models.token_bytes = lambda model, pad_id: 0  # type: ignore[method-assign]
        self.setting = Setting(
            models=models,
            renderer=renderer,
            placement=FP32,
            pad_id=257,
            room=lambda length: 2048 - length,
            whose_fault=lambda folder, prompt: ModelError("It is broken."),
            token_budget=token_budget,
        )
        self.desk = Together(self.setting, say=self.said.append, halted=self.halted)

    def step(self, times: int = 1) -> None:
        for _ in range(times):
            self.desk.step(Threads())  # type: ignore[arg-type]

    def finish(self) -> None:
        while not self.desk.is_done:
            self.step()

    def text(self, id: int) -> str:
        return "".join(each.text for each in self.said if isinstance(each, Token) and each.id == id)

    def end(self, id: int) -> Answered | Trouble:
        (found,) = (each for each in self.said if isinstance(each, Answered | Trouble) and each.id == id)
        return found


@pytest.fixture
def worker(tiny_model: Path, renderer: ChatRenderer) -> Worker:
    return Worker(tiny_model, renderer)


def test_all_at_once_are_answered_as_each_alone(worker: Worker, writes: list[Write], alone: dict[int, str]) -> None:
    for write in writes:
        worker.desk.take(write)
    worker.step()
    assert 1 < len(worker.desk._batches) < len(writes)
    worker.finish()
    assert {write.id: worker.text(write.id) for write in writes} == alone
    assert len(set(alone.values())) == len(writes)


def test_those_that_mix_lie_in_one_batch(worker: Worker, writes: list[Write]) -> None:
    mixed = [write for write in writes if write.id not in (6, 7)]
    for write in mixed:
        worker.desk.take(write)
    worker.step()
    assert [len(batch.rows) for batch in worker.desk._batches] == [len(mixed)]


@pytest.mark.parametrize("order", [(1, 2, 3, 4, 5, 8), (8, 6, 2, 7, 1, 5, 3, 4)], ids=["mixed", "all"])
def test_who_joins_later_changes_nobodys_answer(
    worker: Worker, writes: list[Write], alone: dict[int, str], order: tuple[int, ...]
) -> None:
    """Each joins when the others have written some tokens: their rows move, and are parted anew."""
    for id in order:
        worker.desk.take(writes[id - 1])
        worker.step(3)
    worker.finish()
    assert {id: worker.text(id) for id in order} == {id: alone[id] for id in order}


def test_a_row_that_has_no_room_waits_and_goes_on_as_if_nothing_had_been(
    tiny_model: Path, renderer: ChatRenderer, writes: list[Write], alone: dict[int, str]
) -> None:
    worker = Worker(tiny_model, renderer, token_budget=900)
    chosen = [write for write in writes if write.id in (1, 2, 4, 8)]
    for write in chosen:
        worker.desk.take(write)
    most = 0
    while not worker.desk.is_done:
        worker.step()
        most = max(most, sum(len(batch.rows) for batch in worker.desk._batches))
    assert 1 < most < len(chosen)
    assert {write.id: worker.text(write.id) for write in chosen} == {write.id: alone[write.id] for write in chosen}


def test_a_row_is_put_aside_where_the_others_need_its_room(
    tiny_model: Path, renderer: ChatRenderer, writes: list[Write], alone: dict[int, str]
) -> None:
    worker = Worker(tiny_model, renderer)
    chosen = [writes[0], writes[2]]
    for write in chosen:
        worker.desk.take(write)
    worker.step(4)
    worker.setting = replace(worker.setting, token_budget=10)
    worker.desk._setting = worker.setting
    worker.step(2)
    assert [len(batch.rows) for batch in worker.desk._batches if batch.rows] == [1]
    worker.finish()
    assert {write.id: worker.text(write.id) for write in chosen} == {write.id: alone[write.id] for write in chosen}


def test_a_model_that_cannot_be_read_row_by_row_answers_one_after_the_other(
    tiny_model: Path, renderer: ChatRenderer, writes: list[Write], alone: dict[int, str]
) -> None:
    worker = Worker(tiny_model, renderer, is_read=False)
    for write in writes[:5]:
        worker.desk.take(replace(write, told=1))
    worker.finish()
    assert {id: worker.text(id) for id in range(1, 6)} == {id: alone[id] for id in range(1, 6)}
    ended = worker.end(2)
    assert isinstance(ended, Answered)
    assert sum(len(each.odds) for each in worker.said if isinstance(each, Token) and each.id == 2) == ended.tokens


def test_an_answer_that_is_halted_leaves_and_the_others_go_on(
    worker: Worker, writes: list[Write], alone: dict[int, str]
) -> None:
    for write in writes[:3]:
        worker.desk.take(write)
    worker.step(4)
    worker.halted.add(2)
    worker.finish()
    ended = worker.end(2)
    assert isinstance(ended, Answered)
    assert (ended.ended, ended.tokens) == ("stopped", 4)
    assert alone[2].startswith(worker.text(2))
    assert [worker.text(id) for id in (1, 3)] == [alone[1], alone[3]]


def test_an_adapter_that_is_gone_is_trouble_for_who_asks_it_alone(
    worker: Worker, writes: list[Write], alone: dict[int, str]
) -> None:
    worker.desk.take(writes[0])
    worker.desk.take(replace(writes[1], adapter="/no/adapter"))
    worker.finish()
    trouble = worker.end(2)
    assert isinstance(trouble, Trouble)
    assert "no longer on the disk" in trouble.message
    assert worker.text(1) == alone[1]


def test_a_conversation_beyond_the_context_is_trouble(worker: Worker, writes: list[Write]) -> None:
    def full(length: int) -> int:
        raise ModelError("The conversation is too long.", "Shorten it.")

    worker.desk._setting = replace(worker.setting, room=full)
    worker.desk.take(writes[0])
    assert worker.desk.is_done
    assert worker.end(1) == Trouble(1, "The conversation is too long.", "Shorten it.")


def test_an_answer_ends_before_a_text_to_stop_at(
    worker: Worker, writes: list[Write], tiny_model: Path, renderer: ChatRenderer
) -> None:
    write = replace(writes[0], max_new_tokens=60)
    whole = _text(renderer, _alone(tiny_model, renderer, write))
    stop = next(whole[place : place + 2] for place in range(4, len(whole) - 2) if whole[place : place + 2].isascii())
    worker.desk.take(replace(write, stop=("never", stop)))
    worker.finish()
    ended = worker.end(1)
    assert isinstance(ended, Answered)
    assert ended.ended == "end"
    assert worker.text(1) == whole[: whole.index(stop)]


def test_logprobs_are_those_of_the_models_own_logits(
    worker: Worker, writes: list[Write], tiny_model: Path, renderer: ChatRenderer
) -> None:
    write = replace(writes[2], told=3)
    worker.desk.take(write)
    worker.desk.take(writes[1])
    worker.finish()
    ids = [id for id in _alone(tiny_model, renderer, write) if id not in renderer.end_ids]
    odds = [one for each in worker.said if isinstance(each, Token) and each.id == 3 for one in each.odds]
    assert [one.token for one in odds] == [renderer.spell(id) for id in ids]
    (turn,) = ChatModels(loading.load_base(tiny_model, FP32), FP32).passes([Wanted(write.adapter)])
    prompt = renderer.prompt(write.messages)
    with torch.inference_mode():
        turn.model.set_adapter(turn.adapters[0])
        logits = turn.model.eval()(input_ids=torch.tensor([[*prompt, *ids]])).logits[0, len(prompt) - 1 : -1]
    shares = logits.log_softmax(dim=-1)
    assert [one.logprob for one in odds] == pytest.approx(
        [float(shares[place, id]) for place, id in enumerate(ids)], abs=1e-4
    )
    assert all(len(one.likeliest) == 3 and one.likeliest[0][1] >= one.logprob - 1e-6 for one in odds)


def test_weights_that_are_no_numbers_end_the_answer_with_whose_fault_it_is(
    worker: Worker, writes: list[Write], alone: dict[int, str]
) -> None:
    worker.desk.take(writes[0])
    worker.desk.take(writes[1])
    worker.step(2)
    with torch.no_grad():
        for name, parameter in worker.setting.models.base.named_parameters():
            if "lora_B.adapter-0" in name:
                parameter.fill_(float("nan"))
    worker.finish()
    assert worker.end(2) == Trouble(2, "It is broken.", "")
    assert worker.text(1) == alone[1]


def test_others_join_until_somebody_asks_for_something_else(worker: Worker, writes: list[Write]) -> None:
    inbox: queue.Queue[Any] = queue.Queue()
    for message in (writes[1], Open("other", 0, "fp32"), writes[2]):
        inbox.put(message)
    said: list[FromWorker] = []
    other = write_together(writes[0], worker.setting, inbox=inbox, say=said.append, halted=set())
    assert other == Open("other", 0, "fp32")
    assert {each.id for each in said if isinstance(each, Answered)} == {1, 2}
    assert inbox.get_nowait() == writes[2]


def test_leaving_does_not_wait_for_the_answers(worker: Worker, writes: list[Write]) -> None:
    inbox: queue.Queue[Any] = queue.Queue()
    inbox.put(Leave())
    said: list[FromWorker] = []
    assert write_together(writes[0], worker.setting, inbox=inbox, say=said.append, halted=set()) == Leave()
    assert said == []


CALL = '<tool_call>\n{"name": "look", "arguments": {"at": "sea"}}\n</tool_call>'


@pytest.mark.parametrize(
    ("template", "answer", "told", "calls"),
    [
        (MARKED, f"I look.{CALL}", "I look.", ["look"]),
        (MARKED, CALL + CALL, "", ["look", "look"]),
        (MARKED, "I < look.", "I < look.", []),
        (MARKED, "<tool_call>{broken", "<tool_call>{broken", []),
        (MARKED, CALL.replace("look", "leap"), CALL.replace("look", "leap"), []),
        (BARE, ' {"name": "look", "parameters": {}}', "", ["look"]),
        (BARE, '{"name": "unknown"}', '{"name": "unknown"}', []),
        (BARE, "Plain words.", "Plain words.", []),
    ],
)
def test_calls_of_tools_are_told_apart_from_text(
    tiny_model: Path, tmp_path: Path, template: str, answer: str, told: str, calls: list[str]
) -> None:
    """A model this small calls nothing, so what it writes is given here, letter by letter."""
    shutil.copytree(tiny_model, tmp_path / "tools")
    (tmp_path / "tools" / "chat_template.jinja").write_text(template, encoding="utf-8")
    renderer = ChatRenderer.load(tmp_path / "tools")
    worker = Worker(tiny_model, renderer)
    tools = '[{"type": "function", "function": {"name": "look", "parameters": {}}}]'
    worker.desk.take(Write(1, "", (Message("user", "Look."),), 1.0, 0.0, 1.0, 100, 0, tools=tools))
    (row,) = worker.desk._answers
    for id in renderer._tokenizer.encode(answer).ids:
        worker.desk._add(row, id, None)
    row.left = 0
    worker.desk._end_complete()
    ended = worker.end(1)
    assert isinstance(ended, Answered)
    assert [call.name for call in ended.calls] == calls
    assert worker.text(1) == told


@pytest.mark.parametrize(
    ("pieces", "marks", "through", "mark", "rest"),
    [
        (["abc", "def"], (), "abcdef", "", ""),
        (["ab", "cd", "ef"], ("cde",), "ab", "cde", ""),
        (["ab", "cd", "xf"], ("cde",), "abcdxf", "", ""),
        (["abc"], ("bcd", "c!"), "a", "", "bc"),
        (["xaxb"], ("xb", "xa"), "", "xa", ""),
    ],
)
def test_text_goes_through_up_to_a_mark(
    pieces: list[str], marks: tuple[str, ...], through: str, mark: str, rest: str
) -> None:
    filter = UpToMark(marks)
    assert "".join(map(filter.add, pieces)) == through
    assert (filter.mark, filter.rest()) == (mark, rest)
