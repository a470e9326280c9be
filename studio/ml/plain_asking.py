"""Ask what was exported, as anybody would: `python plain_asking.py ORDER ANSWER`, a process that imports no studio.

Reads nothing but what is shipped: the tokenizer and template, the generation settings, the weights. Works with
transformers 4 and 5. `studio.ml.shipped_check` writes the order and reads the answer.
"""

import inspect
import json
import sys
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig


def ask(order: dict[str, Any]) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Load what the order names, and return the logits of each question and what else was found."""
    tokenizer = AutoTokenizer.from_pretrained(order["shipped"], local_files_only=True)
    model = _load(order)
    ends = model.generation_config.eos_token_id
    end_ids = ends if isinstance(ends, list) else [] if ends is None else [ends]
    logits, answers = {}, []
    for number, question in enumerate(order["questions"]):
        logits[str(number)] = _last_logits(model, question["ids"], positions=order["positions"])
        answers.append(_answer(model, question["prompt"], end_ids=end_ids, most=order["answer_tokens"]))
    told = {"answers": answers, "end_ids": end_ids, "prompt": _prompt(tokenizer, order["conversation"])}
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
    with torch.inference_mode():
        found: torch.Tensor = model(input_ids=torch.tensor([ids], device=model.device), use_cache=False, **keep).logits
    return found[0, -positions:].float().cpu().clone()


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
