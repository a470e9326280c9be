"""One training with and without each speed-up and beside TRL's trainer, and one that runs out of memory."""

import itertools
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from gpu.processes import Bench
from gpu.steps import Case, cap_memory, fresh_peak, make_rows, peak, run_steps

MIXED = Case("mixed", "llama-1b", "lora", (128, 2048), 16, 7)
LEARNING_RATE = 1e-4


def _loaded(bench: Bench, shape: str, method: str, **settings: Any) -> tuple[Any, Any, Any]:
    from studio.config import RunConfig
    from studio.ml.loading import choose_placement, load_base
    from studio.ml.methods import make_trainable

    folder = bench.model(shape)
    config = RunConfig(
        method=method, model=str(folder), epochs=1, batch_size=MIXED.batch, learning_rate=LEARNING_RATE, **settings
    )
    placement = choose_placement(precision="auto", bits=config.base_bits)
    return make_trainable(load_base(folder, placement), config), config, placement


@dataclass(frozen=True)
class Variant:
    """What is compared: what is switched off, the MiB of a chunk of logits (0: as it comes), and the tokens at once."""

    name: str
    off: tuple[str, ...] = ()
    chunk_mib: int = 0
    tokens: int = 8192
    joins: bool = False


def _variants() -> list[Variant]:
    from studio.config import SPEEDUPS

    alone = [
        Variant(f"without {name}", (name,))
        for name in ("fused-elementwise", "fused-adapters", "learned-logits", "packing")
    ]
    sizes = [
        Variant("with joined projections", joins=True),
        Variant("logits of 256 MiB at once", chunk_mib=256),
        Variant("16,384 tokens at once", tokens=16384),
    ]
    return [Variant("all"), *alone, *sizes, Variant("none", SPEEDUPS), Variant("all again")]


def speedups(bench: Bench) -> None:
    """Train the 1B model on rows of mixed lengths with all speed-ups, without each, and without any."""
    from studio.ml import engine
    from studio.models.forecast.plan import LOGIT_CHUNK_BYTES

    model, config, placement = _loaded(bench, "llama-1b", "lora")
    rows = make_rows(MIXED, bench, words=model.get_base_model().config.vocab_size)
    kept, pays = dict(LOGIT_CHUNK_BYTES), engine.joining_pays
    with bench.alone():
        for each in _variants():
            fresh_peak(bench)
            if each.chunk_mib:
                LOGIT_CHUNK_BYTES["cuda"] = each.chunk_mib * 2**20
            if each.joins:
                engine.joining_pays = lambda device, precision: True
            try:
                switched = replace(config, switched_off=each.off)
                run = run_steps(model, rows, switched, placement, micro_batch_tokens=bench.scale.tokens(each.tokens))
                told = {"tokens_per_second": round(run.speed), "gib": round(peak(bench)[0], 2)}
                bench.record("5 speed-ups", variant=each.name, **told, packed=run.engines[0].was_packed,
                             loss=run.losses[-1])  # fmt: skip
            except RuntimeError as error:
                bench.record("5 speed-ups", variant=each.name, error=f"{type(error).__name__}: {error}"[:300])
            finally:
                LOGIT_CHUNK_BYTES.update(kept)
                engine.joining_pays = pays


def expandable(bench: Bench) -> None:
    """Train the same with segments that can grow, and look at what the allocator holds beside what tensors take."""
    for name, setting in (("as it comes", ""), ("expandable", "expandable_segments:True")):
        pid = os.fork()
        if pid:
            os.waitpid(pid, 0)
            continue
        os.environ["PYTORCH_ALLOC_CONF"] = setting
        try:
            model, config, placement = _loaded(bench, "llama-1b", "lora")
            rows = make_rows(MIXED, bench, words=model.get_base_model().config.vocab_size)
            with bench.alone():
                fresh_peak(bench)
                run = run_steps(model, rows, config, placement, micro_batch_tokens=bench.scale.tokens(8192))
                taken, held = peak(bench)
            bench.record("5 allocator", segments=name, tokens_per_second=round(run.speed),
                         gib=round(taken, 2), gib_held=round(held, 2))  # fmt: skip
        except Exception as error:  # a result as well
            bench.record("5 allocator", segments=name, error=f"{type(error).__name__}: {error}"[:300])
        finally:
            os._exit(0)


def trl(bench: Bench) -> None:
    """Train the same rows with TRL at its best: bf16, rows of similar length together, fused kernels of Liger."""
    import torch
    from datasets import disable_progress_bars
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    disable_progress_bars()
    folder = bench.model("llama-1b")
    on_gpu = bench.device == "cuda"
    for name, side_by_side, liger in (("plain, 4 rows", 4, False), ("liger, 4 rows", 4, True)):
        if liger and not on_gpu:
            continue
        ended: list[float] = []

        class Clock(TrainerCallback):
            def on_step_end(self, *_: object, ended: list[float] = ended, **__: object) -> None:
                ended.append(time.monotonic())

        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).to(bench.device)
        rows = make_rows(MIXED, bench, words=model.config.vocab_size)
        trainer = SFTTrainer(
            model=model,
            args=SFTConfig(
                output_dir=str(bench.work / "trl"), num_train_epochs=1, per_device_train_batch_size=side_by_side,
                gradient_accumulation_steps=MIXED.batch // side_by_side, learning_rate=LEARNING_RATE, bf16=on_gpu,
                gradient_checkpointing=False, use_liger_kernel=liger, train_sampling_strategy="group_by_length",
                max_length=None, optim="adamw_torch_fused", save_strategy="no", report_to="none", use_cpu=not on_gpu,
                disable_tqdm=True, logging_steps=1,
                dataset_kwargs={"skip_prepare_dataset": True},
            ),
            train_dataset=_as_table(rows),
            processing_class=AutoTokenizer.from_pretrained(folder),
            peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"),
            callbacks=[Clock()],
        )  # fmt: skip
        with bench.alone():
            fresh_peak(bench)
            trainer.train()
            taken = peak(bench)[0]
        tokens = sum(len(row.ids) for row in rows) / MIXED.steps
        timed = [later - sooner for sooner, later in itertools.pairwise(ended[2:])]
        whole = tokens * len(timed) / sum(timed)
        bench.record("5 trl", settings=name, tokens_per_second=round(whole), gib=round(taken, 2),
                     median_step=round(statistics.median(timed), 4))  # fmt: skip
        del model, trainer
        fresh_peak(bench)


def _as_table(rows: Sequence[Any]) -> Any:
    """Return rows as a data set whose name is given: making one pickles more than the rows."""
    import pyarrow
    from datasets import Dataset

    columns = {"input_ids": [list(row.ids) for row in rows], "labels": [list(row.labels) for row in rows]}
    return Dataset(pyarrow.table(columns), fingerprint="rows")


def out_of_memory(bench: Bench) -> None:
    """Train with room for half of the tokens at once, and compare the losses with those of a training with room."""
    import torch

    model, config, placement = _loaded(bench, "llama-1b", "lora")
    rows = make_rows(replace(MIXED, steps=5), bench, words=model.get_base_model().config.vocab_size)
    at_once = bench.scale.tokens(8192)
    start = {name: each.detach().clone() for name, each in model.named_parameters() if each.requires_grad}
    found = []
    with bench.alone():
        base = peak(bench)[0]
        for capped in (False, True):
            with torch.no_grad():
                for name, each in model.named_parameters():
                    if name in start:
                        each.copy_(start[name])
            if capped:
                cap_memory(bench, 0.5 + base + 0.75 * (peak(bench)[0] - base))
            fresh_peak(bench)
            with _refusing_once(capped and bench.device != "cuda"):
                found.append(run_steps(model, rows, config, placement, micro_batch_tokens=at_once))
            bench.record("6 out of memory", capped=capped, gib=round(peak(bench)[0], 2), losses=found[-1].losses,
                         notes=found[-1].notes, micro_batches=found[-1].micro_batches)  # fmt: skip
    apart = max(abs(a - b) for a, b in zip(*(run.losses for run in found), strict=True))
    halved = sum("memory ran out" in note for note in found[1].notes)
    bench.record("6 verdict", halvings=halved, largest_difference=apart, right=halved == 1 and apart < 1e-2)


@contextmanager
def _refusing_once(refuses: bool) -> Iterator[None]:
    """Run out of memory once where there is no cap: on a processor, in a rehearsal."""
    import torch

    from studio.ml.engine import Engine

    loss = Engine.summed_loss

    def refused(self: Any, batch: Any) -> Any:
        Engine.summed_loss = loss  # type: ignore[method-assign]
        raise torch.OutOfMemoryError("rehearsed")

    if refuses:
        Engine.summed_loss = refused  # type: ignore[method-assign]
    try:
        yield
    finally:
        Engine.summed_loss = loss  # type: ignore[method-assign]
