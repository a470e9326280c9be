"""Sequences end to end in one row, without padding: the model is told to keep its attention inside each of them.

transformers lets a model's attention be a function of one's own (`AttentionInterface`). Whether a model can be run so
at all is not read from its code but tried out on it: recurrent layers, ALiBi and the like would let one sequence see
another.
"""

import threading
from typing import Any

import torch
from torch import nn
from transformers import AttentionInterface

from studio.errors import is_out_of_memory
from studio.ml.speed.attention import (
    Attend,
    Shape,
    blocked_attention,
    efficient_attention,
    expanded_varlen_attention,
    is_right,
    separate_attention,
    varlen_attention,
)

_NAME = "studio_packed"
_PROBE_LENGTHS = (7, 5, 9)


class Sequences(threading.local):
    """Which sequences lie in the row that this thread computes, for the attention of every layer to look up."""

    def __init__(self, attend: Attend) -> None:
        self.attend = attend
        self.lengths: tuple[int, ...] = ()


class Unsuitable(ValueError):
    """A model's attention is of a kind that is not known here."""


class Packing:
    """A model whose attention stays inside each sequence. `undo` gives it its own attention back."""

    def __init__(self, model: Any, attend: Attend) -> None:
        self._model = model
        self._before = model.config._attn_implementation
        self._sequences = Sequences(attend)
        AttentionInterface.register(_NAME, _attention)
        self.apply()

    def apply(self) -> None:
        """Give the model this attention."""
        for module in self._model.modules():
            module.studio_sequences = self._sequences
        self._model.set_attn_implementation(_NAME)

    def undo(self) -> None:
        """Give the model its own attention back."""
        self._model.set_attn_implementation(self._before)
        for module in self._model.modules():
            module.__dict__.pop("studio_sequences", None)

    def announce(self, lengths: tuple[int, ...]) -> None:
        """Say which sequences the next pass, and its way back, are over."""
        self._sequences.lengths = lengths


def choose_attention(device: str, dtype: torch.dtype, *, size: int, fast: bool) -> Attend:
    """Pick the attention for a device and a size of a head: the first kernel that is right on a GPU, blocks on a
    processor.
    """
    if not fast or device == "mps":
        return separate_attention
    if device == "cpu":
        return blocked_attention
    for attend in (varlen_attention, expanded_varlen_attention, efficient_attention):
        takes_dtype = dtype != torch.float32 or attend is efficient_attention
        if takes_dtype and is_right(attend, device, dtype, size):
            return attend
    return separate_attention


def head_size(model: Any) -> int:
    """Return the size of a model's attention heads, as its config gives it."""
    config = model.config.get_text_config()
    size = getattr(config, "head_dim", None)
    return int(size or getattr(config, "hidden_size", 64) // getattr(config, "num_attention_heads", 1))


def why_not_packed(model: Any, attend: Attend) -> str:
    """Try out whether a model keeps sequences apart and computes each as it does alone; say why not, "" if it does.

    Three short sequences are run end to end and one by one, and again with another first sequence: that must leave the
    others' logits as they are. In 16 bits that means to the last bit. In fp32 they may differ by rounding, since the
    experts of a mixture multiply as many rows as tokens were sent to them, and some processors round by that number;
    one sequence that sees another moves them a thousand times as far. A base in 8 bits computes columns apart that are
    large anywhere in the row (LLM.int8, arXiv 2208.07339), which moves all by its own rounding. The model keeps its own
    attention. Raises what is raised when there is no memory left.
    """
    if not model._can_set_attn_implementation():
        return "the model's attention cannot be replaced"
    device = next(model.parameters()).device
    words = model.get_input_embeddings().weight.shape[0]
    rng = torch.Generator().manual_seed(0)
    rows = [torch.randint(words, (1, length), generator=rng).to(device) for length in _PROBE_LENGTHS]
    other = torch.randint(words, (1, _PROBE_LENGTHS[0]), generator=rng).to(device)
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            alone = torch.cat([model(input_ids=row, use_cache=False).logits[0] for row in rows]).float()
            packing = Packing(model, attend)
            try:
                first = _packed_logits(model, packing, rows)
                second = _packed_logits(model, packing, [other, *rows[1:]])
            finally:
                packing.undo()
    except (ValueError, TypeError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise
        return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0][:200]}"
    finally:
        model.train(was_training)
    in_full = first.dtype == torch.float32
    others, unchanged = first[_PROBE_LENGTHS[0] :], second[_PROBE_LENGTHS[0] :]
    by_rounding = 1e-2 if in_8_bits(model) else 1e-5 if in_full else 0.0
    if not _differ_by_at_most(by_rounding, unchanged, others):
        return "one sequence would see another"
    # bf16 keeps 8 bits, every layer rounds
    if not _differ_by_at_most(1e-3 if in_full and not in_8_bits(model) else 0.1, first, alone):
        return "sequences that lie end to end are computed otherwise than alone"
    return ""


def in_8_bits(model: nn.Module) -> bool:
    """Tell whether a model has layers packed in 8 bits."""
    return any(type(module).__name__ == "Linear8bitLt" for module in model.modules())


def _differ_by_at_most(tolerance: float, found: torch.Tensor, expected: torch.Tensor) -> bool:
    return bool((found.float() - expected.float()).norm() <= tolerance * expected.float().norm())


def _packed_logits(model: Any, packing: Packing, rows: list[torch.Tensor]) -> torch.Tensor:
    positions = torch.cat([torch.arange(row.shape[1], device=row.device) for row in rows])[None]
    packing.announce(tuple(row.shape[1] for row in rows))
    logits: torch.Tensor = model(input_ids=torch.cat(rows, dim=1), position_ids=positions, use_cache=False).logits
    return logits[0]


def _attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """Attend as transformers asks: query (1, heads, tokens, size) to (1, tokens, heads, size).

    Raises Unsuitable for what the attention here does not know, such as attention sinks or a bias by position.
    """
    unknown = [name for name in ("s_aux", "position_bias", "head_mask", "cache") if others.get(name) is not None]
    if unknown or query.shape[0] != 1 or not getattr(module, "is_causal", True):
        raise Unsuitable(f"attention with {', '.join(unknown) or 'several rows or without order'}")
    sequences: Sequences = module.studio_sequences  # type: ignore[assignment]
    shape = Shape(query.shape[-1] ** -0.5 if scaling is None else scaling, sliding_window, softcap, dropout)
    if softcap is not None and dropout:
        raise Unsuitable("attention with a softcap and dropout")
    if query.is_cuda and torch.is_autocast_enabled("cuda"):  # the angles of positions made fp32 of queries and keys
        query, key, value = (each.to(torch.get_autocast_dtype("cuda")) for each in (query, key, value))
    attend = separate_attention if dropout else blocked_attention if softcap is not None else sequences.attend
    return attend(query[0], key[0], value[0], lengths=sequences.lengths, shape=shape)[None], None
