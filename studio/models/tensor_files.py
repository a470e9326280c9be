"""Reads the headers of safetensors files, and checks them against the file before anything is loaded.

A safetensors file begins with the length of its header (8 bytes, little-endian) and the header itself: JSON with the
name, type, shape and place of each tensor. No weight is read, so this takes milliseconds whatever the size.
"""

import math
import re
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio import codec
from studio.errors import ModelError

LONGEST_HEADER = 25 * 1024 * 1024
"""In bytes: room for 200,000 tensors. The library allows four times as much, which takes a gigabyte to read."""

_METADATA = "__metadata__"
_MOST_SIDES = 16
_OF_BITS = {
    64: "F64 I64 U64 C64",
    32: "F32 I32 U32",
    16: "F16 BF16 I16 U16",
    8: "BOOL I8 U8 F8_E5M2 F8_E4M3 F8_E8M0 F8_E5M2FNUZ F8_E4M3FNUZ",
    6: "F6_E2M3 F6_E3M2",
    4: "F4",
}
_BITS = {name: bits for bits, names in _OF_BITS.items() for name in names.split()}
"""The types of the safetensors format, and the bits of one number in each."""


@dataclass(frozen=True)
class Tensor:
    """One tensor of a file. `dtype` is as safetensors writes it: "F32", "BF16" and so on."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def elements(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)


class _Invalid(ValueError):
    """What is wrong with a header."""


def read_header(path: Path) -> dict[str, Tensor]:
    """Read which tensors a safetensors file holds.

    Raises ModelError, with the fault, unless the header is one and the tensors fill the file without gap or overlap.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else size
            if length > min(size - 8, LONGEST_HEADER):
                raise _Invalid("its header is said to be longer than the file")
            document = codec.parse(file.read(length))
        if not isinstance(document, dict):
            raise _Invalid("its header lists no tensors")
        entries = {name: entry for name, entry in document.items() if name != _METADATA}
        _check_spans((_span(name, entry) for name, entry in entries.items()), size - 8 - length)
        return {name: Tensor(entry["dtype"], tuple(entry["shape"])) for name, entry in entries.items()}
    except _Invalid as error:
        raise _damaged(path, str(error)) from error
    except codec.Damaged as error:
        raise _damaged(path, "its header is no JSON") from error
    except OSError as error:
        raise _damaged(path, error.strerror or "it cannot be read") from error


def indexed_files(index: Path) -> list[Path]:
    """List the weight files that an index names. Raises ModelError for a damaged one, and for names of other places."""
    try:
        document = codec.parse(index.read_bytes())
    except (OSError, codec.Damaged) as error:
        raise ModelError(f"The model files are damaged: {index} cannot be read.", "Download it again.") from error
    placed = document.get("weight_map") if isinstance(document, dict) else None
    if not isinstance(placed, dict) or not all(isinstance(name, str) for name in placed.values()):
        raise ModelError(f"The model files are damaged: {index} names no files.", "Download the model again.")
    names = sorted(set(placed.values()))
    for name in names:
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\.(safetensors|bin)", name):
            raise ModelError(
                f"{index} names '{name[:80]}', which is no weight file of this model.",
                "Weights must lie beside their index. Choose another model.",
            )
    return [index.parent / name for name in names]


def ensure_inside(path: Path, folder: Path) -> None:
    """Raises ModelError for a file that is a link out of its model's folder.

    In the cache of the Hub a model's files are links to the cache's own store beside it, which is as good as inside.
    """
    allowed = [folder.resolve()]
    if folder.resolve().parent.name == "snapshots":
        allowed.append(folder.resolve().parent.parent / "blobs")
    if not any(path.resolve().is_relative_to(place) for place in allowed):
        raise ModelError(
            f"{path} is a link to a file outside of the model's folder.", "Copy the file itself into the folder."
        )


def _span(name: str, entry: Any) -> tuple[int, int]:
    """Return where a tensor begins and ends, once its type and shape agree with that."""
    shown = name[:80]
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise _Invalid(f"'{shown}' is not described as a tensor")
    bits = _BITS.get(entry["dtype"]) if isinstance(entry["dtype"], str) else None
    if bits is None:
        raise _Invalid(f"the type of '{shown}' is unknown")
    if not _are_counts(entry["shape"]) or len(entry["shape"]) > _MOST_SIDES:
        raise _Invalid(f"the shape of '{shown}' is none")
    if not _are_counts(entry["data_offsets"]) or len(entry["data_offsets"]) != 2:
        raise _Invalid(f"the place of '{shown}' is none")
    start, end = entry["data_offsets"]
    if (end - start) * 8 != math.prod(entry["shape"]) * bits:
        raise _Invalid(f"'{shown}' does not have the size of its shape")
    return start, end


def _are_counts(values: object) -> bool:
    """Tell whether these are counts that a file can hold, so that no product of them takes long."""
    return isinstance(values, list) and all(type(value) is int and 0 <= value < 2**63 for value in values)


def _check_spans(spans: Iterable[tuple[int, int]], size: int) -> None:
    reached = 0
    for start, end in sorted(spans):
        if start != reached:
            raise _Invalid("its tensors overlap, or leave gaps")
        reached = end
    if reached != size:
        raise _Invalid("it is not as long as its tensors")


def shapes_of(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """Return the shapes alone."""
    return {name: tensor.shape for name, tensor in tensors.items()}


def _damaged(path: Path, fault: str) -> ModelError:
    return ModelError(f"The file {path} is damaged: {fault}.", "Download it again, or choose another one.")
