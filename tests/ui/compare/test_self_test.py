import gradio as gr
import pytest

from studio.compare.chat_protocol import Tested
from studio.compare.conversations import Answer, Conversation, Talk, Turn
from studio.compare.pane_models import first_pair
from studio.config import RunConfig
from studio.data.examples import Message
from studio.errors import RunError
from studio.runs.store import RunFolder
from studio.studio import Studio
from studio.ui.compare.chat_state import Chat
from studio.ui.compare.self_test import finish, prove
from tests.ui.fake_studio import FakeChat, finished_run

SAID = Conversation(talks=(Talk("k", "t", (Turn("How?", Answer("So.")),)),))


@pytest.fixture
def run(studio: Studio) -> RunFolder:
    return finished_run(studio, dataset_id=studio.data.add_sample("order_slips").id, config=RunConfig(name="otter"))


@pytest.fixture
def given(studio: Studio, run: RunFolder) -> Chat:
    chosen = Chat(system="Be brief.", temperature=0.7, longest=64, seed=42, ticket="t", said=SAID)
    return chosen.with_panes(first_pair(studio), (1.0, 0.5))


def chat_of(studio: Studio) -> FakeChat:
    assert isinstance(studio.chat, FakeChat)
    return studio.chat


def test_a_proof_says_what_was_held_against_what(studio: Studio, given: Chat, run: RunFolder) -> None:
    said = [each.updates for each in prove(studio, given)]
    assert "Loading the base model afresh." in said[1]["proof_said"]
    assert said[0]["prove"]["interactive"] is False
    outcome = said[-1]["proof_said"]
    assert "ls-good" in outcome
    assert "and otter exactly as in plain peft. 32 tokens compared, all the same." in outcome
    assert "Greedy, in fp32." in outcome
    assert said[-1]["prove"]["interactive"] is False, "the page drops a press as long as something comes"
    assert finish(given).updates["prove"]["interactive"] is True
    (request,) = chat_of(studio).asked[-1][1]
    assert request.adapter == str(run.result)
    assert request.messages == (Message("system", "Be brief."), Message("user", "How?"))


@pytest.mark.parametrize(
    ("off", "on", "sentence"),
    [
        (False, True, "plain transformers gives another answer for the base model."),
        (True, False, "plain peft gives another answer for otter."),
    ],
)
def test_a_difference_is_not_hidden(studio: Studio, given: Chat, off: bool, on: bool, sentence: str) -> None:
    chat_of(studio).tested = Tested(1, off, on, tokens=32, seconds=2.0, note="Token 3 is another one.")
    outcome = list(prove(studio, given))[-1].updates["proof_said"]
    assert "Passed" not in outcome
    assert "ls-bad" in outcome
    assert sentence in outcome
    assert "Token 3" in outcome


def test_a_base_alone_proves_nothing(studio: Studio, given: Chat) -> None:
    with pytest.raises(gr.Error, match="Choose a trained model"):
        list(prove(studio, given.with_panes((given.keys[0],) * 2)))
    with pytest.raises(RunError, match="names no model"):
        list(prove(studio, given.with_panes(("nonsense", "nonsense"))))
