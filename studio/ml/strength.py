"""Adapters at several strengths: another name for the same weights, with another factor in front of them.

A LoRA layer computes W0 x + s B A x. Under its second name the adapter shares A and B, and s is multiplied by the
strength, so a name costs no memory and several strengths answer in one batch.
"""

from typing import Any

from peft import PeftModel
from peft.tuners.lora import LoraLayer
from peft.utils.other import AuxiliaryTrainingWrapper

from studio.errors import ModelError
from studio.models.adapter_settings import check_strength


def name_at(name: str, strength: float) -> str:
    """Return the name that an adapter has at a strength; its own at 1."""
    return name if strength == 1 else f"{name}-at-{strength!r}".replace(".", "_")


def add_strength(model: PeftModel, name: str, strength: float) -> str:
    """Add an adapter at a strength, and return the name of that. The adapter itself stays as it is.

    Raises ModelError for a strength out of range, and for an adapter that is not made of products B A alone: half of
    one that was trained as a whole, or that learned magnitudes (DoRA), is not the adapter at half its strength.
    """
    check_strength(strength)
    alias = name_at(name, strength)
    if alias in model.peft_config:
        return alias
    if reason := why_not_scaled(model, name):
        raise ModelError(
            f"The strength of this adapter cannot be changed: {reason}.", "Set its strength to 1, or to 0."
        )
    for layer in _layers(model):
        for names in (*layer.adapter_layer_names, *layer.other_param_names):
            held = getattr(layer, names)
            if name in held:
                held[alias] = held[name]
        if name in layer.scaling:
            layer.scaling[alias] = layer.scaling[name] * strength
    model.peft_config[alias] = model.peft_config[name]
    return alias


def why_not_scaled(model: PeftModel, name: str) -> str:
    """Say why an adapter cannot have another strength; empty when it can."""
    if any(name in layer.lora_variant for layer in _layers(model)):
        return "it learned magnitudes too, as DoRA does"
    wholes = (module for module in model.modules() if isinstance(module, AuxiliaryTrainingWrapper))
    if any(name in whole._adapters for whole in wholes):
        return "it has trained its word table or its output head as a whole"
    config: Any = model.peft_config[name]
    return "it has trained biases of the base" if getattr(config, "bias", "none") != "none" else ""


def forget(model: PeftModel, name: str) -> None:
    """Delete an adapter, or one of its other names. One other name must be left.

    peft lets every layer choose a new active adapter by itself where the active one is deleted, and layers may choose
    different ones. So another is made active everywhere before.
    """
    if name in model.active_adapters:
        rest = next(each for each in model.peft_config if each != name)
        model.set_adapter(rest, inference_mode=True)
    model.delete_adapter(name)


def _layers(model: PeftModel) -> list[LoraLayer]:
    return [module for module in model.modules() if isinstance(module, LoraLayer)]
