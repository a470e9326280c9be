"""Names instead of paths, for what leaves this machine: a model in a local folder is called by that folder's name."""

import re
from pathlib import Path
from typing import Any

from studio.homes import shared_home

ELSEWHERE = "folder:"
"""Begins the name of a model that lay in a folder of another machine. No path and no id on the Hub begins so."""

OWN_FOLDERS = "base-models"
"""The folder of the data folder in which such a model is looked for by its name."""

NAMES_OF_MODELS = ("_name_or_path", "name_or_path", "base_model_name_or_path", "tokenizer_name_or_path")
"""Under these keys peft and transformers write from where they loaded a model."""

_REVISION = re.compile(r"[0-9a-f]{40}")

_HUB_ID = re.compile(r"(?=.{1,255}\Z)[A-Za-z0-9][A-Za-z0-9._-]*(?:/[A-Za-z0-9][A-Za-z0-9._-]*)?")
_PATH = re.compile(r"(?<![\w/.:<])(?:~|[A-Za-z]:)?[/\\](?:[^\s'\"<>|:,;()/\\]+[/\\])+([^\s'\"<>|:,;()/\\]*)")


def without_place(name: str) -> str:
    """Return the name of a model or an adapter without where it lies: "folder:" and the last part of a path.

    The id of a run and of a model on the Hub stay as they are.
    """
    if not name or name.startswith(ELSEWHERE):
        return name if not name else ELSEWHERE + _last_part(name.removeprefix(ELSEWHERE))
    return name if _HUB_ID.fullmatch(name) and not Path(name).is_dir() else ELSEWHERE + _last_part(name)


def shown_name(name: str) -> str:
    """Return how a model is called in what leaves this machine to be read."""
    return without_place(name).removeprefix(ELSEWHERE)


def paths_shortened(text: str) -> str:
    """Return a text with every absolute path in it cut down to its last part."""
    return _PATH.sub(lambda found: found[1] or "a folder", text)


def names_shortened(document: dict[str, Any]) -> dict[str, Any]:
    """Return settings of peft or transformers in which a model is called by its name, and by no path."""
    return document | {key: shown_name(document[key]) for key in NAMES_OF_MODELS if isinstance(document.get(key), str)}


def revision_of(folder: Path) -> str:
    """Return the revision of a model in the cache of the Hub, empty for any other folder."""
    return folder.name if folder.parent.name == "snapshots" and _REVISION.fullmatch(folder.name) else ""


def folder_here(name: str, home: Path) -> Path | None:
    """Return where a model from a folder of another machine is looked for; None for any other name."""
    return (
        shared_home(home) / OWN_FOLDERS / _last_part(name.removeprefix(ELSEWHERE))
        if name.startswith(ELSEWHERE)
        else None
    )


def _last_part(path: str) -> str:
    parts = [part for part in re.split(r"[/\\]", path) if part.strip(". ~")]
    return re.sub(r"[^A-Za-z0-9._ -]", "-", parts[-1]).lstrip(".")[:80] if parts else "model"
