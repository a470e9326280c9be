"""The lines of Python that go with an export: they load what was compared on the page, ask it and print its answer.

A greedy answer of the page is the same word for word: number format, packing, chat template and the end of an answer
are those of the run. The README in an export and the Export tab show the same lines.
"""

import json
import logging
from dataclasses import dataclass

from studio.config import STARTER
from studio.data.example_files import ExampleFile
from studio.data.examples import Message
from studio.errors import DataError, ModelError
from studio.jobs.exports import ADAPTER, GGUF_ADAPTER, export_archive, export_folder, export_modelfile
from studio.logs import logged
from studio.models.adapter_settings import read_document
from studio.models.elsewhere import shown_name
from studio.models.starter import HUB_ID
from studio.runs.precision import precision_of
from studio.runs.store import RunFolder

log = logging.getLogger(__name__)

LONGEST_ANSWER = 160
"""How long an answer of the page is at most, unless a person sets something else, in tokens."""

_LONGEST_QUESTION = 300
_ANY_QUESTION = "Hello, who are you?"
_DTYPES = {"fp32": "torch.float32", "bf16": "torch.bfloat16", "fp16": "torch.float16"}
_DEVICE = 'device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"'
_ASK = f"""
inputs = tokenizer.apply_chat_template(
    messages, add_generation_prompt=True, return_dict=True, return_tensors="pt"
).to(device)
output = model.generate(**inputs, do_sample=False, max_new_tokens={LONGEST_ANSWER})
answer = output[0, inputs["input_ids"].shape[1] :]
print(tokenizer.decode(answer, skip_special_tokens=True, clean_up_tokenization_spaces=False))
"""


@dataclass(frozen=True)
class _Loading:
    """How the studio loads what is compared: the base's name and number format, and in how many bits it is packed."""

    base: str
    dtype: str
    bits: int
    is_dora: bool


def base_name(run: RunFolder) -> str:
    """Say what loads the base of a run elsewhere."""
    return HUB_ID if run.config.model == STARTER else shown_name(run.config.model)


def snippet(run: RunFolder, kind: str, *, repository: str = "") -> str:
    """Write the lines for an export of a kind ("adapter" or "merged"), unpacked or in a `repository` on the Hub.

    Raises RunError when the run cannot be read.
    """
    config = run.config
    loading = _Loading(
        base=base_name(run),
        dtype=_DTYPES.get(precision_of(run), '"auto"'),
        bits=config.base_bits if kind == ADAPTER else 0,
        is_dora=kind == ADAPTER and _is_dora(run),
    )
    folder = f"folder = {_text(export_folder(run, kind).name)}  # where you unpacked the zip\n"
    if repository:
        folder = f"folder = {_text(repository)}  # on the Hugging Face Hub\n"
    asked_of = (Message("user", _ANY_QUESTION),) if repository else _question(run)  # no row of the data is published
    messages = "".join(f'    {{"role": {_text(each.role)}, "content": {_text(each.content)}}},\n' for each in asked_of)
    asked = f"messages = [\n{messages}]\n{_DEVICE}\n\ntokenizer = AutoTokenizer.from_pretrained(folder)\n"
    load = _load_adapter(loading) if kind == ADAPTER else _load_model(loading)
    return f"{_imports(kind, loading)}\n{folder}{asked}{load}{_ASK}"


def gguf_commands(run: RunFolder, kind: str) -> str:
    """Write the lines for a terminal that use a GGUF, in the folder where it lies with its Modelfile."""
    if kind == GGUF_ADAPTER:
        return "\n".join(
            (
                f"# base.gguf is a GGUF of {base_name(run)}, in 16 bits for the same answers.",
                "# convert_hf_to_gguf.py of llama.cpp writes one, and many are on the Hugging Face Hub.",
                f"llama-server -m base.gguf --lora {export_archive(run, kind).name} --jinja",
            )
        )
    file, beside = export_archive(run, kind).name, export_modelfile(run, kind).name
    lines = (f"ollama create my-model -f {beside}", "ollama run my-model", "", f"llama-server -m {file} --jinja")
    return "\n".join(lines)


def _text(text: str) -> str:
    """Write a text as Python has it: a JSON text is one."""
    return json.dumps(text, ensure_ascii=False)


def _is_dora(run: RunFolder) -> bool:
    """Tell whether the adapter learned lengths beside its products: those the studio keeps in fp32."""
    with logged(log, "The settings of an adapter cannot be read for the lines that load it", ModelError):
        return run.result is not None and bool(read_document(run.result).get("use_dora"))
    return False


def _question(run: RunFolder) -> tuple[Message, ...]:
    """Take a question that was held out, with the system prompt of its row."""
    with logged(log, "The held-out rows cannot be read for a question", DataError):
        for example in ExampleFile(run.validation_path):
            first = next((n for n, each in enumerate(example.messages) if each.role == "user"), 0)
            asked = example.messages[: 1 + first]
            if asked[-1].role == "user" and sum(len(each.content) for each in asked) <= _LONGEST_QUESTION:
                return tuple(asked)
    return (Message("user", _ANY_QUESTION),)


def _imports(kind: str, loading: _Loading) -> str:
    packages = ["torch", "transformers", "accelerate", *(["peft"] if kind == ADAPTER else [])]
    names = ["AutoModelForCausalLM", "AutoTokenizer"]
    if kind == ADAPTER:
        names.append("GenerationConfig")
    if loading.bits:
        packages.append("bitsandbytes")
        names.insert(2, "BitsAndBytesConfig")
    peft = "from peft import PeftModel\n" if kind == ADAPTER else ""
    return f"# pip install {' '.join(packages)}\nimport torch\n{peft}from transformers import {', '.join(names)}\n"


def _load_model(loading: _Loading) -> str:
    return f"model = AutoModelForCausalLM.from_pretrained(folder, dtype={loading.dtype}, device_map=device)\n"


def _load_adapter(loading: _Loading) -> str:
    packing, packed = "", ""
    if loading.bits:
        packing = f"packing = {_packing(loading)}\n"
        packed = ", quantization_config=packing"
    narrow = "" if loading.dtype in (_DTYPES["fp32"], '"auto"') or loading.is_dora else _narrow(loading.dtype)
    return (
        f"{packing}base = AutoModelForCausalLM.from_pretrained(\n"
        f"    {_text(loading.base)}, dtype={loading.dtype}, device_map=device{packed}\n"
        ")\n"
        "model = PeftModel.from_pretrained(base, folder).eval()\n"
        f"{narrow}"
        "model.generation_config = GenerationConfig.from_pretrained(folder)  # where an answer ends\n"
    )


def _packing(loading: _Loading) -> str:
    if loading.bits == 8:
        return "BitsAndBytesConfig(load_in_8bit=True)"
    return (
        "BitsAndBytesConfig(\n    load_in_4bit=True,\n"
        '    bnb_4bit_quant_type="nf4",\n    bnb_4bit_use_double_quant=True,\n'
        f"    bnb_4bit_compute_dtype={loading.dtype},\n)"
    )


def _narrow(dtype: str) -> str:
    return (
        "for name, weight in model.named_parameters():  # peft keeps them in fp32, the studio does not\n"
        '    if "lora_" in name:\n'
        f"        weight.data = weight.data.to({dtype})\n"
    )
