"""Finds the architecture of a base model by its name: in its files or on the Hub, without its weights."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from studio.config import STARTER
from studio.models.architecture import Architecture, UnknownFamily, architecture_in, read_architecture
from studio.models.layout import find_layers
from studio.models.locate import ModelFiles, locate

STARTER_CONFIG: Mapping[str, Any] = {
    "model_type": "llama",
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "vocab_size": 49_152,
    "max_position_embeddings": 8192,
    "tie_word_embeddings": True,
    "dtype": "float32",
}
"""SmolLM2-135M as the studio installs it, for as long as it is not here."""


class Source(Protocol):
    """What is asked of the Hub; `studio.models.hub.Hub` is one."""

    def cached(self, repo_id: str) -> Path | None: ...

    def config(self, repo_id: str) -> Mapping[str, Any]: ...

    def shapes(self, repo_id: str) -> Mapping[str, tuple[int, ...]]: ...


def find_architecture(
    name: str, home: Path, *, hub: Source, locate: Callable[[str, Path], ModelFiles | None] = locate
) -> Architecture:
    """Return the architecture of a base model. Asks the network only for one whose config.json is not here.

    Raises ModelError for a name that cannot be a model's, and for a model that cannot be read or is no decoder.
    """
    files = locate(name, home)
    if files is not None:
        return architecture_in(files.folder)
    if name == STARTER:
        return read_architecture(STARTER_CONFIG)
    folder = hub.cached(name)
    if folder is not None and (folder / "config.json").is_file():
        try:
            return architecture_in(folder)
        except UnknownFamily:
            pass
    document = hub.config(name)
    try:
        return read_architecture(document)
    except UnknownFamily:
        return read_architecture(document, find_layers(hub.shapes(name)))
