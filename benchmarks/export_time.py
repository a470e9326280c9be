"""How long an adapter and a merged export take, and which share of that the check in a process of its own costs.

    python benchmarks/export_time.py --rounds 2
    python benchmarks/export_time.py --run FOLDER

Trains the starter model (or the one that `--model` names) for two steps, or takes a copy of a run that is there, and
exports it by the worker, as the page does. The check is that of `studio/ml/plain_asking.py`: a process that imports no
studio loads what was written, and answers. What it takes only to start with its libraries is measured beside it.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import say
from trained_run import copied, machine_line, model_or_starter, seconds_by_step, train, work

from studio.jobs.tasks import Export
from studio.runs.store import RunFolder

KINDS = ("adapter", "merged")
CHECK = "Loading it back"
LIBRARIES = "import torch, transformers, peft, safetensors.torch; transformers.AutoModelForCausalLM"


def main() -> int:
    """Export in turn and print the medians."""
    options = _parser().parse_args()
    say(machine_line())
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        run = copied(options.run, home) if options.run else train(model_or_starter(options.model, home), home)
        found: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
        for turn in range(options.rounds):
            for kind in KINDS if turn % 2 == 0 else reversed(KINDS):
                found[kind].append(_export(run, kind))
        for kind, rounds in found.items():
            say(f"{kind}, {_line(rounds)}")
    say(f"a process that only imports the libraries of the check: {_import_seconds():.1f} s")
    say(machine_line())
    return 0


def _export(run: RunFolder, kind: str) -> dict[str, float]:
    run.exports.mkdir(exist_ok=True)
    events = run.exports / f"{kind}.events.jsonl"
    events.unlink(missing_ok=True)
    work(Export(run.path, kind), log=run.exports / "log")
    return seconds_by_step(events)


def _line(rounds: list[dict[str, float]]) -> str:
    whole = statistics.median(each[""] for each in rounds)
    check = statistics.median(sum(took for what, took in each.items() if what.startswith(CHECK)) for each in rounds)
    steps = ", ".join(f"{what} {took:.1f} s" for what, took in rounds[-1].items() if what)
    return (
        f"median of {len(rounds)}: {whole:.1f} s, the check {check:.1f} s of them ({check / whole:.0%}, "
        f"{check / max(whole - check, 1e-9):.2f} times the rest). The last: {steps}"
    )


def _import_seconds() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", LIBRARIES], check=True)
    return time.perf_counter() - began


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="a folder; else the starter, or a tiny one where that is not here")
    parser.add_argument("--run", type=Path, help="a trained run to copy and export, <data folder>/runs/<id>")
    parser.add_argument("--rounds", type=int, default=1)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
