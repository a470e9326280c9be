"""A task of one's own for lm-evaluation-harness, with its questions in a file beside it."""

import json
from pathlib import Path

CHOICES = ("1", "2", "3", "4")

_TASK = """task: {name}
dataset_path: json
dataset_kwargs:
  data_files:
    test: {data}
output_type: multiple_choice
test_split: test
doc_to_text: "Question: {{{{question}}}}\\nAnswer:"
doc_to_target: answer
doc_to_choice: choices
metric_list:
  - metric: acc
    aggregation: mean
    higher_is_better: true
metadata:
  version: 1.0
"""


def questions(count: int) -> list[dict[str, object]]:
    return [
        {"question": f"Which drawer holds key {number}?", "choices": list(CHOICES), "answer": number % len(CHOICES)}
        for number in range(count)
    ]


def write_task(home: Path, *, name: str = "drawers", count: int = 24) -> None:
    folder = home / "tasks"
    folder.mkdir(exist_ok=True)
    data = folder / f"{name}.jsonl"
    data.write_text("\n".join(json.dumps(question) for question in questions(count)))
    (folder / f"{name}.yaml").write_text(_TASK.format(name=name, data=data))
