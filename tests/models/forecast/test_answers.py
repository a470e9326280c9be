import pytest

from studio.models.forecast.answers import AnswerClock
from studio.models.machine import Machine, Rates

RATES = Rates("fp32", flops=1e11, bytes_per_second=1e10, seconds_per_call=1e-5)


def machine(*rates: Rates, device: str = "cpu") -> Machine:
    return Machine(device, "a machine", 2**33, False, 1, rates, "now")


def seconds(
    *, parameters: float = 1e8, measured: bool = True, device: str = "cpu", prompt: int = 100, answer: int = 40
) -> float:
    clock = AnswerClock(parameters, 12, "fp32", machine(*([RATES] if measured else []), device=device))
    return clock.row_seconds(prompt_tokens=prompt, answer_tokens=answer)


def test_a_row_takes_longer_the_more_there_is_to_do() -> None:
    first = seconds()
    assert 0 < first < seconds(parameters=1e9)
    assert first < seconds(answer=80)
    assert first < seconds(prompt=400)


def test_products_and_weights_are_counted() -> None:
    # read 240 tokens, written 20: 2 x 1e8 x 260 / 0.72e11; a word: 4e8 / 0.3e10 + 12 x 245 x 1e-5, shared by 32 rows
    assert seconds() == pytest.approx(2 * (0.7222 + 20 * (0.13333 + 0.0294) / 32), rel=1e-3)


def test_a_machine_that_was_not_measured_is_guessed_at() -> None:
    assert seconds(measured=False) == pytest.approx(60 / 64)
    assert seconds(measured=False, parameters=1.35e9) == pytest.approx(600 / 64)
    assert seconds(measured=False, parameters=1.35e9, device="cuda") == pytest.approx(60 / 400)


@pytest.mark.parametrize(("measured", "expected"), [(True, 2 * 2e8 * 1000 / 0.72e11), (False, 4 * 60 / 64)])
def test_the_probes_are_counted_by_the_tokens_that_both_models_read(measured: bool, expected: float) -> None:
    """An evaluation of one row was foreseen to take less than a minute, and took five for its probes."""
    clock = AnswerClock(1e8, 12, "fp32", machine(*([RATES] if measured else [])))
    assert clock.read_seconds(1000) == pytest.approx(expected, rel=1e-3)
