"""The models of a conversation: a base with its adapters in it, and beside it the models that were trained as a whole.

Says which of the panes can be answered together. Does not know messages or text.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.errors import ModelError
from studio.ml import loading
from studio.ml.generation import BASE, passes
from studio.runs.store import is_whole_model

_Version = tuple[str, int]
"""A folder and when its weights were written: a run that was trained again has other ones."""


@dataclass(frozen=True)
class Pass:
    """Panes that are answered in one batch by one model: their places in the question, and the adapter of each."""

    model: Any
    panes: tuple[int, ...]
    adapters: tuple[str, ...]


class ChatModels:
    """One base model in memory, and what was learned from it: adapters in it, whole models beside it."""

    def __init__(self, base: Any, placement: loading.Placement) -> None:
        """Take a base that was loaded with `placement`; what is loaded later computes in the same precision."""
        self.base = base
        self._placement = placement
        self._adapters: dict[_Version, str] = {}
        self._whole: dict[_Version, Any] = {}

    def passes(self, folders: Sequence[str]) -> tuple[Pass, ...]:
        """Say what answers in each pane, given by the folder of its weights or empty for the base, in as few passes
        as can be. Loads what is new; a whole model that is not asked now is let go before another one is loaded.

        Raises ModelError when a folder holds neither an adapter nor a model of this base.
        """
        versions = [_version(folder) if folder else None for folder in folders]
        whole = [each if each is not None and is_whole_model(Path(each[0])) else None for each in versions]
        self._load_whole([each for each in whole if each is not None])
        names = [
            BASE if version is None or as_whole is not None else self._adapter(version)
            for version, as_whole in zip(versions, whole, strict=True)
        ]
        found: list[Pass] = []
        for key in dict.fromkeys(whole):
            panes = [pane for pane, each in enumerate(whole) if each == key]
            model = self.base if key is None else self._whole[key]
            for rows in passes(model, [names[pane] for pane in panes]):
                chosen = tuple(panes[row] for row in rows)
                found.append(Pass(model, chosen, tuple(names[pane] for pane in chosen)))
        return tuple(found)

    def _load_whole(self, asked: Sequence[_Version]) -> None:
        if set(asked) <= self._whole.keys():
            return
        self._whole = {version: model for version, model in self._whole.items() if version in asked}
        for version in dict.fromkeys(asked):
            if version not in self._whole:
                unpacked = dataclasses.replace(self._placement, bits=0)
                self._whole[version] = loading.load_base(Path(version[0]), unpacked)

    def _adapter(self, version: _Version) -> str:
        """Return the name that an adapter has in the base."""
        if version not in self._adapters:
            name = f"adapter-{len(self._adapters)}"
            self.base = loading.load_adapter(self.base, Path(version[0]), name=name)
            self._adapters[version] = name
        return self._adapters[version]


def _version(folder: str) -> _Version:
    for name in ("adapter_model.safetensors", "config.json"):
        try:
            return folder, (Path(folder) / name).stat().st_mtime_ns
        except OSError:
            continue
    raise ModelError("What this run learned is no longer on the disk.", "Choose another run.")
