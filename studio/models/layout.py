"""The linear layers of a model, and the size of an adapter on some of them, from the headers of its files.

No weight is read, so this takes milliseconds whatever the size. A linear layer is recognised by its name and shape.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from studio.config import ALL_LINEAR, ATTENTION, CHOSEN
from studio.errors import ConfigError, ModelError
from studio.models.hub import DEFAULT_HUB, Hub
from studio.models.kinds import ORIGINAL, check_tensor_names
from studio.models.tensor_files import indexed_files, read_header, shapes_of

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"

_NOT_LINEAR = re.compile(r"emb|norm|^ln_?\d|bias$|^gate$|^router$|^w[tp]e$")
_SEES_OR_HEARS = re.compile(
    r"(^|\.)(vision|visual|audio|image|img|speech|resampler|connector|multi_modal|mm_projector)", re.IGNORECASE
)
"""The parts of a model for images and sound: what is trained here is text alone, so they never see a gradient."""

_ATTENTION_PART = re.compile(r"attn|attention", re.IGNORECASE)


@dataclass(frozen=True)
class LinearLayer:
    """A layer that maps `inputs` numbers to `outputs` numbers, by the name that peft knows it under."""

    name: str
    inputs: int
    outputs: int


@dataclass(frozen=True)
class ModelLayout:
    """How many parameters a model's files hold, and the linear layers of its blocks from first to last."""

    parameters: int
    layers: tuple[LinearLayer, ...]

    @property
    def module_names(self) -> tuple[str, ...]:
        """The last components of the layers' names, each once, in order of appearance."""
        return tuple(dict.fromkeys(_component(layer.name) for layer in self.layers))


def read_layout(folder: Path) -> ModelLayout:
    """Read the layout of the model in `folder`. Raises ModelError for damaged or missing files."""
    if (folder / WEIGHTS).is_file():
        files = [folder / WEIGHTS]
    elif (folder / INDEX).is_file():
        files = indexed_files(folder / INDEX)
    elif any(folder.glob("*.bin")):
        raise ModelError(
            "This model comes as .bin files, so its layers are known only once it is loaded.",
            "You can still train it.",
        )
    else:
        raise ModelError(f"{folder} holds no safetensors weights.", "Download the model again, or choose another.")
    shapes: dict[str, tuple[int, ...]] = {}
    for file in files:
        shapes |= shapes_of(read_header(file))
    return find_layers(shapes)


def remote_layout(repo_id: str, *, hub: Hub = DEFAULT_HUB) -> ModelLayout:
    """Read the layout of a model on the Hub without fetching its weights. Raises ModelError."""
    return find_layers(hub.shapes(repo_id))


def find_layers(shapes: Mapping[str, tuple[int, ...]]) -> ModelLayout:
    """Find the linear layers among named tensors: the two-dimensional weights in numbered blocks.

    Raises ModelError for weights that are stored packed, whose shapes do not tell the layers' sizes.
    """
    if any(name.endswith(".weight.absmax") for name in shapes):
        raise ModelError(
            "This model's weights are stored in a compressed 4-bit format.",
            ORIGINAL,
        )
    check_tensor_names(shapes)
    names = sorted((name for name in shapes if _is_linear(name, shapes[name])), key=_natural)
    return ModelLayout(
        parameters=sum(math.prod(shape) for name, shape in shapes.items() if not _is_buffer(name, shape)),
        layers=tuple(_linear_layer(name, shapes) for name in names),
    )


def select_modules(layers: Sequence[str], *, targets: str, chosen: Sequence[str]) -> tuple[str, ...]:
    """Turn the choice of target modules into names that peft matches, given the full names of a model's linear layers.

    A result is the last component of a name ("q_proj"), or a full name where that component is also found in layers
    that are not meant. Layers for images and sound are never meant. Raises ConfigError when nothing is left or a chosen
    module does not exist.
    """
    blocks = [name for name in layers if _in_block(name) and not _SEES_OR_HEARS.search(name)]
    if targets == CHOSEN:
        return _check_chosen([name for name in layers if not _SEES_OR_HEARS.search(name)], chosen, among=layers)
    if targets not in (ALL_LINEAR, ATTENTION):
        raise ConfigError(f"'{targets}' names no target modules.", f"Use {ALL_LINEAR}, {ATTENTION} or {CHOSEN}.")
    wanted = blocks if targets == ALL_LINEAR else [name for name in blocks if _ATTENTION_PART.search(name)]
    if not wanted:
        what = "linear layers in numbered blocks" if targets == ALL_LINEAR else "layers that are named as attention"
        raise ConfigError(f"This model has no {what}.", f"Choose the modules yourself. It has: {_listed(layers)}.")
    unwanted = {_component(name) for name in set(layers).difference(wanted)}
    return tuple(dict.fromkeys(name if _component(name) in unwanted else _component(name) for name in wanted))


def trainable_parameters(layout: ModelLayout, modules: Iterable[str], *, rank: int) -> int:
    """Count the weights of a LoRA adapter: A is rank x inputs and B is outputs x rank in each layer that it sits on."""
    targets = tuple(modules)
    return sum(rank * (layer.inputs + layer.outputs) for layer in layout.layers if _matches(layer.name, targets))


def _matches(name: str, targets: Sequence[str]) -> bool:
    return any(name == target or name.endswith(f".{target}") for target in targets)


def _check_chosen(layers: Sequence[str], chosen: Sequence[str], *, among: Sequence[str]) -> tuple[str, ...]:
    if not chosen:
        raise ConfigError("No target module is chosen.", f"Choose at least one of: {_listed(layers)}.")
    missing = [target for target in chosen if not any(_matches(name, (target,)) for name in layers)]
    if missing:
        raise ConfigError(
            f"The model has no module named {', '.join(missing)}.", f"Choose from those it has: {_listed(layers)}."
        )
    if len(layers) == len(among):
        return tuple(dict.fromkeys(chosen))
    return tuple(name for name in layers if _matches(name, chosen))


def _listed(layers: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(_component(name) for name in layers)) or "none"


def _component(name: str) -> str:
    return name.rsplit(".", 1)[-1]


def _in_block(name: str) -> bool:
    return any(part.isdecimal() for part in name.split("."))


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in name.split(".")]


def _is_linear(name: str, shape: tuple[int, ...]) -> bool:
    module, _, kind = name.rpartition(".")
    if kind != "weight" or len(shape) != 2 or not _in_block(module):
        return False
    # Experts and their router are single tensors once they are loaded, not layers that an adapter can sit on.
    return not _NOT_LINEAR.search(_component(module)) and "experts" not in module.split(".")


def _is_buffer(name: str, shape: tuple[int, ...]) -> bool:
    """Tell whether a tensor is a mask or table of older files, which was not learned."""
    return name.endswith((".masked_bias", ".inv_freq")) or (name.endswith(".bias") and len(shape) > 2)


def _linear_layer(weight: str, shapes: Mapping[str, tuple[int, ...]]) -> LinearLayer:
    """Read inputs and outputs off the shape: (outputs, inputs), but the other way round in GPT-2's layers.

    The bias tells the two apart, as it is as long as there are outputs; where both sides are equal it does not matter.
    """
    name = weight.removesuffix(".weight")
    outputs, inputs = shapes[weight]
    bias = shapes.get(f"{name}.bias")
    if bias is not None and bias == (inputs,) and bias != (outputs,):
        outputs, inputs = inputs, outputs
    return LinearLayer(name=name, inputs=inputs, outputs=outputs)
