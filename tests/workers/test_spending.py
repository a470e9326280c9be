"""The money of a run at a place that is paid for: the time of each job, what it has cost, and why it ended."""

from dataclasses import replace

import pytest

from studio.errors import NoAnswer, RunError
from studio.events import Event, Spent
from studio.jobs.places.away import Away, new_away
from studio.jobs.places.book import HUB, Place
from studio.workers.spending import Spending

AWAY = Away("rented", "run-0123456789abcdef", attempt=1, is_open=True)
PLACE = Place("rented", HUB, flavor="t4-small", cap_usd=5.0)


class Hub:
    """What the Hub says of the price and of the one job."""

    def __init__(self) -> None:
        self.price = 0.6
        self.seconds: float | None = None
        self.is_away = False

    def rented(self) -> tuple[str, float]:
        return "T4", self.price

    def owner(self) -> str:
        return "me"

    def paid_seconds(self, job: str) -> float | None:
        if self.is_away:
            raise NoAnswer("It does not answer.")
        return self.seconds

    def last_line(self, job: str) -> str:
        return "no such image"


@pytest.fixture
def hub() -> Hub:
    return Hub()


@pytest.fixture
def said() -> list[Event]:
    return []


@pytest.fixture
def spending(hub: Hub, said: list[Event]) -> Spending:
    return Spending(PLACE, hub, said.append)


def test_a_job_lasts_as_long_as_what_is_left_pays_for(spending: Spending, said: list[Event]) -> None:
    begun = spending.begin(AWAY)
    assert begun.seconds == (500 - 1) * 60, "a cent a minute, and one minute for the start of the job"
    assert said == [Spent(0.0, 5.0, 0.6)]
    assert spending.begin(replace(AWAY, spent_usd=4.0)).seconds == (100 - 1) * 60
    with pytest.raises(RunError, match=r"The cap of US\$ 5.00 .* about US\$ 4.95 are spent"):
        spending.begin(replace(AWAY, spent_usd=4.95))


def test_a_price_that_has_risen_shortens_the_job(spending: Spending, hub: Hub) -> None:
    hub.price = 6.0
    assert spending.begin(AWAY).seconds == (50 - 1) * 60


def test_the_longest_time_of_a_job_holds_too(hub: Hub, said: list[Event]) -> None:
    spending = Spending(replace(PLACE, hours=2.0), hub, said.append)
    begun = spending.begin(AWAY)
    assert begun.seconds == 7200
    hub.seconds = 7000
    assert spending.why_it_ended(begun) == "Stopped at rented before 2 h was used up."


def test_a_job_costs_whole_minutes(spending: Spending, hub: Hub, said: list[Event]) -> None:
    begun = spending.begin(AWAY)
    hub.seconds = 61
    spending.tell(begun)
    assert said[-1] == Spent(0.02, 5.0, 0.6)
    spending.tell(begun)
    assert len(said) == 2, "it is not told at every look"
    ended = spending.ended(begun)
    assert not ended.is_open
    assert ended.spent_usd == pytest.approx(0.02)


@pytest.mark.parametrize("is_away", [True, False])
def test_what_is_not_known_counts_as_all_that_it_could_cost(spending: Spending, hub: Hub, is_away: bool) -> None:
    """A job that vanished, or of which the Hub says nothing, must not make room under the cap."""
    begun = spending.begin(AWAY)
    hub.is_away = is_away
    assert spending.ended(begun).spent_usd == pytest.approx(4.99)


def test_it_says_why_a_job_ended(spending: Spending, hub: Hub) -> None:
    begun = spending.begin(AWAY)
    hub.seconds = begun.seconds - 300
    assert spending.why_it_ended(begun) == "Stopped at rented before the cap of US$ 5.00 was used up."
    hub.seconds = 600
    assert "asked to end there" in spending.why_it_ended(begun)
    trouble = spending.why_it_never_began(begun)
    assert trouble.message == "The job at rented ended before the run could begin. The last it said: no such image"


def test_hours_that_are_too_few_are_no_cap_that_is_reached(hub: Hub, said: list[Event]) -> None:
    """A place with four minutes was said to have reached its cap with US$ 0.00 spent."""
    with pytest.raises(RunError, match=r"may last 4.0 minutes, and a run needs 5 or more") as raised:
        Spending(replace(PLACE, hours=4 / 60), hub, said.append).begin(AWAY)
    assert "cap" not in raised.value.message


def test_a_run_that_comes_back_to_a_place_has_spent_there_what_it_had() -> None:
    """Moved to another place and back, it began with the whole cap again."""
    first = replace(new_away("rented"), attempt=1, spent_usd=4.0)
    second = replace(new_away("other", first), attempt=1, spent_usd=1.5)
    assert second.spent_usd == 1.5
    third = new_away("rented", second)
    assert third.spent_usd == 4.0
    assert new_away("other", third).spent_usd == 1.5
    assert new_away("free", new_away("rented", third)).elsewhere_usd == (("other", 1.5), ("rented", 4.0))
