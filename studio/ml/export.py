"""Writes what a person takes away: the adapter alone, the base with the adapter merged into it, or a whole model.

Each is written so that plain libraries read it as the studio does.
"""

import contextlib
import json
import shutil
import tempfile
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, GenerationConfig

from studio.data.tokenizing.rendering import ChatRenderer
from studio.errors import ExportError
from studio.ml.accelerator import find_accelerator, free_gpu_bytes
from studio.ml.loading import BF16, FP16, FP32, Placement, load_adapter, load_base
from studio.ml.reference import Agreement, Probe, Reference, observe
from studio.ml.shipped_settings import name_models_only, ship_config, ship_settings
from studio.models import adapter_files
from studio.models.adapter_settings import read_document

MODEL_FILES = ("config.json", "model*.safetensors", "model.safetensors.index.json")
"""What transformers reads a model's weights from, as patterns."""

NEEDS_NEWER = "\nThis model needs transformers 5 or newer: version 4 reads its rotary settings as others.\n"

MERGE_SHARE = 1.25
"""Of a model's size, what merging takes: the weights, a copy of the largest, and room for the answers to check."""

ROUNDINGS = 1.5
"""What is measured is the largest of a few tries at random, which another may exceed."""


def write_adapter(
    adapter: Path, *, base: Path, renderer: ChatRenderer, target: Path, base_name: str, card: str, revision: str = ""
) -> None:
    """Copy an adapter with its base's tokenizer and a model card to `target`, as plain peft reads it.

    `base_name` and `revision` say where its base is found elsewhere; without a revision any is meant.
    `renderer` is that of the base, here and below.
    """
    target.mkdir(parents=True, exist_ok=True)
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        if not (adapter / name).is_file():
            raise ExportError(f"The run's adapter lacks {name}.", "Train the run again, or choose another run.")
        shutil.copy2(adapter / name, target / name)
    adapter_files.check_adapter(target)
    config = read_document(target)
    config["base_model_name_or_path"] = base_name
    config["revision"] = revision or None
    (target / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True), encoding="utf-8")
    ship_settings(base, target, renderer=renderer)
    name_models_only(target)
    (target / "README.md").write_text(card, encoding="utf-8")


def write_merged(
    base: Path, *, adapter: Path, renderer: ChatRenderer, target: Path, probes: Sequence[Probe], pad_id: int, card: str
) -> Reference:
    """Merge the adapter into the unquantised base, W0 + (alpha / rank) B A, and save a plain transformers folder.

    The weights keep the number format in which the base is stored. Returns what the adapted model said before.
    """
    model = load_adapter(load_base(base, stored_placement(base)), adapter)
    before = observe(model, probes, end_ids=renderer.end_ids, pad_id=pad_id)
    was_tied = model.config.get_text_config().tie_word_embeddings
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Input and output embeddings are no longer tied")
        merged = model.merge_and_unload(safe_merge=True)
    if was_tied:
        _tie_equals(merged)
    merged.generation_config = GenerationConfig()  # the base's own file goes along, even one that cannot be saved
    merged.save_pretrained(target)
    _ship(base, target, renderer=renderer, card=card)
    return before


def write_base(base: Path, *, renderer: ChatRenderer, target: Path) -> None:
    """Put a base beside nothing else to `target`, as plain transformers reads it, without its code.

    Weights in safetensors are linked, not copied.
    """
    target.mkdir(parents=True, exist_ok=True)
    weights = [path for pattern in MODEL_FILES[1:] for path in sorted(base.glob(pattern))]
    if any(path.suffix == ".safetensors" for path in weights):
        for path in weights:
            (target / path.name).symlink_to(path.resolve())
        shutil.copyfile(base / "config.json", target / "config.json")
    else:
        load_base(base, stored_placement(base)).save_pretrained(target)
    _ship(base, target, renderer=renderer, card="")


def write_model(model: Path, *, base: Path, renderer: ChatRenderer, target: Path, card: str) -> None:
    """Copy a model that was trained as a whole, with its base's tokenizer and a model card, to `target`.

    Raises ExportError when its weights are not there.
    """
    weights = [path for pattern in MODEL_FILES for path in sorted(model.glob(pattern))]
    if not any(path.suffix == ".safetensors" for path in weights):
        raise ExportError("The run's model lacks its weights.", "Train the run again, or choose another run.")
    target.mkdir(parents=True, exist_ok=True)
    for path in weights:
        shutil.copy2(path, target / path.name)
    _ship(base, target, renderer=renderer, card=card)


def stored_placement(folder: Path) -> Placement:
    """Return the placement that loads a model in the number format in which it is stored: bf16 or fp16, else fp32.

    It is on the GPU where the weights and what merging needs fit beside what is there, else on the processor.
    """
    dtype = AutoConfig.from_pretrained(folder, local_files_only=True).dtype
    precision = {torch.bfloat16: BF16, torch.float16: FP16}.get(dtype, FP32)
    found = find_accelerator()
    if found.device == "cuda" and merge_bytes(folder) < free_gpu_bytes():
        return Placement(device="cuda", precision=precision, index=found.index)
    return Placement(device="cpu", precision=precision)


def merge_bytes(folder: Path) -> int:
    """Estimate what it takes to load a model and merge an adapter into it: its files and a part more."""
    files = [path for pattern in ("*.safetensors", "*.bin") for path in folder.glob(pattern)]
    return int(MERGE_SHARE * sum(path.stat().st_size for path in files))


def tolerance(agreement: Agreement, *, exact: bool = True, rounding: float = 0.0) -> float:
    """Return the largest difference of a logit that rounding can explain.

    Computed in fp32, as all is that is `exact`, it is 1e-4, or 1e-5 of the largest logit where that is more: a sum over
    many layers rounds in proportion to its size. Where weights were rounded when they were written, `ROUNDINGS` times
    what that was measured to do is added. On an 8-bit base, whose products are rounded whatever they are given, that is
    what rounding does to the export, and no more than 2^-4 of the largest logit.
    """
    allowed = max(1e-4, 1e-5 * agreement.largest_logit) + ROUNDINGS * rounding
    return allowed if exact else min(allowed, agreement.largest_logit * 2**-4)


def _ship(base: Path, target: Path, *, renderer: ChatRenderer, card: str) -> None:
    needs_newer = not ship_config(base, target)
    ship_settings(base, target, renderer=renderer)
    name_models_only(target)
    (target / "README.md").write_text(card + (NEEDS_NEWER if needs_newer else ""), encoding="utf-8")


@contextlib.contextmanager
def unpacked(archive: Path) -> Iterator[Path]:
    """Unpack a zip beside itself for a while; yields the folder that is in it."""
    with tempfile.TemporaryDirectory(dir=archive.parent) as scratch, zipfile.ZipFile(archive) as packed:
        packed.extractall(scratch)
        (folder,) = Path(scratch).iterdir()
        yield folder


def _tie_equals(model: Any) -> None:
    """Tie word table and head again where they were trained as one: peft merges a copy of each."""
    table, head = model.get_input_embeddings(), model.get_output_embeddings()
    if table.weight is not head.weight and torch.equal(table.weight, head.weight):
        head.weight = table.weight
        model.config.get_text_config().tie_word_embeddings = True


def zip_folder(folder: Path, archive: Path) -> None:
    """Pack a folder's files under the folder's name, uncompressed (weights do not shrink), through a temporary name."""
    temporary = archive.with_suffix(".tmp")
    with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as packed:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                packed.write(path, Path(folder.name) / path.relative_to(folder))
    temporary.replace(archive)
