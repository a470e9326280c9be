"""What other programs take from a training: its speed on a quiet machine, beside one busy program, and beside two.

    python benchmarks/beside.py --model FOLDER --rounds 3 --seconds 30

Every contender is a process that loads the model once and then waits; in its turn it learns made-up rows for some
seconds, of which only the second half counts, so that it may have got used to what there is. All have their turn in
each state, so what the machine does by itself hits all alike. `studio` is our engine as a worker of the studio runs
it, two micro-batches side by side; `studio, in order` computes one after the other, by as many threads as it finds
best; `studio, in order, all cores` does not try out another number; `plain` is transformers and peft as they come, on
padded rows. With `--waiting NAME=VALUE` the studio takes part once more with another variable for how threads
wait, such as GOMP_SPINCOUNT=30000. The busy programs count in a loop, at the usual priority. Prints medians and what
is left of the quiet speed.
"""

import argparse
import dataclasses
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from common import ROOT, say, starter

sys.path.insert(0, str(ROOT))
from studio.ml.batches import TokenRow

ROWS, SHORTEST, LONGEST, BATCH = 64, 60, 512, 8
STATES = (0, 1, 2)
"""How many busy programs there are."""


@dataclass(frozen=True)
class Contender:
    """Who learns: whether with the studio's engine, micro-batches side by side, or trying out its threads."""

    name: str
    ours: bool = True
    beside: bool = False
    tries: bool = True
    variables: tuple[tuple[str, str], ...] = ()


def main() -> int:
    """Run the benchmark, or one contender of it."""
    options = _parser().parse_args()
    if options.contender:
        return _learn(Contender(**json.loads(options.contender)), options.model, options.precision)
    model = options.model or starter()
    contenders = [Contender("studio", beside=True), Contender("studio, in order")]
    contenders += [Contender("studio, in order, all cores", tries=False)]
    contenders += [Contender(f"studio, {each}", beside=True, variables=(_pair(each),)) for each in options.waiting]
    contenders += [Contender("plain", ours=False, tries=False)]
    contenders = [each for each in contenders if not options.only or each.name in options.only]
    found: dict[tuple[str, int], list[float]] = {}
    with ExitStack() as stack:
        learners = {each.name: stack.enter_context(_learner(each, model, options.precision)) for each in contenders}
        say("Everyone has loaded the model.")
        for turn in range(options.rounds):
            for busy in options.busy:
                for name in learners if turn % 2 else reversed(learners):
                    with _busy_programs(busy):
                        rate = _turn(learners[name], options.seconds)
                    found.setdefault((name, busy), []).append(rate)
                    say(f"round {turn + 1}, {busy} busy, {name}: {rate:.0f} tokens/s")
    say("\n".join(_table([each.name for each in contenders], options.busy, found)))
    return 0


def _table(names: Sequence[str], states: Sequence[int], found: dict[tuple[str, int], list[float]]) -> Iterator[str]:
    yield "| tokens/s, median (of the quiet speed) | " + " | ".join(f"{busy} busy" for busy in states) + " |"
    yield "|---" * (len(states) + 1) + "|"
    for name in names:
        medians = [statistics.median(found[name, busy]) for busy in states]
        yield f"| {name} | " + " | ".join(f"{rate:.0f} ({rate / medians[0]:.2f})" for rate in medians) + " |"


@contextmanager
def _busy_programs(count: int) -> Iterator[None]:
    programs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()


@contextmanager
def _learner(contender: Contender, model: Path, precision: str) -> Iterator["subprocess.Popen[str]"]:
    from studio.runs.launcher import worker_environment

    given = os.environ | dict(contender.variables)
    environment = worker_environment(given) if contender.ours else given
    command = [
        sys.executable,
        __file__,
        "--model",
        str(model),
        "--precision",
        precision,
        "--contender",
        json.dumps(dataclasses.asdict(contender)),
    ]
    learner = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        _answer(learner)
        yield learner
    finally:
        learner.kill()
        learner.wait()


def _turn(learner: "subprocess.Popen[str]", seconds: float) -> float:
    assert learner.stdin
    learner.stdin.write(f"{seconds}\n")
    learner.stdin.flush()
    return float(_answer(learner))


def _answer(learner: "subprocess.Popen[str]") -> str:
    assert learner.stdout
    if not (line := learner.stdout.readline()):
        raise SystemExit("A contender ended; what it said stands above.")
    return line


def _learn(contender: Contender, model: Path, precision: str) -> int:
    """Be a contender: learn for as many seconds as each line of the input says, and answer with tokens a second."""
    import torch

    from studio.config import SPEEDUPS, RunConfig
    from studio.ml.engine import Engine
    from studio.ml.loading import choose_placement, load_base
    from studio.ml.methods import make_trainable
    from studio.ml.streams import Streams
    from studio.ml.threads import ThreadTrials, training

    config = RunConfig(model=str(model), dropout=0.0, switched_off=() if contender.ours else SPEEDUPS)
    placement = choose_placement(precision=precision)
    base = make_trainable(load_base(model, placement), config)
    base.train()
    engine = Engine(base, config=config, placement=placement, pad_id=0)
    threads = training("cpu") if contender.tries else ThreadTrials(1)
    streams = Streams(engine.side_by_side if contender.beside else 1)
    trained = [each for each in base.parameters() if each.requires_grad]
    batches = _batches()

    def learn(group: list[TokenRow]) -> None:
        loss = engine.summed_loss(engine.batch(group))
        torch.autograd.grad(loss, trained)

    def learn_in_turn(group: list[TokenRow]) -> None:
        threads.step(sum(len(row.ids) for row in group))
        learn(group)
        threads.end_step()

    def learn_one() -> int:
        rows = next(batches)
        groups = list(reversed(engine.cut(rows, parts=streams.count)))
        for _ in streams.in_order(groups, learn if streams.count > 1 else learn_in_turn, is_over=lambda: False):
            pass
        return sum(len(row.ids) for row in rows)

    torch.manual_seed(1)
    learn_one()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        middle = time.perf_counter() + float(line) / 2
        while time.perf_counter() < middle:
            learn_one()
        began, done = time.perf_counter(), 0
        while not done or time.perf_counter() < middle + float(line) / 2:
            done += learn_one()
        sys.stdout.write(f"{done / (time.perf_counter() - began)}\n")
        sys.stdout.flush()
    return 0


def _batches() -> Iterator[list[TokenRow]]:
    """Yield the rows of steps without end."""
    drawn = random.Random(1)
    rows = [TokenRow(ids, ids) for ids in _made_up(drawn)]
    while True:
        for start in range(0, ROWS, BATCH):
            yield rows[start : start + BATCH]


def _made_up(drawn: random.Random) -> Iterator[list[int]]:
    for _ in range(ROWS):
        yield [drawn.randrange(100, 20_000) for _ in range(drawn.randint(SHORTEST, LONGEST))]


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="the folder of a model; the starter by default")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--precision", default="bf16", help="bf16 or fp32, whichever this processor is faster in")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each turn; the second half counts")
    parser.add_argument(
        "--busy", type=int, nargs="+", default=list(STATES), help="how many busy programs, each a state"
    )
    parser.add_argument("--waiting", nargs="*", default=[], metavar="NAME=VALUE")
    parser.add_argument("--only", nargs="*", default=[], help="names of contenders")
    parser.add_argument("--contender", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
