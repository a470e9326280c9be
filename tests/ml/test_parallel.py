"""Two processes that share every step reach what one process reaches."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from studio.config import RunConfig
from studio.events import Checking, Evaluated, Stepped
from studio.files import HELD_PORT
from tests.ml.conftest import run_training
from tests.ml.test_engine import make_rows

PROGRAM = """
import json, sys
from pathlib import Path
from tests.ml.test_parallel import trained

print(json.dumps(trained(Path(sys.argv[1]), **json.loads(sys.argv[2]))))
"""


def trained(folder: Path, **settings: Any) -> tuple[list[float], float, list[int]]:
    """Train a little; return the losses, a sum of the weights, and of how many rows each check told at its start.

    Some held-out rows are scored at the ends alone.
    """
    rows = tuple(make_rows((23, 5, 41, 12, 30, 8, 17)))
    held_out = (*rows[:3], *make_rows(tuple(range(10, 27)), seed=1))
    usual: dict[str, Any] = {"rank": 4, "alpha": 8, "epochs": 3, "batch_size": 4, "learning_rate": 5e-3}
    config = RunConfig(**(usual | {"micro_batch_tokens": 48} | settings))
    found = run_training(folder, rows, config=config, validation=held_out)
    told = [event.loss for event in found.events if isinstance(event, Stepped | Evaluated)]
    wholes = [event.whole for event in found.events if isinstance(event, Evaluated) and event.whole is not None]
    assert len(wholes) == 2
    told += wholes
    totals = [event.total for event in found.events if isinstance(event, Checking) and event.done == 0]
    return told, sum(float(each.detach().double().abs().sum()) for each in found.model.parameters()), totals


def run_processes(folder: Path, *, count: int, **settings: Any) -> list[tuple[list[float], float, list[int]]]:
    """Train in `count` processes that find one another over gloo; return what each of them told."""
    told = []
    for process in start(PROGRAM, count, str(folder), json.dumps(settings)):
        output, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors[-2000:]
        losses, weights, totals = json.loads(output.strip().split("\n")[-1])
        told.append((losses, weights, totals))
    return told


def start(program: str, count: int, *arguments: str) -> "list[subprocess.Popen[str]]":
    """Start processes that find one another over gloo."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(count)}
    shared |= {"CUDA_VISIBLE_DEVICES": "", "ACCELERATE_USE_CPU": "true"}
    return [
        subprocess.Popen(
            [sys.executable, "-c", program, *arguments],
            env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(count)
    ]


def test_two_gloo_processes_give_the_losses_of_one(tiny_model: Path) -> None:
    alone = trained(tiny_model)
    first, second = run_processes(tiny_model, count=2)
    assert first[:2] == second[:2]
    assert first[0] == pytest.approx(alone[0], rel=1e-4)
    assert first[1] == pytest.approx(alone[1], rel=1e-4)
    assert min(first[2]) + min(second[2]) == min(alone[2]), "each tells of its own rows"


def test_what_is_dropped_out_is_the_same_however_many_processes_share_a_step(tmp_path: Path, tiny_model: Path) -> None:
    """Each process drew for itself: a run that went on with fewer of them had other losses."""
    largest = 2**31 - 1
    alone = trained(tiny_model, dropout=0.3, nodes=2, seed=largest)
    first, second = run_processes(tiny_model, count=2, dropout=0.3, nodes=2, seed=largest)
    assert first[:2] == second[:2]
    assert first[0] == pytest.approx(alone[0], rel=1e-4)
    assert first[1] == pytest.approx(alone[1], rel=1e-4)
    assert first[0] != pytest.approx(trained(tiny_model, seed=largest)[0], rel=1e-4), "nothing was dropped out"


AGREEING = """
import os, sys, torch
from studio.errors import OthersLost, RunError
from studio.ml.parallel import Processes

processes = Processes()
number = 0 if processes.is_first else 7
assert processes.as_first(5.0 + number, number) == (5.0, 0.0)
weights = torch.full((3,), float(number), requires_grad=True)
processes.spread([weights])
assert weights.tolist() == [0.0] * 3
processes.require_alike(4096, True)
try:
    processes.require_alike(4096, processes.is_first)
except RunError as error:
    print("refused", error.message)
if not processes.is_first:
    sys.stdout.flush()
    os._exit(3)
try:
    processes.total(1.0)
except OthersLost:
    print("lost")
"""


def test_processes_agree_on_what_the_first_has_and_notice_that_one_is_gone() -> None:
    first, second = start(AGREEING, 2)
    told = [process.communicate(timeout=300) for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 3), told
    refused = "refused The machines of this run would cut its batches in different ways."
    assert told[0][0].splitlines() == [refused, "lost"]
    assert told[1][0].splitlines() == [refused]


MEETING = """
import os, socket, sys
from studio.errors import NotConnected, RunError
from studio.ml.parallel import Processes

try:
    print(Processes().count)
except NotConnected as error:
    print(error.message)
except RunError as error:
    print("refused", error.message)
"""


def meet(*, variables: "list[dict[str, str]]", listener: "socket.socket | None" = None) -> list[str]:
    """Have processes find one another, the first by the port that is held for it; return what each says."""
    shared = {"CUDA_VISIBLE_DEVICES": "", "ACCELERATE_USE_CPU": "true", "MASTER_ADDR": "127.0.0.1"}
    made = []
    for number, own in enumerate(variables):
        held = listener is not None and number == 0
        made.append(
            subprocess.Popen(
                [sys.executable, "-c", MEETING],
                env={**os.environ, **shared, "RANK": str(number), "LOCAL_RANK": "0", **own},
                pass_fds=(listener.fileno(),) if listener is not None and held else (),
                stdout=subprocess.PIPE,
                text=True,
            )
        )
    return [each.communicate(timeout=120)[0].strip() for each in made]


def test_the_port_at_which_a_run_meets_is_held_until_its_first_process_listens_there() -> None:
    """It was chosen minutes before, and another program could have taken it by then."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        shared = {"WORLD_SIZE": "2", "MASTER_PORT": port, HELD_PORT: str(listener.fileno())}
        assert meet(variables=[shared, shared], listener=listener) == ["2", "2"]


def test_a_port_that_is_taken_is_a_sentence_that_says_so() -> None:
    """It was told as a death, and after three of them the memory was blamed."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        shared = {"WORLD_SIZE": "2", "MASTER_PORT": str(taken.getsockname()[1])}
        (said,) = meet(variables=[shared])
    assert said.startswith("The processes of this run could not be connected: ")
    assert "EADDRINUSE" in said or "in use" in said


def test_nodes_with_unlike_numbers_of_graphics_cards_are_a_sentence_at_once() -> None:
    """They waited two hours for processes that nobody had started."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        shared = {"MASTER_PORT": port, "GROUP_WORLD_SIZE": "2", HELD_PORT: str(listener.fileno())}
        first = shared | {"GROUP_RANK": "0", "WORLD_SIZE": "2", "RANK": "0"}
        second = shared | {"GROUP_RANK": "1", "WORLD_SIZE": "4", "RANK": "2"}
        said = meet(variables=[first, second], listener=listener)
    assert said[0] == "refused The nodes of this run have unlike numbers of graphics cards: 1, 2."
