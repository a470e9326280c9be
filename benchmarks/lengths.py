"""What batches of many lengths cost on a processor: oneDNN compiles its products anew for each and keeps them.

    python benchmarks/lengths.py --model FOLDER --rounds 2 --batches 24 --precision bf16

Each side is a fresh process that learns from the same batches of four made-up rows, no two of one length, with one
thread: as many compiled products kept as oneDNN keeps by itself, as workers keep, and every batch filled up to a
multiple of 64 tokens, so that few lengths are left. Prints tokens a second of processor time in the second half of the
batches, the resident memory after the first batch and the last, and the most there was.
"""

import argparse
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

from common import ROOT, say, starter

CAPACITY = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
SIDES = (("as oneDNN keeps", "", 1), ("as workers keep", "128", 1), ("multiples of 64", "128", 64))
"""Each side's name, how many compiled products are kept, and what the length of a batch is a multiple of."""


def main() -> int:
    """Run the benchmark."""
    options = _parser().parse_args()
    if options.multiple:
        return _learn(options)
    options.model = (options.model or starter()).absolute()
    found: dict[str, list[dict[str, float]]] = {name: [] for name, _, _ in SIDES}
    for turn in range(options.rounds):
        for name, capacity, multiple in SIDES if turn % 2 else reversed(SIDES):
            measured = _measure(options, capacity=capacity, multiple=multiple)
            found[name].append(measured)
            say(f"round {turn + 1}, {name}: {measured}")
    say("| | tokens/s of one core | MiB after the first batch | after the last | most |\n|---|---|---|---|---|")
    for name, rounds in found.items():
        medians = [statistics.median(each[what] for each in rounds) for what in rounds[0]]
        say(f"| {name} | " + " | ".join(f"{each:,.0f}" for each in medians) + " |")
    return 0


def _measure(options: argparse.Namespace, *, capacity: str, multiple: int) -> dict[str, float]:
    environment = {name: value for name, value in os.environ.items() if name != CAPACITY}
    environment |= {"OMP_NUM_THREADS": "1"} | ({CAPACITY: capacity} if capacity else {})
    given = ["--model", options.model, "--batches", options.batches, "--precision", options.precision]
    command = [sys.executable, __file__, *map(str, given), "--multiple", str(multiple)]
    ran = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    measured: dict[str, float] = json.loads(ran.stdout.splitlines()[-1])
    return measured


def _learn(options: argparse.Namespace) -> int:
    sys.path.insert(0, str(ROOT))
    from studio.config import RunConfig
    from studio.ml.batches import TokenRow
    from studio.ml.engine import Engine
    from studio.ml.loading import choose_placement, load_base
    from studio.ml.methods import make_trainable

    config = RunConfig(model=str(options.model), dropout=0.0)
    placement = choose_placement(precision=options.precision)
    base = make_trainable(load_base(options.model, placement), config)
    base.train()
    engine = Engine(base, config=config, placement=placement, pad_id=0)
    drawn = random.Random(1)
    memory, tokens, seconds = [], [], []
    for _ in range(options.batches):
        lengths = [drawn.randint(30, 90) for _ in range(4)]
        lengths[-1] += -sum(lengths) % options.multiple
        rows = [TokenRow(ids, ids) for ids in ([drawn.randrange(100, 20_000) for _ in range(n)] for n in lengths)]
        began = time.process_time()
        for group in engine.cut(rows):
            engine.summed_loss(engine.batch(group)).backward()  # type: ignore[no-untyped-call]
        seconds.append(time.process_time() - began)
        tokens.append(sum(lengths))
        for parameter in base.parameters():
            parameter.grad = None
        memory.append(_resident_mib())
    half = options.batches // 2
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rate = sum(tokens[half:]) / sum(seconds[half:])
    say(json.dumps({"rate": rate, "first": memory[0], "last": memory[-1], "most": most}))
    return 0


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 2**20


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="the folder of a model; the starter by default")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--batches", type=int, default=24)
    parser.add_argument("--precision", choices=("bf16", "fp32"), default="bf16")
    parser.add_argument("--multiple", type=int, default=0, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
