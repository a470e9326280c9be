"""How the time of a run was spent, told from its workers' events: waiting, fetching the model, working, checking.

The time between two workers belongs to none of them. Older runs wrote the same events, so it is known of them too.
"""

from dataclasses import dataclass, replace

from studio.events import Checking, Evaluated, Event, Loading, Sampled, Started


@dataclass(frozen=True)
class TimeSpent:
    """Seconds by what was done, summed over all workers of a run.

    `training` is all work but the checks: starting, the steps, saving. `checking` is scoring the held-out examples and
    asking for the sample answers between the steps. `waiting` is for other work on the same machine, `fetching` for
    the download of the base model.
    """

    training: float = 0.0
    checking: float = 0.0
    waiting: float = 0.0
    fetching: float = 0.0
    has_begun: bool = False
    _heard_at: float = 0.0
    _pauses_for: str = ""
    """"waiting", "fetching" or "evaluating" where the last event says that no training is done until the next one."""

    @property
    def working(self) -> float:
        """The seconds that the run itself took."""
        return self.training + self.checking

    def after(self, event: Event | None, time: float) -> "TimeSpent":
        """Return the same after an event at a time, in seconds since the epoch; None stands for steps."""
        passed = max(0.0, time - self._heard_at)
        if isinstance(event, Started):  # whatever passed since the last worker was nobody's work
            passed = 0.0
        spent = self._adding(passed, self._pauses_for or ("checking" if _is_check(event) else "training"))
        return replace(spent, has_begun=True, _heard_at=time, _pauses_for=_pause(event))

    def _adding(self, seconds: float, what: str) -> "TimeSpent":
        match what:
            case "evaluating":  # that is not the run's own time, wherever it is done
                return self
            case "waiting":
                return replace(self, waiting=self.waiting + seconds)
            case "fetching":
                return replace(self, fetching=self.fetching + seconds)
            case "checking":
                return replace(self, checking=self.checking + seconds)
        return replace(self, training=self.training + seconds)


def _is_check(event: Event | None) -> bool:
    return isinstance(event, Checking | Evaluated | Sampled)


def _pause(event: Event | None) -> str:
    if not isinstance(event, Loading):
        return ""
    if event.is_evaluating:
        return "evaluating"
    return "waiting" if event.is_waiting else "fetching" if event.is_fetching else ""
