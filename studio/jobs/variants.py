"""Several runs at once: which settings are tried with which values, and what each of the runs is called.

What decides which examples are learned is not among the settings: losses over other examples cannot be compared.
"""

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from studio.config import (
    ADAMW,
    ADAMW_8BIT,
    ALL_LINEAR,
    ATTENTION,
    FULL,
    LORA,
    QLORA,
    QLORA_8BIT,
    STARTER,
    RunConfig,
    problems,
    setting_named,
)
from studio.errors import ConfigError
from studio.jobs.tradeoff import settings_for
from studio.limits import MOST_NAME
from studio.models.architecture import Architecture
from studio.runs.store import DATA_TRIED
from studio.wording import listed

TRIED = (
    "learning_rate",
    "epochs",
    "rank",
    "method",
    "model",
    "seed",
    "batch_size",
    "alpha",
    "dropout",
    "weight_decay",
    "warmup_share",
    "schedule",
    "optimizer",
    "targets",
    "initialisation",
    "lora_plus_ratio",
)
"""The settings that can be tried, the likeliest first."""

MOST_TRIED = 3
"""In so many settings the runs of a group may differ: a name that says more of them is read by nobody."""

_USUAL: Mapping[str, tuple[Any, ...]] = {
    "method": (LORA, QLORA, FULL),
    "dropout": (0.0, 0.05, 0.1),
    "weight_decay": (0.0, 0.01, 0.1),
    "warmup_share": (0.0, 0.05, 0.1),
    "lora_plus_ratio": (1.0, 4.0, 16.0),
    "schedule": ("cosine", "linear", "constant"),
    "optimizer": (ADAMW, ADAMW_8BIT),
    "targets": (ALL_LINEAR, ATTENTION),
    "initialisation": ("standard", "pissa", "olora"),
}
"""What is usually tried, whatever is set."""

_OF_ADAPTERS = ("rank", "alpha", "dropout", "targets", "initialisation", "lora_plus_ratio")
"""What means nothing where every weight is trained, of the settings that can be tried."""

_NAMES = {STARTER: "starter model", LORA: "LoRA", QLORA: "QLoRA", QLORA_8BIT: "QLoRA in 8 bits", FULL: "every weight"}

_MOST_VALUES = 100

_MOST_MADE = 1000
"""So many runs are made before those that are the same fall together: more would keep the page waiting."""

Values = Mapping[str, Sequence[Any]]
"""The values to try of each setting, by its name."""


@dataclass(frozen=True)
class Variant:
    """One of the runs. `says` is what sets it apart: "rank 8, learning rate 0.0003"."""

    config: RunConfig
    dataset_id: str
    says: str


@dataclass(frozen=True)
class Variants:
    """The runs of a group that is to be started. `seed` is the one by which all of them hold examples out."""

    name: str
    tried: tuple[str, ...]
    seed: int
    runs: tuple[Variant, ...]


def likely_values(name: str, config: RunConfig) -> tuple[str, ...]:
    """Suggest values to try of a setting, around the one that it has, as a person writes them."""
    each, value = setting_named(name), getattr(config, name)
    if name in _USUAL:
        found: Sequence[Any] = _USUAL[name]
    elif name == "seed":
        found = (value, value + 1, value + 2)
    elif each.kind in (int, float):
        found = (value / 2, value, value * 2) if each.kind is float else (max(1, value // 2), value, value * 2)
    else:
        found = (value,)
    low, high = each.low or 0, math.inf if each.high is None else each.high
    fits = [one for one in found if not isinstance(one, int | float) or low <= one <= high]
    return tuple(dict.fromkeys(written(one) for one in fits))


def written(value: Any) -> str:
    """Write a value so that `read_values` reads it."""
    return re.sub(r"e-0*", "e-", f"{value:.12g}") if isinstance(value, float) else str(value)


def read_values(name: str, texts: Sequence[str]) -> tuple[Any, ...]:
    """Read the values to try of a setting, each once, as a person writes them. Raises ConfigError."""
    if name not in TRIED:
        names = ", ".join(TRIED)
        raise ConfigError(f"'{name[:40]}' cannot be tried with several values.", f"These can: {names}.")
    each = setting_named(name)
    given = [text.strip() for text in texts if text.strip()]
    if not given or len(given) > _MOST_VALUES:
        found = f"{len(given):,} are given" if given else "none is given"
        raise ConfigError(f"{each.label}: no values to try can be read, {found}.", "Give two or three.")
    return tuple(dict.fromkeys(_value(each.kind, each.label, text) for text in given))


def _value(kind: type, label: str, text: str) -> Any:
    if kind is str:
        return text
    try:
        number = float(text) if len(text) <= 20 else math.nan
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ConfigError(f"{label} must be a number; found '{text[:40]}'.", "Write the values with commas in between.")
    return int(number) if kind is int and number == int(number) else number


def variants(
    config: RunConfig,
    datasets: Sequence[tuple[str, str]],
    tried: Values,
    *,
    architecture: Architecture | None = None,
) -> Variants:
    """Make the runs that try all values of some settings with each other, on each of the data sets.

    `datasets` are pairs of an id and what it is called. Where a rank is tried, alpha keeps its ratio to it unless it is
    tried as well; another method takes the learning rate that suits it, in the same way. `architecture` is that of the
    base model, where it is known. Raises ConfigError naming the faults of the first run that has one.
    """
    if len(tried) > MOST_TRIED:
        raise ConfigError(f"{len(tried)} settings are tried at once.", f"Try at most {MOST_TRIED}; the others later.")
    if not datasets:
        raise ConfigError("There is no data set to learn from.", "Choose one on the Data tab.")
    count = len(datasets) * math.prod(len(values) for values in tried.values())
    if count > _MOST_MADE:
        raise ConfigError(f"All values with each other would be {count:,} runs.", "Try fewer values of each setting.")
    several = len(datasets) > 1
    differs = tuple(name for name, values in tried.items() if len(values) > 1)
    name = (config.name.strip() or datasets[0][1])[:MOST_NAME]
    runs: dict[tuple[str, RunConfig], Variant] = {}
    for dataset_id, called in datasets:
        for values in itertools.product(*tried.values()):
            chosen = dict(zip(tried, values, strict=True))
            made = _with(config, chosen, architecture)
            if made.method == FULL:  # the same run for each shape of an adapter
                made = replace(made, **{each: getattr(config, each) for each in _OF_ADAPTERS})
            means = [each for each in differs if made.method != FULL or each not in _OF_ADAPTERS]
            says = ", ".join([*([called] if several else []), *(in_words(each, chosen[each]) for each in means)])
            if faults := problems(made):
                said = " ".join(fault.text for fault in faults)
                raise ConfigError(f"{says[:1].upper()}{says[1:]}: {said}" if says else said)
            runs.setdefault((dataset_id, made), Variant(made, dataset_id, says))
    return Variants(
        name, (*((DATA_TRIED,) if several else ()), *differs), config.seed, _named_apart(name, runs.values())
    )


def _named_apart(group: str, runs: Iterable[Variant]) -> tuple[Variant, ...]:
    """Give every run a name of its own, also where what sets two apart was cut off."""
    taken: Counter[str] = Counter()
    found = []
    for run in runs:
        name = named(group, run.says)
        taken[name] += 1
        if taken[name] > 1:
            number = f" ({taken[name]})"
            name = f"{name[: MOST_NAME - len(number)]}{number}"
        found.append(replace(run, config=replace(run.config, name=name)))
    return tuple(found)


def _with(config: RunConfig, chosen: Mapping[str, Any], architecture: Architecture | None) -> RunConfig:
    made = config
    if chosen.get("method", config.method) != config.method and not problems(replace(config, method=chosen["method"])):
        made = settings_for(config, chosen["method"], architecture=architecture)
    if "rank" in chosen and "alpha" not in chosen and isinstance(chosen["rank"], int):
        made = replace(made, alpha=max(1, round(chosen["rank"] * config.alpha / config.rank)))
    return replace(made, **chosen)


def named(name: str, says: str) -> str:
    """Name a run after its group and what sets it apart: "shop, rank 8"."""
    if not says:
        return name
    says = says[: MOST_NAME - 10]
    return f"{name[: MOST_NAME - len(says) - 2].rstrip(', ')}, {says}"


def short_name(name: str, group: str) -> str:
    """Return what sets a run apart in its group: its name without that of the group, unless it was given another."""
    return name.removeprefix(f"{group}, ") or name


def in_words(name: str, value: Any) -> str:
    """Write a setting with its value as the name of a run does: "rank 8", "learning rate 0.0003", "QLoRA"."""
    if name in ("method", "model", "optimizer", "schedule"):
        return value_in_words(value)
    return f"{setting_named(name).label.lower()} {value_in_words(value)}"


def value_in_words(value: Any) -> str:
    """Write one value of a setting."""
    if isinstance(value, str):
        return _NAMES.get(value) or value.rstrip("/").rpartition("/")[2] or value
    return written(value)


def tried_in_words(tried: Sequence[str]) -> str:
    """Name what the runs of a group differ in: "Rank and Learning rate"; nothing where that is nothing."""
    return listed([label_of(name) for name in tried]) if tried else ""


def label_of(name: str) -> str:
    """Name one thing in which runs differ."""
    if name == DATA_TRIED:
        return "Data set"
    try:
        return setting_named(name).label
    except KeyError:  # of a newer studio
        return name.replace("_", " ")
