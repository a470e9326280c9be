"""The files that a model folder holds beside its weights and its config.json, and that an export takes along.

Tokenizer, chat templates, generation settings, processors, licences: whatever the base has of these.
"""

import fnmatch
import shutil
from pathlib import Path

from studio.models.base_files import read_config
from studio.models.tensor_files import ensure_inside

GENERATION_CONFIG = "generation_config.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
SPECIAL_TOKENS = "special_tokens_map.json"
CHAT_TEMPLATE = "chat_template.jinja"
MORE_TEMPLATES = "additional_chat_templates"

_KINDS = (
    "*token*.json",
    "*.model",
    "*.model.v*",
    "*.tiktoken",
    "*.bpe",
    "*.codes",
    "*vocab*",
    "merges*.txt",
    "normalizer.json",
    "tekken.json",
    "chat_template*",
    "*config*.json",
    "*processor*.json",
    "licen[cs]e*",
    "notice*",
    "use_policy*",
)
_NOT = ("config.json", "adapter_config.json", "*.safetensors*", "*.bin*", "*.gguf")
_CODE = "*.py"


def companion_files(folder: Path) -> list[Path]:
    """List the files that go along, below `folder`. Code is one of them only where config.json names it.

    Raises ModelError for a link out of the folder.
    """
    brings_code = (folder / "config.json").is_file() and "auto_map" in read_config(folder)
    kinds = (*_KINDS, _CODE) if brings_code else _KINDS
    found = [path for path in sorted(folder.iterdir()) if _is_one_of(path, kinds) and not _is_one_of(path, _NOT)]
    found += sorted((folder / MORE_TEMPLATES).glob("*.jinja"))
    files = [path for path in found if path.is_file()]
    for path in files:
        ensure_inside(path, folder)
    return [path.relative_to(folder) for path in files]


def copy_companions(folder: Path, target: Path) -> None:
    """Copy the files that go along to `target`, which exists, in place of what it has under their names.

    Raises ModelError for a link out of the folder.
    """
    for name in companion_files(folder):
        (target / name).parent.mkdir(exist_ok=True)
        shutil.copy2(folder / name, target / name)


def _is_one_of(path: Path, kinds: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(path.name.lower(), kind) for kind in kinds)
