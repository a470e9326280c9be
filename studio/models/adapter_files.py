"""Checks that the files of an adapter are valid and fit a base, before any memory is taken for them.

Reads the settings and the header of the weights, never a weight. What is not LoRA's own is refused by name: peft would
write it over the weights of the base, which all the panes of a conversation share.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from studio.errors import ModelError
from studio.models.adapter_settings import SETTINGS, AdapterSettings, endings, read_document, read_settings
from studio.models.layout import LinearLayer
from studio.models.tensor_files import Tensor, read_header

WEIGHTS = "adapter_model.safetensors"

_PICKLES = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.pickle", "*.ckpt")
_FLOATS = ("F64", "F32", "F16", "BF16")
_PART = re.compile(
    r"base_model\.model\.(?P<layer>[A-Za-z0-9_.]{1,500}?)\."
    r"(?P<part>lora_A\.weight|lora_B\.weight|lora_B\.bias|lora_embedding_A|lora_embedding_B"
    r"|lora_magnitude_vector(?:\.weight)?|weight)"
)
_HALVES = {"lora_A.weight": "A", "lora_embedding_A": "A", "lora_B.weight": "B", "lora_embedding_B": "B"}
_HINT = "It must belong to this base model. Train the run again if its files are damaged."

_LEARNED = ("adapter_model.safetensors", "model*.safetensors")
_NOT_LEARNED = ("base_model_name_or_path", "peft_version", "inference_mode")


@dataclass(frozen=True)
class Base:
    """The layers of a base model that an adapter can sit on, embeddings among them, and which of them are its word
    table and output head: those alone can be in an adapter's file whole.
    """

    layers: tuple[LinearLayer, ...]
    word_modules: tuple[LinearLayer, ...]


def check_adapter(folder: Path, base: Base | None = None) -> AdapterSettings:
    """Check an adapter's settings, and each tensor of its file against them and, where it is known, the base.

    Raises ModelError that says what is wrong. With a base it takes no more memory than its file is large: each layer
    that it would be put on has its weights in the file.
    """
    settings = read_settings(read_document(folder))
    path = folder / WEIGHTS
    if not path.is_file():
        raise _no_weights(folder)
    layers, whole = _sorted(path, read_header(path), settings)
    found = {name: _layer(name, parts, rank=settings.rank_of(name)) for name, parts in layers.items()}
    for name, layer in found.items():
        _check_parts(layer, layers[name], settings)
    if base is not None:
        _check_fit(found, {layer.name: layer for layer in base.layers})
        _check_all_there([each.name for each in base.layers], layers, settings)
        _check_whole(whole, settings, base)
    return settings


def _no_weights(folder: Path) -> ModelError:
    if any(path for pattern in _PICKLES for path in folder.glob(pattern)):
        return ModelError(
            f"The adapter in {folder} is stored as pickled weights, which can run code when they are read.",
            "Load it where you trust it and save it again as safetensors.",
        )
    return ModelError(f"The adapter in {folder} has no {WEIGHTS}.", "Train the run again, or choose another adapter.")


def _sorted(
    path: Path, tensors: Mapping[str, Tensor], settings: AdapterSettings
) -> tuple[dict[str, dict[str, Tensor]], dict[str, Tensor]]:
    """Sort the tensors into those of layers, by layer and part, and those of modules that are there whole.

    Raises ModelError for any other.
    """
    layers: dict[str, dict[str, Tensor]] = {}
    whole: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        found = _PART.fullmatch(name)
        if found is None or tensor.dtype not in _FLOATS:
            raise _unfit(f"{path.name} holds '{name[:80]}', which is no part of a LoRA adapter")
        layer, part = found["layer"], found["part"]
        is_whole = part == "weight"
        if (settings.saved_whole if is_whole else settings.targets).isdisjoint(endings(layer)):
            raise _unfit(f"{path.name} holds '{name[:80]}', which its settings do not name")
        if is_whole:
            whole[layer] = tensor
        else:
            layers.setdefault(layer, {})[_HALVES.get(part, part)] = tensor
    if not layers:
        raise _unfit(f"{path.name} holds no weights of layers")
    return layers, whole


def _layer(name: str, parts: Mapping[str, Tensor], *, rank: int) -> LinearLayer:
    """Read a layer's sizes off its halves: A is rank x inputs, B is outputs x rank."""
    a, b = parts.get("A"), parts.get("B")
    if a is None or b is None or len(a.shape) != 2 or len(b.shape) != 2:
        raise _unfit(f"the two halves of the layer {name} are not both there")
    if a.shape[0] != rank or b.shape[1] != rank:
        raise _unfit(f"the halves of the layer {name} have rank {a.shape[0]} and {b.shape[1]}, its settings say {rank}")
    return LinearLayer(name, inputs=a.shape[1], outputs=b.shape[0])


def _check_parts(layer: LinearLayer, parts: Mapping[str, Tensor], settings: AdapterSettings) -> None:
    """Check what a layer has beside its halves: DoRA's magnitudes, and a bias of B."""
    for part, tensor in parts.items():
        if part in ("A", "B"):
            continue
        if not (settings.lora_bias if part == "lora_B.bias" else settings.dora):
            raise _unfit(f"the layer {layer.name} has a {part} that its settings do not name")
        if tensor.shape != (layer.outputs,):
            raise _unfit(f"the {part} of the layer {layer.name} is not as long as the layer is wide")


def _check_fit(found: Mapping[str, LinearLayer], known: Mapping[str, LinearLayer]) -> None:
    """Raises ModelError for layers that the base does not have, or has in other sizes: how many, and the first."""
    unfit = [layer for name, layer in found.items() if known.get(name) != layer]
    if not unfit:
        return
    first, there = unfit[0], known.get(unfit[0].name)
    has = "has none" if there is None else f"has one with {there.inputs} inputs and {there.outputs} outputs"
    raise _unfit(
        f"{len(unfit)} of its {len(found)} layers do not fit the base model. Its layer {first.name} has {first.inputs} "
        f"inputs and {first.outputs} outputs, and the base {has} of that name"
    )


def _check_all_there(names: Iterable[str], layers: Mapping[str, object], settings: AdapterSettings) -> None:
    targeted = {name for name in names if settings.is_target(name)}
    missing = sorted(targeted - layers.keys())
    if missing:
        raise _unfit(f"it has no weights for the layer {missing[0]}, and its settings name that")


def _check_whole(whole: Mapping[str, Tensor], settings: AdapterSettings, base: Base) -> None:
    """Check the modules that were trained whole: peft would copy as much of the base as their names say."""
    named = {each.name: (each.outputs, each.inputs) for each in base.word_modules}
    named = {name: sizes for name, sizes in named.items() if not settings.saved_whole.isdisjoint(endings(name))}
    strange = settings.saved_whole.difference(*map(endings, named))
    if strange:
        raise _unfit(f"it names '{min(strange)}' as trained whole, which is no word table or output head")
    if {name: tensor.shape for name, tensor in whole.items()} != named:
        raise _unfit("its weights for the word table and the output head do not fit the base model")


def _unfit(fault: str) -> ModelError:
    return ModelError(f"The adapter cannot be loaded: {fault}.", _HINT)


def hash_learned(folder: Path) -> str:
    """Return the sha256 of the weights in the folder of an adapter or a model, and of an adapter's settings.

    The name and the revision of its base are left out, because those are told when it goes to another machine.
    """
    digest = hashlib.sha256()
    for path in (path for pattern in _LEARNED for path in sorted(folder.glob(pattern))):
        with path.open("rb") as file:
            digest.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
    if (folder / SETTINGS).is_file():
        settings = {key: value for key, value in read_document(folder).items() if key not in _NOT_LEARNED}
        if "revision" in settings:
            settings["revision"] = None  # as peft writes it
        digest.update(json.dumps(settings, sort_keys=True).encode())
    return digest.hexdigest()
