"""How fast and how small a LoRA training is: the studio's beside its peers.

They are TRL, LLaMA-Factory, the trainer of transformers and the plain loop.

    python benchmarks/training.py --rounds 3 --rows 128 --trl-python PATH --llamafactory-python PATH

Makes two sets of conversations, the same at every run, and lets every contender learn the same tokens of the same rows
once: rank 16, alpha 32, all linear layers, batches of 8, AdamW, a learning rate of 2e-4 that falls linearly. Each
training is a fresh process without a GPU; the contenders take turns. A row with other token ids or another mask than
the studio's ends the benchmark. One judge scores every adapter on rows that nobody learned from. Prints medians and
what the studio takes of the time and memory of each other.
"""

import argparse
import json
import os
import shlex
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from common import say, starter
from training.machine import Peak, count_weights, least_operations
from training.ours import train_with_studio
from training.processes import Ran, run_module
from training.results import Measured, SetResult, medians, table
from training.sets import DataSet, make_set
from training.task import Loop, Task
from training.texts import SETS

OURS = "ours"
MODULES = {
    "peers": ("trl", "trl-rows", "trl-grouped", "trl-flat", "trainer", "trainer-grouped", "textbook"),
    "factory": ("llamafactory", "llamafactory-packed"),
}
"""The functions of the modules in `training` by their names there; not imported, for they need the peers' Python."""
MODULE_OF = {name: module for module, names in MODULES.items() for name in names}


@dataclass(frozen=True)
class Contender:
    """Who trains. The studio may stand in a list several times, with different further options of `train`."""

    name: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trained:
    """One training that ended well, before it is judged."""

    task: Task
    ran: Ran
    loop: Loop


def main() -> int:
    """Run the benchmark."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the process at work is ended too
    options = _parser().parse_args()
    options.model = (options.model or starter()).absolute()
    contenders = _contenders(options)
    peak = Peak(**json.loads(run_module("machine", [], name="The measurement of the machine").told))
    say(f"Best matrix product of this machine: {peak.fp32:.0f} GFLOP/s in fp32, {peak.bf16:.0f} in bf16.")
    results = []
    for name in options.sets:
        with tempfile.TemporaryDirectory(prefix="training-") as folder:
            data = make_set(
                name, folder=Path(folder), model=options.model, rows=options.rows, held_out=options.held_out
            )
            results.append(measure_set(data, contenders, folder=Path(folder), options=options))
    rows = {each.name: medians(each, peak=peak, with_bf16=not options.without_bf16) for each in results}
    for each in results:
        say("\n" + table(each, rows[each.name]))
    if options.json:
        document = {
            "model": str(options.model),
            "processors": os.cpu_count(),
            "peak_gflops": asdict(peak),
            "with_bf16": not options.without_bf16,
            "sets": [asdict(each) | {"medians": [asdict(row) for row in rows[each.name]]} for each in results],
        }
        options.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 0


def measure_set(
    data: DataSet, contenders: Sequence[Contender], *, folder: Path, options: argparse.Namespace
) -> SetResult:
    """Let all contenders train in turn, round after round, and judge what they made after each round."""
    say(f"\n{data.name}: {len(data.train.rows)} rows, {data.train.tokens:,} tokens, {data.train.learned:,} learned")
    measured: list[Measured] = []
    base_loss = _judge(["base"], data, model=options.model)[0]
    for turn in range(1, options.rounds + 1):
        trained = []
        for contender in contenders if turn % 2 else reversed(contenders):
            trained.append(train(contender, data, turn=turn, folder=folder, options=options))
            say(f"  round {turn}, {_line(trained[-1])}")
        losses = _judge([each.task.adapter for each in trained], data, model=options.model)
        measured += [_measured(each, turn=turn, loss=loss) for each, loss in zip(trained, losses, strict=True)]
    weights = count_weights(options.model)
    return SetResult(
        name=data.name,
        rows=len(data.train.rows),
        tokens=data.train.tokens,
        learned=data.train.learned,
        operations=least_operations(weights, tokens=data.train.tokens, learned=data.train.learned),
        base_loss=base_loss,
        measured=tuple(measured),
    )


def train(contender: Contender, data: DataSet, *, turn: int, folder: Path, options: argparse.Namespace) -> Trained:
    """Run one training in a process of its own. The seed is the number of the round."""
    stem = folder / f"{turn}-{contender.name.replace(' ', '')}"
    task = Task(
        contender=contender.name,
        model=str(options.model),
        chats=str(data.train.chats),
        rows=str(data.train.rows_file),
        adapter=str(stem),
        seed=turn,
        bf16=not options.without_bf16,
    )
    module = MODULE_OF.get(contender.name)
    if module is None:
        ran, loop = train_with_studio(task, contender.options)
        return Trained(task, ran, loop)
    asked = stem.with_suffix(".json")
    asked.write_text(json.dumps(asdict(task)), encoding="utf-8")
    ran = run_module(module, [str(asked)], name=contender.name, python=_python_of(module, options))
    return Trained(task, ran, Loop(**json.loads(ran.told.splitlines()[-1])))


def _judge(adapters: Sequence[str], data: DataSet, *, model: Path) -> list[float]:
    """Return the held-out losses of adapters; the word "base" stands for the model without one.

    The judge is not timed. Its threads are told not to spin: beside other programs it takes a third of the time so.
    """
    arguments = [str(model), str(data.held_out.rows_file), *adapters]
    judged = run_module("score", arguments, name="The judge", settings={"OMP_WAIT_POLICY": "passive"})
    losses: list[float] = json.loads(judged.told.splitlines()[-1])
    return losses


def _measured(each: Trained, *, turn: int, loss: float) -> Measured:
    return Measured(
        contender=each.task.contender,
        round=turn,
        wall_seconds=each.ran.ended - each.ran.began,
        loop_seconds=each.loop.ended - each.loop.began,
        to_first_step=each.loop.began - each.ran.began,
        peak_mib=each.ran.peak_mib,
        steps=each.loop.steps,
        others_share=each.ran.others_share,
        loss=loss,
    )


def _line(each: Trained) -> str:
    return (
        f"{each.task.contender}: {each.ran.ended - each.ran.began:.1f} s, of them the loop "
        f"{each.loop.ended - each.loop.began:.1f} s in {each.loop.steps} steps, {each.ran.peak_mib:,.0f} MiB; "
        f"other programs used {each.ran.others_share:.0%} of the processors"
    )


def _python_of(module: str, options: argparse.Namespace) -> str:
    return str({"peers": options.trl_python, "factory": options.llamafactory_python}[module])


def _contenders(options: argparse.Namespace) -> list[Contender]:
    """List who takes part: the studio, once more with each of the given options, and the peers."""
    found = [Contender(OURS)] if not options.only or OURS in options.only else []
    found += [Contender(f"{OURS} {text}", tuple(shlex.split(text))) for text in options.ours_option]
    for name, module in MODULE_OF.items():
        if options.only and name not in options.only:
            continue
        if _python_of(module, options):
            found.append(Contender(name))
        elif options.only:
            raise SystemExit(f"Give the Python that has {name}, see --help.")
    if found == found[:1]:
        say("Without --trl-python or --llamafactory-python the studio runs alone.")
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=128, help="how many conversations are learned")
    parser.add_argument("--held-out", type=int, default=64, help="how many conversations the adapters are scored on")
    parser.add_argument("--model", type=Path, help="a folder with safetensors files; without it the starter model's")
    parser.add_argument("--trl-python", default="", help="the Python that has trl")
    parser.add_argument("--llamafactory-python", default="", help="the Python that has llamafactory")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument(
        "--only", nargs="+", choices=(OURS, *MODULE_OF), default=[], help="measure these contenders alone"
    )
    parser.add_argument(
        "--ours-option",
        action="append",
        default=[],
        metavar="TEXT",
        help="let the studio take part once more with these options of `train`, such as '--switched-off packing'; "
        "may be repeated, and one word is written --ours-option=--WORD",
    )
    parser.add_argument("--without-bf16", action="store_true", help="let everyone compute in fp32")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every measurement there")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
