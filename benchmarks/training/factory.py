"""LLaMA-Factory as a contender: as it comes, and with rows packed side by side in bf16.

    PYTHONPATH=benchmarks PYTHON -m training.factory TASK.json

Run by the Python that has llamafactory, one task in each process. It knows nothing of the studio's code. Its own
template for the model writes the tokens, and each row is compared with the studio's before the first step. It also
learns the line break after an answer, which the studio does not, so that alone is allowed to differ.
"""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from transformers import AutoTokenizer, TrainerCallback

from training import task as agreed
from training.task import IGNORED, Loop, Task, TokenRow, check_row, read_rows
from training.trainers import Clock, asked, do_task

TEMPLATE = "smollm2"
SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
"""What the tokenizer's own template says first; LLaMA-Factory's has a full stop after it."""


class Check(TrainerCallback):
    """Compares all rows with the studio's before the first step."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def on_train_begin(self, *_: object, train_dataloader: Any, **__: object) -> None:
        break_id = AutoTokenizer.from_pretrained(self._task.model).convert_tokens_to_ids("Ċ")
        found = [row for each in train_dataloader.dataset for row in _rows_of(each, break_id)]
        expected = read_rows(self._task.rows)
        if Counter(len(row.ids) for row in found) != Counter(len(row.ids) for row in expected):
            raise SystemExit(f"{self._task.contender} has {len(found)} rows of other lengths than the studio.")
        pairs = zip(sorted(found, key=_order), sorted(expected, key=_order), strict=True)
        for number, (row, ours) in enumerate(pairs):
            check_row(number, ids=row.ids, labels=row.labels, expected=ours)


def _order(row: TokenRow) -> list[int]:
    return row.ids


def _rows_of(item: dict[str, Any], break_id: int) -> Iterable[TokenRow]:
    """Take a pack apart: its attention mask numbers the rows from 1. A row alone is a pack of one."""
    numbers = item["attention_mask"]
    for number in range(1, max(numbers) + 1):
        places = [place for place, found in enumerate(numbers) if found == number]
        ids = [item["input_ids"][place] for place in places]
        labels = [item["labels"][place] for place in places]
        yield TokenRow(
            ids, [IGNORED if label == break_id and _ends(ids, at) else label for at, label in enumerate(labels)]
        )


def _ends(ids: list[int], at: int) -> bool:
    """Whether the token at a place follows the end of a message, which has the same id as that of the last one."""
    return at > 0 and ids[at - 1] == ids[-2]


def plain(task: Task) -> Loop:
    """Train with LLaMA-Factory as it comes."""
    return _train(task, {})


def packed(task: Task) -> Loop:
    """Train in bf16 on packs of 512 tokens, about a batch of rows at once, without computing blocks twice."""
    rows = read_rows(task.rows)
    tokens_of_batch = agreed.BATCH * sum(len(row.ids) for row in rows) / len(rows)
    packs = max(1, round(tokens_of_batch / agreed.MAX_LENGTH))
    settings = {"neat_packing": True, "packing": True, "disable_gradient_checkpointing": True, "bf16": task.bf16}
    return _train(task, settings | {"per_device_train_batch_size": packs})


PEERS: dict[str, Callable[[Task], Loop]] = {"llamafactory": plain, "llamafactory-packed": packed}


def _train(task: Task, settings: dict[str, Any]) -> Loop:
    chats = Path(task.chats)
    columns = {"messages": "messages"}
    tags = {f"{each}_tag": each for each in ("role", "content", "user", "assistant", "system")}
    listed = {"chats": {"file_name": chats.name, "formatting": "sharegpt", "columns": columns, "tags": tags}}
    (chats.parent / "dataset_info.json").write_text(json.dumps(listed), encoding="utf-8")
    clock = Clock()
    given = {
        "stage": "sft",
        "do_train": True,
        "finetuning_type": "lora",
        "lora_rank": agreed.RANK,
        "lora_alpha": agreed.ALPHA,
        "lora_dropout": 0.0,
        "lora_target": "all",
        "model_name_or_path": task.model,
        "template": TEMPLATE,
        "default_system": SYSTEM,
        "dataset": "chats",
        "dataset_dir": str(chats.parent),
        "cutoff_len": agreed.MAX_LENGTH,
    }
    # It imports torchaudio also where nobody listens, and that has no build for the PyTorch that everyone runs on here.
    sys.modules.setdefault("torchaudio", ModuleType("torchaudio"))
    from llamafactory.train.tuner import run_exp

    run_exp(asked(task, output=task.adapter) | given | settings, callbacks=[Check(task), clock])
    return clock.loop


if __name__ == "__main__":
    raise SystemExit(do_task(PEERS))
