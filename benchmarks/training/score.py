"""The same judge for every contender: the loss of adapters on held-out rows, with transformers and peft in fp32.

    PYTHONPATH=benchmarks PYTHON -m training.score MODEL ROWS ADAPTER...

An adapter is a folder, or the word "base" for the model without one. Each row stands alone, so that nothing is padded.
Prints the mean loss over the learned tokens for each.
"""

import json
import sys
from collections.abc import Sequence
from typing import Any

import torch
from peft import PeftModel
from torch.nn import functional
from transformers import AutoModelForCausalLM

from training.task import IGNORED, TokenRow, read_rows

BASE = "base"


def mean_loss(model: Any, rows: Sequence[TokenRow]) -> float:
    """Return the mean cross-entropy over the learned tokens of all rows."""
    summed, learned = 0.0, 0
    model.eval()
    with torch.inference_mode():
        for row in rows:
            targets = torch.tensor(row.labels[1:])
            counted = targets != IGNORED
            logits = model(input_ids=torch.tensor([row.ids]), use_cache=False).logits[0, :-1]  # (length - 1, words)
            summed += float(functional.cross_entropy(logits[counted], targets[counted], reduction="sum"))
            learned += row.learned
    return summed / learned


def main() -> int:
    """Score every adapter on freshly loaded weights."""
    folder, rows_file, *adapters = sys.argv[1:]
    rows = read_rows(rows_file)
    losses = []
    for adapter in adapters:
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        losses.append(mean_loss(model if adapter == BASE else PeftModel.from_pretrained(model, adapter), rows))
    sys.stdout.write("\n" + json.dumps(losses) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
