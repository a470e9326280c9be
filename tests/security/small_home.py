"""A small data folder with at least one of everything that the studio keeps, and a look at all of it."""

import contextlib
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from studio.compare.answering import GenerationSettings
from studio.compare.conversations import Answer, Conversation, Talk, Turn, open_conversations
from studio.compare.pane_models import pane_model
from studio.compare.sheet_answers import SheetWork
from studio.compare.sheet_prompts import Prompt
from studio.compare.sheets import Cell, Column, Sheet, SheetRow, open_sheets
from studio.compare.votes import FIRST, Vote, Votes
from studio.config import RunConfig
from studio.data.library import DatasetLibrary
from studio.errors import StudioError
from studio.events import Evaluated, Loading, Started
from studio.jobs.blends import blend_state
from studio.jobs.calibration import machine_key, write_machine
from studio.jobs.exports import export_state
from studio.models.machine import Machine, Rates
from studio.models.starter import starter_folder
from studio.planning.model_facts import ModelFacts
from studio.planning.tradeoffs import Tradeoffs
from studio.runs.launcher import PROJECT_ROOT
from studio.runs.store import RunStore
from studio.settings import Settings
from studio.studio import Studio
from studio.ui import api
from studio.ui.compare import bin_panel, history, sheet_actions, vote_actions
from studio.ui.compare.chat_state import Chat
from studio.ui.configure import view
from studio.ui.configure.state import Selection as Configured
from studio.ui.configure.state import settle
from studio.ui.data import imports, library
from studio.ui.data import view as data_drawing
from studio.ui.data.state import Selection as Looked
from studio.ui.evaluate import actions, tab
from studio.ui.evaluate import view as evaluate_view
from studio.ui.evaluate.state import Selection
from studio.ui.export import view as export_view
from studio.ui.kit.drawn import Drawn, only_new
from studio.ui.runs import view as runs_drawing
from studio.ui.train import view as train_view
from tests.ui import made_up
from tests.ui.fake_studio import (
    FakeChat,
    FakeRendering,
    FakeWorkers,
    brought,
    end_workers,
    finished_run,
    open_fake_studio,
    opening_events,
    play,
    step,
    write_export,
)

NOW = 1_800_000_000.0


@dataclass(frozen=True)
class Ids:
    """What lies in the folder, by its ids."""

    dataset: str
    spare: str
    finished: str
    lost: str
    draft: str
    binned: str
    imported: str


def write_small_home(home: Path, source: Path, *, now: float = NOW) -> Ids:
    """Fill an empty folder. `source` is a folder for a file that is brought in; the ids begin with the time `now`."""
    studio = open_fake_studio(home, clock=lambda: now)
    dataset = _bring(studio, source / "slips.csv", rows=12)
    spare = _bring(studio, source / "spare.csv", rows=4)
    config = RunConfig(name="otter", validation_share=0.2)
    finished = finished_run(studio, dataset_id=dataset, config=config)
    made_up.write(finished, made_up.report(finished), count=4)
    write_export(finished, "adapter")
    studio.runs.describe(finished.id, note="the best so far")
    lost = studio.start_run(replace(config, name="walrus"), dataset)
    play(lost, *opening_events(steps=9), step(1, loss=2.0), Evaluated(1, 2.0), clock=studio.clock)
    lost.log_path.write_text("the worker woke up\n", encoding="utf-8")
    end_workers(studio)
    studio.scheduler.view(lost.id)  # writes down why it was lost
    draft = studio.duplicate_run(finished.id)
    binned = studio.duplicate_run(finished.id)
    studio.delete_run(binned.id)
    studio.runs.find(draft.id)
    studio.token_state(dataset, RunConfig().model)
    _write_beside(studio)
    imported = next(each.name for each in (home / "imports").iterdir())
    end_workers(studio)
    return Ids(dataset, spare, finished.id, lost.id, draft.id, binned.id, imported)


def _bring(studio: Studio, file: Path, *, rows: int) -> str:
    lines = [f"What is {file.stem} {n}?,It is {n}." for n in range(rows)]
    file.write_text("\n".join(["question,answer", *lines]) + "\n", encoding="utf-8")
    return brought(studio, file).id


def _write_beside(studio: Studio) -> None:
    """Keep a conversation, a sheet, votes and the measurement of the machine, and two of them in the bin."""
    home = studio.settings.home
    conversations, sheets = open_conversations(home, studio.clock), open_sheets(home, studio.clock)
    turn = Turn("What is it?", Answer("Bread", 3, 0.5, "end"))
    for kept in ("Bread", "Binned"):
        saved = conversations.save(Conversation(name=kept, talks=(Talk("base:a", "base", (turn,)),)))
    conversations.delete(saved.id)
    columns = (Column("base:a", "base"), Column("run:a", "otter"))
    row = SheetRow(Prompt("Say A"), (Cell("A"), Cell("B")))
    for kept in ("Sheet", "Binned"):
        sheet = sheets.save(Sheet(columns, (row,), GenerationSettings("Be brief.", 0.0, 32, 7), name=kept))
    sheets.delete(sheet.id)
    vote = Vote(1.0, sheet.id, 0, 1, 0, False, FIRST, "Say A", "", *columns, "A", "B")
    Votes(home).add(vote)
    rates = Rates("fp32", 1e11, 1e10, 1e-5, ((64, 1e10), (1024, 1e11)))
    write_machine(home, Machine("cpu", "a processor", 2**34, False, 1, (rates,), machine_key()))
    (home / "tasks").mkdir()
    (home / "tasks" / "own.yaml").write_text("task: own\n", encoding="utf-8")
    play_job(home / "machine.events.jsonl")
    studio.scheduler.queue.add("no-such-run")
    studio.scheduler.queue.remove("no-such-run")


def play_job(path: Path) -> None:
    """Write what a job said that never came to its end."""
    from studio.runs.event_log import EventLog

    log = EventLog(path, lambda: NOW)
    log.emit(Started(process_id=7, job="calibrate"))
    log.emit(Loading("Measuring", 1, 2))
    log.close()


@contextlib.contextmanager
def opened(home: Path) -> Iterator[tuple[Studio, FakeWorkers]]:
    """Open a studio on a folder as a server does when it starts, with workers that are played."""
    launch = FakeWorkers()
    studio = Studio(
        settings=Settings(home=home),
        data=DatasetLibrary(home, samples_folder=PROJECT_ROOT / "assets" / "samples", clock=lambda: NOW),
        runs=RunStore(home, lambda: NOW, rng=random.Random(0)),
        chat=FakeChat(),
        launch=launch,
        clock=lambda: NOW,
        rendering=FakeRendering(),
    )
    try:
        yield studio, launch
    finally:
        studio.close()
        launch.leave()


def serve_a_while(studio: Studio) -> None:
    """Do what the server does by itself: take up what was lost, and look after the queue."""
    studio.recover()
    with contextlib.suppress(StudioError):  # it is logged, and tried again a second later
        studio.tick()
    studio.summaries.look(fresh=True)
    studio.summaries.read_all()


def look_everywhere(studio: Studio, ids: Ids) -> None:
    """Open the page and draw every tab, for everything there is. A `StudioError` is a sentence on the page."""
    facts = ModelFacts(studio)
    for run_id in (ids.finished, ids.lost, ids.draft, ids.binned):
        _look_at_run(studio, facts, run_id)
    for dataset_id in (ids.dataset, ids.spare):
        with contextlib.suppress(StudioError):
            library.show(studio, dataset_id)
        with contextlib.suppress(StudioError):
            only_new(data_drawing.draw(studio, facts, Looked(version=dataset_id)), Drawn())
        with contextlib.suppress(StudioError):
            fresh = Configured(dataset_id=dataset_id)
            only_new(view.draw(studio, facts, settle(studio, facts, fresh, fresh)), Drawn())
    library.draw_bin(studio)
    with contextlib.suppress(StudioError):
        imports.follow(studio, [], [])
    studio.imports.working()
    with contextlib.suppress(StudioError):
        studio.imports.state(ids.imported)
    with contextlib.suppress(StudioError):
        studio.imports.request(ids.imported)
    with contextlib.suppress(StudioError):
        studio.models.machine()
    actions.task_choices(studio.settings)
    _look_at_comparisons(studio)


def _look_at_run(studio: Studio, facts: ModelFacts, run_id: str) -> None:
    looks: list[Any] = [
        lambda: studio.scheduler.view(run_id),
        lambda: train_view.draw(studio, train_view.shared_view(studio), train_view.Selection(run_id)),
        lambda: train_view.refresh_runs(studio, run_id),
        lambda: api.status_of(studio, run_id),
        lambda: tab.refresh_runs(studio, run_id),
        lambda: only_new(evaluate_view.draw(studio, Tradeoffs(studio, facts), Selection(run_id)), Drawn()),
        lambda: studio.evaluations.rows(run_id),
        lambda: export_view.refresh_runs(studio, run_id),
        lambda: export_state(studio.jobs, studio.runs.get(run_id), "adapter"),
        lambda: blend_state(studio.jobs, studio.runs.get(run_id)),
        lambda: history.compare_run(studio, open_conversations(studio.settings.home), Chat(), run_id=run_id),
    ]
    for look in looks:
        with contextlib.suppress(StudioError):
            look()
    selection = runs_drawing.Selection(chosen=(run_id,), opened=run_id)
    only_new(runs_drawing.draw(studio, selection), Drawn())


def _look_at_comparisons(studio: Studio) -> None:
    home = studio.settings.home
    conversations = open_conversations(home, studio.clock)
    work = SheetWork(open_sheets(home, studio.clock), studio.chat, lambda key: pane_model(studio, key))
    votes = Votes(home)
    history.at_first(studio, conversations, Chat())
    bin_panel.look(conversations, history.NOUN, None)
    only_new(sheet_actions.draw(work, sheet_actions.refresh(studio, work, sheet_actions.Selection()).state), Drawn())
    bin_panel.look(work.sheets, sheet_actions.NOUN, None)
    vote_actions.refresh(studio, work, votes, vote_actions.Selection())
    for pair in votes.pairs():
        vote_actions.standing(votes, vote_actions.name_of(votes, pair))


def model_folder(home: Path) -> Path:
    """Say where the starter model lies: its files come from outside."""
    return starter_folder(home)
