"""Turn a folder of transformers into a GGUF: `python gguf_converting.py FOLDER FILE QUANTISATION TOLD`, alone.

The converter is llama.cpp's own, as auto-round ships it: it knows over a hundred families, and the K-quants, which
the gguf package does not write. Imports no studio, and fetches nothing. `studio.ml.gguf_writing` starts it.
"""

import gc
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import gguf
import torch

ARCHITECTURE = "architecture"
TOKENIZER = "tokenizer"

_FTYPES = {"f16": gguf.LlamaFileType.MOSTLY_F16, "q8_0": gguf.LlamaFileType.MOSTLY_Q8_0}
"""What the converter writes by itself, one tensor at a time. All else is packed by auto-round."""


class Refused(Exception):
    """A model that cannot become a GGUF: `part` says of what, `found` what it is."""

    def __init__(self, part: str, found: str) -> None:
        super().__init__(f"{part}: {found}")
        self.part, self.found = part, found


def convert(folder: Path, file: Path, quantisation: str) -> None:
    """Write the model in `folder` to `file`. Raises Refused for one that llama.cpp does not know or cannot carry."""
    plain = _FTYPES.get(quantisation)
    with torch.inference_mode():
        # The converter is made once only to see whether it takes the tokenizer, before minutes of work.
        _ensure_tokenizer(_converter(folder, file, gguf.LlamaFileType.MOSTLY_F16))
        if plain is not None:
            _converter(folder, file, plain).write()
            return
    _pack(folder, file, quantisation)


def _converter(folder: Path, file: Path, ftype: gguf.LlamaFileType) -> Any:
    from auto_round.export.export_to_gguf.config import ModelType
    from auto_round.export.export_to_gguf.llama_cpp_conversion import get_conversion

    try:
        conversion = get_conversion(folder, auto_update=False)
    except NotImplementedError as error:
        raise Refused(ARCHITECTURE, _architecture(folder)) from error
    hparams = conversion.ModelBase.load_hparams(folder, False)
    name = conversion.get_model_architecture(hparams, conversion.model_type(ModelType.TEXT))
    kind = conversion.get_model_class(name, model_type=ModelType.TEXT)
    return kind(dir_model=folder, ftype=ftype, fname_out=file, model_name=file.stem)


def _architecture(folder: Path) -> str:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return str((config.get("architectures") or [config.get("model_type", "")])[0])


def _ensure_tokenizer(converter: Any) -> None:
    try:
        converter.set_vocab()
    except Exception as error:  # each family reads its tokenizer in its own way
        raise Refused(TOKENIZER, f"{type(error).__name__}: {error}") from error


def _pack(folder: Path, file: Path, quantisation: str) -> None:
    from auto_round import AutoRound

    gc.collect()
    gc.freeze()  # or each of its collections, one a layer, looks at all that the libraries made
    with tempfile.TemporaryDirectory(dir=file.parent) as scratch:
        quantiser = AutoRound(
            str(folder),
            scheme=f"gguf:{quantisation}",
            iters=0,
            disable_opt_rtn=True,
            disable_model_free=True,
            device_map="cpu",
            trust_remote_code=False,
        )
        quantiser.quantize_and_save(output_dir=scratch, format=f"gguf:{quantisation}")
        (written,) = Path(scratch).rglob("*.gguf")
        shutil.move(written, file)


if __name__ == "__main__":
    source, target, asked, told = sys.argv[1:]
    refused = {}
    try:
        convert(Path(source), Path(target), asked)
    except Refused as error:
        refused = {"part": error.part, "found": error.found}
    Path(told).write_text(json.dumps(refused), encoding="utf-8")
