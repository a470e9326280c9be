"""Ask what was exported, as anybody would: `python plain_asking.py ORDER ANSWER`, a process that imports no studio.

Reads nothing but what is shipped: the tokenizer and template, the generation settings, the weights. Works with
transformers 4 and 5. `studio.ml.shipped_check` writes the order and reads the answer.
"""

import contextlib
import inspect
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

TIMES = 2


@contextlib.contextmanager
def computing_exactly(model: Any, *, shaken: int | None = None) -> Iterator[None]:
    """Have a model compute in fp32 with the weights that it has, whatever their number format, one module at a time.

    Half precision rounds each result, which hides errors of some hundredths. With `shaken`, a seed, matrices are off at
    random by as much as rounding to their format can be: half the step between two of its numbers.
    """
    held: dict[Any, list[tuple[Any, Any]]] = {}
    generators: dict[Any, torch.Generator] = {}

    def widened(data: torch.Tensor) -> torch.Tensor:
        wide = data.float()
        if shaken is None or data.dim() < 2:
            return wide
        rng = generators.setdefault(data.device, torch.Generator(data.device).manual_seed(shaken))
        off = torch.rand(data.shape, generator=rng, device=data.device) - 0.5
        step = torch.finfo(data.dtype).eps / 2  # of a number that frexp takes as m * 2^e with m from 0.5 to 1
        return wide + torch.ldexp(off * step, torch.frexp(wide).exponent) * (wide != 0)

    def narrow(parameters: Iterable[Any]) -> list[tuple[Any, Any]]:
        return [(each, each.data) for each in parameters if each.is_floating_point() and each.dtype != torch.float32]

    def widen(module: Any, arguments: Any) -> None:
        held[module] = narrow(module.parameters(recurse=False))
        for parameter, data in held[module]:
            parameter.data = widened(data)

    def restore(module: Any, arguments: Any, output: Any) -> None:
        for parameter, data in held.pop(module, ()):
            parameter.data = data

    # peft looks at an adapter's number format before it calls its parts.
    adapters = narrow(parameter for name, parameter in model.named_parameters() if "lora_" in name)
    packed = [(each, each.compute_dtype) for each in model.modules() if hasattr(each, "compute_dtype")]
    modules = list(model.modules())
    hooks = [module.register_forward_pre_hook(widen) for module in modules]
    hooks += [module.register_forward_hook(restore, always_call=True) for module in modules]
    for parameter, data in adapters:
        parameter.data = data.float()
    for module, _ in packed:
        module.compute_dtype = torch.float32
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
        for module, dtype in packed:
            module.compute_dtype = dtype
        for parameter, data in (*adapters, *(pair for pairs in held.values() for pair in pairs)):
            parameter.data = data


def ask(order: dict[str, Any]) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Load what the order names, and return the logits of each question and what else was found."""
    tokenizer = AutoTokenizer.from_pretrained(order["shipped"], local_files_only=True)
    model = _load(order)
    ends = model.generation_config.eos_token_id
    end_ids = ends if isinstance(ends, list) else [] if ends is None else [ends]
    logits, answers = {}, []
    for number, question in enumerate(order["questions"]):
        with computing_exactly(model) if order["exact"] else contextlib.nullcontext():
            logits[str(number)] = _last_logits(model, question["ids"], positions=order["positions"])
        answers.append(_answer(model, question["prompt"], end_ids=end_ids, most=order["answer_tokens"]))
    rounding = 0.0
    if not order["exact"]:
        rounding = _moved_by_precision(model, order, logits)
    elif order["measure_rounding"]:
        rounding = _moved_by_rounding(model, order, logits)
    told = {
        "rounding": rounding,
        "answers": answers,
        "end_ids": end_ids,
        "prompt": _prompt(tokenizer, order["conversation"]),
    }
    return logits, {**told, "transformers": transformers.__version__}


def _load(order: dict[str, Any]) -> Any:
    shipped, adapted = order["shipped"], order["base"] is not None
    options: dict[str, Any] = {"dtype": getattr(torch, order["dtype"]), "local_files_only": True}
    options["trust_remote_code"] = order["trust_remote_code"]
    if order["packing"]:
        options["quantization_config"] = transformers.BitsAndBytesConfig(**order["packing"])
    if order["device"] != "cpu":
        options["device_map"] = {"": order["device"]}
    model: Any = AutoModelForCausalLM.from_pretrained(order["base"] if adapted else shipped, **options)
    for module in model.modules():  # bitsandbytes would pack what is packed a second time, and answer otherwise
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    if adapted:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, shipped)
        model.generation_config = GenerationConfig.from_pretrained(shipped, local_files_only=True)
    return model.eval()


def _last_logits(model: Any, ids: list[int], *, positions: int) -> torch.Tensor:
    """Return the logits at the last positions of a text, (positions, words) in fp32."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    keep = {"logits_to_keep": positions} if "logits_to_keep" in inspect.signature(base.forward).parameters else {}
    with torch.no_grad():
        found: torch.Tensor = model(input_ids=torch.tensor([ids], device=model.device), use_cache=False, **keep).logits
    return found[0, -positions:].float().cpu().clone()


def _moved_by_rounding(model: Any, order: dict[str, Any], exact: dict[str, torch.Tensor]) -> float:
    """Return how far logits move when every matrix is off by up to one rounding of its number format."""
    moved = 0.0
    for seed in range(TIMES):
        for number, question in enumerate(order["questions"]):
            with computing_exactly(model, shaken=seed):
                found = _last_logits(model, question["ids"], positions=order["positions"])
            moved = max(moved, float((found - exact[str(number)]).abs().max()))
    return moved


def _moved_by_precision(model: Any, order: dict[str, Any], rounded: dict[str, torch.Tensor]) -> float:
    """Return how far logits are from those that the same weights give when as much as can be is computed in fp32."""
    moved = 0.0
    for number, question in enumerate(order["questions"]):
        with computing_exactly(model):
            found = _last_logits(model, question["ids"], positions=order["positions"])
        moved = max(moved, float((found - rounded[str(number)]).abs().max()))
    return moved


def _answer(model: Any, prompt: list[int], *, end_ids: list[int], most: int) -> list[int]:
    """Continue a prompt greedily until one of the ends that the shipped settings name; the end is part of it."""
    ids = torch.tensor([prompt], device=model.device)
    settings = {"do_sample": False, "num_beams": 1, "max_new_tokens": most, "eos_token_id": end_ids or None}
    model.generation_config = GenerationConfig(**settings, pad_token_id=end_ids[0] if end_ids else 0)
    with torch.inference_mode():
        output = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids))
    answer: list[int] = output[0, len(prompt) :].tolist()
    return answer


def _prompt(tokenizer: Any, conversation: list[dict[str, str]]) -> list[int] | None:
    """Write the beginning of a conversation as the shipped template has it, up to where the model is to speak.

    None where the template refuses it.
    """
    try:
        text = tokenizer.apply_chat_template(conversation, add_generation_prompt=True, tokenize=False)
    except Exception as error:  # a template may raise anything
        sys.stderr.write(f"The chat template refuses a conversation: {error}\n")
        return None
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


if __name__ == "__main__":
    asked, answered = map(Path, sys.argv[1:])
    tensors, found = ask(json.loads(asked.read_text(encoding="utf-8")))
    save_file(tensors, answered, metadata={"told": json.dumps(found)})
