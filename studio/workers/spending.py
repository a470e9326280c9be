"""What a run costs at a place that is paid for by time: asked before each of its jobs, told while it runs, bounded.

The cap holds for all jobs of a run together. The Hub itself ends a job after the time that what is left of it pays for.
"""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import replace

from studio.errors import RunError
from studio.events import Event, Spent
from studio.jobs.places.away import Away
from studio.jobs.places.book import Place
from studio.jobs.places.protocol import Paid
from studio.logs import logged
from studio.wording import brief_duration, dollars

TELL_SECONDS = 60.0
"""So often a run tells what it has cost."""

LEAST_SECONDS = 300
"""A job is not begun for less time: it would save nothing."""

_MINUTE = 60
_NEARLY_ALL = 0.7
"""A job that ends because its time is up has used more of it than this."""

log = logging.getLogger(__name__)


class Spending:
    """The money of one run at one place."""

    def __init__(self, place: Place, engine: Paid, emit: Callable[[Event], object]) -> None:
        self._place = place
        self._engine = engine
        self._emit = emit
        self._next = 0.0
        self._told: Spent | None = None

    def begin(self, away: Away) -> Away:
        """Return a job with who pays for it, its price now, and how long it may last.

        Raises RunError where too little of the cap is left.
        """
        if self._place.hours * 3600 < LEAST_SECONDS:
            raise RunError(
                f"A job at {self._place.name} may last {self._place.hours * 60:.1f} minutes, and a run needs "
                f"{LEAST_SECONDS // _MINUTE} or more.",
                "Forget the place and add it again under the same name with a longer time, then resume the run.",
            )
        (_, price), most = self._engine.rented(), self._place.cap_usd
        # The Hub sells whole minutes, and those of its start too, of which it does not tell: one stays for that.
        paid_for = (math.floor((most - away.spent_usd) / price * 60) - 1) * _MINUTE
        seconds = min(paid_for, int(self._place.hours * 3600))
        if seconds < LEAST_SECONDS:
            raise RunError(
                f"The cap of {dollars(most)} for a run at {self._place.name} is reached: about "
                f"{dollars(away.spent_usd)} are spent, and an hour costs {dollars(price)} there.",
                "Its checkpoints are here. Continue it on this machine, or forget the place, add it again under the "
                "same name with a higher cap, and resume the run.",
            )
        begun = replace(away, price_per_hour=price, seconds=seconds, owner=self._engine.owner())
        self._say(begun, away.spent_usd)
        return begun

    def tell(self, away: Away) -> None:
        """Tell now and then what the run has cost so far. Raises NoAnswer."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + TELL_SECONDS
            self._say(away, _cost(away, self._engine.paid_seconds(away.job) or 0.0))

    def ended(self, away: Away) -> Away:
        """Return a job that has ended with what it cost; all that it could cost where the Hub does not say."""
        spent = away.most_usd
        with logged(log, "What a job cost is not known", RunError, level=logging.WARNING):
            seconds = self._engine.paid_seconds(away.job)
            spent = spent if seconds is None else min(spent, _cost(away, seconds))
        self._say(away, spent)
        return replace(away, is_open=False, spent_usd=spent)

    def why_it_ended(self, away: Away) -> str:
        """Say why a job saved its work and stopped though nobody asked it to."""
        seconds: float | None = None
        with logged(log, "How long a job has run is not known", RunError, level=logging.WARNING):
            seconds = self._engine.paid_seconds(away.job)
        if seconds is not None and seconds < _NEARLY_ALL * away.seconds:
            return f"The job at {self._place.name} was asked to end there, and not from here."
        is_cap = away.seconds < int(self._place.hours * 3600)
        bound = f"the cap of {dollars(self._place.cap_usd)}" if is_cap else brief_duration(away.seconds)
        return f"Stopped at {self._place.name} before {bound} was used up."

    def why_it_never_began(self, away: Away) -> RunError:
        """Return what is said of a job that ended before it could say anything: another one would cost as much."""
        said = self._engine.last_line(away.job)
        return RunError(
            f"The job at {self._place.name} ended before the run could begin."
            + (f" The last it said: {said}" if said else ""),
            f"Look at its log on the Hugging Face Hub. The image {self._place.image} has to start Python as "
            f"'{self._place.python}', and packages that it lacks have to be installable there.",
        )

    def _say(self, away: Away, usd: float) -> None:
        said = Spent(round(usd, 4), self._place.cap_usd, away.price_per_hour)
        if said != self._told:
            self._emit(said)
            self._told = said


def _cost(away: Away, seconds: float) -> float:
    """Return what the jobs of a run have cost, the open one for so many seconds, in whole minutes as the Hub counts."""
    return away.spent_usd + math.ceil(seconds / _MINUTE) * _MINUTE / 3600 * away.price_per_hour
