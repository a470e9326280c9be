"""Two processes that share every step reach what one process reaches."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import json, sys
import torch
torch.set_num_threads(1)
from pathlib import Path
from studio.config import RunConfig
from studio.events import Evaluated, Stepped
from tests.ml.conftest import run_training
from tests.ml.test_engine import make_rows

rows = tuple(make_rows((23, 5, 41, 12, 30, 8, 17)))
config = RunConfig(rank=4, alpha=8, epochs=3, batch_size=4, learning_rate=5e-3, micro_batch_tokens=int(sys.argv[2]))
trained = run_training(Path(sys.argv[1]), rows, config=config, validation=rows[:3])
told = [event.loss for event in trained.events if isinstance(event, Stepped | Evaluated)]
weights = sum(float(each.double().abs().sum()) for each in trained.model.parameters())
print(json.dumps([told, weights]))
"""


def run_processes(folder: Path, *, count: int, tokens: int) -> list[tuple[list[float], float]]:
    """Run the program in `count` processes that find one another over gloo; return what each of them told."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(count)}
    shared |= {"CUDA_VISIBLE_DEVICES": "", "ACCELERATE_USE_CPU": "true"}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(folder), str(tokens)],
            env={**os.environ, **(shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)} if count > 1 else {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(count)
    ]
    told = []
    for process in running:
        output, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors[-2000:]
        losses, weights = json.loads(output.strip().split("\n")[-1])
        told.append((losses, weights))
    return told


def test_two_gloo_processes_give_the_losses_of_one(tiny_model: Path) -> None:
    (alone,) = run_processes(tiny_model, count=1, tokens=48)
    first, second = run_processes(tiny_model, count=2, tokens=48)
    assert first == second
    assert first[0] == pytest.approx(alone[0], rel=1e-4)
    assert first[1] == pytest.approx(alone[1], rel=1e-4)
