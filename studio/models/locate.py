"""From the name of a base model to the folder with its files.

A name is "starter", the path of a local folder, the id of a model on the Hugging Face Hub, or "folder:" and the name
of a folder that a run from another machine learned from.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from studio.config import STARTER
from studio.errors import ModelError
from studio.limits import LAPTOP, Limits
from studio.models.base_files import WEIGHT_INDEXES, WHOLE_WEIGHTS, read_config
from studio.models.download import Listener, Report
from studio.models.elsewhere import ELSEWHERE, OWN_FOLDERS, folder_here
from studio.models.hub import DEFAULT_HUB, Hub
from studio.models.kinds import check_kind
from studio.models.starter import READY_MARK, starter_folder
from studio.models.tensor_files import indexed_files

HUB_ID = re.compile(r"(?=.{1,96}\Z)[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)


@dataclass(frozen=True)
class ModelFiles:
    """A base model that is whole on this machine. `source` is "starter", "hub" or "folder"."""

    name: str
    folder: Path
    source: str


def locate(name: str, home: Path, *, hub: Hub = DEFAULT_HUB, folders: bool = True) -> ModelFiles | None:
    """Find a model's files without the network; None when they must be fetched first.

    Without `folders` a name is the starter's or an id on the Hub and never a folder, whatever lies in the working
    directory. Raises ModelError when the name cannot be a model's, or when it is a folder that holds no whole model,
    and for a model of a kind that is not trained here.
    """
    if not folders:
        check_hub_id(name)
    if name == STARTER:
        folder = starter_folder(home)
        return ModelFiles(name, folder, "starter") if (folder / READY_MARK).is_file() else None
    own = folder_here(name, home)
    if own is not None:
        if not own.is_dir():
            raise ModelError(
                f"The base model of this run was the folder '{own.name}' of another machine.",
                f"Copy that folder to {OWN_FOLDERS}/{own.name} in the studio's data folder, then try again.",
            )
        check_folder(own)
        return ModelFiles(name, own, "folder")
    try:
        if folders and _is_path(name):
            folder = Path(name).expanduser().absolute()
            check_folder(folder)
            return ModelFiles(name, folder, "folder")
    except (OSError, RuntimeError, ValueError) as error:
        raise ModelError(
            f"'{name[:80]}' cannot be looked up on this machine: {error}", "Give a folder or the id of a model."
        ) from error
    cached = hub.cached(name)
    if not cached or _missing(cached):
        return None
    check_kind(read_config(cached))
    return ModelFiles(name, cached, "hub")


def locate_settled(name: str, home: Path) -> ModelFiles | None:
    """Find the model of a run's settings, in a worker: there a folder is named by its whole path, and nothing else is.

    A worker has another working directory than the studio: an id must not become a folder that lies in it.
    """
    return locate(name, home, folders=Path(name).is_absolute() or name.startswith(ELSEWHERE))


def check_hub_id(name: str) -> None:
    """Check that a name is the starter's or could be an id on the Hub. Raises ModelError for anything else."""
    if name != STARTER and (not HUB_ID.fullmatch(name) or ".." in name or "--" in name):
        raise ModelError(
            f"'{name[:80]}' is not the id of a model on the Hugging Face Hub.",
            "Give an id such as owner/name, as it stands on the model's page, or choose the starter model. "
            "Folders of this machine cannot be named here.",
        )


def fetch(
    name: str,
    home: Path,
    *,
    report: Report,
    should_stop: Callable[[], bool],
    hub: Hub = DEFAULT_HUB,
    limits: Limits = LAPTOP,
) -> ModelFiles:
    """Download a model from the Hub unless it is on this machine, if `limits` let it in.

    Raises Stopped, ModelError, and ValueError for the starter model, which `studio.models.starter` fetches.
    """
    found = locate(name, home, hub=hub, folders=Path(name).is_absolute())
    if found:
        return found
    if name == STARTER:
        raise ValueError("the starter model is not fetched by its name")
    check_kind(hub.config(name), name=name)  # before gigabytes of weights are fetched
    folder = hub.download(name, listener=Listener(report=report, should_stop=should_stop), limits=limits)
    missing = _missing(folder)
    if missing:
        raise ModelError(f"'{name}' has no {missing} on the Hub.", "Choose another model.")
    return ModelFiles(name, folder, "hub")


def check_folder(folder: Path) -> None:
    """Check that a folder holds a model that can be trained. Raises ModelError that says what is missing."""
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "does not exist"
        raise ModelError(f"{folder} {what}.", "Give the folder that holds the model's config.json and weights.")
    if (folder / "adapter_config.json").exists() and not (folder / "config.json").exists():
        raise ModelError(
            f"{folder} holds an adapter, not a base model.", "Give the base model that the adapter was trained on."
        )
    missing = _missing(folder)
    if missing:
        found = ", ".join(sorted(path.name for path in folder.iterdir())[:8]) or "nothing"
        raise ModelError(
            f"{folder} has no {missing}. It holds: {found}.",
            "Give a folder with config.json, the tokenizer's files, and weights as safetensors or .bin.",
        )
    check_kind(read_config(folder))


def _is_path(name: str) -> bool:
    return Path(name).is_absolute() or name.startswith((".", "~")) or name.endswith(("/", "\\")) or Path(name).is_dir()


def _missing(folder: Path) -> str:
    """Name what a model's folder lacks, or return an empty text when it is whole."""
    if not (folder / "config.json").is_file():
        return "config.json"
    if any((folder / name).is_file() for name in WHOLE_WEIGHTS):
        return ""
    for index in WEIGHT_INDEXES:
        if (folder / index).is_file():
            absent = [path.name for path in indexed_files(folder / index) if not path.is_file()]
            return ", ".join(absent[:3])
    return "weights (model.safetensors or pytorch_model.bin)"
