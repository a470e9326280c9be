from pathlib import Path

import pytest

from studio.errors import ModelError
from studio.ml.loading import Placement
from studio.workers.memory_check import ensure_room, needed_bytes

FP32 = Placement(device="cpu", precision="fp32")
WEIGHTS = 2 * 258 * 64 + 2 * (2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 128 + 2 * 64) + 64
"""Of the tiny model: word table and head, two layers, and the last norm."""


@pytest.mark.parametrize(
    ("placement", "each"), [(FP32, 4), (Placement("cpu", "bf16"), 2), (Placement("cpu", "fp32", bits=4), 0.5)]
)
def test_a_model_takes_its_weights_as_they_will_lie_there_and_a_tenth(
    tiny_model: Path, placement: Placement, each: float
) -> None:
    assert needed_bytes(tiny_model, placement) == int(1.1 * each * WEIGHTS)


def test_a_model_that_finds_no_room_is_a_sentence_with_both_figures(tiny_model: Path) -> None:
    needed = needed_bytes(tiny_model, FP32)
    ensure_room(tiny_model, FP32, free=needed)
    with pytest.raises(ModelError, match=r"about 471\.1 kB, and 100\.0 kB are free"):
        ensure_room(tiny_model, FP32, free=100_000)


def test_a_damaged_file_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"\xff" * 40)
    with pytest.raises(ModelError, match="damaged"):
        needed_bytes(tmp_path, FP32)
