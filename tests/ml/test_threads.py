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


class Shared(Machine):
    """A machine of which other programs leave `cores` free; steps last as `seconds` says, for each piece of work."""

    def __init__(self, most: int, seconds: Callable[[int], float]) -> None:
        super().__init__(most, seconds)
        self.cores = float(most)
        self.threads = ThreadTrials(most, free=lambda: self.cores, use=self.use, clock=lambda: self.now)


def test_nothing_is_tried_while_all_cores_are_free() -> None:
    machine = Shared(4, lambda threads: 1 / threads)
    machine.cores = 3.95
    assert set(machine.work(1000)) == {4}


def test_another_program_that_takes_a_core_makes_a_thread_less_worth_a_try_and_its_end_one_more() -> None:
    machine = Shared(2, lambda threads: 1 / threads)
    machine.work(100)
    machine.cores, machine.seconds = 1.0, lambda threads: {1: 1.0, 2: 2.5}[threads]
    machine.work(2 * TRIES + 2)
    assert machine.threads.chosen == 1
    assert set(machine.work(300)) == {1}, "nothing is gained by two, and no core tells otherwise"
    machine.cores, machine.seconds = 2.0, lambda threads: 1 / threads
    machine.work(2 * TRIES + FIRST_REST)
    assert machine.threads.chosen == 2


def test_of_many_cores_as_many_as_are_free_are_tried_at_once() -> None:
    machine = Shared(16, lambda threads: 16 / threads if threads <= 6 else 16.0)
    machine.cores = 6.2
    machine.work(FIRST_REST + 2 * TRIES + 2)
    assert machine.threads.chosen == 6


def test_a_core_that_is_taken_changes_nothing_where_all_threads_stay_faster() -> None:
    machine = Shared(2, lambda threads: {1: 1.0, 2: 0.7}[threads])
    machine.cores = 1.2
    machine.work(500)
    assert machine.threads.chosen == 2


def test_a_load_that_comes_and_goes_at_every_step_costs_few_trials() -> None:
    machine = Shared(2, lambda threads: {1: 1.0, 2: 0.7}[threads])
    used: Counter[int] = Counter()
    for step in range(600):
        machine.cores = float(1 + step % 2)
        used += machine.work(1)
    assert used[1] <= 600 * TRIES / (2 * TRIES + FIRST_REST) + TRIES


@pytest.mark.parametrize("larger", [0, 1])
def test_a_step_counts_by_its_work_and_what_lies_between_two_steps_not_at_all(larger: int) -> None:
    machine = Shared(2, lambda threads: 1 / threads)
    machine.cores = 1.0
    for step in range(100):
        work = 10.0 if step % 2 == larger else 1.0
        machine.threads.step(work)
        machine.now += work * machine.seconds(machine.using)
        machine.threads.end_step()
        machine.now += 1000.0 * (step % 3)
    assert machine.threads.chosen == 2
