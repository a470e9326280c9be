"""Several adapters of one base blended into one, by peft's own means.

What is blended depends on the adapters alone, so the base is set up without its weights: a blend of a large model's
adapters takes hardly more memory than they do. Does not know runs: it takes folders.
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
from studio.ml.loading import first_line, load_adapter
from studio.models.blend_kinds import BlendKind, weights_for_peft

BLEND = "blend"


def skeleton(folder: Path) -> Any:
    """Return the model in `folder` with its layers and without its weights: each is a zero that is repeated.

    Raises ModelError when the folder does not hold such a model.
    """
    try:
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
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The density")  # 1 is a density too
            model.add_weighted_adapter(
                names,
                weights_for_peft(kind, weights),
                BLEND,
                combination_type=kind.name,
                svd_rank=rank or None,
                svd_full_matrices=False,
                density=density if kind.drops else None,
            )
    except ValueError as error:
        raise ModelError(f"These adapters cannot be blended: {first_line(error)}", "Choose others.") from error
    model.set_adapter(BLEND, inference_mode=True)
    return model


def save_blend(model: PeftModel, folder: Path) -> None:
    """Write the blend alone, as plain peft reads it."""
    model.save_pretrained(str(folder), selected_adapters=[BLEND])
    for path in sorted((folder / BLEND).iterdir()):  # peft keeps any but "default" in a folder of its name
        path.rename(folder / path.name)
    (folder / BLEND).rmdir()


def _make_ordinary(model: PeftModel, name: str) -> None:
    """Let nothing of an adapter but its weights and its scaling matter to a blend, which takes the first one's config.

    The blend would be scaled by alpha / sqrt(rank) for rsLoRA, which is not 1, and be begun as the adapter was: for
    some that changes the base. What the adapter's layers are scaled by is not changed here.
    """
    config: Any = model.peft_config[name]
    config.use_rslora = False
    config.init_lora_weights = True
    config.lora_dropout = 0.0


def _check_width(model: PeftModel, kind: BlendKind, names: Sequence[str], rank: int) -> None:
    """Raises ModelError for a rank of an SVD that is above a layer's narrower side: there are no more directions."""
    if not kind.name.endswith("svd"):
        return
    rank = rank or max(int(model.peft_config[name].r) for name in names)  # type: ignore[attr-defined]
    for name, layer in model.named_modules():
        if not isinstance(layer, LoraLayer):
            continue
        width = min(int(layer.in_features or rank), int(layer.out_features or rank))
        if width < rank:
            raise ModelError(
                f"Rank {rank} is above the width of the layer {name.removeprefix('base_model.model.')}, which is "
                f"{width}.",
                f"Set the rank of the blend to {width} or less, or choose concatenation.",
            )
