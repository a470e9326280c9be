import json

import pytest

from studio.compare.chat_protocol import (
    BASE,
    Answered,
    Ask,
    Halt,
    Leave,
    Open,
    Opened,
    Opening,
    PaneRequest,
    SelfTest,
    Tested,
    Token,
    Trouble,
    decode_from_worker,
    decode_to_worker,
    encode,
)
from studio.data.examples import Message

CONVERSATION = (Message("system", "Be brief."), Message("user", "Zwei Zeilen:\nä\u2028ö"))
ASK = Ask(
    id=7,
    panes=(PaneRequest(BASE, CONVERSATION), PaneRequest("/runs/one/adapter", CONVERSATION, strength=0.35)),
    temperature=0.7,
    top_p=0.9,
    max_new_tokens=64,
    seed=1,
)


TEST = SelfTest(8, "/runs/one/adapter", CONVERSATION, tokens=32)


@pytest.mark.parametrize("message", [Open("starter", bits=0, precision="auto"), ASK, TEST, Halt(7), Leave()])
def test_what_the_page_says_survives_the_pipe(message: Open | Ask | SelfTest | Halt | Leave) -> None:
    line = encode(message)
    assert "\n" not in line
    assert decode_to_worker(line) == message


@pytest.mark.parametrize(
    "message",
    [
        Opening("Loading the starter model."),
        Opened("cpu", "fp32"),
        Token(7, 1, "Hallo\n"),
        Answered(7, 0, tokens=12, seconds=1.5, ended="end"),
        Tested(8, off_same=True, on_same=False, tokens=64, seconds=2.5, note="Greedy, in fp32."),
        Trouble(0, "The model is damaged.", "Fetch it again."),
    ],
)
def test_what_the_worker_says_survives_the_pipe(
    message: Opening | Opened | Token | Answered | Tested | Trouble,
) -> None:
    line = encode(message)
    assert "\n" not in line
    assert decode_from_worker(line) == message


@pytest.mark.parametrize(
    "line", ["", "Loading weights: 100%", "[1]", '{"kind":"Sing"}', '{"kind":["Halt"]}', '{"kind":"Token","id":1}']
)
def test_anything_else_is_refused(line: str) -> None:
    with pytest.raises((ValueError, TypeError)):
        decode_from_worker(line)


def test_each_side_understands_only_the_other() -> None:
    with pytest.raises(ValueError, match="not a chat message"):
        decode_to_worker(encode(Opened("cpu", "fp32")))
    with pytest.raises(ValueError, match="not a chat message"):
        decode_from_worker(encode(Leave()))


def test_a_pane_speaks_as_it_was_trained_unless_something_else_is_said() -> None:
    line = encode(ASK)
    assert line.count('"strength":1.0') == 1
    assert line.count('"strength":0.35') == 1
    assert decode_to_worker(line.replace(',"strength":1.0', "")) == ASK


def test_a_message_of_a_newer_studio_is_read_as_far_as_it_is_known() -> None:
    line = json.dumps({"kind": "Halt", "id": 3, "reason": "impatience"})
    assert decode_to_worker(line) == Halt(3)
