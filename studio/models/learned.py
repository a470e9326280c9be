"""A hash of what a training wrote, to know it again: not a weight and not a setting of it may have changed."""

import hashlib
import json
from pathlib import Path

from studio.models.adapter_settings import SETTINGS, read_document

_WEIGHTS = ("adapter_model.safetensors", "model*.safetensors")
_NOT_LEARNED = ("base_model_name_or_path", "peft_version", "inference_mode")


def hash_learned(folder: Path) -> str:
    """Return the sha256 of the weights in the folder of an adapter or a model, and of an adapter's settings.

    What its base is called is none of them: that changes where it goes to another machine.
    """
    digest = hashlib.sha256()
    for path in (path for pattern in _WEIGHTS for path in sorted(folder.glob(pattern))):
        with path.open("rb") as file:
            digest.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
    if (folder / SETTINGS).is_file():
        settings = {key: value for key, value in read_document(folder).items() if key not in _NOT_LEARNED}
        digest.update(json.dumps(settings, sort_keys=True).encode())
    return digest.hexdigest()
