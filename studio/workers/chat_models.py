"""The models of a conversation: a base with its adapters, beside it models that were trained as a whole.

Also says which of the panes can be answered together.
"""

import dataclasses
import itertools
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import torch
from peft import PeftModel

from studio.errors import ModelError
from studio.ml import loading
from studio.ml.answering import own_settings
from studio.ml.generation import BASE, passes, switched_on
from studio.ml.memory import release_memory
from studio.ml.reading import can_read
from studio.ml.strength import add_strength, forget
from studio.models.adapter_settings import check_strength
from studio.runs.store import is_whole_model
from studio.workers.memory_check import ensure_room, free_bytes

log = logging.getLogger(__name__)

MOST_ADAPTERS = 8
"""How many adapters are kept beside the base, unless one question asks for more."""

_Version = tuple[str, int]
"""A folder and when its weights were written: a run that was trained again has other ones."""


@dataclass(frozen=True)
class Wanted:
    """What answers in a pane: the folder of its weights, empty for the base, and its strength."""

    folder: str
    strength: float = 1.0


@dataclass(frozen=True)
class Pass:
    """Panes that are answered in one batch by one model: their places in the question, and the adapter of each."""

    model: Any
    panes: tuple[int, ...]
    adapters: tuple[str, ...]


class ChatModels:
    """One base model in memory, and what was learned from it: adapters in it, whole models beside it."""

    def __init__(
        self, base: Any, placement: loading.Placement, *, free_bytes: Callable[[str], int] = free_bytes
    ) -> None:
        """Take a base that was loaded with `placement`; what is loaded later computes in the same precision.

        `free_bytes` says how much memory a device has left.
        """
        self.base = base
        self._placement = placement
        self._free_bytes = free_bytes
        self._numbers = itertools.count()
        self._adapters: dict[_Version, str] = {}  # the least recently used first
        self._strengths: set[str] = set()
        self._whole: dict[_Version, Any] = {}
        self._token_bytes: WeakKeyDictionary[Any, int] = WeakKeyDictionary()

    def passes(self, panes: Sequence[Wanted]) -> tuple[Pass, ...]:
        """Say what answers in each pane, in as few passes as possible, and load what is new.

        A whole model that is not asked now is dropped before another one is loaded, and so is the least recently asked
        adapter, beyond eight.

        Raises ModelError when a folder holds neither an adapter nor a model of this base, when the memory is too small
        for a whole model, and for a strength that a model cannot have.
        """
        versions = [_version(pane.folder) if pane.folder else None for pane in panes]
        whole = [each if each is not None and is_whole_model(Path(each[0])) else None for each in versions]
        for pane, as_whole in zip(panes, whole, strict=True):
            _check(pane.strength, is_whole=as_whole is not None)
        self._load_whole([each for each in whole if each is not None])
        adapters = [None if as_whole else version for version, as_whole in zip(versions, whole, strict=True)]
        names = self._names(adapters, [pane.strength for pane in panes])
        found: list[Pass] = []
        for key in dict.fromkeys(whole):
            places = [place for place, each in enumerate(whole) if each == key]
            model = self.base if key is None else self._whole[key]
            for rows in passes(model, [names[place] for place in places]):
                chosen = tuple(places[row] for row in rows)
                found.append(Pass(model, chosen, tuple(names[place] for place in chosen)))
        return tuple(found)

    def token_bytes(self, model: Any, pad_id: int) -> int:
        """Return how much memory a token of an answer takes; 0 where a model's answers cannot be written together.

        It is tried out once on each model, see `reading.can_read`.
        """
        inner = model.get_base_model() if isinstance(model, PeftModel) else model
        if inner not in self._token_bytes:
            model.eval()
            with torch.inference_mode(), switched_on(model, [BASE]):
                _, plain = own_settings(model)
                self._token_bytes[inner] = can_read(model, pad_id=pad_id) if plain else 0
        return self._token_bytes[inner]

    def _names(self, versions: Sequence[_Version | None], strengths: Sequence[float]) -> list[str]:
        """Return for each pane the name of its adapter at its strength. At strength 0 that is the base itself."""
        spoken = [version if strength else None for version, strength in zip(versions, strengths, strict=True)]
        asked = {version for version in spoken if version is not None}
        for version in dict.fromkeys(each for each in spoken if each is not None):
            self._load_adapter(version, asked)
        before, self._strengths = self._strengths, set()
        try:
            names = [
                BASE if version is None else self._at(self._adapters[version], strength)
                for version, strength in zip(spoken, strengths, strict=True)
            ]
        except ModelError:
            self._strengths |= before  # what is left of the question before goes with the next one
            raise
        for name in before - self._strengths:
            if name in getattr(self.base, "peft_config", ()):
                forget(self.base, name)
        return names

    def _at(self, name: str, strength: float) -> str:
        if strength == 1:
            return name
        alias = add_strength(self.base, name, strength)
        self._strengths.add(alias)
        return alias

    def _load_adapter(self, version: _Version, asked: set[_Version]) -> None:
        """Load an adapter into the base unless it is there, and mark it as the last one used."""
        if version in self._adapters:
            self._adapters[version] = self._adapters.pop(version)
            return
        for old in [each for each in self._adapters if each not in asked]:
            if len(self._adapters) >= MOST_ADAPTERS:
                self._forget(self._adapters.pop(old))
        name = f"adapter-{next(self._numbers)}"
        try:
            self.base = loading.load_adapter(self.base, Path(version[0]), name=name, dtype=self._placement.dtype)
        except ModelError:
            if name in getattr(self.base, "peft_config", ()):
                forget(self.base, name)  # what there was of it when its file proved to be damaged
            raise
        self._adapters[version] = name

    def _forget(self, name: str) -> None:
        for alias in [each for each in self._strengths if each.startswith(f"{name}-at-")]:
            forget(self.base, alias)
            self._strengths.discard(alias)
        forget(self.base, name)

    def _load_whole(self, asked: Sequence[_Version]) -> None:
        if set(asked) <= self._whole.keys():
            return
        self._whole = {version: model for version, model in self._whole.items() if version in asked}
        release_memory()
        for version in dict.fromkeys(asked):
            if version not in self._whole:
                unpacked = dataclasses.replace(self._placement, bits=0)
                ensure_room(Path(version[0]), unpacked, free=self._free_bytes(unpacked.device))
                self._whole[version] = loading.load_base(Path(version[0]), unpacked)


def _check(strength: float, *, is_whole: bool) -> None:
    check_strength(strength)
    if is_whole and strength != 1:
        raise ModelError(
            "A model that was trained as a whole has no adapter whose strength could be changed.",
            "Set its strength to 1.",
        )


def _version(folder: str) -> _Version:
    for name in ("adapter_model.safetensors", "config.json"):
        try:
            return folder, (Path(folder) / name).stat().st_mtime_ns
        except OSError:
            log.debug("A file of an adapter is gone", exc_info=True)
            continue
    raise ModelError("What this run learned is no longer on the disk.", "Choose another run.")
