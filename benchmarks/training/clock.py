"""When the steps of a trainer of transformers begin and end."""

import time

from transformers import TrainerCallback

from training.task import Loop


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
