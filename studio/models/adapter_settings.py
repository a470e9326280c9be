"""What an adapter's settings may say: LoRA, plain names, a bounded rank; and how strong it may be.

peft acts on whatever adapter_config.json says: it takes text as regular expressions, imports modules that it names and
changes the base. So only what the studio itself writes is allowed; the rest must be as peft leaves it.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from studio import codec
from studio.config import setting_named
from studio.errors import ModelError, StudioError
from studio.models.blend_kinds import MOST

SETTINGS = "adapter_config.json"

MOST_RANK = 2 * MOST * int(setting_named("rank").high or 0)
"""A PiSSA adapter is written at twice its rank, and a concatenation has the ranks of all that went into it."""

MOST_NAMES = 4096
_LONGEST_SETTINGS = 1_000_000
_LARGEST = 1e6
_COMMIT = re.compile(r"[0-9a-f]{40}")
_NAME = re.compile(r"[A-Za-z0-9_]{1,100}(\.[A-Za-z0-9_]{1,100}){0,20}")
_PEFTS_OWN = re.compile(r"(^|\.)(lora_|base_layer|original_module|modules_to_save)")
"""What peft puts around a layer: under such a name an adapter would be put on another adapter."""

_LATER = "Save the adapter again as plain LoRA, or choose another one."

STRONGEST = 1.5
"""How strongly an adapter may speak: 0 is the base, 1 the adapter as it was trained."""


@dataclass(frozen=True)
class AdapterSettings:
    """The settings of a LoRA adapter, each within its limits. `ranks` are those of single modules, by name."""

    rank: int
    ranks: Mapping[str, int]
    targets: frozenset[str]
    saved_whole: frozenset[str]
    """The modules whose weights lie in the file whole: word table and output head."""
    dora: bool
    lora_bias: bool

    def rank_of(self, layer: str) -> int:
        """Return the rank on a layer, by its full name: that of the first module in `ranks` that it is."""
        meant = set(endings(layer)) & self.ranks.keys()
        if len(meant) > 1:
            return next(rank for name, rank in self.ranks.items() if name in meant)
        return self.ranks[meant.pop()] if meant else self.rank

    def is_target(self, layer: str) -> bool:
        """Tell whether the adapter sits on a layer."""
        return not self.targets.isdisjoint(endings(layer))

    @property
    def largest_rank(self) -> int:
        """The largest rank that any module has."""
        return max(self.rank, *self.ranks.values()) if self.ranks else self.rank


def endings(layer: str) -> tuple[str, ...]:
    """List the names by which settings can mean a layer: its full name, and what is behind each dot."""
    parts = layer.split(".")
    return tuple(".".join(parts[place:]) for place in range(len(parts)))


def read_document(folder: Path) -> dict[str, Any]:
    """Read adapter_config.json as it is. Raises ModelError when it is missing, too large or no JSON object."""
    path = folder / SETTINGS
    try:
        with path.open("rb") as file:
            text = file.read(_LONGEST_SETTINGS + 1)
        if len(text) > _LONGEST_SETTINGS:
            raise ModelError(f"{path} is too large for the settings of an adapter.", _LATER)
        document = codec.parse(text)
    except (OSError, codec.Damaged) as error:
        raise ModelError(f"The adapter's settings in {path} cannot be read.", _LATER) from error
    if not isinstance(document, dict):
        raise ModelError(f"{path} does not describe an adapter.", _LATER)
    return document


def read_settings(document: Mapping[str, Any]) -> AdapterSettings:
    """Check what adapter_config.json says. Raises ModelError that names the first setting that is not allowed."""
    if document.get("peft_type") != "LORA":
        raise ModelError(f"This adapter is of the kind {_shown(document.get('peft_type'))}, not LoRA.", _LATER)
    for name, value in document.items():
        if value is None or (name in _DEFAULTS and value == _DEFAULTS[name] and type(value) is type(_DEFAULTS[name])):
            continue
        if name not in _ALLOWED and value not in (False, {}, []):
            raise ModelError(f"The adapter sets '{name[:80]}', which the studio does not load from a file.", _LATER)
        if name in _ALLOWED and not _ALLOWED[name](value):
            raise ModelError(f"The adapter's setting '{name}' cannot be {_shown(value)}.", _LATER)
    for name in ("r", "target_modules"):
        if document.get(name) is None:
            raise ModelError(f"The adapter does not say its '{name}'.", _LATER)
    return AdapterSettings(
        rank=document["r"],
        ranks=dict(document.get("rank_pattern") or {}),
        targets=frozenset(document["target_modules"]),
        saved_whole=frozenset(document.get("modules_to_save") or ()),
        dora=bool(document.get("use_dora")),
        lora_bias=bool(document.get("lora_bias")),
    )


def _is_rank(value: object) -> bool:
    return type(value) is int and 1 <= value <= MOST_RANK


def _is_strength(value: object) -> bool:
    return _is_number(value) and abs(value) <= _LARGEST  # false for nan


def _is_share(value: object) -> bool:
    return _is_number(value) and 0 <= value < 1


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_switch(value: object) -> bool:
    return isinstance(value, bool)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= MOST_NAMES


def _is_names(value: object) -> bool:
    """Tell a list of plain names from a pattern: peft takes a single text as a regular expression."""
    return isinstance(value, list) and 0 < len(value) <= MOST_NAMES and all(map(_is_name, value))


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(_NAME.fullmatch(value)) and not _PEFTS_OWN.search(value)


def _by_name(check: Callable[[object], bool]) -> Callable[[object], bool]:
    def is_right(value: object) -> bool:
        """peft takes the keys as regular expressions, too."""
        if not isinstance(value, dict) or len(value) > MOST_NAMES:
            return False
        return all(map(_is_name, value)) and all(map(check, value.values()))

    return is_right


_ALLOWED: Mapping[str, Callable[[object], bool]] = {
    "peft_type": _is_text,
    "peft_version": _is_text,
    "base_model_name_or_path": _is_text,
    "revision": lambda value: isinstance(value, str) and bool(_COMMIT.fullmatch(value)),  # that of its base
    "task_type": lambda value: value == "CAUSAL_LM",
    "inference_mode": _is_switch,
    "r": _is_rank,
    "lora_alpha": _is_strength,
    "lora_dropout": _is_share,
    "target_modules": _is_names,
    "modules_to_save": _is_names,
    "rank_pattern": _by_name(_is_rank),
    "alpha_pattern": _by_name(_is_strength),
    "use_dora": _is_switch,
    "use_rslora": _is_switch,
    "lora_bias": _is_switch,
    "fan_in_fan_out": _is_switch,
    # Any other start computes from the base's weights, and some move a part of the base into the adapter.
    "init_lora_weights": lambda value: isinstance(value, bool) or value in ("gaussian", "orthogonal"),
}

_DEFAULTS: Mapping[str, object] = {"bias": "none", "megatron_core": "megatron.core", "qalora_group_size": 16}
"""What peft writes where nobody chose anything, beside null, false and what is empty."""


def _shown(value: object) -> str:
    text = repr(value) if not isinstance(value, float) or math.isfinite(value) else "a number that is not finite"
    return text if len(text) <= 80 else f"{text[:80]}..."


def check_strength(strength: float, raising: type[StudioError] = ModelError) -> None:
    """Raises `raising` for a strength that no adapter has."""
    if not (math.isfinite(strength) and 0 <= strength <= STRONGEST):
        raise raising(f"An adapter has no strength of {strength:g}.", f"Choose one from 0 to {STRONGEST:g}.")
