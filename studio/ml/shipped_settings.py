"""The settings that go with an export: config.json, and where an answer ends.

The base's own files are kept where nothing changed. What transformers reads them as decides whether anything did, and
whether what is written for version 4 says the same.
"""

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from transformers import CONFIG_MAPPING, AutoConfig

from studio import codec
from studio.data.tokenizing.rendering import ChatRenderer
from studio.errors import ExportError
from studio.models.companions import CHAT_TEMPLATE, GENERATION_CONFIG, SPECIAL_TOKENS, TOKENIZER_CONFIG, copy_companions
from studio.models.elsewhere import names_shortened
from studio.models.older_spellings import ROPE_NAMES, old_tokenizer_config, with_old_rope

_NEVER_COMPARED = {"transformers_version", "_name_or_path", "auto_map", "dtype", "torch_dtype"}


def ship_settings(base: Path, target: Path, *, renderer: ChatRenderer) -> None:
    """Bring a base's tokenizer, templates and generation settings to `target`, with the ends of an answer in them.

    `renderer` is that of the base. Raises ModelError for files that cannot be read.
    """
    copy_companions(base, target)
    if renderer.uses_plain_template:
        (target / CHAT_TEMPLATE).write_text(renderer.template, encoding="utf-8")
    document = read_settings(target / TOKENIZER_CONFIG)
    if (older := old_tokenizer_config(document)) != document:
        write_settings(target / TOKENIZER_CONFIG, older)
    _ship_ends(base, target, renderer=renderer)


def ship_config(base: Path, target: Path) -> bool:
    """Put the base's config.json in place of the one that was written to `target`, with what the training changed.

    A model of another class than the base's keeps what was written. Rotary settings are given under their old names,
    too. Returns whether transformers reads the same by those alone, so that version 4 can read the model.
    """
    path, own = target / "config.json", base / "config.json"
    written, document = read_settings(path), read_settings(own)
    if written.get("model_type") not in CONFIG_MAPPING:
        return True  # it is read by code of its own
    now, before = _as_read(written), _as_read(document)
    if any(now.get(key) != before.get(key) for key in ("architectures", "model_type")):
        document = written
    else:
        _take_over(document, written, changed=[key for key in now | before if now.get(key) != before.get(key)])
    both = _for_both_versions(document)
    if (found := both or document) == read_settings(own):
        shutil.copy2(own, path)
    else:
        write_settings(path, found)
    return both is not None


def name_models_only(target: Path) -> None:
    """Have the settings in a folder call models by their names: a base's own files may say where somebody kept it."""
    for path in sorted(target.glob("*config.json")):
        document = read_settings(path)
        if (told := names_shortened(document)) != document:
            write_settings(path, told)


def _take_over(document: dict[str, Any], written: Mapping[str, Any], *, changed: Sequence[str]) -> None:
    """Bring what changed, and the number format of the weights, from what was written to what the base says."""
    for key in changed:
        document.pop(key, None)
        if key in written:
            document[key] = written[key]
    stored = written.get("dtype", written.get("torch_dtype"))
    if stored is not None and stored not in (document.get("dtype"), document.get("torch_dtype")):
        document["torch_dtype" if "torch_dtype" in document else "dtype"] = stored


def _for_both_versions(document: dict[str, Any]) -> dict[str, Any] | None:
    """Return a config.json that says the same to versions 4 and 5 of transformers, None where there is none."""
    meant = _as_read(document)
    for names in ROPE_NAMES:
        both = with_old_rope(document, names)
        if both == document:
            return document
        if _as_read(with_old_rope(document, names, keep_new=False)) == meant == _as_read(both):
            return both
    return None


def _as_read(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what transformers makes of a config.json, every default filled in."""
    with tempfile.TemporaryDirectory() as folder:
        write_settings(
            Path(folder) / "config.json", {key: value for key, value in document.items() if key != "auto_map"}
        )
        found: dict[str, Any] = _compared(AutoConfig.from_pretrained(folder, local_files_only=True).to_dict())
    return found


def _compared(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: _compared(each) for key, each in value.items() if key not in _NEVER_COMPARED}


def _ship_ends(base: Path, target: Path, *, renderer: ChatRenderer) -> None:
    """Name the tokens with which an answer ends in the files at `target` that do not name them yet.

    generate() and vLLM read generation_config.json, llama.cpp the tokenizer's end of a sequence.
    """
    settings, config = read_settings(target / GENERATION_CONFIG), read_settings(base / "config.json")
    named = _ids(settings.get("eos_token_id", config.get("eos_token_id")))
    ends = list(dict.fromkeys((*named, *renderer.end_ids)))
    if ends == named and any((target / name).is_file() for name in (GENERATION_CONFIG, "config.json")):
        return
    kept = {key: config[key] for key in ("bos_token_id", "pad_token_id") if config.get(key) is not None}
    settings = {**kept, **settings, "eos_token_id": ends}
    settings.pop("_from_model_config", None)  # or config.json would go before it
    write_settings(target / GENERATION_CONFIG, settings)
    if (target / "config.json").is_file():
        write_settings(target / "config.json", read_settings(target / "config.json") | {"eos_token_id": ends})
    last = renderer.end_ids[-1]  # the one that the template writes, where the base does not name that
    is_free = "eos_token" not in renderer.template and not read_settings(target / TOKENIZER_CONFIG).get("add_eos_token")
    if last not in named and is_free:
        _ship_tokenizers_end(target, last)


def _ship_tokenizers_end(target: Path, end: int) -> None:
    """Let the tokenizer's end of a sequence be the token that ends an answer."""
    text = Tokenizer.from_file(str(target / "tokenizer.json")).id_to_token(end)
    for name in (TOKENIZER_CONFIG, SPECIAL_TOKENS):
        document = read_settings(target / name)
        if name == TOKENIZER_CONFIG or "eos_token" in document:
            write_settings(target / name, document | {"eos_token": text})


def _ids(found: object) -> list[int]:
    return [id for id in (found if isinstance(found, list) else [found]) if isinstance(id, int)]


def read_settings(path: Path) -> dict[str, Any]:
    """Read a JSON object; a missing file is an empty one."""
    try:
        found = codec.parse_file(path)
    except FileNotFoundError:
        return {}
    except (OSError, codec.Damaged) as error:
        raise ExportError(f"The file {path} cannot be read.", "Fetch the base model again, then export.") from error
    return found if isinstance(found, dict) else {}


def write_settings(path: Path, document: Mapping[str, Any]) -> None:
    """Write a JSON object as transformers writes its settings."""
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
