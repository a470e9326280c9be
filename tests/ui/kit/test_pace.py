from studio.ui.kit.pace import PAGES_AT_FULL_PACE, SEEN_SECONDS, SLOWEST, Pace


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_few_pages_look_as_often_as_they_like() -> None:
    pace = Pace(Clock())
    assert {pace.of(f"page {number}") for number in range(PAGES_AT_FULL_PACE)} == {1}
    assert pace.of("page 0") == 1
    assert pace.of(None) == 1  # a program, which has no page


def test_many_pages_ask_as_much_together_as_few() -> None:
    pace = Pace(Clock())
    found = [pace.of(f"page {number}") for number in range(4 * PAGES_AT_FULL_PACE)]
    assert found[PAGES_AT_FULL_PACE] == 2
    assert found[-1] == 4


def test_a_page_that_was_closed_slows_nobody_down() -> None:
    clock = Clock()
    pace = Pace(clock)
    for number in range(3 * PAGES_AT_FULL_PACE):
        pace.of(f"page {number}")
    clock.now = SEEN_SECONDS + 1
    assert pace.of("page 0") == 1


def test_made_up_pages_slow_others_down_by_a_bound_and_take_no_memory() -> None:
    pace = Pace(Clock())
    assert max(pace.of(f"made up {number}") for number in range(10_000)) == SLOWEST
    assert len(pace._seen) <= 2 * SLOWEST * PAGES_AT_FULL_PACE
