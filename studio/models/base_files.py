"""Checks that the files of a base model need no more memory than they hold, and no code.

transformers takes the sizes from config.json, and fills whatever the weight files lack with random numbers: a
config.json of two kilobytes could take any amount of memory. Only headers are read.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio import codec
from studio.errors import ModelError
from studio.models.kinds import check_kind, check_tensor_names, nested_items
from studio.models.tensor_files import ensure_inside, indexed_files, read_header

WEIGHT_INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
WHOLE_WEIGHTS = ("model.safetensors", "pytorch_model.bin")

_LONGEST_CONFIG = 4_000_000
_LARGEST_SIZE = 2**24
_MOST_BLOCKS = 10_000
_MOST_BUFFER_BYTES = 2 * 2**30
_SIZE = re.compile(r"^(n|num|d|dim|max)_|_(size|dim|rank|len|length|positions|groups)$|^n(embd|head|layer|inner|ctx)$")
_BLOCKS = re.compile(r"^n_layers?$|^num_.*(layers|blocks)$|^depth$")
_SPARE_PARAMETERS = 4_000_000
"""How many weights may be missing from the files: tables that are computed, or a head that is the word table."""

_KERNELS = ("eager", "sdpa", "flash_attention_2", "flash_attention_3", "flex_attention", "grouped_mm", "batched_mm")

_OTHER = "Choose another model."


@dataclass(frozen=True)
class Stored:
    """What a model's files hold: how many numbers (for pickled files: bytes), and in how many tensors, where known."""

    elements: int
    tensors: int | None
    packed: bool

    @property
    def most_parameters(self) -> int:
        """How many weights a model made of these files can have: eight 4-bit ones in a packed number."""
        return (8 if self.packed else 1) * self.elements + self.elements // 10 + _SPARE_PARAMETERS


def check_base(folder: Path) -> Stored:
    """Check config.json and the weight files of a model. Raises ModelError that says what is wrong."""
    config = read_config(folder)
    if (folder / "adapter_config.json").exists():  # transformers would load what that names instead
        raise ModelError(f"{folder} holds an adapter beside a base model.", "Give each a folder of its own.")
    check_kind(config)
    _check_code(config)
    stored = _stored(folder, packed=_is_packed(config))
    _check_sizes(config, folder, stored)
    return stored


def read_config(folder: Path) -> dict[str, Any]:
    """Read config.json. Raises ModelError when it is missing, too large or no JSON object."""
    path = folder / "config.json"
    try:
        with path.open("rb") as file:
            text = file.read(_LONGEST_CONFIG + 1)
        document = codec.parse(text if len(text) <= _LONGEST_CONFIG else b"")
    except (OSError, codec.Damaged) as error:
        raise ModelError(f"{folder} has no readable config.json.", "Choose a folder that holds a model.") from error
    if not isinstance(document, dict):
        raise ModelError(f"{path} does not describe a model.", "Download the model again.")
    return document


def weight_files(folder: Path) -> list[Path]:
    """List the weight files that transformers would read; none where there are none. Raises ModelError."""
    for name in ("model.safetensors", WEIGHT_INDEXES[0], "pytorch_model.bin", WEIGHT_INDEXES[1]):
        if (folder / name).is_file():
            return indexed_files(folder / name) if name.endswith(".json") else [folder / name]
    return []


def _stored(folder: Path, *, packed: bool) -> Stored:
    files = weight_files(folder)
    if not files:
        raise ModelError(f"{folder} has no weights.", _OTHER)
    for path in files:
        ensure_inside(path, folder)
    if files[0].suffix == ".bin":
        return Stored(sum(path.stat().st_size for path in files), None, packed)
    found = [read_header(path) for path in files]
    if not packed:
        check_tensor_names(name for tensors in found for name in tensors)
    tensors = [tensor for each in found for tensor in each.values()]
    return Stored(sum(tensor.elements for tensor in tensors), len(tensors), packed)


def _check_code(config: Mapping[str, Any]) -> None:
    """Raises ModelError for names of files, and kernels that could bring code along."""
    for key, value in nested_items(config):
        if value is None:
            continue
        named = value.values() if isinstance(value, dict) else (value,)
        if "attn_implementation" in key or "experts_implementation" in key:
            if any(each not in (None, *_KERNELS) for each in named):
                raise ModelError(f"This model's config.json names kernels of its own ({key}).", _OTHER)
        if key in ("transformers_weights", "use_kernels", "custom_generate"):
            raise ModelError(f"This model's config.json sets '{key}', which the studio does not load.", _OTHER)


def _is_packed(config: Mapping[str, Any]) -> bool:
    return any(key == "quantization_config" and value is not None for key, value in nested_items(config))


def ensure_size(name: str, value: float) -> None:
    """Raises ModelError for a size of config.json, by its key, beyond any model's."""
    most = _MOST_BLOCKS if _BLOCKS.search(name) else _LARGEST_SIZE if _SIZE.search(name) else math.inf
    if value > most:
        raise ModelError(f"The model's config.json says {name} is {value:,.10g}, which no model has.", _OTHER)


def _check_sizes(config: Mapping[str, Any], folder: Path, stored: Stored) -> None:
    """Raises ModelError for a size beyond any model's, and for more blocks than the files have tensors."""
    most_blocks = stored.elements if stored.tensors is None else stored.tensors
    for key, value in nested_items(config):
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        ensure_size(key, value)
        if _BLOCKS.search(key) and value > most_blocks:
            raise ModelError(
                f"The model in {folder} does not fit its own files: its config.json says {key} is {value:,.10g}.",
                _OTHER,
            )


def ensure_parameters(folder: Path, stored: Stored, *, parameters: int, buffer_bytes: int) -> None:
    """Raises ModelError when a model as config.json describes it has more weights than the files can hold, or takes
    gigabytes for what it computes at its start (the masks of old families grow with the square of the context).
    """
    if parameters > stored.most_parameters or buffer_bytes > _MOST_BUFFER_BYTES:
        raise ModelError(
            f"The model in {folder} does not fit its own files: its config.json describes {parameters:,} weights, and "
            f"the files hold {stored.elements:,} {'numbers' if stored.tensors is not None else 'bytes'}.",
            "Download the model again, or choose another one.",
        )
