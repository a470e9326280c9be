"""A real `Studio` on a temporary folder whose workers are played by the test: no process, no torch, no network."""

import functools
import json
import os
import random
import struct
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from studio import codec
from studio.compare.chat_protocol import (
    BASE,
    Answered,
    FromWorker,
    Open,
    Opened,
    Opening,
    PaneRequest,
    Tested,
    Token,
    Trouble,
)
from studio.config import FULL, RunConfig
from studio.data.dataset_folders import Dataset
from studio.data.example_files import ExampleFile
from studio.data.examples import Example, Message
from studio.data.library import DatasetLibrary
from studio.data.tokenizing.rendering import ChatRenderer
from studio.data.tokenizing.tokens import count_tokens, save
from studio.errors import StudioError
from studio.events import Evaluated, Event, Finished, Loaded, Prepared, Saved, Started, Stepped
from studio.jobs.exports import GGUF_KINDS, ONE_FILE, ExportReport, GgufCheck, export_archive, export_modelfile
from studio.jobs.imports import ImportRequest
from studio.jobs.rendering_protocol import Shown
from studio.jobs.tasks import Import, Task
from studio.models.starter import READY_MARK, starter_folder
from studio.runs import lock
from studio.runs.event_log import EventLog
from studio.runs.launcher import PROJECT_ROOT, Worker
from studio.runs.store import RunFolder, RunStore
from studio.settings import Settings
from studio.studio import Studio
from studio.workers.add_data import add_data
from studio.workers.job import Job, failure
from tests.tiny_model import write_tiny_tokenizer

NO_PROCESS = 2_000_000_000
"""An id that no process has, so that a signal to it reaches nobody."""

LAYERS = ("self_attn.q_proj", "self_attn.v_proj", "mlp.up_proj")


class FakeWorkers:
    """Stands in for `launch`: holds the lock as a worker would and remembers what was asked for.

    An import is done on the spot, in this process; with `hold_imports` it stays at work like everything else.
    """

    def __init__(self) -> None:
        self.jobs: list[Task] = []
        self.hold_imports = False
        self._locks: dict[Path, int] = {}

    def __call__(self, task: Task, /) -> Worker:
        self.jobs.append(task)
        if isinstance(task, Import) and not self.hold_imports:
            bring_in(task)
            return Worker(process_id=NO_PROCESS, exit_code=lambda: 0)
        lock_path = task.paths.lock
        lock_path.parent.mkdir(parents=True, exist_ok=True)
        held = lock.acquire(lock_path)
        assert held is not None
        self._locks[lock_path] = held
        task.paths.log.write_text("the worker woke up\n", encoding="utf-8")
        return Worker(process_id=NO_PROCESS, exit_code=lambda: None)

    def leave(self) -> None:
        """Let go of every lock, as workers that ended do."""
        for held in self._locks.values():
            os.close(held)
        self._locks.clear()


def bring_in(task: Import) -> None:
    """Do an import as its worker would, down to the event that says how it ended."""
    log = EventLog(task.paths.events, time.time)
    log.emit(Started(process_id=NO_PROCESS, job="import"))
    try:
        log.emit(add_data(Job(log.emit), task))
    except StudioError as error:
        log.emit(failure(error))
    log.close()


class FakeRendering:
    """Renders in this process what the studio leaves to others: the models of tests are their own."""

    def __init__(self) -> None:
        self._load = functools.lru_cache(maxsize=4)(ChatRenderer.load)

    def fingerprint(self, folder: Path) -> str:
        return self._load(folder).fingerprint

    def show(self, folder: Path, example: Example) -> Shown:
        renderer = self._load(folder)
        rendered = renderer.render(example)
        return Shown(len(rendered.ids), rendered.note, renderer.pieces(rendered))

    def count(self, folder: Path, examples: Path, counts: Path) -> None:
        counts.parent.mkdir(exist_ok=True)
        some = ExampleFile(examples)
        save(count_tokens(some, total=len(some), renderer=self._load(folder)), counts)

    def close(self) -> None:
        """Nothing was started."""


class FakeChat:
    """Stands in for the chat client: the base model echoes, the tuned one says "tuned" first, and how strongly.

    A question with the word "trouble" is one, with `halt_after` an answer is stopped after so many words, and while it
    `is_silent` it is stopped before the first. An adapter that `is_fixed` knows only one strength. Panes that are
    `failing`, by their places, cannot answer, each for the reason there.
    """

    def __init__(self) -> None:
        self.halted: list[str] = []
        self.tickets: list[str] = []
        self.is_running = False
        self.is_answering = False
        self.made_room = False
        self.halt_after: int | None = None
        self.is_silent = False
        self.is_fixed = False
        self.failing: dict[int, str] = {}
        self.asked: list[tuple[Open, tuple[PaneRequest, ...]]] = []
        self.seeds: list[int] = []
        self.tested = Tested(1, True, True, tokens=32, seconds=2.0, note="Greedy, in fp32.")

    def ask(
        self,
        base: Open,
        panes: Sequence[PaneRequest],
        *,
        temperature: float,
        top_p: float,
        max_new_tokens: int,
        seed: int,
        ticket: str = "",
    ) -> Generator[FromWorker, None, None]:
        self.asked.append((base, tuple(panes)))
        self.tickets.append(ticket)
        self.seeds.append(seed)
        yield Opening("Loading the model.")
        if self.is_silent:
            return
        yield Opened("cpu", "fp32")
        if any("trouble" in pane.messages[-1].content for pane in panes):
            yield Trouble(1, "The conversation is too long.", "Shorten it.")
            return
        if self.is_fixed and any(pane.strength != 1 for pane in panes):
            yield Trouble(1, "The strength of this adapter cannot be changed: it is fixed.", "Set it to 1.")
            return
        for place, pane in enumerate(panes):
            if place in self.failing:
                yield Answered(1, place, tokens=0, seconds=0.0, ended="failed", trouble=self.failing[place])
                continue
            tuned = "tuned:" if pane.strength == 1 else f"tuned at {pane.strength:g}:"
            words = ["base:" if pane.adapter == BASE else tuned, *pane.messages[-1].content.split()]
            ended = "end" if self.halt_after is None else "stopped"
            for word in words[: self.halt_after]:
                yield Token(1, place, f"{word} ")
            yield Answered(
                1, place, tokens=len(words), seconds=0.5, ended=ended, precision="fp32", template="the model's own"
            )

    def self_test(
        self, base: Open, adapter: str, messages: Sequence[Message], *, tokens: int = 32, ticket: str = ""
    ) -> Generator[FromWorker, None, None]:
        self.asked.append((base, (PaneRequest(adapter, tuple(messages)),)))
        yield Opening("Loading the base model afresh.")
        yield self.tested

    def halt(self, ticket: str = "") -> None:
        self.halted.append(ticket)

    def leave(self, grace_seconds: float = 2.0) -> None:
        pass

    def close(self) -> None:
        pass


def open_fake_studio(
    home: Path, *, clock: Callable[[], float], with_model: bool = True, launch: FakeWorkers | None = None
) -> Studio:
    """Build a studio on `home` with fake workers and a fake chat. The samples are the real ones."""
    if with_model:
        write_plain_model(starter_folder(home))
    return Studio(
        settings=Settings(home=home),
        data=DatasetLibrary(home, samples_folder=PROJECT_ROOT / "assets" / "samples", clock=clock),
        runs=RunStore(home, clock, rng=random.Random(0)),
        chat=FakeChat(),
        launch=launch or FakeWorkers(),
        clock=clock,
        rendering=FakeRendering(),
    )


@contextmanager
def fake_studio(home: Path, *, with_model: bool = True) -> Iterator[Studio]:
    """Open a studio whose clock stands still, and end its workers with it."""
    opened = open_fake_studio(home, clock=lambda: 1_800_000_000.0, with_model=with_model)
    yield opened
    end_workers(opened)


def end_workers(studio: Studio) -> None:
    """Let every worker of a fake studio be gone, without a word."""
    workers = studio._launch
    assert isinstance(workers, FakeWorkers)
    workers.leave()


def write_plain_model(folder: Path) -> None:
    """Write what the page reads of a model: a tokenizer, a config and the header of its weights."""
    write_tiny_tokenizer(folder)
    shapes = {f"model.layers.{block}.{name}.weight": [8, 16] for block in range(2) for name in LAYERS}
    shapes["model.embed_tokens.weight"] = [258, 16]
    header: dict[str, object] = {}
    offset = 0
    for name, (rows, columns) in shapes.items():
        header[name] = {"dtype": "F32", "shape": [rows, columns], "data_offsets": [offset, offset + rows * columns * 4]}
        offset += rows * columns * 4
    encoded = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(encoded)) + encoded + bytes(offset))
    (folder / "config.json").write_text('{"model_type": "llama", "max_position_embeddings": 2048}', encoding="utf-8")
    (folder / READY_MARK).write_text("{}", encoding="utf-8")


def brought(studio: Studio, *files: Path, name: str = "") -> Dataset:
    """Bring files in and wait for them."""
    return studio.add_dataset(ImportRequest(files=tuple(map(str, files)), name=name))


def play(run: RunFolder, *events: Event, clock: Callable[[], float]) -> None:
    """Write events as the run's worker would."""
    log = EventLog(run.events_path, clock)
    for event in events:
        log.emit(event)
    log.close()


def opening_events(*, steps: int, examples: int = 162, held_out: int = 18) -> tuple[Event, ...]:
    """Return what a worker says before its first step."""
    return (
        Started(process_id=NO_PROCESS, job="train"),
        Loaded(
            parameters=134_515_584,
            trainable=4_884_480,
            device="cpu",
            precision="fp32",
            target_modules=("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
        ),
        Prepared(
            train_examples=examples,
            validation_examples=held_out,
            left_out=0,
            tokens=18_400,
            learned_tokens=6_900,
            total_steps=steps,
        ),
    )


def step(number: int, *, loss: float, epoch: float = 1.0) -> Stepped:
    """Return one step."""
    return Stepped(
        step=number,
        epoch=epoch,
        loss=loss,
        learning_rate=5e-4,
        grad_norm=1.0,
        tokens_per_second=240.0,
        memory_gib=1.9,
    )


def finish(run: RunFolder, *, steps: int, clock: Callable[[], float]) -> None:
    """Write a whole short run with its adapter, or with its model where all of it was trained."""
    folder, config = ("model", "config.json") if run.config.method == FULL else ("adapter", "adapter_config.json")
    (run.path / folder).mkdir(exist_ok=True)
    (run.path / folder / config).write_text("{}", encoding="utf-8")
    stepped = [step(number, loss=3.0 / number) for number in range(1, steps + 1)]
    end = (Evaluated(steps, 1.2), Saved(steps, "adapter"), Finished("finished", "Done.", 12.0))
    play(run, *opening_events(steps=steps), *stepped, *end, clock=clock)


def finished_run(studio: Studio, *, dataset_id: str, config: RunConfig | None = None, steps: int = 5) -> RunFolder:
    """Start a run, play it to its end and return it."""
    run = studio.start_run(config or RunConfig(), dataset_id)
    finish(run, steps=steps, clock=studio.clock)
    workers = studio._launch
    assert isinstance(workers, FakeWorkers)
    workers.leave()
    return run


GGUF_CHECK = GgufCheck(
    prompts=15,
    held_out=12,
    tokens=144,
    same_tokens=141,
    divergence=0.0029,
    allowed=0.02,
    fell_back=0,
    tensors=211,
    has_template=True,
)


def write_export(run: RunFolder, kind: str) -> ExportReport:
    """Write an export with its report, as the export worker would."""
    run.exports.mkdir(parents=True, exist_ok=True)
    with export_archive(run, kind).open("wb") as archive:
        archive.write(b"PK")
        archive.truncate(18_100_000)  # takes no place on the disk
    if kind in GGUF_KINDS:
        export_modelfile(run, kind).write_text(f"FROM ./{export_archive(run, kind).name}\n", encoding="utf-8")
    report = ExportReport(
        kind=kind,
        folder_bytes=19_600_000,
        archive_bytes=18_100_000,
        largest_difference=2.1e-6,
        tolerance=1e-4,
        same_answers=3,
        answers=3,
        checked_with="peft",
        gguf=GGUF_CHECK if kind in ONE_FILE else None,
    )
    (run.exports / f"{kind}.json").write_text(codec.dumps(report), encoding="utf-8")
    return report
