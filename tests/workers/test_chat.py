"""The chat worker, spoken to over its pipes as the page does."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from peft import LoraConfig, get_peft_model
from transformers import LlamaForCausalLM

from studio.compare.chat_protocol import (
    BASE,
    Answered,
    Ask,
    FromWorker,
    Halt,
    Leave,
    Open,
    Opened,
    Opening,
    PaneRequest,
    SelfTest,
    Tested,
    Token,
    ToWorker,
    Trouble,
    decode_from_worker,
    encode,
)
from studio.data.examples import Message
from studio.data.tokenizing.rendering import ChatRenderer
from studio.jobs.tasks import Chat, Train
from studio.ml import loading
from studio.ml.generation import BASE as BASE_ROW
from studio.ml.generation import PaneInput, Sampling, generate
from studio.runs.precision import precision_of
from studio.runs.store import RunFolder
from tests.patience import PATIENCE_SECONDS
from tests.tiny_model import write_tiny_tokenizer
from tests.workers.conftest import Process, Start

MakeRun = Callable[..., RunFolder]
QUESTION = (Message("user", "Is number 3 black?"),)


class Conversation:
    """One chat worker, and what it says."""

    def __init__(self, process: Process) -> None:
        self.process = process

    def say(self, message: ToWorker) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(encode(message) + "\n")
        self.process.stdin.flush()

    def hear(self) -> FromWorker:
        assert self.process.stdout is not None
        return decode_from_worker(self.process.stdout.readline())

    def hear_until(self, kind: type[FromWorker], *, times: int = 1) -> list[FromWorker]:
        heard: list[FromWorker] = []
        while sum(isinstance(each, kind) for each in heard) < times:
            heard.append(self.hear())
        return heard


def ask(id: int, *adapters: str, length: int = 20) -> Ask:
    panes = tuple(PaneRequest(adapter, QUESTION) for adapter in adapters)
    return Ask(id=id, panes=panes, temperature=0.0, top_p=1.0, max_new_tokens=length, seed=1)


PIPES: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}


@pytest.fixture
def conversation(start: Start, tmp_path: Path) -> Conversation:
    return Conversation(start(Chat(tmp_path), **PIPES))


def text(heard: list[FromWorker], pane: int) -> str:
    return "".join(each.text for each in heard if isinstance(each, Token) and each.pane == pane)


def alone(model: object, pane: PaneInput, renderer: ChatRenderer) -> list[list[int]]:
    sampling = Sampling(max_new_tokens=20)
    return generate(model, [pane], sampling=sampling, end_ids=renderer.end_ids, pad_id=renderer.end_ids[0])


def test_base_and_tuned_answer_side_by_side_from_one_copy(
    make_run: MakeRun, start: Start, tiny_model: Path, conversation: Conversation
) -> None:
    run = make_run(learning_rate=5e-3, epochs=4)
    assert start(Train(run.path)).wait() == 0
    conversation.say(Open(model=str(tiny_model), bits=0, precision="fp32"))
    conversation.hear_until(Opened)
    conversation.say(ask(1, BASE, str(run.result)))
    heard = conversation.hear_until(Answered, times=2)

    renderer = ChatRenderer.load(tiny_model)
    placement = loading.Placement(device="cpu", precision="fp32")
    assert run.result is not None
    model = loading.load_adapter(loading.load_base(tiny_model, placement), run.result)
    panes = [PaneInput(name, renderer.prompt(QUESTION)) for name in (BASE_ROW, "default")]
    expected = generate(
        model, panes, sampling=Sampling(max_new_tokens=20), end_ids=renderer.end_ids, pad_id=renderer.end_ids[0]
    )
    assert text(heard, 0) == renderer.decode(expected[0])
    assert text(heard, 1) == renderer.decode(expected[1])
    assert text(heard, 0) != text(heard, 1)


def test_a_pane_speaks_as_strongly_as_it_is_told_and_says_what_answered(
    make_run: MakeRun, start: Start, tiny_model: Path, conversation: Conversation
) -> None:
    run = make_run(learning_rate=5e-3, epochs=4)
    assert start(Train(run.path)).wait() == 0
    tuned = str(run.result)
    conversation.say(Open(model=str(tiny_model), bits=0, precision="fp32"))
    conversation.hear_until(Opened)
    panes = tuple(
        PaneRequest(adapter, QUESTION, strength)
        for adapter, strength in ((BASE, 1.0), (tuned, 0.0), (tuned, 0.5), (tuned, 1.0), (tuned, 0.5))
    )
    conversation.say(Ask(id=1, panes=panes, temperature=0.0, top_p=1.0, max_new_tokens=20, seed=1))
    heard = conversation.hear_until(Answered, times=5)
    said = [text(heard, pane) for pane in range(5)]
    assert said[0] == said[1]
    assert said[2] == said[4]
    assert len({said[0], said[2], said[3]}) == 3
    answered = {each for each in heard if isinstance(each, Answered)}
    assert {(each.device, each.precision, each.template) for each in answered} == {("cpu", "fp32", "the model's own")}

    conversation.say(SelfTest(id=2, adapter=tuned, messages=QUESTION, tokens=12))
    heard = conversation.hear_until(Tested)
    tested = heard[-1]
    assert isinstance(tested, Tested)
    assert (tested.id, tested.off_same, tested.on_same) == (2, True, True)
    assert 12 < tested.tokens <= 24
    assert "as plain peft" in tested.note
    assert all(isinstance(each, Opening) for each in heard[:-1])
    conversation.say(SelfTest(id=3, adapter="/no/adapter", messages=QUESTION, tokens=12))
    trouble = conversation.hear_until(Trouble)[-1]
    assert isinstance(trouble, Trouble)
    assert trouble.id == 3
    conversation.say(ask(4, BASE))
    assert text(conversation.hear_until(Answered), 0) == said[0]


@pytest.mark.parametrize(
    "settings",
    [{"method": "full", "learning_rate": 3e-3}, {"dora": True, "train_embeddings": True}],
    ids=["full", "dora"],
)
def test_what_cannot_share_a_batch_is_streamed_in_turn(
    make_run: MakeRun, start: Start, tiny_model: Path, conversation: Conversation, settings: dict[str, object]
) -> None:
    """The tuned pane of a full run was refused, and that of a DoRA run ended in an error."""
    # In bf16 several tokens are equally likely to a model this small: which is written follows from how it is computed.
    run = make_run(**{"learning_rate": 5e-3, "epochs": 4, "precision": "fp32", **settings})
    assert start(Train(run.path)).wait() == 0
    assert run.result is not None
    conversation.say(Open(model=str(tiny_model), bits=0, precision=precision_of(run)))
    conversation.hear_until(Opened)
    conversation.say(ask(1, str(run.result), BASE))
    heard = conversation.hear_until(Answered, times=2)
    assert [each.pane for each in heard if isinstance(each, Answered)] == [0, 1]

    renderer = ChatRenderer.load(tiny_model)
    placement = loading.choose_placement(precision=precision_of(run))
    base = loading.load_base(tiny_model, placement)
    whole = run.config.method == "full"
    pane = PaneInput(BASE_ROW, renderer.prompt(QUESTION))
    (expected,) = alone(base, pane, renderer)
    assert text(heard, 1) == renderer.decode(expected)
    tuned = loading.load_base(run.result, placement) if whole else loading.load_adapter(base, run.result)
    (expected,) = alone(tuned, pane if whole else PaneInput("default", pane.ids), renderer)
    assert text(heard, 0) == renderer.decode(expected)
    assert text(heard, 0) != text(heard, 1)

    conversation.say(ask(2, str(run.result), BASE, length=1500))
    conversation.hear_until(Token)
    conversation.say(Halt(2))
    ended = [each for each in conversation.hear_until(Answered, times=2) if isinstance(each, Answered)]
    assert [(each.pane, each.ended) for each in ended] == [(0, "stopped"), (1, "stopped")]
    assert ended[1].tokens == 0


def test_an_answer_can_be_halted_and_the_next_one_comes(tiny_model: Path, conversation: Conversation) -> None:
    conversation.say(Open(model=str(tiny_model), bits=0, precision="fp32"))
    conversation.hear_until(Opened)
    conversation.say(ask(1, BASE, length=1500))
    conversation.hear_until(Token)
    conversation.say(Halt(1))
    ended = conversation.hear_until(Answered)[-1]
    assert isinstance(ended, Answered)
    assert ended.ended == "stopped"
    assert ended.tokens < 1500
    conversation.say(ask(2, BASE, length=5))
    answered = conversation.hear_until(Answered)[-1]
    assert isinstance(answered, Answered)
    assert (answered.id, answered.tokens <= 5) == (2, True)


def test_trouble_is_a_sentence_and_the_worker_lives_on(tiny_model: Path, tmp_path: Path, start_cold: Start) -> None:
    conversation = Conversation(start_cold(Chat(tmp_path), **PIPES))
    conversation.say(ask(1, BASE))
    assert isinstance(conversation.hear_until(Trouble)[-1], Trouble)
    conversation.say(Open(model="/nowhere", bits=0, precision="fp32"))
    trouble = conversation.hear_until(Trouble)[-1]
    assert isinstance(trouble, Trouble)
    assert trouble.id == 0
    assert "/nowhere" in trouble.message
    conversation.say(Open(model=str(tiny_model), bits=0, precision="fp32"))
    conversation.hear_until(Opened)
    conversation.say(ask(2, "/no/adapter"))
    trouble = conversation.hear_until(Trouble)[-1]
    assert isinstance(trouble, Trouble)
    assert "no longer on the disk" in trouble.message
    conversation.say(Leave())
    assert conversation.process.wait(timeout=PATIENCE_SECONDS) == 0


@pytest.mark.case("63-nan-in-the-base")
def test_what_answers_without_numbers_is_named(tiny_model: Path, tmp_path: Path, conversation: Conversation) -> None:
    """It spoke rubbish in its pane, and nothing said why."""
    placement = loading.Placement(device="cpu", precision="fp32")
    settings = LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM")
    tuned = get_peft_model(loading.load_base(tiny_model, placement), settings)
    sound, broken = tmp_path / "sound" / "adapter", tmp_path / "red" / "adapter"
    tuned.save_pretrained(str(sound))
    next(weight for name, weight in tuned.named_parameters() if "lora_B" in name).data[0, 0] = float("nan")
    tuned.save_pretrained(str(broken))
    damaged = LlamaForCausalLM.from_pretrained(tiny_model)
    damaged.lm_head.weight.data[7, 7] = float("nan")
    damaged.save_pretrained(tmp_path / "damaged")
    write_tiny_tokenizer(tmp_path / "damaged")

    def trouble(*adapters: str) -> str:
        conversation.say(ask(1, *adapters))
        said = conversation.hear_until(Trouble)[-1]
        assert isinstance(said, Trouble)
        assert said.id == 1
        return said.message

    conversation.say(Open(model=str(tiny_model), bits=0, precision="fp32"))
    conversation.hear_until(Opened)
    conversation.say(ask(1, BASE, str(sound), str(broken), str(tmp_path / "gone")))
    heard = conversation.hear_until(Answered, times=4)
    failed = {each.pane: each.trouble for each in heard if isinstance(each, Answered) and each.ended == "failed"}
    assert failed[2].startswith("What the run 'red' learned is broken")
    assert failed[3].startswith("What this run learned is no longer on the disk")
    assert set(failed) == {2, 3}, "the others were not answered because of them"
    assert text(heard, 0) == text(heard, 1) != ""
    assert trouble(str(broken)).startswith("What the run 'red' learned is broken")
    conversation.say(ask(2, BASE, str(sound)))
    heard = conversation.hear_until(Answered, times=2)
    assert text(heard, 0) == text(heard, 1)
    conversation.say(Open(model=str(tmp_path / "damaged"), bits=0, precision="fp32"))
    conversation.hear_until(Opened)
    assert trouble(BASE, str(sound)).startswith("The base model itself is broken")
    assert trouble(str(sound)).startswith("The base model itself is broken")


def test_a_conversation_that_fills_the_context_is_trouble_at_once(tiny_model: Path, conversation: Conversation) -> None:
    conversation.say(Open(model=str(tiny_model), bits=0, precision="fp32"))
    conversation.hear_until(Opened)
    long = (Message("user", "x" * 3000),)
    panes = (PaneRequest(BASE, long),)
    conversation.say(Ask(id=1, panes=panes, temperature=0.0, top_p=1.0, max_new_tokens=5, seed=1))
    trouble = conversation.hear_until(Trouble)[-1]
    assert isinstance(trouble, Trouble)
    assert "this model reads at most 2,048" in trouble.message


def test_it_leaves_when_the_page_is_gone(conversation: Conversation) -> None:
    assert conversation.process.stdin is not None
    conversation.process.stdin.close()
    assert conversation.process.wait(timeout=PATIENCE_SECONDS) == 0
