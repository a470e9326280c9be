import pytest

from studio import codec
from studio.models.machine import Machine, Rates

RATES = Rates("fp32", 4e11, 1e10, 1e-5, by_width=((100, 1e11), (1000, 4e11)))
MACHINE = Machine(
    device="cpu",
    name="a processor",
    memory_bytes=8 * 2**30,
    bf16=False,
    devices=1,
    rates=(RATES,),
    versions="a processor; torch 2",
)


def test_a_rate_between_two_that_were_measured() -> None:
    assert RATES.flops_at(100) == pytest.approx(1e11)
    assert RATES.flops_at(1000) == pytest.approx(4e11)
    assert RATES.flops_at(316.2278) == pytest.approx(2e11)
    assert RATES.flops_at(10) == pytest.approx(1e11)
    assert RATES.flops_at(10_000) == pytest.approx(4e11)
    assert Rates("fp32", 3e11, 1e10, 1e-5).flops_at(512) == 3e11


def test_precision_is_what_was_asked_for_or_what_the_machine_does_well() -> None:
    assert MACHINE.precision_of("auto") == "fp32"
    assert MACHINE.precision_of("bf16") == "bf16"
    assert Machine(**(vars(MACHINE) | {"bf16": True})).precision_of("auto") == "bf16"
    assert MACHINE.rates_in("fp32") is RATES
    assert MACHINE.rates_in("bf16") is None


def test_a_machine_survives_the_disk() -> None:
    assert codec.loads(Machine, codec.dumps(MACHINE)) == MACHINE
