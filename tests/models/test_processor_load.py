"""How busy other programs keep the processor."""

from collections.abc import Iterator

from studio.models.processor_load import FreeCores, ProcessorLoad, ProcessorTimes, processor_times


def load_of(*times: tuple[float, float, float]) -> tuple[ProcessorLoad, list[float]]:
    told: Iterator[ProcessorTimes] = (ProcessorTimes(*each) for each in times)
    load = ProcessorLoad(lambda: next(told))
    return load, [load() for _ in times[1:]]


def test_what_this_process_did_is_not_the_load_of_others() -> None:
    assert load_of((100, 50, 10), (200, 150, 10))[1] == [0.5], (
        "the mean with what was before, of which nothing is known"
    )
    assert load_of((100, 50, 10), (200, 150, 10), (300, 250, 10))[1] == [0.5, 0.75]
    assert load_of((100, 50, 10), (200, 150, 110))[1] == [0.0]


def test_a_look_that_is_too_soon_says_what_the_one_before_said() -> None:
    assert load_of((100, 50, 10), (200, 150, 10), (201, 151, 10))[1] == [0.5, 0.5]


def test_programs_that_wait_in_line_count_too() -> None:
    """A run was promised for "1 to 4 min" and took twelve: it got a fifth of a processor that was just "busy"."""
    load = ProcessorLoad(lambda: ProcessorTimes(100, 50, 10, crowd=2.6))
    assert load() == 2.5
    assert ProcessorLoad(lambda: ProcessorTimes(100, 50, 10, crowd=0.9))() == 0.0


def test_clocks_that_go_back_are_no_load() -> None:
    assert load_of((100, 50, 10), (300, 20, 10))[1] == [0.0]
    assert load_of((100, 50, 10), (50, 20, 10))[1] == [0.0]


def test_the_system_tells_the_times() -> None:
    first, later = processor_times(), processor_times()
    assert 0 < first.own <= later.own <= later.busy <= later.total


def free_of(*times: tuple[float, float, float]) -> list[float]:
    told: Iterator[ProcessorTimes] = (ProcessorTimes(*each) for each in times)
    free = FreeCores(lambda: next(told), cores=4)
    return [free() for _ in times[1:]]


def test_the_cores_that_others_leave_free_are_told_from_look_to_look() -> None:
    assert free_of((100, 50, 10), (200, 100, 60)) == [4.0], "all that was done was done by this process"
    assert free_of((100, 50, 10), (200, 100, 35), (300, 200, 35)) == [3.0, 0.0]


def test_free_cores_are_as_before_where_the_last_look_was_a_moment_ago() -> None:
    assert free_of((100, 50, 10), (200, 100, 10), (201, 101, 10)) == [2.0, 2.0]
