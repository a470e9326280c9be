"""Answers of a packed 8B model, with and without adapters, and merging where the card has no room."""

import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gpu.processes import Bench
from gpu.steps import cap_memory, fresh_peak, peak

NEW_TOKENS = 48
PROMPT_TOKENS = 256


def answers(bench: Bench) -> None:
    """Time answers of the base alone, of one adapter, of two in one batch, and of plain `generate`."""
    import torch
    from transformers import GenerationConfig

    from studio.ml.answering import answer_rows
    from studio.ml.generation import BASE, PaneInput, Sampling, generate
    from studio.ml.loading import choose_placement, load_adapter, load_base

    folder = bench.model("llama-8b")
    placement = choose_placement(precision="auto", bits=4)
    model = load_base(folder, placement)
    words = model.config.vocab_size
    draw = random.Random(0)
    new, length = bench.scale.tokens(NEW_TOKENS * 32) // 32 if bench.scale.small else NEW_TOKENS, PROMPT_TOKENS
    prompts = [tuple(draw.randrange(words) for _ in range(bench.scale.tokens(length))) for _ in range(32)]

    def plain(rows: int) -> None:
        ids = torch.tensor(prompts[:rows], device=bench.device)
        settings = GenerationConfig(do_sample=False, max_new_tokens=new, min_new_tokens=new, pad_token_id=257)
        with torch.inference_mode():
            model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), generation_config=settings)

    def ours(asked: Sequence[str]) -> None:
        panes = [PaneInput(name, prompts[row]) for row, name in enumerate(asked)]
        generate(model, panes, sampling=Sampling(max_new_tokens=new), end_ids=(), pad_id=257)

    def many(adapter: str) -> None:
        answer_rows(model, prompts, adapter=adapter, limits=[new] * len(prompts), end_ids=(), pad_id=257)

    def timed(name: str, rows: int, work: Any) -> None:
        seconds = []
        for _ in range(2):
            began = time.monotonic()
            work()
            if bench.device == "cuda":
                torch.cuda.synchronize()
            seconds.append(time.monotonic() - began)
        bench.record("7 answers", who=name, rows=rows, tokens_per_second=round(rows * new / min(seconds), 1),
                     gib=round(peak(bench)[0], 2))  # fmt: skip

    with bench.alone():
        fresh_peak(bench)
        timed("plain generate", 1, lambda: plain(1))
        timed("base", 1, lambda: ours([BASE]))
        timed("base, 32 rows", 32, lambda: many(BASE))
    adapters = [_adapter(model, bench.work / f"adapter-{name}") for name in ("a", "b")]
    adapted = model
    for name, adapter in zip("ab", adapters, strict=True):
        adapted = load_adapter(adapted, adapter, name=name, dtype=placement.dtype)
    model = adapted
    with bench.alone():
        timed("one adapter", 1, lambda: ours(["a"]))
        timed("two adapters and the base, mixed", 3, lambda: ours(["a", "b", BASE]))
        timed("one adapter, 32 rows", 32, lambda: many("a"))


def _adapter(base: Any, folder: Path) -> Path:
    """Write an adapter that changes a little, for all linear layers of a model."""
    import torch
    from peft import LoraConfig
    from safetensors.torch import save_file

    from studio.ml.loading import base_layers, linear_names
    from studio.models.layout import select_modules

    targets = select_modules(linear_names(base), targets="all-linear", chosen=())
    rank, tensors = 8, {}
    inside = set(linear_names(base))
    for layer in base_layers(base).layers:
        if layer.name in inside:
            name = f"base_model.model.{layer.name}"
            tensors[f"{name}.lora_A.weight"] = 0.01 * torch.randn(rank, layer.inputs)
            tensors[f"{name}.lora_B.weight"] = 0.01 * torch.randn(layer.outputs, rank)
    LoraConfig(r=rank, lora_alpha=16, target_modules=list(targets), task_type="CAUSAL_LM").save_pretrained(str(folder))
    save_file(tensors, folder / "adapter_model.safetensors")
    return folder


def merging(bench: Bench, *, cap_gib: float | None) -> None:
    """Merge an adapter into the 1B model, with room on the card or without."""
    import torch

    from studio.data.tokenizing.rendering import ChatRenderer
    from studio.ml.export import stored_placement, write_merged
    from studio.ml.loading import load_base
    from studio.ml.reference import Probe

    folder = bench.model("llama-1b")
    adapter = _adapter(load_base(folder, stored_placement(folder)), bench.work / f"adapter-merge-{cap_gib}")
    if cap_gib is not None:
        cap_memory(bench, cap_gib)
    fresh_peak(bench)
    renderer = ChatRenderer.load(folder)
    probe = Probe(ids=tuple(range(1, 40)), prompt=tuple(range(1, 20)))
    target = bench.work / f"merged-{cap_gib}"
    began = time.monotonic()
    said = "merged"
    try:
        write_merged(
            folder, adapter=adapter, renderer=renderer, target=target, probes=[probe], pad_id=257, card="A benchmark.\n"
        )
    except Exception as error:  # a sentence is what is wanted
        said = f"{type(error).__name__}: {error}"[:400]
    written = sum(each.stat().st_size for each in target.rglob("*.safetensors")) if target.exists() else 0
    bench.record("7 merging", cap_gib=cap_gib, said=said, seconds=round(time.monotonic() - began, 1),
                 written_gib=round(written / 2**30, 2), gpu_gib=round(peak(bench)[0], 2),
                 used_gpu=torch.cuda.is_available())  # fmt: skip
