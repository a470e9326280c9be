"""How large the GGUF of a model becomes in each quantisation, and what making it takes, from its config.json alone."""

import logging
from dataclasses import dataclass
from pathlib import Path

from studio.errors import ModelError
from studio.models.architecture import Architecture, architecture_in

log = logging.getLogger(__name__)

BLOCK = 256
"""The K-quants pack so many weights of a row at once; a matrix of another width falls back to another format."""

_BITS = {"f16": (16.0, 16.0), "q8_0": (8.5, 8.5), "q5_k_m": (5.7, 6.0), "q4_k_m": (4.85, 5.6)}
"""Bits of a weight in a matrix whose width is a multiple of `BLOCK`, and in one that falls back (llama.cpp's own)."""

_WORD_BITS = {"f16": (16.0, 16.0), "q8_0": (8.5, 8.5), "q5_k_m": (6.56, 8.5), "q4_k_m": (6.56, 8.5)}
"""The same of the word table and the output head, which are kept finer."""

_WORDS_BYTES = 48
"""What a word of the vocabulary takes in the file beside its weights: its text, its kind, the pairs that make it."""

_LIBRARIES = 0.75 * 2**30
_SHARE = 1.5
_COPIES = 8
"""Of the largest matrix in fp32, as many as packing it into a K-quant holds at once."""

SMALL = 1_500_000_000
"""A model of fewer weights loses the most by coarse ones."""


@dataclass(frozen=True)
class GgufSize:
    """What one quantisation of a model takes: the file, the disk and the memory while it is made, in bytes.

    `fell_back` of `matrices` have a width that is no multiple of `BLOCK`, where the quantisation asks for that.
    """

    file_bytes: int
    disk_bytes: int
    memory_bytes: int
    fell_back: int
    matrices: int


@dataclass(frozen=True)
class Recommended:
    """A quantisation, and the reason in a sentence."""

    quantisation: str
    reason: str


def gguf_size(folder: Path, quantisation: str) -> GgufSize | None:
    """Estimate what a GGUF of the model in `folder` takes; None where its config.json does not tell."""
    architecture = known_architecture(folder)
    return None if architecture is None else size_of(architecture, quantisation)


def size_of(architecture: Architecture, quantisation: str) -> GgufSize:
    """Estimate what a GGUF of a model takes."""
    bits, word_bits = _BITS[quantisation], _WORD_BITS[quantisation]
    layers = architecture.layout.layers
    in_layers = [(layer.inputs * layer.outputs, layer.inputs % BLOCK != 0) for layer in layers]
    heads = [each for each in (architecture.embedding_parameters, architecture.head_parameters) if each]
    odd = architecture.hidden % BLOCK != 0
    packed = sum(count * bits[falls] for count, falls in in_layers) + sum(heads) * word_bits[odd]
    rest = architecture.parameters - sum(count for count, _ in in_layers) - sum(heads)
    file = int(packed / 8 + max(rest, 0) * 4 + architecture.vocabulary * _WORDS_BYTES)
    model = architecture.parameters * (4 if architecture.stored == "fp32" else 2)
    is_k = "_k" in quantisation
    largest = max([count for count, _ in in_layers] + heads, default=0) * 4
    return GgufSize(
        file_bytes=file,
        disk_bytes=model + file,
        memory_bytes=int(_LIBRARIES + _SHARE * model + (_COPIES * largest if is_k else 0)),
        fell_back=sum(falls for _, falls in in_layers) + (len(heads) if odd else 0) if is_k else 0,
        matrices=len(in_layers) + len(heads),
    )


def recommended(architecture: Architecture | None) -> Recommended:
    """Recommend a quantisation for a model, also for one of which nothing is known."""
    if architecture is None:
        return Recommended("q8_0", "It changes the answers the least for half the size of F16.")
    size = size_of(architecture, "q4_k_m")
    if size.fell_back > size.matrices / 2:
        return Recommended(
            "q8_0",
            f"The smaller kinds save little here: {size.fell_back} of {size.matrices} parts of this model do not fit "
            f"them (its width, {architecture.hidden:,}, is no multiple of {BLOCK}).",
        )
    if architecture.parameters < SMALL:
        return Recommended("q8_0", "A model as small as this one loses the most by coarser weights.")
    return Recommended("q4_k_m", "For a model of this size it is the usual balance of size and quality.")


def known_architecture(folder: Path) -> Architecture | None:
    """Read the architecture of a model that is here; None where its config.json does not tell."""
    try:
        return architecture_in(folder)
    except ModelError:
        log.debug("The sizes of a GGUF cannot be told", exc_info=True)
        return None
