"""How fast this machine multiplies matrices at best, and how many multiplications a training needs at least.

PYTHONPATH=benchmarks PYTHON -m training.machine
"""

import json
import math
import re
import struct
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

SQUARES = (1024, 1536, 2048)
TRIES = 8


@dataclass(frozen=True)
class Peak:
    """The best rate of torch's matrix product that was seen, in GFLOP/s."""

    fp32: float
    bf16: float


@dataclass(frozen=True)
class Weights:
    """How many weights the linear layers of the blocks have together, and how many the output head has."""

    linear: int
    head: int


def least_operations(weights: Weights, *, tokens: int, learned: int) -> float:
    """Return the floating-point operations that one epoch of LoRA cannot do without.

    Two for each weight and token forward and two for the gradient of the input; frozen weights need no gradient of
    their own. The head counts at the learned tokens alone; the adapter, attention and all small things are left out.
    """
    return 4.0 * (weights.linear * tokens + weights.head * learned)


def count_weights(model: Path) -> Weights:
    """Count the weights of a model from the headers of its safetensors files."""
    shapes: dict[str, list[int]] = {}
    for file in model.glob("*.safetensors"):
        with file.open("rb") as opened:
            header = json.loads(opened.read(struct.unpack("<Q", opened.read(8))[0]))
        shapes |= {name: value["shape"] for name, value in header.items() if name != "__metadata__"}
    matrices = {name: math.prod(shape) for name, shape in shapes.items() if len(shape) == 2}
    inside = sum(size for name, size in matrices.items() if re.search(r"\.\d+\.", name))
    outside = {name: size for name, size in matrices.items() if not re.search(r"\.\d+\.", name)}
    heads = [size for name, size in outside.items() if "lm_head" in name] or list(outside.values())
    if not inside or not heads:
        raise SystemExit(f"{model} has no safetensors files with the weights of a language model.")
    return Weights(linear=inside, head=max(heads))


def measure_peak() -> Peak:
    """Multiply squares of several sizes and keep the best rate of each format."""
    import torch

    def best(dtype: torch.dtype) -> float:
        rates = []
        for size in SQUARES:
            left, right = (torch.randn(size, size, dtype=dtype) for _ in range(2))
            for _ in range(TRIES):
                began = time.perf_counter()
                torch.mm(left, right)
                rates.append(2 * size**3 / (time.perf_counter() - began) / 1e9)
        return max(rates)

    return Peak(fp32=best(torch.float32), bf16=best(torch.bfloat16))


def main() -> int:
    """Print the peak as JSON."""
    sys.stdout.write(json.dumps(asdict(measure_peak())) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
