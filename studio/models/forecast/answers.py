"""How long it takes to ask two models the rows and the probes of an evaluation, at measured rates."""

from dataclasses import dataclass

from studio.models.forecast.duration import PRODUCT_SHARE, READ_SHARE, WORD_CALLS
from studio.models.forecast.plan import ITEM_BYTES
from studio.models.machine import Machine

MOST_SECONDS = 300.0
"""All rows are asked where they take no longer than this; else as many as do, unless a person asks for more."""

FEWEST_ROWS = 16

_TOGETHER = 32
"""So many rows are answered at once, more or less: the weights are read once for a word of all of them."""

_USED = 0.5
"""The share of the tokens that an answer may have which it has, more or less."""

_STARTER_PARAMETERS = 135e6
_ROW_SECONDS = {"cpu": 60 / 64, "cuda": 60 / 400, "mps": 60 / 100}
"""What a row takes both models where nothing was measured: for the starter on a processor, for any model on a GPU."""

_ROW_TOKENS = 250
"""So many tokens are read, more or less, in the time that a row takes."""


@dataclass(frozen=True)
class AnswerClock:
    """What decides on the time of a row: the size of the model and the machine. `precision` is "fp32" or "bf16"."""

    parameters: float
    layers: int
    precision: str
    machine: Machine

    def row_seconds(self, *, prompt_tokens: int, answer_tokens: int) -> float:
        """Estimate the seconds that a row takes both models, with an answer of so many tokens at most."""
        rates = self.machine.rates_in(self.precision)
        if rates is None:
            return self._unmeasured_row_seconds()
        written = _USED * answer_tokens
        read = 2 * prompt_tokens + answer_tokens  # once for the loss of the right answer, once to answer
        products = 2 * self.parameters * (read + written) / (rates.flops * PRODUCT_SHARE[self.machine.device])
        weights = self.parameters * ITEM_BYTES[self.precision] / (rates.bytes_per_second * READ_SHARE)
        word = weights + self.layers * WORD_CALLS * rates.seconds_per_call
        return 2 * (products + written * word / _TOGETHER)

    def read_seconds(self, tokens: int) -> float:
        """Estimate the seconds that both models take to read so many tokens, as they do for the probes."""
        rates = self.machine.rates_in(self.precision)
        if rates is None:
            return self._unmeasured_row_seconds() * tokens / _ROW_TOKENS
        return 2 * 2 * self.parameters * tokens / (rates.flops * PRODUCT_SHARE[self.machine.device])

    def _unmeasured_row_seconds(self) -> float:
        size = self.parameters / _STARTER_PARAMETERS if self.machine.device == "cpu" else 1.0
        return _ROW_SECONDS.get(self.machine.device, _ROW_SECONDS["cpu"]) * max(1.0, size)
