"""Blends several adapters of one base into one, with peft.

The blend depends on the adapters alone, so the base is built without its weights: blending the adapters of a large
model takes little more memory than the adapters do.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM

from studio.errors import ModelError
from studio.ml.loading import ensure_sizes, first_line, load_adapter
from studio.models.blend_kinds import BlendKind, weights_for_peft

BLEND = "blend"


def skeleton(folder: Path) -> Any:
    """Return the model in `folder` with its layers and without its weights: each is a zero that is repeated.

    Raises ModelError when the folder does not hold such a model.
    """
    try:
        ensure_sizes(folder)
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        with init_empty_weights():
            model = AutoModelForCausalLM.from_config(config)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ModelError(f"The model in {folder} cannot be read: {first_line(error)}", "Fetch it again.") from error
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            zeros = torch.zeros((), dtype=torch.float32).expand(parameter.shape)
            setattr(module, name, nn.Parameter(zeros, requires_grad=False))
    return model.eval()


def blend(
    model: Any,
    adapters: Sequence[Path],
    weights: Sequence[float],
    kind: BlendKind,
    *,
    rank: int = 0,
    density: float = 1.0,
    seed: int = 0,
) -> PeftModel:
    """Load the adapters onto `model` and blend them; the blend is the active adapter of what is returned.

    Its name is `BLEND`, and its scaling is 1. `rank` is that of the result for the kinds that end in an SVD, 0 for the
    largest of the adapters' own. `density` is the share of values that stays, for the kinds that drop some: the
    largest (TIES: Yadav et al. 2023, arXiv 2306.01708) or some at random (DARE: Yu et al. 2024, arXiv 2311.03099),
    which `seed` decides. The weights mean what `studio.models.blend_kinds` says.

    Raises ModelError for adapters that do not fit the model or one another.
    """
    names = [f"parent-{place}" for place in range(len(adapters))]
    for name, folder in zip(names, adapters, strict=True):
        model = load_adapter(model, folder, name=name)
        _make_ordinary(model, name)
    _check_width(model, kind, names, rank)
    torch.manual_seed(seed)
    low_rank = kind.name == "svd" and not any(layer.lora_embedding_A for _, layer in _layers(model))
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The density")  # 1 is a density too
            model.add_weighted_adapter(
                names,
                weights_for_peft(kind, weights),
                BLEND,
                combination_type="cat" if low_rank else kind.name,
                svd_rank=rank or None,
                svd_full_matrices=False,
                density=density if kind.drops else None,
            )
    except ValueError as error:
        raise ModelError(f"These adapters cannot be merged: {first_line(error)}", "Choose others.") from error
    if low_rank:
        _keep_strongest(model, rank or _largest_rank(model, names))
    model.set_adapter(BLEND, inference_mode=True)
    return model


def save_blend(model: PeftModel, folder: Path) -> None:
    """Write the blend alone, as plain peft reads it."""
    model.save_pretrained(str(folder), selected_adapters=[BLEND])
    for path in sorted((folder / BLEND).iterdir()):  # peft keeps any but "default" in a folder of its name
        path.rename(folder / path.name)
    (folder / BLEND).rmdir()


def _make_ordinary(model: PeftModel, name: str) -> None:
    """Reset what a blend would take from the first adapter's config beside its weights and its scaling.

    The blend would be scaled by alpha / sqrt(rank) for rsLoRA, which is not 1, and be begun as the adapter was: for
    some that changes the base. What the adapter's layers are scaled by is not changed here.
    """
    config: Any = model.peft_config[name]
    config.use_rslora = False
    config.init_lora_weights = True
    config.lora_dropout = 0.0


def _keep_strongest(model: PeftModel, rank: int) -> None:
    """Keep the directions of the largest singular values of a concatenation: the SVD that peft's "svd" takes, without
    computing the product B A.

    With QR, B = Q1 R1 and A^T = Q2 R2, so that B A = Q1 (R1 R2^T) Q2^T, and the SVD is that of a matrix no larger than
    the sum of the ranks (Golub and Van Loan, Matrix Computations, section 5.4.4). For a layer of 1536 x 576 and rank
    32 that is a matrix of 32 x 32.
    """
    for _, layer in _layers(model):
        if BLEND not in layer.lora_A:
            continue
        down, up = layer.lora_A[BLEND].weight.data, layer.lora_B[BLEND].weight.data  # (ranks, in), (out, ranks)
        left, left_rest = torch.linalg.qr(up)
        right, right_rest = torch.linalg.qr(down.T)
        u, sizes, v = torch.linalg.svd(left_rest @ right_rest.T)
        layer.lora_A[BLEND].weight = nn.Parameter((v[:rank] @ right.T).contiguous(), requires_grad=False)
        layer.lora_B[BLEND].weight = nn.Parameter((left @ u[:, :rank] * sizes[:rank]).contiguous(), requires_grad=False)
        layer.r[BLEND] = layer.lora_alpha[BLEND] = rank
    config: Any = model.peft_config[BLEND]
    config.r = config.lora_alpha = rank


def _layers(model: PeftModel) -> list[tuple[str, LoraLayer]]:
    return [(name, module) for name, module in model.named_modules() if isinstance(module, LoraLayer)]


def _largest_rank(model: PeftModel, names: Sequence[str]) -> int:
    configs: list[Any] = [model.peft_config[name] for name in names]
    return max(max(config.r, *config.rank_pattern.values()) if config.rank_pattern else config.r for config in configs)


def _check_width(model: PeftModel, kind: BlendKind, names: Sequence[str], rank: int) -> None:
    """Raises ModelError for a rank of an SVD that is above a layer's narrower side: there are no more directions."""
    if not kind.name.endswith("svd"):
        return
    rank = rank or _largest_rank(model, names)
    for name, layer in _layers(model):
        width = min(int(layer.in_features or rank), int(layer.out_features or rank))
        if width < rank:
            raise ModelError(
                f"Rank {rank} is above the width of the layer {name.removeprefix('base_model.model.')}, which is "
                f"{width}.",
                f"Set the rank of the blend to {width} or less, or choose concatenation.",
            )
