"""How long greedy answers to held-out rows take: the studio's way beside `generate`, a row at a time and in batches.

    python benchmarks/evaluation.py --model FOLDER --rows 200

The rows are those of a sample file, written with the model's chat template up to the answer; an answer may be as long
as the expected one and `--more` tokens. Each side answers all rows with the same weights in fp32, without a GPU, in a
process of its own; the studio goes before and after each of the others. `generate` is transformers' own, once for each
row; `batches` gives it 8 rows at a time, as they come, padded on the left. The time is without imports and loading.
Prints rows a second, the ratios, and whether all sides gave the same answers. Beside busy programs the time of the
processor says more, with `--threads 1`: PyTorch's threads wait for one another.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from common import say, starter  # noqa: E402
from training.processes import Ran, run  # noqa: E402

BATCH = 8
TIMES = ("seconds", "processor_seconds")
SAMPLE = ROOT / "assets" / "samples" / "kettlewick_support.csv"


@dataclass(frozen=True)
class Task:
    """What is asked: prompts and the most new tokens of each answer, by the row."""

    prompts: tuple[tuple[int, ...], ...]
    limits: tuple[int, ...]
    end_ids: tuple[int, ...]
    pad_id: int


@dataclass(frozen=True)
class Answered:
    """What one side answered, and in how many seconds; and of all processors together."""

    seconds: float
    processor_seconds: float
    answers: list[list[int]]


def main() -> int:
    """Run the benchmark, or one side of it."""
    options = _parser().parse_args()
    options.model = options.model or starter()
    if options.side:
        sys.stdout.write(json.dumps(asdict(answer(options))) + "\n")
        return 0
    task = make_task(options)
    lengths = [len(prompt) for prompt in task.prompts]
    say(
        f"{len(lengths)} rows, prompts of {min(lengths)} to {max(lengths)} tokens, "
        f"answers of at most {min(task.limits)} to {max(task.limits)}"
    )
    found: dict[str, list[tuple[Answered, Ran]]] = {side: [] for side in SIDES}
    for turn in range(options.rounds):
        others = [side for side in SIDES if side != "studio"]
        for side in ["studio", *(each for other in others[:: -1 if turn % 2 else 1] for each in (other, "studio"))]:
            found[side].append(measure(side, options))
            say(f"round {turn + 1}, {side}: {_line(found[side][-1:], task)}")
    return conclude(found, task)


def make_task(options: argparse.Namespace) -> Task:
    """Write the rows as the studio does. Ends the benchmark when the file has too few."""
    from studio.data.conversion.formats import draft
    from studio.data.conversion.guessing import guess_roles
    from studio.data.examples import Example
    from studio.data.rows import Row
    from studio.data.sources.readers import open_source
    from studio.data.tokenizing.rendering import ChatRenderer

    renderer = ChatRenderer.load(options.model)
    prompts, limits = [], []
    with open_source([options.file]) as source:
        roles = guess_roles(source.columns, source.sample)
        drafts = (made for row in source.rows() if isinstance(row, Row) for made in draft(row, roles))
        for example in drafts:
            if isinstance(example, Example) and len(prompts) < options.rows:
                prompts.append(renderer.prompt(example.messages[:-1]))
                limits.append(sum(renderer.render(example).learned) + options.more)
    if len(prompts) < options.rows:
        raise SystemExit(f"{options.file} has {len(prompts)} rows and {options.rows} are asked for.")
    return Task(tuple(prompts), tuple(limits), renderer.end_ids, renderer.end_ids[0])


def answer(options: argparse.Namespace) -> Answered:
    """Answer all rows as one side does."""
    import torch

    from studio.ml.loading import Placement, load_adapter, load_base

    torch.set_num_threads(options.threads)
    task = make_task(options)
    model = load_base(options.model, Placement(device="cpu", precision="fp32"))
    if options.adapter:
        model = load_adapter(model, options.adapter)
    with torch.inference_mode():
        model(input_ids=torch.tensor([task.prompts[0]]))  # what is done once is not counted
        began, busy = time.perf_counter(), time.process_time()
        answers = SIDES[options.side](model, task)
        seconds, processor = time.perf_counter() - began, time.process_time() - busy
    return Answered(seconds, processor, answers)


def answer_with_studio(model: Any, task: Task) -> list[list[int]]:
    """Answer as an evaluation of the studio does."""
    from peft import PeftModel

    from studio.ml.evaluation import answer_rows
    from studio.ml.generation import BASE

    adapter = "default" if isinstance(model, PeftModel) else BASE
    options = {"limits": task.limits, "end_ids": task.end_ids, "pad_id": task.pad_id}
    answers: list[list[int]] = answer_rows(model, task.prompts, adapter=adapter, **options)
    return answers


def answer_one_by_one(model: Any, task: Task) -> list[list[int]]:
    """Call `generate` for each row."""
    return answer_in_batches(model, task, size=1)


def answer_in_batches(model: Any, task: Task, *, size: int = BATCH) -> list[list[int]]:
    """Call `generate` for every few rows, in the order of the file, as far as the longest of their limits goes."""
    import torch

    answers = []
    for first in range(0, len(task.prompts), size):
        prompts, limits = (each[first : first + size] for each in (task.prompts, task.limits))
        width = max(map(len, prompts))
        ids = torch.tensor([[*[task.pad_id] * (width - len(prompt)), *prompt] for prompt in prompts])
        mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
        made = model.generate(
            input_ids=ids,
            attention_mask=mask,
            do_sample=False,
            max_new_tokens=max(limits),
            eos_token_id=list(task.end_ids),
            pad_token_id=task.pad_id,
        )
        for tokens, limit in zip(made[:, width:].tolist(), limits, strict=True):
            ends = [place + 1 for place, token in enumerate(tokens) if token in task.end_ids]
            answers.append(tokens[: min([limit, *ends])])
    return answers


SIDES: dict[str, Callable[[Any, Task], list[list[int]]]] = {
    "studio": answer_with_studio,
    "generate": answer_one_by_one,
    "batches": answer_in_batches,
}


def measure(side: str, options: argparse.Namespace) -> tuple[Answered, Ran]:
    """Run one side in a process of its own."""
    command = [sys.executable, __file__, "--side", side, "--model", str(options.model), "--rows", str(options.rows)]
    command += ["--more", str(options.more), "--threads", str(options.threads), "--file", str(options.file)]
    command += ["--adapter", str(options.adapter)] if options.adapter else []
    ran = run(command, name=f"The side {side}")
    return Answered(**json.loads(ran.told.splitlines()[-1])), ran


def conclude(found: dict[str, list[tuple[Answered, Ran]]], task: Task) -> int:
    """Print the medians, the ratios and whether the answers are the same; 1 when the studio's are others."""
    for side, measured in found.items():
        say(f"{side}, median of {len(measured)}: {_line(measured, task)}")
    expected = found["generate"][0][0].answers
    for side, measured in found.items():
        if side != "studio":
            ratio, processor = (_median(measured, what) / _median(found["studio"], what) for what in TIMES)
            say(f"The studio is {ratio:.2f} times as fast as {side}, and {processor:.2f} times by processor time.")
        same = min(sum(one == other for one, other in zip(each.answers, expected, strict=True)) for each, _ in measured)
        say(f"{side}: {same} of {len(expected)} answers are those of one generate a row.")
    return int(any(each.answers != expected for each, _ in found["studio"]))


def _line(measured: Sequence[tuple[Answered, Ran]], task: Task) -> str:
    seconds = _median(measured, "seconds")
    tokens = sum(map(len, measured[0][0].answers))
    return (
        f"{seconds:.1f} s ({_median(measured, 'processor_seconds'):.1f} s of processor), "
        f"{len(task.prompts) / seconds:.2f} rows/s, "
        f"{tokens:,} tokens ({tokens / seconds:.0f} a second), "
        f"{statistics.median(ran.peak_mib for _, ran in measured):,.0f} MiB, "
        f"others used {statistics.median(ran.others_share for _, ran in measured):.0%} of the processors"
    )


def _median(measured: Sequence[tuple[Answered, Ran]], what: str) -> float:
    return statistics.median(getattr(answered, what) for answered, _ in measured)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="a model's folder; without it the starter model's")
    parser.add_argument("--adapter", type=Path, help="a LoRA adapter of this model that answers in its place")
    parser.add_argument("--file", type=Path, default=SAMPLE, help="rows with a prompt and an answer")
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--more", type=int, default=16, help="tokens beyond the expected answer")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
