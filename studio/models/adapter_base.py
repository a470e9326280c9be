"""Checks that an adapter is put on the base that it was trained on: by name, and where both are here by their files.

An adapter of another base can have the same layers in the same sizes, and then only its base tells them apart.
"""

import hashlib
import logging
from pathlib import Path

from studio.config import STARTER
from studio.errors import ModelError
from studio.models.adapter_settings import read_document
from studio.models.base_files import read_config, weight_files
from studio.models.elsewhere import shown_name
from studio.models.locate import locate
from studio.models.starter import HUB_ID

log = logging.getLogger(__name__)

_LOOKED_AT_BYTES = 2**16
_PLACES = 8
_SIZES = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size")


def ensure_same_base(adapter: Path, *, learned_on: str, base: Path, base_name: str, home: Path) -> None:
    """Raises ModelError where the adapter in a folder was trained on another base than the one in the folder `base`.

    `learned_on` names the adapter's base where that is known better than from its own settings, which may also say
    nothing: then there is nothing to compare.
    """
    told = read_document(adapter).get("base_model_name_or_path")
    name = learned_on or (told if isinstance(told, str) else "")
    if not name or name == base_name or _alike(name, base, base_name=base_name, home=home):
        return
    raise ModelError(
        f"The adapter was trained on another base model: on {shown_name(name)}, and this run's is "
        f"{shown_name(base_name)}.{_differences(_folder_of(name, home), base)}",
        f"Choose {shown_name(name)} as the base model, or train a new adapter. To use it anyway, switch on "
        "'Adapter of another base' (--other-base); its layers must then have the same names and sizes.",
    )


def _alike(name: str, base: Path, *, base_name: str, home: Path) -> bool:
    folder = _folder_of(name, home)
    if folder is not None:
        return folder.resolve() == base.resolve() or _digest(folder) == _digest(base)
    return _plain(name) == _plain(base_name)


def _plain(name: str) -> str:
    """Return the last part of a name: a model on the Hub and its copy in a folder are one."""
    return (HUB_ID if name == STARTER else shown_name(name)).rsplit("/", 1)[-1].casefold()


def _folder_of(name: str, home: Path) -> Path | None:
    try:
        files = locate(STARTER if name == HUB_ID else name, home, folders=Path(name).is_absolute())
    except ModelError as error:
        log.info("the base of the adapter is not on this machine: %s", error, exc_info=True)
        return None
    return None if files is None else files.folder


def _digest(folder: Path) -> str:
    """Return a hash of the sizes of a model's weight files and of stretches throughout them."""
    digest = hashlib.sha256()
    for path in weight_files(folder):
        size = path.stat().st_size
        digest.update(size.to_bytes(8, "little"))
        with path.open("rb") as file:
            for place in range(_PLACES + 1):
                file.seek(max(0, size - _LOOKED_AT_BYTES) * place // _PLACES)
                digest.update(file.read(_LOOKED_AT_BYTES))
    return digest.hexdigest()


def _differences(folder: Path | None, base: Path) -> str:
    """Say in what the architectures differ, where both are here."""
    if folder is None:
        return ""
    one, other = read_config(folder), read_config(base)
    kinds = [config.get("model_type") for config in (one, other)]
    if kinds[0] != kinds[1]:
        return f" One is of the family {kinds[0]}, the other {kinds[1]}."
    apart = [f"{key} {one.get(key)} and {other.get(key)}" for key in _SIZES if one.get(key) != other.get(key)]
    return f" They differ in {', '.join(apart)}." if apart else " They have the same sizes, and other weights."
