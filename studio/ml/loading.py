"""A base model in memory, at the asked precision, with an adapter attached or loaded.

Does not know where a model comes from: it takes a folder that `studio.models` has made ready. Everything is loaded from
that folder alone, without the Hub and without running code that a model brings along.
"""

import functools
import math
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from safetensors import SafetensorError
from torch import nn
from transformers import CONFIG_MAPPING, AutoConfig, AutoModelForCausalLM, BitsAndBytesConfig
from transformers.pytorch_utils import Conv1D
from transformers.utils import logging as transformers_logging

from studio.errors import ConfigError, ModelError, StudioError, is_out_of_memory
from studio.ml.accelerator import find_accelerator, has_bf16, needs_fp16
from studio.ml.deadlines import deadline, load_seconds
from studio.models.adapter_files import Base, check_adapter
from studio.models.base_files import check_base, ensure_parameters, read_config
from studio.models.layout import LinearLayer

REMOTE_CODE = "STUDIO_ALLOW_REMOTE_CODE"

FP32 = "fp32"
BF16 = "bf16"
FP16 = "fp16"
BF16_SHARE = 0.9
"""From this rate of products beside that in fp32, bf16 is worth it: what is between them moves half the bytes."""

_DTYPES = {FP32: torch.float32, BF16: torch.bfloat16, FP16: torch.float16}


@dataclass(frozen=True)
class Placement:
    """Where a model lives and in which number format it computes: device "cpu", "cuda" or "mps"; fp32, bf16 or fp16."""

    device: str
    precision: str
    bits: int = 0
    """In how many bits the base is packed: 4 (NF4), 8, or 0 where it is not packed."""
    index: int = 0
    """Which of several GPUs it is."""

    @property
    def dtype(self) -> torch.dtype:
        return _DTYPES[self.precision]

    @property
    def sentence(self) -> str:
        """The precision as a person reads it."""
        packed = {4: "4-bit NF4, computing in ", 8: "8-bit, computing in "}.get(self.bits, "")
        return packed + self.precision


def choose_placement(*, precision: str, bits: int = 0) -> Placement:
    """Pick the device of this machine and settle what "auto" precision means on it.

    Raises ConfigError when the base shall be packed in a way that the device does not know.
    """
    found = find_accelerator()
    device = found.device
    if precision == "auto":
        precision = BF16 if computes_in_bf16(device) else FP16 if needs_fp16(device) else FP32
    if bits and device == "mps":
        raise ConfigError(f"A {bits}-bit base does not work on this machine's GPU.", "Choose the method LoRA.")
    return Placement(device=device, precision=precision, bits=bits, index=found.index)


@functools.cache
def computes_in_bf16(device: str) -> bool:
    """Tell whether a device multiplies in bf16 at least about as fast as in fp32.

    A GPU does where it has bf16 at all. Processors with the instructions differ: on some, bf16 products are twice as
    fast as fp32 ones, on others they take 1.6 times as long, so both are tried out, which takes a moment.
    """
    if device != "cpu" or not has_bf16(device):
        return has_bf16(device)
    rows, weights = torch.randn(512, 768), torch.randn(768, 768)
    pairs = {dtype: (rows.to(dtype), weights.to(dtype)) for dtype in (torch.float32, torch.bfloat16)}
    best = dict.fromkeys(pairs, math.inf)
    for _ in range(8):
        for dtype, (left, right) in pairs.items():  # in turns, so that a busy machine slows both
            began = time.perf_counter()
            left @ right
            best[dtype] = min(best[dtype], time.perf_counter() - began)
    return best[torch.float32] > BF16_SHARE * best[torch.bfloat16]


def load_base(folder: Path, placement: Placement) -> Any:
    """Load the causal language model in `folder`, frozen, in evaluation mode.

    Raises ModelError when the folder does not hold a model that can be loaded.
    """
    if placement.device == "cuda":
        torch.cuda.set_device(placement.index)  # what is made without naming a device shall be there too
    transformers_logging.disable_progress_bar()  # the log is read by people
    with deadline(load_seconds(folder)), _in_a_sentence(folder):
        ensure_sizes(folder)
        load: Any = AutoModelForCausalLM.from_pretrained  # its types know nothing of a second result
        model, told = load(folder, output_loading_info=True, **load_options(placement))
        _ensure_complete(model, told["missing_keys"])
    if placement.bits == 4 and placement.device == "cpu":
        _keep_weights_unpacked(model)
    model.requires_grad_(False)
    return model.eval()


def load_options(placement: Placement) -> dict[str, Any]:
    """Say how transformers shall load a model. Of GPUs the index counts: "cuda" would be the first one for all."""
    options: dict[str, Any] = {"dtype": placement.dtype, "local_files_only": True}
    options["trust_remote_code"] = remote_code_is_allowed()
    if placement.bits:
        options["quantization_config"] = packing(placement)
    if placement.device != "cpu":
        options["device_map"] = {"": placement.index if placement.device == "cuda" else placement.device}
    return options


def ensure_sizes(folder: Path) -> None:
    """Raises ModelError unless the model that config.json describes fits its files. Takes no memory for its weights."""
    stored = check_base(folder)
    _refuse_remote_code(folder)
    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=remote_code_is_allowed())
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, trust_remote_code=remote_code_is_allowed())
    buffers = sum(buffer.numel() * buffer.element_size() for buffer in model.buffers())
    parameters = sum(parameter.numel() for parameter in model.parameters())
    ensure_parameters(folder, stored, parameters=parameters, buffer_bytes=buffers)


def _ensure_complete(model: Any, missing: Iterable[str]) -> None:
    """Raises ModelError where the files lack weights: transformers would fill them with random numbers."""
    absent = sorted(set(missing) & {name for name, _ in model.named_parameters()})
    if absent:
        named = ", ".join(absent[:3]) + (f" and {len(absent) - 3:,} more" if len(absent) > 3 else "")
        raise ModelError(
            f"The model's files lack weights that a language model has: {named}.",
            "It may have been stored for another task, such as embeddings or labels, or not whole. Choose the model "
            "that writes text, or fetch this one again.",
        )


@contextmanager
def _in_a_sentence(folder: Path) -> Iterator[None]:
    """Turn whatever a library says of a model's files into a ModelError: they may hold anything at all."""
    try:
        yield
    except SafetensorError as error:
        raise ModelError(
            f"The model files in {folder} are damaged ({error}).", "Delete them and fetch the model again."
        ) from error
    except UnpicklingError as error:
        raise ModelError(
            f"The weights in {folder} are pickled, and hold more than weights or are damaged, so they were not loaded.",
            "Choose a model whose weights are safetensors.",
        ) from error
    except Exception as error:
        if isinstance(error, StudioError) or is_out_of_memory(error):
            raise
        raise ModelError(
            f"The model in {folder} cannot be loaded: {first_line(error)}",
            "It must be a decoder-only language model that this version of transformers knows.",
        ) from error


def packing(placement: Placement) -> BitsAndBytesConfig:
    """Say how the base is packed: 8-bit (Dettmers et al. 2022, LLM.int8), or 4-bit NF4 with double quantisation
    (Dettmers et al. 2023, QLoRA, section 3).
    """
    if placement.bits == 8:
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=placement.dtype,
    )


def load_adapter(
    model: Any, folder: Path, *, name: str = "default", dtype: torch.dtype | None = None, is_trainable: bool = False
) -> PeftModel:
    """Load a saved adapter onto a base, or beside the adapters that it has. Raises ModelError when it does not fit.

    Its files are checked against the base before any memory is taken. peft keeps it in fp32 where the base is in bf16;
    `dtype` is what it shall be kept in instead. A training computes with it in bf16 there too, so to answer in it is to
    answer as was learned, in half the memory.
    """
    check_adapter(folder, base_layers(model))
    try:
        with deadline(load_seconds(folder)):
            if isinstance(model, PeftModel):
                model.load_adapter(str(folder), adapter_name=name)
            else:
                model = PeftModel.from_pretrained(model, str(folder), adapter_name=name, is_trainable=is_trainable)
            if dtype is not None:
                _keep_in(model, name, dtype)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        if is_out_of_memory(error):
            raise
        raise ModelError(
            f"The adapter in {folder} cannot be loaded: {first_line(error)}",
            "It must belong to this base model. Train the run again if its files are damaged.",
        ) from error
    # Where the adapter's file says it came from is nobody's word: peft would ask the Hub for it when it saves.
    model.peft_config[name].base_model_name_or_path = getattr(model.get_base_model(), "name_or_path", None)
    return model if is_trainable else model.eval()


def base_layers(model: Any) -> Base:
    """List what of a model an adapter can sit on, whether it has adapters already or not."""
    base = model.get_base_model() if isinstance(model, PeftModel) else model
    layers: list[LinearLayer] = []
    wrapped = "-"
    for name, module in base.named_modules():
        if name.startswith(f"{wrapped}."):
            continue
        inner = getattr(module, "base_layer", getattr(module, "original_module", module))
        wrapped = name if inner is not module else wrapped
        if isinstance(inner, nn.Linear):
            layers.append(LinearLayer(name, inputs=inner.in_features, outputs=inner.out_features))
        elif isinstance(inner, Conv1D):
            layers.append(LinearLayer(name, inputs=inner.nx, outputs=inner.nf))
        elif isinstance(inner, nn.Embedding):
            layers.append(LinearLayer(name, inputs=inner.num_embeddings, outputs=inner.embedding_dim))
    return Base(tuple(layers), tuple(_word_modules(base)))


def _word_modules(base: Any) -> Iterator[LinearLayer]:
    wanted = [base.get_input_embeddings(), base.get_output_embeddings()]
    for name, module in base.named_modules():
        if any(module is each for each in wanted):
            inner = getattr(module, "base_layer", getattr(module, "original_module", module))
            rows, columns = inner.weight.shape
            yield LinearLayer(name, inputs=columns, outputs=rows)


def _keep_in(model: PeftModel, name: str, dtype: torch.dtype) -> None:
    """Keep A and B of an adapter in a number format; one that learned more than products stays as it is."""
    for layer in model.modules():
        if isinstance(layer, LoraLayer) and name not in layer.lora_variant:
            for held in (layer.lora_A, layer.lora_B, layer.lora_embedding_A, layer.lora_embedding_B):
                if name in held:
                    held[name] = held[name].to(dtype)


def linear_names(model: Any) -> tuple[str, ...]:
    """List the linear layers inside the decoder's blocks by their full names; the output head is not one of them."""
    return tuple(
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | Conv1D) and any(part.isdecimal() for part in name.split("."))
    )


def parameter_counts(model: Any) -> tuple[int, int]:
    """Return (all parameters, trainable parameters). A 4-bit weight counts as the weights that it packs."""
    total = trainable = 0
    for parameter in model.parameters():
        state = getattr(parameter, "quant_state", None)
        total += int(torch.Size(state.shape).numel()) if state is not None else parameter.numel()
        trainable += parameter.numel() if parameter.requires_grad else 0
    return total, trainable


def adapted_modules(model: Any) -> tuple[str, ...]:
    """List the modules that have an adapter, as peft was told to find them; none when the whole model is trained."""
    if not isinstance(model, PeftModel):
        return ()
    adapter: Any = model.peft_config["default"]
    return tuple(sorted(adapter.target_modules))


def context_length(model: Any) -> int | None:
    """Return how many tokens the model can read at most, where its config says so."""
    value = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return value if isinstance(value, int) else None


def _keep_weights_unpacked(model: Any) -> None:
    """Keep bitsandbytes from repacking 4-bit weights on the CPU.

    On a processor with bf16 instructions the first pass in evaluation mode repacks them for good, drops the double
    quantisation and computes in bf16 from then on, in a kernel without a gradient: whoever scores before training gets
    gradients that are silently wrong. Seen in bitsandbytes 0.50.2, `Linear4bit.forward`.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def remote_code_is_allowed() -> bool:
    """Tell whether whoever runs the studio lets models run code that comes with them."""
    return os.environ.get(REMOTE_CODE) == "1"


def _refuse_remote_code(folder: Path) -> None:
    config = read_config(folder)
    if "auto_map" in config and not remote_code_is_allowed() and config.get("model_type") not in CONFIG_MAPPING:
        raise ModelError(
            "This model wants to run code that comes with it, and the studio does not do that.",
            f"Choose a model that transformers knows by itself, or have whoever runs the studio set {REMOTE_CODE}=1.",
        )


def first_line(error: Exception) -> str:
    """Return what a library said, without what it said after that."""
    return str(error).strip().split("\n")[0][:300]
