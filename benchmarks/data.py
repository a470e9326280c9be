"""How long a large chat file takes until it can be trained on: the studio's way beside that of `datasets` and TRL.

    python benchmarks/data.py --rows 100000 --rounds 3 --trl-python PATH

Makes a file of conversations, the same at every run, and prepares it on both sides in turn, each time in a fresh
process with an empty cache: read the file, recognise its format, render every conversation with the model's chat
template, turn it into tokens, and put these on the disk. The studio does what a training has before its first step: it
imports the file, writes a run with its examples in their drawn order, and renders these. TRL checks nothing and marks
nothing here, so the studio's time is given without and with its checks. Both results must have the same token ids.
Prints the median times and the peak memory of each side; that of the studio has the import, the run and the rows in one
process, where they are three.
"""

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from chats import write_chats
from common import say, starter

ROOT = Path(__file__).resolve().parents[1]
SIDES = ("studio", "trl")
LONGEST = 131_072
"""More tokens than any conversation here has, so that none is left out."""


@dataclass(frozen=True)
class Prepared:
    """What one side made of the file, and in how many seconds, without its imports; and of all processors together."""

    seconds: float
    processor_seconds: float
    examples: int
    tokens: int
    learned: int
    sha256: str
    with_checks: float = 0.0


@dataclass(frozen=True)
class Measured:
    """One round of one side. Memory is that of the process and its children at the worst moment, in MiB."""

    prepared: Prepared
    process_seconds: float
    resident_mib: float
    private_mib: float


def main() -> int:
    """Run the benchmark, or one side of it."""
    options = _parser().parse_args()
    if options.side:
        prepare = prepare_with_studio if options.side == "studio" else prepare_with_trl
        sys.stdout.write(json.dumps(asdict(prepare(options))) + "\n")
        return 0
    options.model = options.model or starter()
    with tempfile.TemporaryDirectory() as folder:
        options.file = Path(folder) / "chats.jsonl"
        write_chats(options.file, options.rows)
        say(f"{options.rows:,} conversations, {options.file.stat().st_size / 1e6:.0f} MB")
        rounds: dict[str, list[Measured]] = {side: [] for side in SIDES}
        for turn in range(options.rounds):
            for side in SIDES if turn % 2 == 0 else reversed(SIDES):
                if side == "trl" and not options.trl_python:
                    continue
                rounds[side].append(measure(side, options))
                say(f"round {turn + 1}, {side}: {_line(rounds[side][-1:])}")
    return _conclude(rounds)


def prepare_with_studio(options: argparse.Namespace) -> Prepared:
    """Import the file, write a run that holds nothing out, and prepare its rows, with the code of each.

    What the peer does not do is told apart: `seconds` are those of reading the file into examples without a check, and
    of the rows; `with_checks` those of the import with all checks, of writing the run, and of the rows.
    """
    sys.path.insert(0, str(ROOT))
    import numpy as np

    from studio.config import RunConfig
    from studio.data.conversion.faults import fault
    from studio.data.conversion.formats import draft
    from studio.data.conversion.guessing import guess_roles
    from studio.data.example_files import ExampleWriter
    from studio.data.examples import Example
    from studio.data.library import DatasetLibrary
    from studio.data.rows import Row
    from studio.data.sources.readers import open_source
    from studio.data.splitting import split_examples
    from studio.data.tokenizing.rendering import ChatRenderer
    from studio.ml.stored_rows import StoredRows
    from studio.runs.run_data import run_examples
    from studio.runs.store import RunStore
    from studio.workers.job import Job
    from studio.workers.rows import prepare_rows

    config = RunConfig(model=str(options.model), max_length=LONGEST, validation_share=0.0)
    home = Path(os.environ["HF_HOME"]) / "studio"
    home.mkdir()
    library, runs = DatasetLibrary(home, samples_folder=home), RunStore(home)
    renderer = ChatRenderer.load(options.model)
    timer = _Timer()
    with open_source([options.file]) as source, ExampleWriter(home / "examples.jsonl") as writer:
        roles = guess_roles(source.columns, source.sample)
        for row in source.rows():
            for example in draft(row, roles) if isinstance(row, Row) else ():
                if isinstance(example, Example) and fault(example) is None:
                    writer.add(example)
    reading = timer.lap()
    added = library.add(options.file)
    importing = timer.lap()
    examples = run_examples(library, config, added, "")
    run = runs.create(
        config,
        dataset_id=added.id,
        dataset_name=added.name,
        dataset_sha256=added.sha256,
        train=examples.train,
        validation=examples.validation,
    )
    writing = timer.lap()
    rows = prepare_rows(Job(lambda event: None), run=run, renderer=renderer, kept=home / "tokens").train
    rendering = timer.lap()
    if not isinstance(rows, StoredRows) or len(rows) != added.inspection.rows_read:
        raise SystemExit("The studio left out some of the conversations.")
    # A run has the examples in an order of its own; the ids are compared in that of the file.
    places = split_examples(library.examples(added.id), share=0.0, seed=config.seed, stratify=config.stratify).train
    ids = (array("i", rows[int(number)].ids) for number in np.argsort(np.asarray(places)))
    return _prepared(
        ids,
        seconds=reading.seconds + rendering.seconds,
        processor_seconds=reading.processor_seconds + rendering.processor_seconds,
        learned=int(rows.learned.sum()),
        with_checks=importing.seconds + writing.seconds + rendering.seconds,
    )


def prepare_with_trl(options: argparse.Namespace) -> Prepared:
    """Prepare the file as TRL's trainer does when it is made, with a model of no size."""
    from datasets import disable_progress_bars, load_dataset
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM
    from trl import SFTConfig, SFTTrainer

    disable_progress_bars()
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    sizes = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **sizes))
    folder = os.environ["HF_HOME"]
    settings = SFTConfig(
        output_dir=folder,
        use_cpu=True,
        bf16=False,
        report_to="none",
        max_length=None,
        dataset_num_proc=options.trl_processes if options.trl_processes > 1 else None,
    )
    timer = _Timer()
    dataset = load_dataset("json", data_files=str(options.file), split="train")
    trainer = SFTTrainer(model=model, args=settings, train_dataset=dataset, processing_class=tokenizer)
    took = timer.lap()
    ids = (array("i", row) for row in trainer.train_dataset["input_ids"])
    return _prepared(ids, seconds=took.seconds, processor_seconds=took.processor_seconds, learned=0)


def measure(side: str, options: argparse.Namespace) -> Measured:
    """Run one side in a process of its own and watch its memory."""
    import psutil

    python = options.trl_python if side == "trl" else sys.executable
    command = [python, __file__, "--side", side, "--model", str(options.model), "--file", str(options.file)]
    command += ["--trl-processes", str(options.trl_processes)]
    with tempfile.TemporaryDirectory() as cache, open(Path(cache) / "errors", "w+", encoding="utf-8") as errors:
        environment = os.environ | {"HF_HOME": cache, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment)
        watched = psutil.Process(process.pid)
        resident = private = 0
        while process.poll() is None:
            now_resident, now_private = _memory(watched)
            resident, private = max(resident, now_resident), max(private, now_private)
            time.sleep(0.1)
        seconds = time.perf_counter() - began
        told = process.stdout.read() if process.stdout else ""
        if process.returncode:
            errors.seek(0)
            raise SystemExit(f"The side of {side} ended with status {process.returncode}:\n{errors.read()[-2000:]}")
    return Measured(Prepared(**json.loads(told.splitlines()[-1])), seconds, resident / 2**20, private / 2**20)


def _memory(process: object) -> tuple[int, int]:
    """Return the resident and the private bytes of a process and its children."""
    import psutil

    resident = private = 0
    try:
        for each in (process, *process.children(recursive=True)):  # type: ignore[attr-defined]
            held = each.memory_info()
            resident += held.rss
            private += held.rss - held.shared
    except psutil.NoSuchProcess:
        pass
    return resident, private


def _conclude(rounds: dict[str, list[Measured]]) -> int:
    for side, measured in rounds.items():
        if measured:
            found = measured[0].prepared
            say(f"{side}, median of {len(measured)}: {_line(measured)}")
            if found.with_checks:
                say(f"  with all checks of an import, and the run written: {_median(measured, 'with_checks'):.1f} s")
            say(f"  {found.examples:,} examples, {found.tokens:,} tokens, {found.learned:,} of them learned")
    studio, trl = (rounds[side] for side in SIDES)
    if not trl:
        return 0
    shares = [_median(studio, what) / _median(trl, "seconds") for what in ("seconds", "with_checks")]
    say("The studio takes {:.2f} of the time, and {:.2f} with all checks.".format(*shares))
    hashes = {each.prepared.sha256 for each in (*studio, *trl)}
    say("Both made the same token ids." if len(hashes) == 1 else "The token ids differ.")
    return 0 if len(hashes) == 1 else 1


def _line(measured: list[Measured]) -> str:
    return (
        f"{_median(measured, 'seconds'):.1f} s (with imports {_median(measured, 'process_seconds'):.1f} s), "
        f"{_median(measured, 'processor_seconds'):.1f} s of processor, "
        f"{_median(measured, 'resident_mib'):,.0f} MiB resident, {_median(measured, 'private_mib'):,.0f} MiB private"
    )


def _median(measured: list[Measured], what: str) -> float:
    return statistics.median(getattr(each if hasattr(each, what) else each.prepared, what) for each in measured)


@dataclass(frozen=True)
class _Lap:
    seconds: float
    processor_seconds: float


class _Timer:
    """Measures how long each part takes, and what this process and its ended children used of all processors."""

    def __init__(self) -> None:
        self._lap = self._now()

    def lap(self) -> _Lap:
        """Return what the part took that ends now; the next begins."""
        before, self._lap = self._lap, self._now()
        return _Lap(self._lap.seconds - before.seconds, self._lap.processor_seconds - before.processor_seconds)

    def _now(self) -> _Lap:
        used = os.times()
        return _Lap(time.perf_counter(), used.user + used.system + used.children_user + used.children_system)


def _prepared(
    ids: Iterable["array[int]"],
    *,
    seconds: float,
    processor_seconds: float,
    learned: int,
    with_checks: float = 0.0,
) -> Prepared:
    digest = hashlib.sha256()
    examples = tokens = 0
    for row in ids:
        digest.update(len(row).to_bytes(4, "little") + row.tobytes())
        examples += 1
        tokens += len(row)
    return Prepared(seconds, processor_seconds, examples, tokens, learned, digest.hexdigest(), with_checks)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", type=Path, help="a folder with tokenizer.json; without it the starter model's")
    parser.add_argument("--trl-python", default="", help="the Python that has trl; without it the studio runs alone")
    parser.add_argument("--trl-processes", type=int, default=1, help="TRL's dataset_num_proc")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
