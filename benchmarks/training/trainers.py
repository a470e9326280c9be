"""What all peers share whose trainer is that of transformers: their task, and when its steps begin and end."""

import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from transformers import TrainerCallback

from training import task as agreed
from training.task import Loop, Task


class Clock(TrainerCallback):
    """Notes when the first step begins and when each one ends."""

    def __init__(self) -> None:
        self.began = self.ended = 0.0
        self.steps = 0

    def on_step_begin(self, *_: object, **__: object) -> None:
        self.began = self.began or time.time()

    def on_step_end(self, *_: object, **__: object) -> None:
        self.ended = time.time()
        self.steps += 1

    @property
    def loop(self) -> Loop:
        return Loop(self.began, self.ended, self.steps)


def asked(task: Task, *, output: str) -> dict[str, Any]:
    """Return what makes the task the same in every trainer, and nothing that makes it fast."""
    return {
        "output_dir": output,
        "num_train_epochs": 1,
        "per_device_train_batch_size": agreed.BATCH,
        "learning_rate": agreed.LEARNING_RATE,
        "lr_scheduler_type": "linear",
        "max_grad_norm": agreed.MAX_GRAD_NORM,
        "seed": task.seed,
        "use_cpu": True,
        "save_strategy": "no",
        "report_to": "none",
    }


def do_task(peers: Mapping[str, Callable[[Task], Loop]]) -> int:
    """Do the task in the file that the command line names, and print the loop's times as one line of JSON."""
    with open(sys.argv[1], encoding="utf-8") as file:
        task = Task(**json.load(file))
    loop = peers[task.contender](task)
    sys.stdout.write("\n" + json.dumps(asdict(loop)) + "\n")
    return 0
