import csv
import io
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from studio.compare import sheets
from studio.compare.pane_models import first_pair, pane_model
from studio.compare.sheet_answers import SheetWork
from studio.compare.sheets import open_sheets
from studio.config import RunConfig
from studio.errors import DataError, RunError
from studio.runs.store import RunFolder
from studio.studio import Studio
from studio.ui.compare import sheet_actions
from studio.ui.compare.sheet_actions import FILE, HELD_OUT, Selection
from studio.ui.kit.actions import Action
from studio.ui.kit.drawn import Drawn, only_new
from studio.ui.kit.exchange import Result
from tests.ui.fake_studio import finished_run


@pytest.fixture
def run(studio: Studio) -> RunFolder:
    return finished_run(studio, dataset_id=studio.data.add_sample("order_slips").id, config=RunConfig(name="otter"))


@pytest.fixture
def work(studio: Studio) -> SheetWork:
    sheets = open_sheets(studio.settings.home, studio.clock)
    return SheetWork(sheets, studio.chat, lambda key: pane_model(studio, key))


def selection(studio: Studio, text: str = "One\nTwo", **values: Any) -> Selection:
    models = tuple(key for key in first_pair(studio) if key)
    return Selection(**{"typed": text, "models": models, "strengths": (1.0,), "longest": 64, "seed": 42, **values})


def begin(
    studio: Studio, work: SheetWork, text: str = "One\nTwo", *, file: str | None = None, **values: Any
) -> Selection:
    now = state(sheet_actions.start(studio, work, selection(studio, text, **values), file=file))
    work.join(now.sheet or "")
    return now


def state(result: Selection | Result[Selection]) -> Selection:
    return result.state if isinstance(result, Result) else result


def updates(result: Selection | Result[Selection]) -> Mapping[str, Any]:
    return result.updates if isinstance(result, Result) else {}


def drawn(work: SheetWork, now: Selection, **values: Any) -> Mapping[str, Any]:
    return sheet_actions.draw(work, replace(now, **values))


def test_typed_prompts_are_answered_and_shown(studio: Studio, run: RunFolder, work: SheetWork) -> None:
    shown = drawn(work, begin(studio, work))
    assert "2 prompts, all answered. The answers differ in 2." in shown["progress"]
    assert "base: One" in shown["table"]
    assert "tuned: Two" in shown["table"]
    assert "Starter model, untrained" in shown["table"]
    assert (shown["stop"]["visible"], shown["go_on"]["visible"], shown["timer"]["active"]) == (False, False, False)


def test_what_is_drawn_already_is_not_sent_again(studio: Studio, run: RunFolder, work: SheetWork) -> None:
    now = begin(studio, work)
    _, page = only_new(drawn(work, now), Drawn())
    assert only_new(drawn(work, now), page) == ({}, page)
    sent, _ = only_new(drawn(work, now, marks=True), page)
    assert "<mark>tuned:</mark>" in sent["table"]
    assert "not in the other model" in sent["marked"]
    assert sent.keys() == {"table", "marked"}


def test_before_there_is_a_sheet_nothing_is_offered_to_do_with_it(
    studio: Studio, run: RunFolder, work: SheetWork
) -> None:
    parts = ("searching", "csv", "jsonl", "delete", "naming")
    assert {drawn(work, Selection())[part]["visible"] for part in parts} == {False}
    assert {drawn(work, begin(studio, work))[part]["visible"] for part in parts} == {True}


def test_rows_are_looked_for_and_turned(studio: Studio, run: RunFolder, work: SheetWork) -> None:
    now = begin(studio, work, "\n".join(f"Say {number}" for number in range(45)))
    first, last = drawn(work, now)["table"], drawn(work, now, page=99)["table"]
    assert "1 to 20 of 45 rows" in first
    assert "41 to 45 of 45 rows" in last
    assert "Say 44" in last
    assert "Say 0" not in last
    turned = sheet_actions.turn(now, Action("page", "2"))
    assert turned == replace(now, page=2)
    assert sheet_actions.turn(now, Action("else", "2")) == now
    assert sheet_actions.settle(now, turned) == turned
    for other in ({"text": "say"}, {"which": sheets.SAME}, {"sheet": "another"}):
        assert sheet_actions.settle(turned, replace(turned, **other)).page == 0, "other rows begin at their first page"
    assert "Say 7" in drawn(work, now, text="say 7", page=3)["table"]
    assert "No matching rows" in drawn(work, now, which=sheets.SAME)["table"]


def test_prompts_come_from_a_file_or_held_out_rows(
    studio: Studio, run: RunFolder, work: SheetWork, tmp_path: Path
) -> None:
    path = tmp_path / "prompts.csv"
    path.write_text("prompt,expected\n<b>One</b>,yes\n", encoding="utf-8")
    shown = drawn(work, begin(studio, work, source=FILE, file=str(path)))
    assert "&lt;b&gt;One&lt;/b&gt;" in shown["table"]
    assert 'data-label="Expected"><div><span translate="no">yes' in shown["table"]
    held_out = begin(studio, work, source=HELD_OUT, run=run.id, most=3)
    assert len(work.sheets.get(held_out.sheet or "").rows) == 3
    with pytest.raises(DataError, match="No file was chosen"):
        begin(studio, work, source=FILE)
    with pytest.raises(RunError, match="no run with held-out rows"):
        begin(studio, work, source=HELD_OUT)
    with pytest.raises(DataError, match="no prompts"):
        begin(studio, work, "")


def test_columns_are_one_to_four(studio: Studio, run: RunFolder, work: SheetWork) -> None:
    def start(models: list[str], strengths: list[float]) -> None:
        now = selection(studio, "x", models=tuple(models), strengths=tuple(strengths))
        sheet_actions.start(studio, work, now, file=None)

    with pytest.raises(gr.Error, match="one or more models"):
        start([], [1.0])
    with pytest.raises(RunError, match="No adapter strength was chosen"):
        start([f"run:{run.id}"], [])
    with pytest.raises(RunError, match=r"2 models at 4 strengths: that is 5 columns\. A sheet has at most 4\."):
        start([f"base:{run.id}", f"run:{run.id}"], [0.25, 0.5, 0.75, 1])
    assert work.sheets.all() == ()


def test_an_adapter_answers_at_each_strength_and_the_base_once(studio: Studio, run: RunFolder, work: SheetWork) -> None:
    now = begin(studio, work, strengths=(1.0, 0.5))
    table = drawn(work, now)["table"]
    for label, said in (("Starter model, untrained", "base: One"), ("otter at 0.5", "tuned at 0.5: One")):
        assert f'data-label="{label}"><div><span translate="no">{said}' in table
    assert 'data-label="otter"><div><span translate="no">tuned: One' in table
    text = json.loads(sheet_actions.save(work, "csv", now))["text"]
    assert next(csv.reader(io.StringIO(text)))[3:] == ["Starter model, untrained", "otter at 0.5", "otter"]
    written = json.loads(json.loads(sheet_actions.save(work, "jsonl", now))["text"].splitlines()[0])
    assert [answer["strength"] for answer in written["answers"]] == [1.0, 0.5, 1.0]


def test_a_strength_that_an_adapter_cannot_have_costs_no_other_column(
    studio: Studio, run: RunFolder, work: SheetWork
) -> None:
    studio.chat.is_running, studio.chat.is_fixed = True, True  # type: ignore[misc, attr-defined]
    shown = drawn(work, begin(studio, work, strengths=(0.5, 0.75, 1.0)))
    assert "2 of 2 prompts answered, but not by all. The answers differ in 2." in shown["progress"]
    assert "No answer from otter at 0.5 and otter at 0.75: The strength of this adapter cannot be" in shown["progress"]
    assert "tuned: Two" in shown["table"]
    assert "Set it to 1." in shown["table"]


def test_the_lists_keep_what_is_chosen(studio: Studio, run: RunFolder, work: SheetWork) -> None:
    shown = sheet_actions.refresh(studio, work, Selection())
    assert shown.state.models == tuple(first_pair(studio))
    assert (shown.state.run, shown.state.sheet) == (run.id, None)
    first, second = (begin(studio, work, text).sheet for text in ("One\nTwo", "Three"))
    chosen = Selection(models=(f"run:{run.id}", "run:gone"), sheet=first)
    shown = sheet_actions.refresh(studio, work, chosen)
    assert shown.state.models == (f"run:{run.id}",)
    assert shown.updates["models"]["value"] == [f"run:{run.id}"]
    assert shown.state.sheet == shown.updates["sheet"]["value"] == first
    assert {id for _, id in shown.updates["sheet"]["choices"]} == {first, second}


def test_a_sheet_is_named_deleted_and_put_back(studio: Studio, run: RunFolder, work: SheetWork) -> None:
    now = begin(studio, work)
    named = updates(sheet_actions.rename(work, now, name="Bread"))
    assert named["sheet"]["choices"][0][0].startswith("Bread · ")
    assert sheet_actions.rename(work, Selection(), name="Bread") == Selection()
    deleted = sheet_actions.delete(work, now)
    assert (state(deleted).sheet, state(deleted).deleted) == (None, now.sheet)
    assert (updates(deleted)["restore"]["visible"], updates(deleted)["bin"]["visible"]) == (True, True)
    assert "No prompt sheet yet" in drawn(work, state(deleted))["table"]
    assert "No prompt sheet yet" in drawn(work, now)["table"], "another page that shows it still"
    back = sheet_actions.restore(work, state(deleted), state(deleted).deleted)
    assert (state(back).sheet, updates(back)["restore"]["visible"]) == (now.sheet, False)
    assert updates(back)["bin"]["visible"] is False
    assert sheet_actions.delete(work, Selection()) == Selection()
    assert sheet_actions.restore(work, Selection(), None) == Selection()


def test_a_sheet_is_taken_along(studio: Studio, run: RunFolder, work: SheetWork) -> None:
    now = begin(studio, work)
    table = json.loads(sheet_actions.save(work, "csv", now))
    assert table["name"] == "one.csv"
    assert next(csv.reader(io.StringIO(table["text"])))[-1] == "otter"
    lines = json.loads(sheet_actions.save(work, "jsonl", now))["text"].splitlines()
    assert json.loads(lines[1])["answers"][1]["text"] == "tuned: Two "
    with pytest.raises(gr.Error, match="no prompt sheet"):
        sheet_actions.save(work, "csv", Selection())


def test_a_sheet_in_trouble_says_so_and_can_go_on(studio: Studio, run: RunFolder, work: SheetWork) -> None:
    studio.chat.is_running = True  # type: ignore[misc]
    now = begin(studio, work, "trouble")
    shown = drawn(work, now)
    assert "0 of 1 prompt answered. The conversation is too long. Shorten it." in shown["progress"]
    assert "not answered yet" in shown["table"]
    assert shown["go_on"]["visible"] is True
    sheet_actions.go_on(work, now)
    work.join(now.sheet or "")
    for each in (now, Selection()):
        assert sheet_actions.stop(work, each) == each
    assert sheet_actions.go_on(work, Selection()) == Selection()


def test_where_the_prompts_come_from_shows_its_fields(work: SheetWork) -> None:
    shown = drawn(work, Selection(source=FILE))
    assert [shown[name]["visible"] for name in ("typed_part", "file_part", "held_out_part")] == [False, True, False]
