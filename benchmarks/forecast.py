"""How well the forecast estimates memory and time: a grid of real runs, each beside what was estimated.

    python benchmarks/forecast.py --starter FOLDER --out results.jsonl
    python benchmarks/forecast.py --starter FOLDER --unseen       the runs that the constants were not fitted to
    python benchmarks/forecast.py --starter FOLDER --long         single rows of up to 32,000 words
    python benchmarks/forecast.py --again results.jsonl           forecast again what was measured before
    python benchmarks/forecast.py --again results.jsonl --fit     and print what the constants should be

Each run is a worker's training in a process of its own, on the starter model or on one with random weights that is made
on the spot. The memory is the kernel's VmHWM. The time is held against the seconds that the worker was computing, which
on a machine that does nothing else are those on the clock; both are printed.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from common import say  # noqa: E402
from forecasting.grid import CASES, LONG, MODELS, UNSEEN, Case  # noqa: E402
from forecasting.running import Measured, RunFailed, calibrate, measure  # noqa: E402

from studio import codec  # noqa: E402
from studio.models.architecture import architecture_in  # noqa: E402
from studio.models.forecast.forecast import Forecast, forecast  # noqa: E402

MEMORY_BAR = 0.15
TIME_BAR = 0.25
CALIBRATE_EVERY = 7
"""The machine is measured again after so many runs, as others may use it too."""


def main() -> int:
    """Run the grid, or read one that was run before, and print the table."""
    options = _parser().parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    if options.starter and not (options.work / "starter").exists():
        (options.work / "starter").symlink_to(options.starter.absolute())
    if options.again:
        lines = options.again.read_text(encoding="utf-8").splitlines()
        results = [codec.loads(Measured, line) for line in lines]
    else:
        results = _run_all(LONG if options.long else UNSEEN if options.unseen else CASES, options)
    _table(results, options.work)
    if options.fit:
        from forecasting.fit import suggest

        say(suggest(results, options.work))
    return 0


def _run_all(grid: Sequence[Case], options: argparse.Namespace) -> list[Measured]:
    work, only, out = options.work, options.only, options.out
    cases = [case for case in grid if not only or any(part in case.name for part in only)]
    results: list[Measured] = []
    machine = None
    for number, case in enumerate(cases):
        model = model_folder(case.model, work)
        machine = calibrate() if machine is None or number % CALIBRATE_EVERY == 0 else machine
        try:
            results.append(measure(case, model=model, machine=machine))
        except RunFailed as error:
            say(str(error))
            continue
        say(_row(results[-1], work))
        if out:
            with out.open("a", encoding="utf-8") as file:
                file.write(codec.dumps(results[-1]) + "\n")
    return results


def model_folder(name: str, work: Path) -> Path:
    """Return the folder of a model of the grid, made with random weights where it is not there yet."""
    target, starter = work / name, work / "starter"
    if not (target / "config.json").is_file():
        if name == "starter":
            raise SystemExit(f"There is no starter model at {starter}: name its folder by --starter.")
        document = json.dumps(MODELS[name])
        command = [sys.executable, "-m", "forecasting.random_model", document, str(starter), str(target)]
        subprocess.run(command, check=True, cwd=ROOT / "benchmarks")
    return target


def forecast_of(measured: Measured, work: Path) -> Forecast:
    """Forecast a run that was measured."""
    architecture = architecture_in(work / measured.model)
    return forecast(architecture, measured.config, machine=measured.machine, workload=measured.workload)


def _row(measured: Measured, work: Path) -> str:
    found = forecast_of(measured, work)
    seconds = found.seconds or 0.0
    return (
        f"| {measured.case} | {found.memory_bytes / 2**20:.0f} | {measured.memory_bytes / 2**20:.0f} "
        f"| {found.memory_bytes / measured.memory_bytes - 1:+.0%} | {seconds:.0f} | {measured.own_seconds:.0f} "
        f"| {seconds / measured.own_seconds - 1:+.0%} | {measured.seconds:.0f} |"
    )


def _table(results: Sequence[Measured], work: Path) -> None:
    say("| run | MiB estimated | measured | error | seconds estimated | computing | error | on the clock |")
    say("|---|---|---|---|---|---|---|---|")
    right_memory = right_time = 0
    for each in results:
        say(_row(each, work))
        found = forecast_of(each, work)
        right_memory += abs(found.memory_bytes / each.memory_bytes - 1) <= MEMORY_BAR
        right_time += abs((found.seconds or 0.0) / each.own_seconds - 1) <= TIME_BAR
    say(f"Memory within {MEMORY_BAR:.0%}: {right_memory} of {len(results)} runs.")
    say(f"Time within {TIME_BAR:.0%}: {right_time} of {len(results)} runs.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "forecast-models")
    parser.add_argument("--starter", type=Path, default=None, help="the folder of the starter model")
    parser.add_argument("--out", type=Path, default=None, help="where results are appended, one a line")
    parser.add_argument("--again", type=Path, default=None, help="results of an earlier grid")
    parser.add_argument("--only", nargs="*", default=[], help="parts of names of runs")
    parser.add_argument("--unseen", action="store_true", help="the runs that the constants were not fitted to")
    parser.add_argument("--long", action="store_true", help="single rows of up to 32,000 words")
    parser.add_argument("--fit", action="store_true", help="print what the constants should be")
    return parser


if __name__ == "__main__":
    sys.exit(main())
