"""Archives of runs that an honest studio never packs, built in memory from one honest run.

Standard library only, so that the attack and the tests can share them. `all_hostile` is the list: add a new kind there.
"""

import io
import json
import stat
import struct
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass

SCRIPT = '<img src=x onerror="window.hit=1"><script>window.hit=1</script>${window.hit=1}{{constructor}}'
"""What runs in a browser if any page forgets to escape it."""

NESTED = "[" * 100_000 + "]" * 100_000
"""Deeper than any reader of JSON that calls itself can follow."""

LORA: dict[str, object] = {
    "peft_type": "LORA",
    "task_type": "CAUSAL_LM",
    "r": 4,
    "lora_alpha": 8,
    "target_modules": ["q_proj"],
    "base_model_name_or_path": "starter",
}
TINY_WIDTH = 8

Files = dict[str, str | bytes]


@dataclass(frozen=True)
class Hostile:
    """One archive. `use` says where it bites: "import", "export", "template" or "chat"."""

    name: str
    content: bytes
    use: str = "import"


def event(number: int, kind: str, **values: object) -> str:
    return json.dumps({"seq": number, "time": 1.0e9 + number, "kind": kind, **values}) + "\n"


def finished(number: int, seconds: float = 3.0) -> str:
    return event(number, "Finished", status="finished", summary="Done.", seconds=seconds, kept_step=None)


def honest(name: str, *, model: str = "starter") -> Files:
    """Return the files of a run that trained a LoRA adapter for the tiny model and finished."""
    line = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}], "row": 1}
    origin = {"dataset_id": "gone", "dataset_name": "gone", "dataset_sha256": "0" * 64, "model_name": model}
    half = struct.pack("<32f", *([0.0] * 32))
    place = "base_model.model.model.layers.0.self_attn.q_proj"
    return {
        "config.json": json.dumps({"name": name, "model": model, "method": "lora", "rank": 4, "alpha": 8, "epochs": 1}),
        "origin.json": json.dumps({**origin, "created": time.time()}),
        "train.jsonl": json.dumps(line) + "\n",
        "val.jsonl": json.dumps(line) + "\n",
        "events.jsonl": event(1, "Started", process_id=1, job="train") + finished(2),
        "adapter/adapter_config.json": json.dumps(LORA | {"base_model_name_or_path": model}),
        "adapter/adapter_model.safetensors": safetensors(
            {f"{place}.lora_A.weight": ([4, TINY_WIDTH], half), f"{place}.lora_B.weight": ([TINY_WIDTH, 4], half)}
        ),
    }


def safetensors(tensors: Mapping[str, tuple[list[int], bytes]]) -> bytes:
    """Write float tensors, by name their shape and bytes, in the format of safetensors."""
    head: dict[str, object] = {}
    data = b""
    for name, (shape, content) in tensors.items():
        head[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(head).encode()
    return struct.pack("<Q", len(text)) + text + data


def tiny_model(template: str = "{{ messages[0]['content'] }}", *, split: str = "") -> Files:
    """Return a base model of one layer and three words that transformers loads. `split` is a regex of its tokenizer."""
    cutter: dict[str, object] = {"type": "Whitespace"}
    if split:
        cutter = {"type": "Split", "pattern": {"Regex": split}, "behavior": "Isolated", "invert": False}
    nothing = ("truncation", "padding", "normalizer", "post_processor", "decoder")
    words = {"type": "WordLevel", "vocab": {"[UNK]": 0, "Hi": 1, "Hello": 2}, "unk_token": "[UNK]"}
    tokenizer = {"version": "1.0", "added_tokens": [], "pre_tokenizer": cutter, "model": words}
    width, wide = TINY_WIDTH, 2 * TINY_WIDTH
    shapes = {"model.embed_tokens": [3, width], "model.norm": [width]}
    for part in ("input_layernorm", "post_attention_layernorm"):
        shapes[f"model.layers.0.{part}"] = [width]
    for part in "qkvo":
        shapes[f"model.layers.0.self_attn.{part}_proj"] = [width, width]
    for part, shape in (("gate", [wide, width]), ("up", [wide, width]), ("down", [width, wide])):
        shapes[f"model.layers.0.mlp.{part}_proj"] = shape
    tensors = {f"{name}.weight": (shape, _small(shape)) for name, shape in shapes.items()}
    return {
        "config.json": json.dumps(TINY_LLAMA),
        "tokenizer.json": json.dumps(tokenizer | dict.fromkeys(nothing)),
        "tokenizer_config.json": json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "[UNK]"}),
        "chat_template.jinja": template,
        "model.safetensors": safetensors(tensors),
    }


TINY_LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": TINY_WIDTH,
    "intermediate_size": 2 * TINY_WIDTH,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "vocab_size": 3,
    "max_position_embeddings": 64,
    "tie_word_embeddings": True,
    "torch_dtype": "float32",
}


def _small(shape: list[int]) -> bytes:
    count = shape[0] * (shape[1] if len(shape) > 1 else 1)
    return struct.pack(f"<{count}f", *(0.01 * (number % 7) for number in range(count)))


def pack(files: Mapping[str, str | bytes], *others: tuple[zipfile.ZipInfo | str, str | bytes]) -> bytes:
    """Zip the files of a run below one folder; `others` go in under exactly the name they have."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(f"run/{name}", content)
        for entry, content in others:
            archive.writestr(entry, content)
    return held.getvalue()


def all_hostile(target: str, *, model: str = "starter", big: int = 100_000_000) -> list[Hostile]:
    """Build every archive. `target` is a file of the server that none may show, `model` the base the adapters name."""
    return [*_readers(target), *_damaged(), *_foreign_entries(target), *_templates(big), *_adapters(model)]


def _changed(name: str, changes: Mapping[str, str | bytes], *, use: str = "import", model: str = "starter") -> Hostile:
    return Hostile(name, pack(honest(name, model=model) | dict(changes)), use)


def _readers(target: str) -> list[Hostile]:
    """Return runs whose reports, notes and settings point at files that are not theirs."""
    found = []
    for name, path in (("own-file", target), ("environment", "/proc/self/environ"), ("parent", "../../../queue.json")):
        report = {"kind": "adapter", "folder": path, "archive": path, "folder_bytes": 1, "archive_bytes": 1}
        proof = {"largest_difference": 0.0, "tolerance": 1.0, "same_answers": 3, "answers": 3, "checked_with": "-"}
        found.append(_changed(f"report-{name}", {"exports/adapter.json": json.dumps(report | proof)}, use="export"))
    rows = {"evaluations/end.json": json.dumps({"name": "end", "rows": target, "path": target})}
    found.append(_changed("evaluation-path", rows, use="export"))
    card = {
        "adapter/README.md": f"[a file]({target}) ![a picture](file://{target})",
        "adapter/chat_template.jinja": "x",
    }
    found.append(_changed("card", card, use="export"))
    return found


def _damaged() -> list[Hostile]:
    """Return runs with a file that is no longer what the studio wrote."""
    log = honest("x")["events.jsonl"]
    assert isinstance(log, str)
    deep_event = '{"seq":1,"time":1,"kind":' + NESTED + "}\n"
    loss = event(2, "Stepped", step=1, epoch=0.1, loss=1.0).replace("1.0}", "1e999}")
    found = [
        _changed("deep-events", {"events.jsonl": deep_event + log}),
        _changed("endless-seconds", {"events.jsonl": log.replace('"seconds": 3.0', '"seconds": 1e999')}),
        _changed("endless-loss", {"events.jsonl": event(1, "Started", process_id=1, job="train") + loss + finished(3)}),
        _changed("huge-number", {"events.jsonl": log.replace('"seconds": 3.0', '"seconds": ' + "9" * 5_000)}),
        _changed(
            "far-future", {"origin.json": str(honest("x")["origin.json"]).replace('"created": 1', '"created": 99991')}
        ),
        _changed("negative-time", {"events.jsonl": log.replace('"time": 1', '"time": -1')}),
        _changed("binary-events", {"events.jsonl": b"\xff\xfe\0\0" * 200}),
        _changed("cut-config", {"config.json": '{"name": "x", "rank"'}),
        _changed("half-surrogate", {"about.json": '{"name": "\\ud800", "note": "\\udfff"}'}),
        _changed("long-name", {"about.json": json.dumps({"name": "n" * 2_000_000, "note": ""})}),
        _changed("script", {"about.json": json.dumps({"name": SCRIPT, "note": SCRIPT}), "worker.log": SCRIPT}),
    ]
    for inside in ("about", "lost", "parents", "origin", "config", "evaluations/end", "adapter/adapter_config"):
        found.append(_changed(f"deep-{inside.replace('/', '-')}", {f"{inside}.json": NESTED, "worker.log": "log\n"}))
    return found


def _foreign_entries(target: str) -> list[Hostile]:
    """Return archives that would write elsewhere, bring links or code, or unpack to far more than they are."""
    link = zipfile.ZipInfo("run/adapter/link.json")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    entries: list[tuple[str, zipfile.ZipInfo | str, str | bytes]] = [
        ("slip", "run/../../outside.json", "{}"),
        ("slip-absolute", "/tmp/outside.json", "{}"),
        ("slip-backslash", "run\\..\\..\\outside.json", "{}"),
        ("link", link, target),
        ("pickle", "run/adapter/adapter_model.bin", b"\x80\x04."),
        ("code", "run/model/modeling_own.py", "value = 1"),
        ("page", "run/exports/page.html", SCRIPT),
        ("bomb", "run/train.txt", bytes(60_000_000)),
        ("two-tops", "other/config.json", "{}"),
    ]
    found = [Hostile(name, pack(honest(name), (entry, content))) for name, entry, content in entries]
    return [*found, Hostile("no-zip", b"not a zip at all"), Hostile("cut-off", pack(honest("cut-off"))[:-40])]


def _templates(big: int) -> list[Hostile]:
    """Return runs that hold a whole model whose template or tokenizer never ends, or takes all memory."""
    return [
        Hostile(name, pack(honest(name) | {f"model/{inner}": content for inner, content in files.items()}), "template")
        for name, files in hostile_models(big).items()
    ]


def hostile_models(big: int) -> dict[str, Files]:
    """Return base models that misuse whoever counts their tokens, by name."""
    loop = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}x"
    escape = "{{ ''.__class__.__base__.__subclasses__() }}{{ raise_exception.__globals__ }}{{ lipsum.__globals__ }}x"
    return {
        "template-loop": tiny_model(loop),
        "template-memory": tiny_model(f"{{{{ 'x' * {big} }}}}"),
        "template-escape": tiny_model(escape),
        "tokenizer-regex": tiny_model("{{ 'a' * 60 }}!", split="(a|a|aa)+$"),
    }


def _adapters(model: str) -> list[Hostile]:
    """Return runs whose adapter is no LoRA adapter of its base, or says so in a way that hangs or fills memory."""
    settings: dict[str, dict[str, object]] = {
        "regex": {"target_modules": "((.+)+)+_nothing$"},
        "rank": {"r": 2**26, "target_modules": "all-linear"},
        "negative-rank": {"r": -4},
        "megatron": {"megatron_config": {"a": 1}, "megatron_core": "antigravity"},
        "prompt-tuning": {
            "peft_type": "PROMPT_TUNING",
            "num_virtual_tokens": 4,
            "prompt_tuning_init": "TEXT",
            "prompt_tuning_init_text": "x",
            "tokenizer_name_or_path": "nobody/nothing",
        },
        "auto-mapping": {"auto_mapping": {"base_model_class": "x", "parent_library": "antigravity"}},
    }
    base = LORA | {"base_model_name_or_path": model}
    found = [
        _changed(f"adapter-{name}", {"adapter/adapter_config.json": json.dumps(base | wrong)}, use="chat", model=model)
        for name, wrong in settings.items()
    ]
    lying = {"huge-head": struct.pack("<Q", 2**40) + b"{}", "no-head": b"\xff" * 40, "pickled": b"\x80\x04."}
    lying["wrong-shape"] = safetensors(
        {"base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight": ([2**20, 2**20], b"")}
    )
    for name, content in lying.items():
        weights = {"adapter/adapter_model.safetensors": content}
        found.append(_changed(f"weights-{name}", weights, use="chat", model=model))
    return found
