"""Answers that ended because they reached the length limit: how many, and what that means."""

from dataclasses import dataclass

_NEARLY_ALL = 0.9


def nearly_all(count: int, whole: int) -> bool:
    """Say whether a count is so large a part that what holds for it must be said of the whole."""
    return 0 < count >= _NEARLY_ALL * whole


@dataclass(frozen=True)
class AtLimit:
    """How many of the answers to `rows` rows ended at the limit, for the base and the tuned model.

    `too_long` is how many of the expected answers are not shorter than the limit themselves.
    """

    rows: int
    base: int
    tuned: int
    too_long: int = 0

    @property
    def is_tuned(self) -> bool:
        """Whether nearly all answers of the tuned model are concerned."""
        return nearly_all(self.tuned, self.rows)

    @property
    def is_notable(self) -> bool:
        """Whether nearly all answers of one of the models are concerned, so that the headline must say so."""
        return self.is_tuned or nearly_all(self.base, self.rows)

    @property
    def sentence(self) -> str:
        """How many of each model, what that means, and what to do; empty where it is none."""
        if not (self.base or self.tuned):
            return ""
        counts = f"{self.base:,} of {self.rows:,} answers of the base and {self.tuned:,} of the tuned model"
        return f"{counts} ended at the length limit. {self._meaning}"

    @property
    def _meaning(self) -> str:
        if 2 * self.too_long > self.rows:
            return (
                "Most expected answers are longer than the limit themselves: raise it, with “Longest answer” under "
                "“Evaluate again” or with --longest."
            )
        if self.is_tuned:
            return (
                "The tuned model has not learned where to stop: train longer or on more examples, or choose a base "
                "model whose chat template ends an answer. Where its answers should be longer than the expected ones, "
                "raise the limit (“Longest answer”, --longest)."
            )
        if self.is_notable:
            return "The base does not stop by itself, so its written answers score lower than what it knows."
        return "These are scored as far as they go."
