"""How long it takes to ask two models the rows and the probes of an evaluation, at measured rates."""

from dataclasses import dataclass

from studio.models.forecast.duration import PRODUCT_SHARE, READ_SHARE, WORD_CALLS, fixed_seconds
from studio.models.forecast.plan import ITEM_BYTES, Plan, Workload
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


MOST_ANSWER_TOKENS = 256
ROOM_TOKENS = 16
"""An answer may have twice the tokens of the expected one and so many more, up to a bound: a longer one is wrong."""

PROBE_TOKENS = 28_000
"""What the questions of general knowledge and the texts of general language have in tokens, more or less."""


def answer_limit(expected_tokens: int) -> int:
    """Return how many tokens an answer may have where so many are expected."""
    return min(2 * expected_tokens + ROOM_TOKENS, MOST_ANSWER_TOKENS)


def evaluation_seconds(plan: Plan, machine: Machine, workload: Workload) -> float:
    """Estimate the seconds of the evaluation at the end of a run, with its start; 0 where no row is held out."""
    rows = workload.held_out_examples
    if not rows:
        return 0.0
    architecture = plan.architecture
    clock = AnswerClock(float(architecture.parameters), architecture.layers, plan.precision, machine)
    mean = workload.held_out_tokens / rows
    expected = round(mean * workload.learned_share)
    row = clock.row_seconds(prompt_tokens=round(mean) - expected, answer_tokens=answer_limit(expected))
    asked = min(rows * row, max(MOST_SECONDS, FEWEST_ROWS * row))
    return fixed_seconds(plan, machine=machine) + asked + clock.read_seconds(PROBE_TOKENS)


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
