"""The choice of a number of threads, played with a clock that says how long each number takes."""

from collections import Counter
from collections.abc import Callable

import pytest
import torch

from studio.ml.threads import FIRST_REST, LONGEST_REST, TRIES, ThreadTrials, writing


class Machine:
    """Steps that last as long as `seconds` says for a number of threads."""

    def __init__(self, most: int, seconds: Callable[[int], float]) -> None:
        self.seconds = seconds
        self.using = most
        self.now = 0.0
        self.used: Counter[int] = Counter()
        self.threads = ThreadTrials(most, use=self.use, clock=lambda: self.now)

    def use(self, threads: int) -> None:
        self.using = threads

    def work(self, steps: int) -> Counter[int]:
        """Take steps, and return how many were taken with each number of threads."""
        before = self.used.copy()
        for _ in range(steps):
            self.threads.step()
            self.used[self.using] += 1
            self.now += self.seconds(self.using)
        return self.used - before


def test_all_threads_work_where_that_is_fastest_and_trials_become_rare() -> None:
    machine = Machine(2, lambda threads: 1 / threads)
    machine.work(400)
    assert machine.threads.chosen == 2
    assert machine.work(1000)[1] <= TRIES * (1000 // LONGEST_REST + 1)


def test_a_thread_less_works_while_another_program_sits_on_a_core() -> None:
    machine = Machine(2, lambda threads: {1: 1.0, 2: 2.5}[threads])
    machine.work(FIRST_REST + 2 * TRIES + 2)
    assert machine.threads.chosen == 1
    assert machine.work(500)[1] > 450
    machine.seconds = lambda threads: 1 / threads
    machine.work(2 * LONGEST_REST)
    assert machine.threads.chosen == 2, "and all again once it is gone"


def test_of_many_threads_as_many_work_as_are_fastest() -> None:
    machine = Machine(8, lambda threads: 8 / threads if threads <= 5 else threads - 3.0)
    machine.work(400)
    assert machine.threads.chosen == 5


def test_steps_that_differ_by_chance_change_nothing() -> None:
    machine = Machine(4, lambda threads: 1.0 if threads == 4 else 0.95)
    machine.work(500)
    assert machine.threads.chosen == 4


def test_all_threads_work_between_answers_and_a_trial_begins_again() -> None:
    machine = Machine(2, lambda threads: 1.0 / threads)
    machine.work(FIRST_REST + 1)
    assert machine.using == 1
    machine.threads.pause()
    assert machine.using == 2
    machine.now += 1000.0
    machine.work(50)
    assert machine.threads.chosen == 2


def test_one_thread_is_never_touched() -> None:
    machine = Machine(1, lambda threads: 1.0)
    assert machine.work(100) == {1: 100}


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_the_number_of_threads_is_what_it_was_before(device: str) -> None:
    before = torch.get_num_threads()
    with writing(device) as threads:
        for _ in range(3 * FIRST_REST):
            threads.step()
    assert torch.get_num_threads() == before
