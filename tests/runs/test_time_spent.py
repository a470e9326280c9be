"""How the time of a run is told apart."""

from collections.abc import Iterable

from studio.events import Evaluated, Event, Finished, Loading, Prepared, Sampled, Started
from studio.runs.time_spent import TimeSpent

STARTED = Started(4, "train")
DONE = Finished("finished", "", 1.0)


def spent(*events: tuple[float, Event | None]) -> TimeSpent:
    found = TimeSpent()
    for time, event in events:
        found = found.after(event, time)
    return found


def told(found: TimeSpent) -> Iterable[float]:
    return found.training, found.checking, found.waiting, found.fetching


def test_each_second_belongs_to_what_was_done_in_it() -> None:
    found = spent(
        (1000, STARTED),
        (1001, Loading("Downloading the model", 0, 9, "bytes")),
        (1021, Loading("Unpacking the starter model")),
        (1041, Loading("Waiting for another run to finish")),
        (1341, Loading("Starting PyTorch")),
        (1350, Prepared(9, 1, 0, 90, 40, 6)),
        (1352, Evaluated(0, 3.0)),
        (1355, Sampled(0, 0, "Why?", "So.")),
        (1365, None),
        (1366, DONE),
    )
    assert list(told(found)) == [1 + 9 + 10 + 1, 2 + 3, 300, 40]
    assert found.working == 26


def test_the_legs_of_a_run_are_summed_and_the_time_between_them_is_nobodys() -> None:
    """The last leg alone was taken for the whole run."""
    found = spent((0, STARTED), (100, None), (5000, STARTED), (5020, None), (5022, DONE))
    assert found.working == 122
    waits = spent((0, STARTED), (1, Loading("Waiting for other work")), (9000, STARTED), (9005, DONE))
    assert list(told(waits)) == [1 + 5, 0, 0, 0], "what was still waited for when it died is not known"


def test_nothing_was_spent_before_the_first_worker() -> None:
    assert not TimeSpent().has_begun
    assert spent((50, STARTED)).working == 0
    assert spent((50, STARTED), (40, DONE)).working == 0, "a clock that was set back takes nothing away"


def test_an_evaluation_at_the_place_is_not_the_runs_own_time() -> None:
    assert spent((0, STARTED), (10, None), (12, Loading("Evaluating at lab")), (500, DONE)).working == 12
