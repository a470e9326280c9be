"""What of a model is trained, by method: an adapter beside the frozen base, or the base itself; and how that is saved.

Does not know how it is trained, nor where runs lie.
"""

import warnings
from pathlib import Path
from typing import Any

from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn

from studio.config import ALL_LINEAR, CHANGES_BASE, FULL, RunConfig
from studio.errors import ConfigError, ModelError
from studio.ml.loading import first_line, linear_names, load_adapter, parameter_counts
from studio.models.kinds import ORIGINAL
from studio.models.layout import select_modules

"""The starts that move a part of the base's weights into the adapter."""

_INITIALISATIONS: dict[str, Any] = {
    "standard": True,
    "gaussian": "gaussian",
    "orthogonal": "orthogonal",
    "pissa": "pissa_niter_16",
    "olora": "olora",
}


def make_trainable(base: Any, config: RunConfig, *, start_adapter: Path | None = None) -> Any:
    """Return the model with what the method trains marked as such: a PeftModel, or the base for full fine-tuning.

    A fresh adapter changes nothing yet: W = W0 + s B A with B zero (Hu et al. 2021, arXiv 2106.09685), s = alpha /
    rank, or alpha / sqrt(rank) for rsLoRA (Kalajdzievski 2023, arXiv 2312.03732). DoRA: Liu et al. 2024, arXiv
    2402.09353; PiSSA: Meng et al. 2024, arXiv 2404.02948; OLoRA: Büyükakyüz 2024, arXiv 2406.01775. With
    `start_adapter` the adapter in that folder is trained on. What is trained is fp32.

    Raises ConfigError for modules that the model lacks and a rank above a layer's width, ModelError for an adapter that
    does not fit, and for a base that was packed in a way that cannot be trained on.
    """
    packed_by = getattr(base, "hf_quantizer", None)
    if packed_by is not None and not packed_by.is_trainable:
        named = packed_by.quantization_config.quant_method
        raise ModelError(
            f"This model's weights are packed ({named}) in a way that only answers and cannot be trained on.",
            ORIGINAL,
        )
    if config.method == FULL:
        base.requires_grad_(True)
        return base.float()
    if start_adapter is not None:
        return load_adapter(base, start_adapter, is_trainable=True)
    targets = select_modules(linear_names(base), targets=config.targets, chosen=config.chosen_modules)
    adapter = LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        target_modules=list(targets),
        bias="none",
        task_type="CAUSAL_LM",
        use_rslora=config.rslora,
        use_dora=config.dora,
        init_lora_weights=_INITIALISATIONS[config.initialisation],
        modules_to_save=_word_modules(base) if config.train_embeddings else None,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # peft tells of tied embeddings, which are dealt with here
        try:
            model = get_peft_model(base, adapter, autocast_adapter_dtype=True)
        except (ValueError, NotImplementedError) as error:
            raise ConfigError(
                f"An adapter cannot sit on some of the target modules of this model: {first_line(error)}",
                f"Choose other target modules. Chosen were: {', '.join(targets)}.",
            ) from error
    _check_rank(model, config.rank)
    if config.train_embeddings:
        _tie_copies(model)
    return model


def experts_left_out(model: Any, config: RunConfig) -> str:
    """Say which weights of the blocks no adapter sits on though all linear layers were chosen; "" for none.

    The experts of a mixture are stored as one tensor for all of them, which is no linear layer.
    """
    if config.method == FULL or config.targets != ALL_LINEAR or config.start_adapter:
        return ""
    found = {
        name.removeprefix("base_model.model."): parameter.numel()
        for name, parameter in model.named_parameters()
        if parameter.ndim >= 3 and "lora_" not in name and "experts" in name.split(".")
    }
    if not found:
        return ""
    share = sum(found.values()) / parameter_counts(model)[0]
    return (
        f"The experts are not trained, though all linear layers were chosen: no adapter sits on them. They hold "
        f"{share:.0%} of the model's weights ({next(iter(found))} and others). What is trained are the layers that "
        "every token passes through."
    )


def keep_start(model: Any, config: RunConfig, folder: Path) -> Path | None:
    """Save an adapter that starts with a part of the base in it, for `save_model` to subtract; None for any other."""
    if not isinstance(model, PeftModel) or config.initialisation not in CHANGES_BASE or config.start_adapter:
        return None
    model.save_pretrained(str(folder))
    return folder


def save_model(model: Any, folder: Path, *, start: Path | None = None) -> None:
    """Write what was trained as plain peft or transformers reads it.

    With `start`, what `keep_start` returned, the adapter is written as one of twice the rank on the unchanged base,
    as peft describes for PiSSA: B A - B0 A0 = [B, -B0] [A; A0].
    """
    if isinstance(model, PeftModel):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            model.save_pretrained(
                str(folder), path_initial_model_for_weight_conversion=None if start is None else str(start)
            )
    else:
        model.save_pretrained(str(folder))


def _check_rank(model: PeftModel, rank: int) -> None:
    """Raises ConfigError for a rank above a layer's narrower side: more could not change the layer in more ways."""
    for name, module in model.named_modules():
        if hasattr(module, "lora_A") and isinstance(getattr(module, "base_layer", None), nn.Module):
            width = min(module.in_features, module.out_features)
            if rank > width:
                layer = name.removeprefix("base_model.model.")
                raise ConfigError(
                    f"Rank {rank} is above the width of the layer {layer}, which is {width}.",
                    f"Set the rank to {width} or less, or leave such layers out of the target modules.",
                )


def _word_modules(base: Any) -> list[str]:
    """Name the word table and the output head as peft matches them."""
    wanted = [base.get_input_embeddings(), base.get_output_embeddings()]
    return [name.rsplit(".", 1)[-1] for name, module in base.named_modules() if any(module is each for each in wanted)]


def _tie_copies(model: PeftModel) -> None:
    """Let the trained copies of word table and head be one tensor where the base's are."""
    base: Any = model.get_base_model()
    table, head = base.get_input_embeddings(), base.get_output_embeddings()
    if not getattr(base.config.get_text_config(), "tie_word_embeddings", False) or not hasattr(head, "modules_to_save"):
        return
    head.modules_to_save["default"].weight = table.modules_to_save["default"].weight
