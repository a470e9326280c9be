"""The contenders beside the studio: TRL's trainer, that of transformers, and the plain loop of the textbooks.

    PYTHONPATH=benchmarks PYTHON -m training.peers TASK.json

Run by the Python that has trl, one task in each process. Trains, saves a peft adapter and prints the loop's times as
one line of JSON. Every row is compared with the studio's before the first step. Knows nothing of the studio's code.
"""

import random
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from datasets import Dataset, disable_progress_bars
from peft import LoraConfig, get_peft_model
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DataCollatorForSeq2Seq,
    PreTrainedTokenizerBase,
    Trainer,
    TrainingArguments,
    get_linear_schedule_with_warmup,
)

from training import task as agreed
from training.task import Loop, Task, TokenRow, check_row, read_chats, read_rows
from training.trainers import Clock, asked, do_task

CHATML = "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
CHATML_MARKED = (
    "{% if message['role'] == 'assistant' %}{{'<|im_start|>assistant\n'}}{% generation %}"
    "{{message['content'] + '<|im_end|>'}}{% endgeneration %}{{'\n'}}{% else %}" + CHATML + "{% endif %}"
)
"""What the starter's template writes for a message, and the same with marks around what is learned."""


def trl(task: Task) -> Loop:
    """Train with TRL as it comes."""
    return _train_with_trl(task, {} if task.bf16 else {"bf16": False})


def trl_rows(task: Task) -> Loop:
    """Train with TRL, one row at a time, so that nothing is padded."""
    return _train_with_trl(
        task, _tuned(task) | {"per_device_train_batch_size": 1, "gradient_accumulation_steps": agreed.BATCH}
    )


def trl_grouped(task: Task) -> Loop:
    """Train with TRL on rows of similar length side by side."""
    return _train_with_trl(task, _tuned(task) | {"train_sampling_strategy": "group_by_length"})


def trl_flat(task: Task) -> Loop:
    """Train with TRL on rows laid end to end without padding, kept apart by an attention mask."""
    return _train_with_trl(task, _tuned(task) | {"padding_free": True, "max_length": None})


def trainer(task: Task) -> Loop:
    """Train with the trainer of transformers as it comes, in fp32."""
    return _train_with_transformers(task, {}, dtype=torch.float32)


def trainer_grouped(task: Task) -> Loop:
    """Train with the trainer of transformers on rows of similar length, in bf16 where that is allowed."""
    settings = {"bf16": task.bf16, "train_sampling_strategy": "group_by_length"}
    return _train_with_transformers(task, settings, dtype=torch.bfloat16 if task.bf16 else torch.float32)


def textbook(task: Task) -> Loop:
    """Train with the plain loop: padded batches, the model's own loss, AdamW, in fp32."""
    tokenizer = _tokenizer(task)
    rows = _tokenised(task, tokenizer)
    torch.manual_seed(task.seed)
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(task.model, dtype=torch.float32), _lora()).train()
    optimizer = torch.optim.AdamW(
        [each for each in model.parameters() if each.requires_grad], lr=agreed.LEARNING_RATE, weight_decay=0.0
    )
    collate = DataCollatorForSeq2Seq(tokenizer)
    _check(task, rows, collate)
    order = random.Random(task.seed).sample(rows, len(rows))
    batches = [order[start : start + agreed.BATCH] for start in range(0, len(order), agreed.BATCH)]
    schedule = get_linear_schedule_with_warmup(optimizer, 0, len(batches))
    began = time.time()
    for batch in batches:
        model(**collate(batch)).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), agreed.MAX_GRAD_NORM)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    loop = Loop(began, time.time(), len(batches))
    model.save_pretrained(task.adapter)
    return loop


PEERS: dict[str, Callable[[Task], Loop]] = {
    "trl": trl,
    "trl-rows": trl_rows,
    "trl-grouped": trl_grouped,
    "trl-flat": trl_flat,
    "trainer": trainer,
    "trainer-grouped": trainer_grouped,
    "textbook": textbook,
}


def _train_with_trl(task: Task, settings: dict[str, Any]) -> Loop:
    from trl import SFTConfig, SFTTrainer

    disable_progress_bars()
    clock = Clock()
    given = (
        {"max_length": agreed.MAX_LENGTH, "assistant_only_loss": True}
        | asked(task, output=f"{task.adapter}-work")
        | settings
    )
    at_work = SFTTrainer(
        model=task.model,
        args=SFTConfig(**given),
        train_dataset=Dataset.from_list([{"messages": chat} for chat in read_chats(task.chats)]),
        processing_class=_tokenizer(task),
        peft_config=_lora(),
        callbacks=[clock],
    )
    columns = ("input_ids", "labels")
    _check(task, at_work.train_dataset.select_columns(list(columns)), at_work.data_collator)
    at_work.train()
    at_work.model.save_pretrained(task.adapter)
    return clock.loop


def _train_with_transformers(task: Task, settings: dict[str, Any], *, dtype: torch.dtype) -> Loop:
    tokenizer = _tokenizer(task)
    rows = _tokenised(task, tokenizer)
    clock = Clock()
    torch.manual_seed(task.seed)
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(task.model, dtype=dtype), _lora())
    at_work = Trainer(
        model=model,
        args=TrainingArguments(**asked(task, output=f"{task.adapter}-work") | settings),
        train_dataset=Dataset.from_list(rows),
        data_collator=DataCollatorForSeq2Seq(tokenizer),
        callbacks=[clock],
    )
    _check(task, at_work.train_dataset, at_work.data_collator)
    at_work.train()
    model.save_pretrained(task.adapter)
    return clock.loop


def _tuned(task: Task) -> dict[str, Any]:
    """Return what makes TRL fast here: nothing computed twice, and weights that need no conversion."""
    dtype = "bfloat16" if task.bf16 else "float32"
    return {"gradient_checkpointing": False, "bf16": task.bf16, "model_init_kwargs": {"dtype": dtype}}


def _lora() -> LoraConfig:
    return LoraConfig(
        r=agreed.RANK,
        lora_alpha=agreed.ALPHA,
        lora_dropout=0.0,
        target_modules="all-linear",
        bias="none",
        task_type="CAUSAL_LM",
    )


def _tokenizer(task: Task) -> PreTrainedTokenizerBase:
    """Load the model's tokenizer, with a template that marks the answers."""
    tokenizer = AutoTokenizer.from_pretrained(task.model)
    template = tokenizer.chat_template or ""
    if "generation %}" not in template:
        if CHATML not in template:
            raise SystemExit("This model's chat template marks no answers, and this benchmark cannot mark them in it.")
        tokenizer.chat_template = template.replace(CHATML, CHATML_MARKED)
    return tokenizer


def _tokenised(task: Task, tokenizer: PreTrainedTokenizerBase) -> list[dict[str, list[int]]]:
    rows = []
    for chat in read_chats(task.chats):
        made = tokenizer.apply_chat_template(chat, return_dict=True, return_assistant_tokens_mask=True)
        marked = zip(made["input_ids"], made["assistant_masks"], strict=True)
        labels = [id if learned else agreed.IGNORED for id, learned in marked]
        rows.append({"input_ids": made["input_ids"], "attention_mask": made["attention_mask"], "labels": labels})
    return rows


def _check(task: Task, rows: Iterable[dict[str, list[int]]], collate: Callable[[Sequence[Any]], Any]) -> None:
    """Compare every row, as the collator hands it to the model, with the studio's."""
    expected: list[TokenRow] = read_rows(task.rows)
    found = list(rows)
    if len(found) != len(expected):
        raise SystemExit(f"{task.contender} has {len(found)} rows and the studio {len(expected)}.")
    for number, (row, ours) in enumerate(zip(found, expected, strict=True)):
        batch = collate([dict(row)])
        check_row(number, ids=batch["input_ids"][0].tolist(), labels=batch["labels"][0].tolist(), expected=ours)


if __name__ == "__main__":
    raise SystemExit(do_task(PEERS))
