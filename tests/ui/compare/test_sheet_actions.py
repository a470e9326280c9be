import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from studio.compare import sheets
from studio.compare.answering import GenerationSettings
from studio.compare.pane_models import first_pair, pane_model
from studio.compare.sheet_answers import SheetWork
from studio.compare.sheets import open_sheets
from studio.config import RunConfig
from studio.errors import DataError, RunError
from studio.runs.store import RunFolder
from studio.studio import Studio
from studio.ui.compare import sheet_actions
from studio.ui.compare.sheet_actions import FILE, HELD_OUT, PARTS, TYPED, Source
from studio.ui.kit.actions import Action
from tests.ui.fake_studio import finished_run

GENERATION = GenerationSettings("", 0.0, 64, 42)


@pytest.fixture
def run(studio: Studio) -> RunFolder:
    return finished_run(studio, dataset_id=studio.data.add_sample("order_slips").id, config=RunConfig(name="otter"))


@pytest.fixture
def work(studio: Studio) -> SheetWork:
    sheets = open_sheets(studio.settings.home, studio.clock)
    return SheetWork(sheets, studio.chat, lambda key: pane_model(studio, key))


def begin(
    studio: Studio,
    work: SheetWork,
    text: str = "One\nTwo",
    *,
    source: Source | None = None,
    strengths: Sequence[float] = (1.0,),
) -> str:
    models = [key for key in first_pair(studio) if key]
    source = source or Source(TYPED, text)
    chosen, page = sheet_actions.start(
        studio, work, models=models, strengths=strengths, generation=GENERATION, source=source
    )
    assert page == 0
    work.join(chosen["value"])
    return str(chosen["value"])


def drawn(work: SheetWork, id: str | None, **values: Any) -> dict[str, Any]:
    looked = {"text": "", "which": sheets.ALL, "marks": False, "page": 0, "drawn": None} | values
    return dict(zip((*PARTS, "drawn"), sheet_actions.draw(work, sheet=id, **looked), strict=True))


def test_typed_prompts_are_answered_and_shown(studio: Studio, run: RunFolder, work: SheetWork) -> None:
    shown = drawn(work, begin(studio, work))
    assert "2 prompts, all answered. The answers differ in 2." in shown["progress"]
    assert "base: One" in shown["table"]
    assert "tuned: Two" in shown["table"]
    assert "Starter model, untrained" in shown["table"]
    assert (shown["stop"]["visible"], shown["go_on"]["visible"], shown["timer"]["active"]) == (False, False, False)


def test_what_is_drawn_already_is_not_sent_again(studio: Studio, run: RunFolder, work: SheetWork) -> None:
    id = begin(studio, work)
    first = drawn(work, id)
    again = drawn(work, id, drawn=first["drawn"])
    assert [again[name] for name in PARTS] == [gr.skip()] * len(PARTS)
    assert "<mark>tuned:</mark>" in drawn(work, id, drawn=first["drawn"], marks=True)["table"]


def test_rows_are_looked_for_and_turned(studio: Studio, run: RunFolder, work: SheetWork) -> None:
    id = begin(studio, work, "\n".join(f"Say {number}" for number in range(45)))
    first, last = drawn(work, id)["table"], drawn(work, id, page=99)["table"]
    assert "1 to 20 of 45 rows" in first
    assert "41 to 45 of 45 rows" in last
    assert "Say 44" in last
    assert "Say 0" not in last
    assert sheet_actions.turn(Action("page", "2")) == 2
    assert sheet_actions.turn(Action("else", "2")) == gr.skip()
    assert "Say 7" in drawn(work, id, text="say 7", page=3)["table"]
    assert "No row fits" in drawn(work, id, which=sheets.SAME)["table"]


def test_prompts_come_from_a_file_or_held_out_rows(
    studio: Studio, run: RunFolder, work: SheetWork, tmp_path: Path
) -> None:
    path = tmp_path / "prompts.csv"
    path.write_text("prompt,expected\n<b>One</b>,yes\n", encoding="utf-8")
    shown = drawn(work, begin(studio, work, source=Source(FILE, file=str(path))))
    assert "&lt;b&gt;One&lt;/b&gt;" in shown["table"]
    assert 'data-label="Expected"><div>yes' in shown["table"]
    held_out = begin(studio, work, source=Source(HELD_OUT, run=run.id, most=3))
    assert len(work.sheets.get(held_out).rows) == 3
    with pytest.raises(DataError, match="No file was chosen"):
        begin(studio, work, source=Source(FILE))
    with pytest.raises(RunError, match="no run with held-out rows"):
        begin(studio, work, source=Source(HELD_OUT))
    with pytest.raises(DataError, match="no prompts"):
        begin(studio, work, "")


def test_columns_are_one_to_four(studio: Studio, run: RunFolder, work: SheetWork) -> None:
    def start(models: list[str] | None, strengths: list[float] | None) -> None:
        source = Source(TYPED, "x")
        sheet_actions.start(studio, work, models=models, strengths=strengths, generation=GENERATION, source=source)

    for none in ([], None):
        with pytest.raises(gr.Error, match="one or more models"):
            start(none, [1.0])
        with pytest.raises(RunError, match="No adapter strength was chosen"):
            start([f"run:{run.id}"], none)
    with pytest.raises(RunError, match=r"2 models at 4 strengths: that is 5 columns\. A sheet has at most 4\."):
        start([f"base:{run.id}", f"run:{run.id}"], [0.25, 0.5, 0.75, 1])
    assert work.sheets.all() == ()


def test_an_adapter_answers_at_each_strength_and_the_base_once(studio: Studio, run: RunFolder, work: SheetWork) -> None:
    id = begin(studio, work, strengths=[1.0, 0.5])
    table = drawn(work, id)["table"]
    for label, said in (("Starter model, untrained", "base: One"), ("otter at 0.5", "tuned at 0.5: One")):
        assert f'data-label="{label}"><div>{said}' in table
    assert 'data-label="otter"><div>tuned: One' in table
    text = json.loads(sheet_actions.save(work, "csv", id))["text"]
    assert next(csv.reader(io.StringIO(text)))[3:] == ["Starter model, untrained", "otter at 0.5", "otter"]
    written = json.loads(json.loads(sheet_actions.save(work, "jsonl", id))["text"].splitlines()[0])
    assert [answer["strength"] for answer in written["answers"]] == [1.0, 0.5, 1.0]


def test_a_strength_that_an_adapter_cannot_have_costs_no_other_column(
    studio: Studio, run: RunFolder, work: SheetWork
) -> None:
    studio.chat.is_running, studio.chat.is_fixed = True, True  # type: ignore[misc, attr-defined]
    shown = drawn(work, begin(studio, work, strengths=[0.5, 0.75, 1.0]))
    assert "2 of 2 prompts answered, but not by all. The answers differ in 2." in shown["progress"]
    assert "No answer from otter at 0.5 and otter at 0.75: The strength of this adapter cannot be" in shown["progress"]
    assert "tuned: Two" in shown["table"]
    assert "Set it to 1." in shown["table"]


def test_the_lists_keep_what_is_chosen(studio: Studio, run: RunFolder, work: SheetWork) -> None:
    models, runs, kept = sheet_actions.refresh(studio, work, models=None, run=None, sheet=None)
    assert models["value"] == first_pair(studio)
    assert (runs["value"], kept["value"]) == (run.id, None)
    first, second = begin(studio, work), begin(studio, work, "Three")
    models, _, kept = sheet_actions.refresh(studio, work, models=[f"run:{run.id}", "run:gone"], run=None, sheet=first)
    assert models["value"] == [f"run:{run.id}"]
    assert kept["value"] == first
    assert {id for _, id in kept["choices"]} == {first, second}


def test_a_sheet_is_named_deleted_and_put_back(studio: Studio, run: RunFolder, work: SheetWork) -> None:
    id = begin(studio, work)
    assert sheet_actions.rename(work, id, "Bread")["choices"][0][0].startswith("Bread · ")
    assert sheet_actions.rename(work, None, "Bread") == gr.skip()
    chosen, restore, deleted = sheet_actions.delete(work, id)
    assert (chosen["value"], restore["visible"], deleted) == (None, True, id)
    assert "No prompt sheet yet" in drawn(work, id)["table"]
    chosen, restore = sheet_actions.restore(work, id)
    assert (chosen["value"], restore["visible"]) == (id, False)
    assert sheet_actions.delete(work, None)[2] == ""
    assert sheet_actions.restore(work, None) == (gr.skip(), gr.skip())


def test_a_sheet_is_taken_along(studio: Studio, run: RunFolder, work: SheetWork) -> None:
    id = begin(studio, work)
    table = json.loads(sheet_actions.save(work, "csv", id))
    assert table["name"] == "one.csv"
    assert next(csv.reader(io.StringIO(table["text"])))[-1] == "otter"
    lines = json.loads(sheet_actions.save(work, "jsonl", id))["text"].splitlines()
    assert json.loads(lines[1])["answers"][1]["text"] == "tuned: Two "
    with pytest.raises(gr.Error, match="no prompt sheet"):
        sheet_actions.save(work, "csv", None)


def test_a_sheet_in_trouble_says_so_and_can_go_on(studio: Studio, run: RunFolder, work: SheetWork) -> None:
    studio.chat.is_running = True  # type: ignore[misc]
    id = begin(studio, work, "trouble")
    shown = drawn(work, id)
    assert "0 of 1 prompt answered. The conversation is too long. Shorten it." in shown["progress"]
    assert "not answered yet" in shown["table"]
    assert shown["go_on"]["visible"] is True
    sheet_actions.go_on(work, id)
    work.join(id)
    sheet_actions.stop(work, id)
    sheet_actions.go_on(work, None)
    sheet_actions.stop(work, None)


def test_where_the_prompts_come_from_shows_its_fields() -> None:
    assert [each["visible"] for each in sheet_actions.show_source(FILE)] == [False, True, False]
