"""One training step by operation: where its time goes, beside what the multiplications alone would take.

    python benchmarks/step.py --model FOLDER --rounds 3

Each round is a fresh process with what workers are started with; it learns from batches of eight made-up rows of 120 to
512 tokens of which half are learned (rank 16, all linear layers), as a training does it. The last one is computed by
one micro-batch after the other under PyTorch's profiler. Prints the medians by operation, and tokens a second of those
that nobody looked at. `--without NAME` leaves a speed-up
out, `--tokens` says how many tokens go through the model at once.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from common import ROOT, say, starter
from training.machine import count_weights, least_operations, measure_peak

BATCHES = 3
SHOWN = 16
KINDS = (
    ("products of base weights and head", ("mm", "linear", "mkldnn_linear", "addmm")),
    ("products of attention", ("bmm", "baddbmm")),
    ("softmax", ("_softmax", "_softmax_backward_data", "_log_softmax")),
    ("copies and formats", ("copy_", "cat", "fill_", "zero_", "clone", "contiguous")),
)
NARROW = 64
"""A product with a side of fewer is the adapter's."""


@dataclass(frozen=True)
class Step:
    """The profiled step's milliseconds by kind of operation, and the tokens a second of those before it."""

    tokens: int
    learned: int
    tokens_per_second: float
    milliseconds: dict[str, float]
    peak_gflops: float


def main() -> int:
    """Run the benchmark."""
    options = _parser().parse_args()
    if options.one:
        say(json.dumps(asdict(_step(options))))
        return 0
    options.model = (options.model or starter()).absolute()
    sys.path.insert(0, str(ROOT))
    from studio.runs.launcher import worker_environment

    steps = []
    for _ in range(options.rounds):
        given = ["--model", str(options.model), "--precision", options.precision, "--tokens", str(options.tokens)]
        command = [sys.executable, __file__, *given, "--without", *options.without, "--one"]
        ran = subprocess.run(command, env=worker_environment(os.environ), stdout=subprocess.PIPE, check=True, text=True)
        steps.append(Step(**json.loads(ran.stdout.splitlines()[-1])))
        say(f"{steps[-1].tokens_per_second:.0f} tokens/s, {steps[-1].peak_gflops:.0f} GFLOP/s at best")
    _tell(steps, options.model)
    return 0


def _tell(steps: list[Step], model: Path) -> None:
    shares: dict[str, float] = {}
    for name in dict.fromkeys(name for step in steps for name in step.milliseconds):
        shares[name] = statistics.median(1000 * step.milliseconds.get(name, 0.0) / step.tokens for step in steps)
    whole = sum(shares.values())
    say("\n| | ms for 1,000 tokens | share |\n|---|---|---|")
    for name, each in sorted(shares.items(), key=lambda pair: -pair[1])[:SHOWN]:
        say(f"| {name} | {each:,.0f} | {each / whole:.0%} |")
    say(f"| all of it | {whole:,.0f} | |")
    weights = count_weights(model)
    least = statistics.median(
        least_operations(weights, tokens=step.tokens, learned=step.learned)
        / step.peak_gflops
        / 1e6
        / step.tokens
        * 1000
        for step in steps
    )
    speed = statistics.median(step.tokens_per_second for step in steps)
    say(f"\n{speed:.0f} tokens/s unwatched, {1e6 / speed:,.0f} ms for 1,000; the multiplications alone, at the best")
    say(f"rate of this machine, {least:,.0f} ms, {least * speed / 1e6:.0%} of it.")


def _step(options: argparse.Namespace) -> Step:
    sys.path.insert(0, str(ROOT))
    import torch

    from studio.config import RunConfig
    from studio.ml.batches import TokenRow
    from studio.ml.engine import Engine
    from studio.ml.loading import choose_placement, load_base
    from studio.ml.methods import make_trainable
    from studio.ml.streams import Streams

    torch.set_num_threads(os.cpu_count() or 1)
    peak = measure_peak()
    config = RunConfig(model=str(options.model), dropout=0.0, rank=16, switched_off=tuple(options.without))
    placement = choose_placement(precision=options.precision)
    model = make_trainable(load_base(options.model, placement), config)
    model.train()
    engine = Engine(model, config=config, placement=placement, pad_id=0, micro_batch_tokens=options.tokens)
    drawn = random.Random(1)

    def rows() -> list[TokenRow]:
        made = [[drawn.randrange(100, 20_000) for _ in range(drawn.randint(120, 512))] for _ in range(8)]
        return [TokenRow(ids, [-100] * (len(ids) // 2) + ids[len(ids) // 2 :]) for ids in made]

    def learn(batch: list[TokenRow], streams: Streams) -> None:
        groups = list(reversed(engine.cut(batch, parts=streams.count)))
        list(streams.in_order(groups, gradients, is_over=lambda: False))

    def gradients(group: list[TokenRow]) -> None:
        torch.autograd.grad(engine.summed_loss(engine.batch(group)), trained)

    trained = [each for each in model.parameters() if each.requires_grad]
    streams = Streams(engine.side_by_side)
    learn(rows(), streams)
    speeds = []
    for _ in range(BATCHES):
        batch, began = rows(), time.perf_counter()
        learn(batch, streams)
        speeds.append(sum(len(row.ids) for row in batch) / (time.perf_counter() - began))
    batch = rows()
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, record_shapes=True) as profile:
        learn(batch, Streams(1))
    found: dict[str, float] = {}
    for event in profile.key_averages(group_by_input_shape=True):
        name = _kind(event)
        found[name] = found.get(name, 0.0) + event.self_cpu_time_total / 1000
    return Step(
        tokens=sum(len(row.ids) for row in batch),
        learned=sum(label != -100 for row in batch for label in row.labels),
        tokens_per_second=statistics.median(speeds),
        milliseconds=found,
        peak_gflops=peak.bf16 if options.precision == "bf16" else peak.fp32,
    )


def _kind(event: Any) -> str:
    """Say what an operation is for: by its name, and by the shapes of what it multiplies."""
    name = event.key.removeprefix("aten::")
    kind = next((kind for kind, names in KINDS if name in names), name)
    sides = [side for shape in event.input_shapes if len(shape) == 2 for side in shape]
    if kind == KINDS[0][0] and sides and min(sides) < NARROW:
        return "products of the adapter"
    return kind


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="a folder with safetensors files; without it the starter model's")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--tokens", type=int, default=512, help="how many go through the model at once")
    parser.add_argument("--without", nargs="*", default=[], metavar="NAME", help="a speed-up that is left out")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
