"""The client against a small script that speaks the protocol: what a model would answer is of no interest here."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from studio.compare.chat_client import MADE_ROOM, ChatClient
from studio.compare.chat_protocol import (
    BASE,
    Answered,
    FromWorker,
    Open,
    Opened,
    Opening,
    PaneRequest,
    Tested,
    Token,
    Trouble,
    Write,
)
from studio.compare.chat_room import ChatRoom
from studio.data.examples import Message
from studio.errors import RunError, TooMany
from studio.runs.launcher import PROJECT_ROOT
from tests.patience import PATIENCE_SECONDS

FAKE_WORKER = r"""
import os, queue, signal, sys, threading, time
from studio.compare.chat_protocol import *

inbox, halted = queue.Queue(), set()

def say(message):
    print(encode(message), flush=True)

def read():
    for line in sys.stdin:
        message = decode_to_worker(line)
        halted.add(message.id) if isinstance(message, Halt) else inbox.put(message)
    inbox.put(Leave())

def answer(ask):
    wish = ask.panes[0].messages[-1].content
    if wish == "trouble":
        say(Trouble(ask.id, "The adapter is gone.", "Choose another."))
        return
    if wish == "die":
        say(Token(ask.id, 0, "about to"))
        os.kill(os.getpid(), signal.SIGKILL)
    if wish == "run out of memory":
        sys.stderr.write("Traceback (most recent call last):\n  File\nMemoryError\n")
        sys.exit(1)
    ended = ["end"] * len(ask.panes)
    for step in range(10_000 if wish == "forever" else 3):
        if ask.id in halted:
            ended = ["stopped"] * len(ask.panes)
            break
        for pane, request in enumerate(ask.panes):
            say(Token(ask.id, pane, f"{request.adapter or 'base'}{step} "))
        time.sleep(0.01)
    for pane in range(len(ask.panes)):
        say(Answered(ask.id, pane, 3, 0.1, ended[pane]))

def write(first):
    going = {first.id: [first, 0]}
    while going:
        while not inbox.empty() and isinstance(inbox.queue[0], Write):
            joined = inbox.get()
            going[joined.id] = [joined, 0]
        for id, one in list(going.items()):
            wish, step = one[0].messages[-1].content, one[1]
            if wish == "die":
                os.kill(os.getpid(), signal.SIGKILL)
            if wish == "trouble":
                say(Trouble(id, "The adapter is gone."))
                del going[id]
            elif id in halted or (step == 3 and wish != "forever"):
                say(Answered(id, 0, step, 0.1, "stopped" if id in halted else "end"))
                del going[id]
            else:
                say(Token(id, 0, f"{one[0].adapter or 'base'}{step} "))
                one[1] += 1
        time.sleep(0.01)

def test(wish):
    say(Opening("Loading it a second time"))
    while wish.tokens == 13 and wish.id not in halted:
        time.sleep(0.01)
    if wish.id in halted or wish.adapter == "/gone":
        say(Trouble(wish.id, "Stopped." if wish.id in halted else "The adapter is gone."))
    else:
        say(Tested(wish.id, True, wish.adapter == "/tuned", wish.tokens, 0.1, wish.messages[-1].content))

threading.Thread(target=read, daemon=True).start()
print("a library says hello", flush=True)
while not isinstance(message := inbox.get(), Leave):
    if isinstance(message, Ask):
        answer(message)
    elif isinstance(message, Write):
        write(message)
    elif isinstance(message, SelfTest):
        test(message)
    elif message.model == "missing":
        say(Trouble(0, "No such model."))
    else:
        say(Opening(f"Loading {message.model} in process {os.getpid()}"))
        if message.model == "slow":
            time.sleep(0.5)
        say(Opened("cpu", "fp32"))
if "stubborn" in sys.argv:
    time.sleep(60)
"""
COMMAND = (sys.executable, "-c", FAKE_WORKER)
STARTER = Open("starter", bits=0, precision="auto")
SLOW = Open("slow", bits=0, precision="auto")
MISSING = Open("missing", bits=0, precision="auto")


@pytest.fixture
def chat(tmp_path: Path) -> Iterator[ChatClient]:
    client = ChatClient(tmp_path, command=COMMAND)
    yield client
    client.close()


def ask(
    client: ChatClient, prompt: str = "hello", *, base: Open = STARTER, adapters: tuple[str, ...] = (BASE, "/tuned")
):
    panes = [PaneRequest(adapter, (Message("user", prompt),)) for adapter in adapters]
    return client.ask(base, panes, temperature=0.0, top_p=1.0, max_new_tokens=8, seed=1)


def process_of(messages: list[FromWorker]) -> int:
    said = next(said for said in messages if isinstance(said, Opening) and " in process " in said.what)
    return int(said.what.split()[-1])


def text_of(messages: list[FromWorker], pane: int) -> str:
    return "".join(said.text for said in messages if isinstance(said, Token) and said.pane == pane)


def is_gone(process_id: int) -> bool:
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rsplit(") ")[-1].startswith("Z")
    except OSError:
        return True


def wait_until(condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)


def test_both_panes_answer_and_the_model_is_opened_once(chat: ChatClient) -> None:
    first = list(ask(chat))
    assert [type(said) for said in first[:2]] == [Opening, Opened]
    assert text_of(first, 0) == "base0 base1 base2 "
    assert text_of(first, 1) == "/tuned0 /tuned1 /tuned2 "
    assert [said.pane for said in first[-2:] if isinstance(said, Answered)] == [0, 1]
    assert not any(isinstance(said, Opening | Opened) for said in ask(chat))


def test_another_base_model_is_opened_in_the_same_process(chat: ChatClient) -> None:
    first = list(ask(chat))
    second = list(ask(chat, base=Open("other", bits=4, precision="bf16")))
    assert process_of(first) == process_of(second)


def test_a_model_that_cannot_be_opened_is_trouble_and_another_one_works(chat: ChatClient) -> None:
    assert list(ask(chat, base=MISSING)) == [Trouble(0, "No such model.")]
    assert list(ask(chat, base=MISSING)) == [Trouble(0, "No such model.")]
    assert text_of(list(ask(chat)), 0) == "base0 base1 base2 "


def test_trouble_with_one_question_ends_it_for_all_panes(chat: ChatClient) -> None:
    assert list(ask(chat, "trouble"))[-1] == Trouble(1, "The adapter is gone.", "Choose another.")
    assert text_of(list(ask(chat)), 1) == "/tuned0 /tuned1 /tuned2 "


def test_a_halt_ends_the_answer_with_what_there_is(chat: ChatClient) -> None:
    messages = []
    for said in ask(chat, "forever"):
        messages.append(said)
        if isinstance(said, Token):
            chat.halt()
    assert [said.ended for said in messages if isinstance(said, Answered)] == ["stopped", "stopped"]
    assert text_of(messages, 0)
    chat.halt()  # with nothing to halt
    assert text_of(list(ask(chat)), 0) == "base0 base1 base2 "


def test_a_halt_is_for_the_question_with_its_ticket_alone(chat: ChatClient) -> None:
    """Stop on one page ended the answer that another page was reading."""
    panes = [PaneRequest(BASE, (Message("user", "forever"),))]
    answer = chat.ask(STARTER, panes, temperature=0.0, top_p=1.0, max_new_tokens=8, seed=1, ticket="mine")
    while not isinstance(next(answer), Token):
        pass
    chat.halt("another")
    assert isinstance(next(answer), Token)
    assert isinstance(next(answer), Token)

    waiting = chat.ask(STARTER, panes, temperature=0.0, top_p=1.0, max_new_tokens=8, seed=1, ticket="another")
    assert isinstance(next(waiting), Opening)
    chat.halt("another")
    assert list(waiting) == []

    chat.halt("mine")
    ended = list(answer)[-1]
    assert isinstance(ended, Answered)
    assert ended.ended == "stopped"


def test_a_halt_while_the_model_is_opened_ends_the_wait(chat: ChatClient) -> None:
    messages = []
    for said in ask(chat, base=SLOW):
        messages.append(said)
        chat.halt()
    assert [type(said) for said in messages] == [Opening]
    assert text_of(list(ask(chat, base=SLOW)), 0) == "base0 base1 base2 "


def test_a_closed_page_halts_its_answer_and_the_next_question_gets_its_own(chat: ChatClient) -> None:
    """What was still said to the question that was given up must not be read as the next one's answer."""
    given_up = ask(chat, "forever")
    while not isinstance(next(given_up), Token):
        pass
    given_up.close()
    assert text_of(list(ask(chat)), 0) == "base0 base1 base2 "


def test_a_page_closed_while_a_model_is_opened_does_not_disturb_the_next(chat: ChatClient) -> None:
    given_up = ask(chat, base=SLOW)
    next(given_up)
    given_up.close()
    messages = list(ask(chat, base=MISSING))
    assert messages[-1] == Trouble(0, "No such model.")
    assert text_of(list(ask(chat)), 0) == "base0 base1 base2 "


def test_a_worker_killed_in_mid_answer_is_a_sentence_and_the_next_question_works(chat: ChatClient) -> None:
    before: list[FromWorker] = []
    with pytest.raises(RunError, match="ended before the answer was complete") as caught:
        before.extend(ask(chat, "die"))
    assert "by force" in caught.value.message
    assert "Traceback" not in str(caught.value)
    after = list(ask(chat))
    assert text_of(after, 0) == "base0 base1 base2 "


def test_the_log_says_why_a_worker_ended_and_an_old_log_does_not(chat: ChatClient) -> None:
    with pytest.raises(RunError, match="out of memory"):
        list(ask(chat, "run out of memory"))
    with pytest.raises(RunError, match="by force"):
        list(ask(chat, "die"))


def test_a_worker_killed_while_idle_is_not_noticed(chat: ChatClient) -> None:
    first = process_of(list(ask(chat)))
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: not chat.is_running)
    again = list(ask(chat))
    assert process_of(again) != first
    assert text_of(again, 0) == "base0 base1 base2 "


def test_a_second_page_waits_for_its_turn(chat: ChatClient) -> None:
    first = ask(chat, "forever")
    while not isinstance(next(first), Token):
        pass
    second: list[FromWorker] = []
    page = threading.Thread(target=lambda: second.extend(ask(chat)), daemon=True)
    page.start()
    wait_until(lambda: bool(second))
    assert second == [Opening("Another conversation is being answered. Yours is next.")]
    first.close()
    page.join(timeout=PATIENCE_SECONDS)
    assert text_of(second, 0) == "base0 base1 base2 "


def test_a_worker_told_to_leave_ends_and_the_next_question_starts_another(chat: ChatClient) -> None:
    first = process_of(list(ask(chat)))
    chat.leave(grace_seconds=5)
    assert is_gone(first)
    assert not chat.is_running
    assert process_of(list(ask(chat))) != first


def test_the_page_hears_that_the_models_made_room_and_come_back(chat: ChatClient) -> None:
    list(ask(chat))
    assert not chat.made_room
    chat.leave(grace_seconds=5)
    assert chat.made_room
    assert chat.loaded() == ""
    assert next(iter(again := list(ask(chat)))) == Opening(MADE_ROOM)
    assert text_of(again, 0) == "base0 base1 base2 "
    assert not chat.made_room
    assert not any(said == Opening(MADE_ROOM) for said in ask(chat))


def test_leaving_with_nothing_in_memory_makes_no_room(chat: ChatClient) -> None:
    chat.leave()
    assert not chat.made_room
    list(ask(chat))
    chat.close()
    assert not chat.made_room


def test_it_says_which_base_is_in_memory(chat: ChatClient) -> None:
    assert chat.loaded() == ""
    opening = ask(chat, base=SLOW)
    next(opening)
    assert chat.loaded() == ""
    list(opening)
    assert chat.loaded() == "slow"
    list(ask(chat, base=MISSING))
    assert chat.loaded() == ""


def self_test(chat: ChatClient, adapter: str = "/tuned", *, tokens: int = 4, ticket: str = "") -> Iterator[FromWorker]:
    return chat.self_test(STARTER, adapter, (Message("user", "hello"),), tokens=tokens, ticket=ticket)


def test_a_self_test_says_what_it_loads_and_what_it_found(chat: ChatClient) -> None:
    said = list(self_test(chat))
    assert [type(each) for each in said] == [Opening, Opened, Opening, Tested]
    assert said[-1] == Tested(1, True, True, 4, 0.1, "hello")
    failed = list(self_test(chat, "/other"))[-1]
    assert isinstance(failed, Tested)
    assert not failed.on_same
    assert list(self_test(chat, "/gone"))[-1] == Trouble(3, "The adapter is gone.")
    assert text_of(list(ask(chat)), 0) == "base0 base1 base2 "


def test_a_self_test_can_be_halted_and_what_it_still_says_harms_nothing(chat: ChatClient) -> None:
    testing = self_test(chat, tokens=13, ticket="mine")
    while not (isinstance(said := next(testing), Opening) and "second" in said.what):
        pass
    chat.halt("mine")
    assert list(testing) == [Trouble(1, "Stopped.")]
    given_up = self_test(chat, tokens=13)
    next(given_up)
    given_up.close()
    assert text_of(list(ask(chat)), 0) == "base0 base1 base2 "


def test_a_worker_that_does_not_leave_is_killed(tmp_path: Path) -> None:
    chat = ChatClient(tmp_path, command=(*COMMAND, "stubborn"))
    first = process_of(list(ask(chat)))
    chat.leave(grace_seconds=0.2)
    assert is_gone(first)


@pytest.mark.parametrize("way", ["page", "program"])
def test_a_question_that_waits_for_room_starts_nothing_after_the_end(tmp_path: Path, way: str) -> None:
    """Its worker made the folder of an account anew that had been removed meanwhile."""
    room, other = ChatRoom(1), ChatClient(tmp_path / "other", command=COMMAND)
    place = room.line_up(other)
    assert place.wait(0)
    closed = ChatClient(tmp_path / "gone", command=COMMAND, room=room)
    waits = ask(closed) if way == "page" else write(closed)
    next(waits)
    closed.close()
    place.leave()
    with pytest.raises(RunError, match="was closed while your question waited"):
        list(waits)
    assert (closed.is_running, (tmp_path / "gone").exists()) == (False, False)


def test_closing_in_mid_answer_ends_it_with_a_sentence(chat: ChatClient) -> None:
    answer = ask(chat, "forever")
    while not isinstance(next(answer), Token):
        pass
    chat.close()
    with pytest.raises(RunError, match="to make room"):
        list(answer)


def test_a_worker_that_cannot_be_started_is_a_sentence(tmp_path: Path) -> None:
    chat = ChatClient(tmp_path, command=["/no/such/python"])
    for _ in range(2):
        with pytest.raises(RunError, match="could not be started"):
            list(ask(chat))


def write(client: ChatClient, prompt: str = "hello", *, base: Open = STARTER, adapter: str = BASE):
    asked = Write(0, adapter, (Message("user", prompt),), 1.0, 0.0, 1.0, 8, 1)
    return client.write(base, asked)


def until_token(answer: Iterator[FromWorker | None]) -> None:
    while not isinstance(next(answer), Token):
        pass


def rest_of(answer: Iterator[FromWorker | None]) -> list[FromWorker]:
    return [said for said in answer if said is not None]


def test_answers_for_programs_are_written_at_once_and_told_apart(chat: ChatClient) -> None:
    forever = write(chat, "forever")
    until_token(forever)
    said = rest_of(write(chat, adapter="/tuned"))  # the other one is still being written
    assert text_of(said, 0) == "/tuned0 /tuned1 /tuned2 "
    assert isinstance(said[-1], Answered)
    until_token(forever)
    forever.close()


def test_an_answer_that_nobody_waits_for_is_halted_alone(chat: ChatClient) -> None:
    given_up, kept = write(chat, "forever"), write(chat, "forever", adapter="/tuned")
    until_token(given_up)
    until_token(kept)
    given_up.close()
    until_token(kept)
    assert isinstance(rest_of(write(chat, "trouble"))[-1], Trouble)
    kept.close()
    assert text_of(list(ask(chat)), 0) == "base0 base1 base2 ", "a question alone comes when all have ended"


def test_a_question_of_the_page_waits_for_the_answers_that_are_written(chat: ChatClient) -> None:
    forever = write(chat, "forever")
    until_token(forever)
    question = ask(chat)
    assert next(question) == Opening("Another conversation is being answered. Yours is next.")
    late = write(chat)
    assert next(late) is None, "it comes after the question, which waits longer"
    forever.close()
    assert text_of(list(question), 0) == "base0 base1 base2 "
    assert text_of(rest_of(late), 0) == "base0 base1 base2 "


def test_a_base_that_cannot_be_opened_is_trouble_for_who_asks_it(chat: ChatClient) -> None:
    assert rest_of(write(chat, base=MISSING)) == [Trouble(0, "No such model.")]
    assert text_of(rest_of(write(chat)), 0) == "base0 base1 base2 "


def test_a_worker_that_dies_ends_all_answers_and_the_next_starts_another(chat: ChatClient) -> None:
    forever = write(chat, "forever")
    until_token(forever)
    with pytest.raises(RunError, match="ended before the answer"):
        rest_of(write(chat, "die"))
    with pytest.raises(RunError, match="ended before the answer"):
        rest_of(forever)
    assert text_of(rest_of(write(chat)), 0) == "base0 base1 base2 "


def test_answers_for_programs_make_room_for_a_run(chat: ChatClient) -> None:
    forever = write(chat, "forever")
    until_token(forever)
    chat.leave(0.0)
    with pytest.raises(RunError, match="to make room for a run"):
        rest_of(forever)


def test_a_worker_that_ends_at_once_is_a_sentence(tmp_path: Path) -> None:
    chat = ChatClient(tmp_path, command=[sys.executable, "-c", "raise SystemExit(2)"])
    with pytest.raises(RunError, match="ended before the answer"):
        list(ask(chat))


def test_the_server_exits_while_a_worker_is_up_and_takes_it_along(tmp_path: Path) -> None:
    """A daemon thread that waits in a buffered pipe once kept an interpreter from exiting."""
    server = f"""
from pathlib import Path
from studio.compare.chat_room import ChatRoom
from studio.data.examples import Message
from studio.compare.chat_client import MADE_ROOM, ChatClient
from studio.compare.chat_protocol import *
chat = ChatClient(Path({str(tmp_path)!r}), command={COMMAND!r})
panes = [PaneRequest("", (Message("user", "forever"),))]
answer = chat.ask(Open("starter", 0, "auto"), panes, temperature=0.0, top_p=1.0, max_new_tokens=8, seed=1)
print(next(answer).what.split()[-1], type(next(answer)), flush=True)
"""
    done = subprocess.run(
        [sys.executable, "-c", server],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    wait_until(lambda: is_gone(int(done.stdout.split()[0])))


class Meter:
    """An account that may have so many tokens written."""

    def __init__(self, most: int) -> None:
        self.most, self.tokens = most, 0

    def require_tokens(self) -> None:
        if self.tokens >= self.most:
            raise TooMany("The models have written enough.")

    def answered(self, tokens: int) -> None:
        self.tokens += tokens


def test_what_is_written_is_counted_and_bounded(tmp_path: Path) -> None:
    meter = Meter(12)
    counting = ChatClient(tmp_path, command=(sys.executable, "-c", FAKE_WORKER), meter=meter)
    try:
        list(ask(counting, "hello"))
        assert meter.tokens == 6  # two panes of three
        one = Write(0, BASE, (Message("user", "hello"),), 1.0, 0.0, 1.0, 8, 1)
        wrote = list(counting.write(STARTER, one))
        assert any(isinstance(each, Answered) for each in wrote)
        assert meter.tokens > 6
        list(ask(counting, "hello"))
        with pytest.raises(TooMany):
            next(ask(counting, "hello"))
        with pytest.raises(TooMany):
            next(counting.write(STARTER, one))
    finally:
        counting.close()


def test_two_accounts_that_ask_without_end_do_not_keep_a_third_out(tmp_path: Path) -> None:
    """Each had its next question ready before its last was answered: the third was told to wait for ever."""
    room, ended = ChatRoom(2), threading.Event()
    clients = [ChatClient(tmp_path / name, command=COMMAND, room=room) for name in ("anna", "ben", "carla")]
    answered = [threading.Semaphore(0) for _ in clients]

    def go_on(place: int) -> None:
        while not ended.is_set():
            said = list(ask(clients[place]))
            assert isinstance(said[-1], Answered), said
            answered[place].release()

    # Two pages of each: one question of an account always waits while another of it is answered.
    threads = [threading.Thread(target=go_on, args=(place,)) for place in (0, 0, 1, 1)]
    for thread in threads:
        thread.start()
    try:
        assert answered[0].acquire(timeout=PATIENCE_SECONDS)
        assert answered[1].acquire(timeout=PATIENCE_SECONDS)
        for _ in range(2):
            assert text_of(list(ask(clients[2])), 0) == "base0 base1 base2 "
            assert sum(client.is_running for client in clients) <= 2
        for _ in range(2):
            assert answered[0].acquire(timeout=PATIENCE_SECONDS)
            assert answered[1].acquire(timeout=PATIENCE_SECONDS)
    finally:
        ended.set()
        for thread in threads:
            thread.join(PATIENCE_SECONDS)
        for client in clients:
            client.close()
    assert not any(thread.is_alive() for thread in threads)
