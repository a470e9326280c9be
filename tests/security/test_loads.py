"""Loads that never end, and workers that take all the memory: they are ended, and whoever asked gets a sentence."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from studio.compare.chat_client import ChatClient
from studio.compare.chat_protocol import Answered, FromWorker, Open, PaneRequest
from studio.data.examples import Message
from studio.errors import RunError
from studio.jobs.tasks import Export
from studio.runs.diagnosis import diagnose_lost
from studio.runs.launcher import PROJECT_ROOT, launch, read_tail
from studio.runs.memory_watch import MemoryWatch

pytestmark = pytest.mark.security

WORKER = r"""
import sys, time
from studio.compare.chat_protocol import *

for line in sys.stdin:
    message = decode_to_worker(line)
    if isinstance(message, Leave):
        break
    if isinstance(message, Open):
        time.sleep(600 if message.model == "hangs" else 0)
        print(encode(Opened("cpu", "fp32")), flush=True)
    elif isinstance(message, Ask):
        time.sleep(600 if message.panes[0].adapter == "hangs" else 0)
        print(encode(Answered(message.id, 0, 1, 0.1, "end")), flush=True)
"""
SLEEPER = (sys.executable, "-c", "import time; time.sleep(600)")


def ask(client: ChatClient, *, model: str = "fine", adapter: str = "fine") -> list[FromWorker]:
    panes = [PaneRequest(adapter, (Message("user", "Hello"),))]
    base = Open(model, bits=0, precision="auto")
    return list(client.ask(base, panes, temperature=0.0, top_p=1.0, max_new_tokens=8, seed=1))


@pytest.mark.parametrize("hanging", [{"model": "hangs"}, {"adapter": "hangs"}])
def test_a_worker_that_says_nothing_is_killed_and_the_next_question_is_answered(
    tmp_path: Path, hanging: dict[str, str]
) -> None:
    """One adapter hung the one chat worker, and with it everybody's conversations, for good."""
    client = ChatClient(tmp_path, command=(sys.executable, "-c", WORKER), silence_seconds=2.0)
    try:
        with pytest.raises(RunError, match="has not said anything"):
            ask(client, **hanging)
        assert not client.is_running
        client._silence_seconds = 60.0  # a new worker may start slowly
        assert isinstance(ask(client)[-1], Answered)
    finally:
        client.close()


def test_a_chat_that_takes_too_much_memory_is_a_sentence(tmp_path: Path) -> None:
    """A model could take all the memory of the machine."""
    greedy = MemoryWatch(floor_bytes=100, every_seconds=0.01, held=lambda process_id: 10**12, free=lambda: 10**9)
    client = ChatClient(tmp_path, command=(sys.executable, "-c", WORKER), watch=greedy)
    try:
        with pytest.raises(RunError, match="nearly all the memory"):
            ask(client, model="hangs")
    finally:
        client.close()


def test_a_job_that_takes_too_much_memory_is_ended_and_diagnosed(tmp_path: Path) -> None:
    """The same, for exports, evaluations and blends."""
    held = iter([50, 150, 950])
    watch = MemoryWatch(floor_bytes=100, every_seconds=0.01, held=lambda process_id: next(held), free=lambda: 100)
    task = Export(tmp_path, "adapter")
    log = task.paths.log
    worker = launch(task, command=SLEEPER, watch=watch)
    while worker.exit_code() is None:
        threading.Event().wait(0.01)
    assert next(held, None) is None, "150 is more than the floor and within the share"
    assert "950 bytes" in read_tail(log)
    assert diagnose_lost(read_tail(log), exit_code=worker.exit_code()).cause == "out_of_memory"


def test_a_load_past_its_deadline_ends_even_where_a_library_never_lets_go(tmp_path: Path) -> None:
    """A regular expression holds the interpreter, so that no thread of Python can look at the clock."""
    code = "import re; from studio.ml.deadlines import deadline\nwith deadline(0.5): re.match('(x+x+)+y', 'x' * 64)\n"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert diagnose_lost(done.stderr, exit_code=1).cause == "too_slow"
