"""Answers of plain transformers and plain peft, without anything of the studio: what its own answers are held against.

Does not know panes, batches or conversations: it takes and gives ids.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, GenerationConfig

from studio.ml.loading import Placement, base_layers, ensure_sizes, load_base
from studio.models.adapter_files import check_adapter


def load_plainly(folder: Path, placement: Placement) -> Any:
    """Load a model as anybody would. A packed one is packed as the studio packs it: no two packings answer alike."""
    if placement.bits:
        return load_base(folder, placement)
    ensure_sizes(folder)
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=placement.dtype, local_files_only=True)
    return model.to(placement.device).eval()


def add_adapter_plainly(model: Any, folder: Path) -> PeftModel:
    """Put an adapter on a model as peft's documentation has it. Raises ModelError when it does not fit."""
    check_adapter(folder, base_layers(model))
    return PeftModel.from_pretrained(model, str(folder)).eval()


def answer_plainly(
    model: Any, ids: Sequence[int], *, max_new_tokens: int, end_ids: Sequence[int], pad_id: int
) -> list[int]:
    """Continue one prompt greedily with the model's own `generate`; return the new ids, the end among them."""
    prompt = torch.tensor([list(ids)], device=model.device)
    settings = GenerationConfig(
        do_sample=False,
        num_beams=1,
        max_new_tokens=max_new_tokens,
        eos_token_id=list(end_ids) or None,
        pad_token_id=pad_id,
    )
    with torch.inference_mode():
        output = model.generate(input_ids=prompt, attention_mask=torch.ones_like(prompt), generation_config=settings)
    answer: list[int] = output[0, len(ids) :].tolist()
    return answer


def logit_gap(model: Any, ids: Sequence[int], *, one: int, other: int) -> float:
    """Return by how much the model finds the token `one` likelier than `other` after these ids, in logits."""
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([list(ids)], device=model.device)).logits[0, -1].float()
    return float(logits[one] - logits[other])
