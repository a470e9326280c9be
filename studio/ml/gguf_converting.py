"""Turn a folder of transformers into a GGUF: `python gguf_converting.py FOLDER FILE QUANTISATION TOLD`, alone.

With the folder of an adapter before TOLD, that becomes the GGUF, and FOLDER is the base that it belongs to.

The converter is llama.cpp's own, as auto-round ships it: it knows over a hundred families, and the K-quants, which
the gguf package does not write. Imports no studio, and fetches nothing. `studio.ml.gguf_writing` starts it.
"""

import gc
import json
import math
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import gguf
import torch
from safetensors.torch import load_file

ARCHITECTURE = "architecture"
TOKENIZER = "tokenizer"
LAYER = "layer"

_HALF = re.compile(r"base_model\.model\.(?P<module>.+)\.lora_(?P<half>[AB])\.weight")

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


class _Known:
    """The architectures of the gguf package, and nothing in the place of one that it does not know yet."""

    def __init__(self, known: Any) -> None:
        self._known = known

    def __getattr__(self, name: str) -> Any:
        return getattr(self._known, name, None)

    def __iter__(self) -> Any:
        return iter(self._known)


def _bridge_versions() -> None:
    """Let the converter be read that auto-round ships, which is newer than the gguf package.

    It names architectures that the package lacks, beside others in one file, and then none of that file can be read:
    no Qwen and no Gemma.
    """
    if not isinstance(gguf.MODEL_ARCH, _Known):
        gguf.MODEL_ARCH = _Known(gguf.MODEL_ARCH)  # type: ignore[misc, assignment]


def _converter(folder: Path, file: Path, ftype: gguf.LlamaFileType) -> Any:
    from auto_round.export.export_to_gguf.config import ModelType
    from auto_round.export.export_to_gguf.llama_cpp_conversion import get_conversion

    _bridge_versions()
    try:
        conversion = get_conversion(folder, auto_update=False)
    except NotImplementedError as error:
        raise Refused(ARCHITECTURE, _architecture(folder)) from error
    hparams = conversion.ModelBase.load_hparams(folder, False)
    name = conversion.get_model_architecture(hparams, conversion.model_type(ModelType.TEXT))
    kind = conversion.get_model_class(name, model_type=ModelType.TEXT)
    return kind(dir_model=folder, ftype=ftype, fname_out=file, model_name=file.stem)


def convert_adapter(folder: Path, adapter: Path, file: Path) -> None:
    """Write an adapter of the model in `folder` to `file`, as llama.cpp adds it to a GGUF of that model.

    The halves keep their numbers, in fp32. Raises Refused for what llama.cpp does not add to a model.
    """
    converter = _converter(folder, file, gguf.LlamaFileType.MOSTLY_F16)
    settings = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    writer = gguf.GGUFWriter(file, gguf.MODEL_ARCH_NAMES[converter.model_arch])
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, _alpha_of(settings))
    modules: dict[str, dict[str, torch.Tensor]] = {}
    for name, tensor in load_file(adapter / "adapter_model.safetensors").items():
        found = _HALF.fullmatch(name)
        if found is None:
            raise Refused(LAYER, name)
        modules.setdefault(found["module"], {})[found["half"]] = tensor.float()
    for module, halves in modules.items():
        a, b = halves["A"], halves["B"] * _factor(settings, module, rank=len(halves["A"]))
        for name, rows in _places(converter, module, b.shape[0], a.shape[1], settings=settings):
            writer.add_tensor(f"{name}.lora_a", a.contiguous().numpy())
            writer.add_tensor(f"{name}.lora_b", b[rows].contiguous().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _factor(settings: dict[str, Any], module: str, *, rank: int) -> float:
    """Return what B is multiplied with: llama.cpp scales every module by the one alpha of the file / its rank."""
    alpha = float(settings["lora_alpha"])
    for name, other in (settings.get("alpha_pattern") or {}).items():
        if module == name or module.endswith(f".{name}"):
            alpha = other
            break
    scale = alpha / (math.sqrt(rank) if settings.get("use_rslora") else rank)
    return float(scale * rank / _alpha_of(settings))


def _alpha_of(settings: dict[str, Any]) -> float:
    """Return the alpha of the file, which must not be 0: llama.cpp would not scale then."""
    return float(settings["lora_alpha"]) or 1.0


def _places(
    converter: Any, module: str, outputs: int, inputs: int, *, settings: dict[str, Any]
) -> list[tuple[str, torch.Tensor]]:
    """Find where the converter puts the weights of a module: each tensor of the GGUF, and which rows it has, in order.

    It is given a matrix in which each number says its own place. Raises Refused where it does more than to move rows:
    then the product of the two halves cannot be moved alike.
    """
    asked = torch.arange(outputs * inputs, dtype=torch.int32).reshape(outputs, inputs)
    given = asked.T if settings.get("fan_in_fan_out") else asked
    block = next((int(part) for part in module.split(".") if part.isdecimal()), None)
    found = []
    try:
        kept = type(converter).filter_tensors((f"{module}.weight", lambda: given))
        moved = [] if kept is None else list(converter.modify_tensors(kept[1](), kept[0], block))
    except Exception as error:  # each family does it in its own way
        raise Refused(LAYER, module) from error
    for name, tensor in moved:
        rows = (tensor[:, 0] // inputs).long() if tensor.dim() == 2 and tensor.shape[1] == inputs else None
        if rows is None or not torch.equal(tensor, asked[rows]):
            raise Refused(LAYER, module)
        found.append((name, rows))
    if not found:
        raise Refused(LAYER, module)
    return found


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
    source, target, asked, *adapters, told = sys.argv[1:]
    refused = {}
    try:
        if adapters:
            convert_adapter(Path(source), Path(adapters[0]), Path(target))
        else:
            convert(Path(source), Path(target), asked)
    except Refused as error:
        refused = {"part": error.part, "found": error.found}
    Path(told).write_text(json.dumps(refused), encoding="utf-8")
