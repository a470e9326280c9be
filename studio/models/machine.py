"""What a forecast knows of the machine that runs train on: its memory, how fast a calibration found it, and what runs
took on it.
"""

import itertools
import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Rates:
    """What a calibration measured in one precision: "fp32", "bf16" or "fp16"."""

    precision: str
    flops: float
    """Dense products of the sizes that training uses, in floating-point operations per second."""
    bytes_per_second: float
    """Passes over a tensor that do little with each number, in bytes read and written per second."""
    seconds_per_call: float
    """What it takes to start one small operation, with its gradient, in seconds."""
    by_width: tuple[tuple[int, float], ...] = ()
    """Products with square matrices of several widths, narrow first: (width, operations per second)."""
    unpacked_per_second: float = 0.0
    """How many 4-bit weights are unpacked in a second; 0 where that was not measured."""

    def flops_at(self, width: float) -> float:
        """Return the rate of products with a matrix of a width (of a matrix that is not square: the geometric mean of
        its sides), on a straight line of logarithms between what was measured.
        """
        if not self.by_width:
            return self.flops
        for (low, low_rate), (high, high_rate) in itertools.pairwise(self.by_width):
            if width < high:
                share = max(0.0, math.log(width / low) / math.log(high / low))
                return float(low_rate * (high_rate / low_rate) ** share)
        return self.by_width[-1][1]


@dataclass(frozen=True)
class Timing:
    """What a run was estimated to take, and took, in seconds; 0 for a part that it did not have.

    The start is all before the first step and after the last. What was estimated considers what the machine was busy
    with, and is corrected by nothing. What a person stopped counts for the steps that it did.
    """

    model: str
    method: str
    device: str
    start_estimated: float = 0.0
    start_seconds: float = 0.0
    loop_estimated: float = 0.0
    loop_seconds: float = 0.0
    evaluation_estimated: float = 0.0
    evaluation_seconds: float = 0.0


@dataclass(frozen=True)
class Machine:
    """A machine as a run finds it. `versions` is the key under which a calibration is kept."""

    device: str
    """"cpu", "cuda" or "mps"."""
    name: str
    """The processor's or the GPU's own name."""
    memory_bytes: int
    """What a run may use: the GPU's memory, or the RAM that is free now, within the limit of the container."""
    bf16: bool
    """Whether it has instructions for bf16 and, as far as it was measured, they are faster than those for fp32."""
    devices: int
    """How many GPUs it has; 1 for a machine without."""
    rates: tuple[Rates, ...]
    versions: str
    start_seconds: float = 0.0
    """From the start of a process until PyTorch, transformers and peft are ready."""
    fp16: bool = False
    """Whether fp16 is the one format that it multiplies fast: a GPU with tensor cores and without bf16."""
    trouble: str = ""
    """Why a graphics card that is there is not used; empty where it is, or where there is none."""
    timings: tuple[Timing, ...] = ()
    """What runs took here beside what was estimated of them, the newest last."""
    load: float = 0.0
    """The share of the processor that other programs have now, from 0 to 1; 0 where a GPU computes."""

    def rates_in(self, precision: str) -> Rates | None:
        """Return what was measured in a precision; None where nothing was."""
        return next((rates for rates in self.rates if rates.precision == precision), None)

    def precision_of(self, asked: str) -> str:
        """Settle what "auto" means here: bf16 where there are instructions for it, fp16 where that alone is fast."""
        return asked if asked != "auto" else "bf16" if self.bf16 else "fp16" if self.fp16 else "fp32"
