"""The Runs tab: what a press does, what is drawn, and what is sent."""

import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from studio.config import RunConfig
from studio.errors import RunError
from studio.events import Evaluated, Failed
from studio.jobs.tasks import Train
from studio.runs.listing import PAGE_ROWS, Query
from studio.runs.store import RunFolder
from studio.runs.view import RunView
from studio.studio import Studio
from studio.ui.kit.actions import Action
from studio.ui.kit.drawn import Drawn, only_new
from studio.ui.runs import actions, navigation, view
from studio.ui.runs.overlay import HELD_OUT, MOST_RUNS, TRAINING, curve
from studio.ui.runs.view import Selection, settle
from tests.ui.fake_studio import FakeWorkers, finished_run, opening_events, play, step


@pytest.fixture
def dataset(studio: Studio) -> str:
    return studio.data.add_sample("order_slips").id


@pytest.fixture
def run(studio: Studio, dataset: str) -> RunFolder:
    return finished_run(studio, dataset_id=dataset, config=RunConfig(name="otter", rank=4))


def end_workers(studio: Studio) -> None:
    workers = studio._launch
    assert isinstance(workers, FakeWorkers)
    workers.leave()


def look(studio: Studio, selection: Selection | None = None, drawn: Drawn | None = None) -> dict[str, Any]:
    """What a page is sent that shows `drawn`, and what it shows then."""
    now = settle(Selection(), selection or Selection())
    sent, then = only_new(view.draw(studio, now), drawn or Drawn())
    return {**sent, "drawn": then}


def press(
    studio: Studio, verb: str, key: str = "", value: str = "", *, selection: Selection | None = None
) -> dict[str, Any]:
    before = settle(Selection(), selection or Selection())
    now = settle(before, actions.press(studio, before, Action(verb, key, value)))
    return {**look(studio, now), "selection": now}


def test_without_a_run_the_page_says_what_fills_it(studio: Studio) -> None:
    shown = look(studio)
    assert "Start training" in shown["table"]
    assert "No run is open" in shown["one_said"]
    assert shown["chart"]["curves"] == []
    assert "The Trash is empty" in shown["binned"]
    assert shown["queue"] == ""


def test_a_row_says_what_is_known_of_a_run(studio: Studio, run: RunFolder) -> None:
    studio.runs.describe(run.id, note="the <b>good</b> one")
    table = look(studio)["table"]
    for text in ("otter", "Finished", "A format: order slips", "Starter model", "LoRA", "1.200", "<polyline"):
        assert text in table
    assert "the &lt;b&gt;good&lt;/b&gt; one" in table


def test_only_what_is_new_is_sent(studio: Studio, run: RunFolder, dataset: str) -> None:
    before = look(studio)
    again = look(studio, drawn=before["drawn"])
    assert again == {"drawn": before["drawn"]}
    studio.start_run(RunConfig(name="heron"), dataset)
    later = look(studio, drawn=before["drawn"])
    assert "heron" in later["table"]
    assert not {"chart", "binned"} & later.keys()


def test_two_pages_show_the_same(studio: Studio, run: RunFolder) -> None:
    first, second = look(studio), look(studio)
    press(studio, "delete", run.id)
    shown = [look(studio, drawn=page["drawn"]) for page in (first, second)]
    assert all("No run yet" in each["table"] and "Put otter back" in each["binned"] for each in shown)


def test_a_search_begins_at_its_first_page(studio: Studio, run: RunFolder) -> None:
    assert settle(Selection(), Selection("otter", query=Query(page=3))).query == Query(text="otter")
    searched = Selection("walrus ", "draft")
    assert "No run found" in look(studio, searched)["table"]
    every = press(studio, "all", selection=searched)
    assert every["selection"] == Selection()
    assert "otter" in every["table"]
    assert "otter" in look(studio, Selection(state="finished"))["table"]
    assert "No run found" in look(studio, Selection(state="draft"))["table"]


def test_a_column_is_sorted_by_and_then_the_other_way_round(studio: Studio, run: RunFolder, dataset: str) -> None:
    finished_run(studio, dataset_id=dataset, config=RunConfig(name="badger", rank=32))
    names = press(studio, "sort", "name")
    assert names["table"].index("badger") < names["table"].index("otter")
    assert 'aria-sort="ascending"' in names["table"]
    back = press(studio, "sort", "name", selection=names["selection"])
    assert back["table"].index("otter") < back["table"].index("badger")
    ranks = press(studio, "order", value="rank up")
    assert ranks["table"].index("otter") < ranks["table"].index("badger")


def test_pages_of_the_table(studio: Studio, dataset: str) -> None:
    for number in range(PAGE_ROWS + 2):
        studio.start_run(RunConfig(name=f"number {number:02}"), dataset)
    assert "1 to 25 of 27 runs" in look(studio)["table"]
    second = press(studio, "page", "1")
    assert "26 to 27 of 27 runs" in second["table"]
    assert second["table"].count("<tr") == 3


def test_an_opened_run_offers_what_can_be_done_with_it(studio: Studio, run: RunFolder) -> None:
    shown = press(studio, "open", run.id)
    assert "Finished: 5 steps" in shown["one_said"]
    assert shown["name"]["value"] == "otter"
    assert shown["describe"]["visible"] is True
    for label in ("Open in Train", "Compare", "Export", "New run with these settings", "Duplicate", "Move to Trash"):
        assert label in shown["actions"]
    assert "<dt>Learning rate</dt><dd>0.0005</dd>" in shown["one_said"]
    assert "Add to queue" not in shown["actions"]
    assert "Edit" not in shown["actions"]


def test_a_run_at_work_cannot_be_deleted_and_says_so(studio: Studio, dataset: str) -> None:
    live = studio.start_run(RunConfig(), dataset)
    shown = press(studio, "open", live.id)
    assert "cannot be deleted" in shown["actions"]
    assert "Move to Trash" not in shown["actions"]
    with pytest.raises(RunError, match="still at work"):
        press(studio, "delete", live.id)


def test_a_failed_run_goes_on_from_its_checkpoint(studio: Studio, dataset: str) -> None:
    failed = studio.start_run(RunConfig(), dataset)
    play(failed, *opening_events(steps=9), step(1, loss=2.0), Failed("memory", "Full.", "Less."), clock=studio.clock)
    end_workers(studio)
    assert "Start again" in press(studio, "open", failed.id)["actions"]
    (failed.checkpoint(1)).mkdir(parents=True)
    assert "Resume from step 1" in press(studio, "open", failed.id)["actions"]
    shown = press(studio, "queue", failed.id)
    assert "starts now" in shown["said"]
    assert _trained(studio) == [failed.id, failed.id]


def _trained(studio: Studio) -> list[str]:
    workers = studio._launch
    assert isinstance(workers, FakeWorkers)
    return [job.run.name for job in workers.jobs if isinstance(job, Train)]


def test_the_queue_is_shown_and_can_be_changed(studio: Studio, dataset: str) -> None:
    runs = [studio.start_run(RunConfig(name=name), dataset) for name in ("first", "second", "third")]
    queue = look(studio)["queue"]
    assert queue.index("first") < queue.index("second") < queue.index("third")
    assert "Move third up" in queue
    assert "Move second up" not in queue
    moved = press(studio, "up", runs[2].id)["queue"]
    assert moved.index("third") < moved.index("second")
    taken = press(studio, "cancel", runs[2].id)
    assert "was removed from the queue" in taken["said"]
    assert studio.scheduler.waiting() == (runs[1].id,)
    assert "as number 2" in press(studio, "queue", runs[2].id)["said"]


def test_a_duplicate_is_a_draft_that_is_opened(studio: Studio, run: RunFolder) -> None:
    shown = press(studio, "duplicate", run.id)
    copy = studio.runs.get(shown["selection"].opened)
    assert copy.id != run.id
    assert replace(copy.config, name="") == replace(run.config, name="")
    assert studio.scheduler.view(copy.id).status == "draft"
    assert copy.name in shown["said"]
    assert "Edit settings" in shown["actions"]


def test_the_trash(studio: Studio, run: RunFolder) -> None:
    shown = press(studio, "delete", run.id, selection=Selection(opened=run.id, chosen=(run.id,)))
    assert "is in the Trash" in shown["said"]
    assert shown["selection"].opened == ""
    assert shown["selection"].chosen == ()
    assert shown["bin"]["label"] == "Trash (1)"
    back = press(studio, "restore", run.id, selection=shown["selection"])
    assert back["selection"].opened == run.id
    press(studio, "delete", run.id)
    asked = press(studio, "ask")
    assert "cannot be undone" in asked["binned"]
    kept = press(studio, "keep", selection=asked["selection"])
    assert "cannot be undone" not in kept["binned"]
    assert len(studio.runs.binned()) == 1
    press(studio, "empty", selection=asked["selection"])
    assert studio.runs.binned() == ()


def test_the_bin_is_emptied_only_when_that_was_asked_for(studio: Studio, run: RunFolder) -> None:
    press(studio, "delete", run.id)
    press(studio, "empty", selection=Selection(sure=False))
    assert len(studio.runs.binned()) == 1


def test_a_name_and_a_note_are_kept(studio: Studio, run: RunFolder) -> None:
    def keep(name: str, note: str, selection: Selection) -> Selection:
        return actions.describe(studio, selection, name=name, note=note)

    keep("  Heron  of  May ", "seen twice", Selection(opened=run.id))
    assert (run.name, run.about.note) == ("Heron of May", "seen twice")
    keep(" ", "", Selection(opened=run.id))
    assert (run.name, run.about.note) == ("Heron of May", ""), "a run always has a name"
    keep("nobody", "", Selection())
    assert run.name == "Heron of May"


def test_a_run_leaves_as_one_file_and_comes_back(studio: Studio, run: RunFolder, tmp_path: Path) -> None:
    assert actions.pack(studio, Selection(opened=run.id)) == f"studio/download/run/{run.id}/{run.id}.run.zip"
    path = run.exports / f"{run.id}.run.zip"
    assert zipfile.is_zipfile(path)
    brought = studio.runs.get(actions.bring_in(studio, Selection("walrus"), file=str(path)).opened)
    assert (brought.id != run.id, brought.name, brought.config) == (True, "otter (2)", run.config)
    other = tmp_path / "notes.zip"
    other.write_text("no zip")
    with pytest.raises(RunError, match=r"notes\.zip"):
        actions.bring_in(studio, Selection(), file=str(other))
    assert actions.pack(studio, Selection()) is None


def test_a_curve_over_a_part_of_the_held_out_examples_says_so(studio: Studio, run: RunFolder) -> None:
    of_all = studio.scheduler.view(run.id).view
    in_part = RunView(evaluations=[Evaluated(0, 3.0, 24, 100, 3.1), Evaluated(5, 1.2, 24, 100)])
    assert curve("otter", of_all, kind=HELD_OUT).part is None
    assert curve("heron", in_part, kind=HELD_OUT).part == (24, 100)
    assert curve("heron", in_part, kind=HELD_OUT).losses == (3.0, 1.2)
    assert curve("heron", in_part, kind=TRAINING).part is None


def test_runs_are_compared(studio: Studio, run: RunFolder, dataset: str) -> None:
    other = finished_run(studio, dataset_id=dataset, config=RunConfig(name="heron", rank=32))
    first = press(studio, "choose", run.id)
    assert "Mark a second run" in first["differences"]
    assert "1 run marked. Mark another one" in first["table"]
    both = press(studio, "choose", other.id, selection=first["selection"])
    assert 'data-scroll="runs-chart"' in both["table"]
    assert [curve["name"] for curve in both["chart"]["curves"]] == ["otter", "heron"]
    assert both["chart"]["curves"][0]["losses"] == (1.2,)
    assert "<td>4</td><td>32</td>" in both["differences"]
    assert "Learning rate" not in both["differences"]
    assert both["table"].count('aria-checked="true"') == 2
    smoothed = look(studio, replace(both["selection"], kind=TRAINING))
    assert smoothed["chart"]["curves"][0]["steps"] == (1, 2, 3, 4, 5)
    alone = press(studio, "choose", run.id, selection=both["selection"])
    assert [curve["name"] for curve in alone["chart"]["curves"]] == ["heron"]
    studio.delete_run(other.id)
    gone = look(studio, both["selection"])
    assert "moved to the Trash" in gone["differences"]


def test_no_more_runs_are_compared_than_can_be_told_apart(studio: Studio, run: RunFolder) -> None:
    selection = Selection(chosen=tuple(f"run-{number}" for number in range(MOST_RUNS)))
    with pytest.raises(gr.Error, match="Remove one first"):
        press(studio, "choose", run.id, selection=selection)


def test_a_run_that_is_gone_is_a_sentence(studio: Studio, run: RunFolder) -> None:
    """Another page may have deleted it a moment before."""
    studio.delete_run(run.id)
    for verb in ("queue", "duplicate", "delete"):
        with pytest.raises(RunError, match="There is no run"):
            press(studio, verb, run.id)
    assert "No run is open" in press(studio, "open", run.id)["one_said"]


def test_a_press_of_nothing_changes_nothing(studio: Studio, run: RunFolder) -> None:
    assert press(studio, "nonsense", run.id)["selection"] == Selection()
    assert len(studio.runs.all()) == 1


def test_a_run_leads_to_the_other_tabs(studio: Studio, run: RunFolder) -> None:
    for place, verb in enumerate(("train", "compare", "evaluate", "export"), start=1):
        tabs, *chosen = navigation.jump(studio, Action(verb, run.id))
        assert tabs["selected"] == verb
        found = chosen.pop(place - 1)
        assert (found if verb == "compare" else found["value"]) == run.id
        assert chosen == [gr.skip()] * 3
        assert press(studio, verb, run.id)["selection"] == Selection()
    assert navigation.jump(studio, Action("delete", run.id)) == [gr.skip()] * 5
    with pytest.raises(RunError, match="There is no run"):
        navigation.jump(studio, Action("train", "nobody"))
