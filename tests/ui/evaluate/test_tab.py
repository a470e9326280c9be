"""The Evaluate tab: what is drawn of a run and its evaluations, what a press does, and what is sent."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from studio.config import FULL, LORA, QLORA, RunConfig
from studio.data.example_files import write_examples
from studio.errors import ConfigError, RunError, TooMany
from studio.events import Failed, Finished, Loading, Noted, Started
from studio.jobs import standard_tasks
from studio.jobs.automatic_evaluations import request_path
from studio.jobs.evaluation_report import (
    AT_THE_END,
    Estimate,
    Figure,
    ScoredRow,
    read_report,
    rows_path,
    write_evaluation,
)
from studio.jobs.scored_rows import ALL, CSV
from studio.jobs.tasks import Evaluate
from studio.planning.model_facts import ModelFacts
from studio.planning.tradeoffs import Tradeoffs
from studio.runs.event_log import EventLog
from studio.runs.store import RunFolder
from studio.studio import Studio
from studio.ui.evaluate import actions, tab, view
from studio.ui.evaluate.actions import A_NUMBER, EVERY, SOON, rows_wanted
from studio.ui.evaluate.state import PAGE_ROWS, Selection, label, settle
from studio.ui.kit.actions import Action
from studio.ui.kit.drawn import Drawn, only_new
from studio.ui.kit.exchange import Result
from tests.ui import made_up
from tests.ui.fake_studio import FakeWorkers, finished_run, opening_events, play, step


@pytest.fixture
def dataset(studio: Studio) -> str:
    return studio.data.add_sample("order_slips").id


@pytest.fixture
def run(studio: Studio, dataset: str) -> RunFolder:
    return finished_run(studio, dataset_id=dataset, config=RunConfig(name="otter"))


@pytest.fixture
def tradeoffs(studio: Studio, facts: ModelFacts) -> Tradeoffs:
    return Tradeoffs(studio, facts)


def workers(studio: Studio) -> FakeWorkers:
    launch = studio._launch
    assert isinstance(launch, FakeWorkers)
    return launch


def evaluations(studio: Studio) -> list[Evaluate]:
    """The evaluations that workers were started for; the machine may be measured beside them."""
    return [job for job in workers(studio).jobs if isinstance(job, Evaluate)]


def look(
    studio: Studio, tradeoffs: Tradeoffs, run_id: str | None, *, drawn: Drawn | None = None, **fields: Any
) -> dict[str, Any]:
    """What a page is sent that shows `drawn`, and what it shows then."""
    selection = Selection(run_id or "", **fields)
    sent, now = only_new(view.draw(studio, tradeoffs, selection), drawn or Drawn())
    return {**sent, "drawn": now}


def press(studio: Studio, tradeoffs: Tradeoffs, pressed: Action, run_id: str, **fields: Any) -> dict[str, Any]:
    before = Selection(run_id, **fields)
    now = settle(before, actions.press(studio, tradeoffs, before, pressed))
    return {**look(studio, tradeoffs, **asdict(now)), "selection": now}


def say(run: RunFolder, *events: Any) -> None:
    log = EventLog(Evaluate(run.path, AT_THE_END).paths.events, lambda: 1_800_000_600.0)
    for event in events:
        log.emit(event)
    log.close()


def test_without_a_run_the_page_says_what_fills_it(studio: Studio, tradeoffs: Tradeoffs) -> None:
    for gone in (None, "20260101-000000-nobody"):
        shown = look(studio, tradeoffs, gone)
        assert "No finished run yet" in shown["status"]
        assert shown["name"]["value"] is None  # Gradio warns of a value that is no choice
        for card in ("details", "confusions_card", "rows_card", "tradeoff_card", "again"):
            assert shown[card]["visible"] is False


def test_nothing_is_said_of_runs_until_one_is_chosen(studio: Studio, tradeoffs: Tradeoffs, run: RunFolder) -> None:
    """A page that was just opened said that there is no finished run yet."""
    assert look(studio, tradeoffs, None)["status"] == ""


def test_a_run_at_work_is_said_to_train(studio: Studio, tradeoffs: Tradeoffs, dataset: str) -> None:
    live = studio.start_run(RunConfig(), dataset)
    play(live, *opening_events(steps=9), step(1, loss=3.0), clock=studio.clock)
    shown = look(studio, tradeoffs, live.id)
    assert "Still training" in shown["status"]
    assert shown["again"]["visible"] is False
    request_path(live).write_text("0")
    shown = look(studio, tradeoffs, live.id)
    assert "Still training" in shown["status"]
    assert "It is evaluated when it has finished." in shown["status"]
    assert "data-verb" not in shown["status"], "there was a button to cancel an evaluation that had not begun"


def test_a_run_without_a_result_cannot_be_evaluated(studio: Studio, tradeoffs: Tradeoffs, run: RunFolder) -> None:
    shown = look(studio, tradeoffs, studio.duplicate_run(run.id).id)
    assert "Nothing to evaluate" in shown["status"]
    assert "data-verb" not in shown["status"]


def test_a_run_that_holds_nothing_out_asks_for_a_file(studio: Studio, tradeoffs: Tradeoffs, run: RunFolder) -> None:
    write_examples(run.validation_path, [])
    shown = look(studio, tradeoffs, run.id)
    assert "No row of this run was held out." in shown["status"]
    assert "data-verb" not in shown["status"]
    assert shown["again"]["visible"] is True


def test_an_evaluation_is_started_followed_stopped_and_told(
    studio: Studio, tradeoffs: Tradeoffs, run: RunFolder
) -> None:
    assert "Evaluate it now" in look(studio, tradeoffs, run.id)["status"]
    shown = press(studio, tradeoffs, Action("evaluate", run.id), run.id)
    assert evaluations(studio)[-1] == Evaluate(run.path, AT_THE_END)
    assert 'aria-label="Progress of the evaluation"' in shown["status"]
    say(run, Started(1, "evaluate"), Noted("info", "80 of <90> rows."), Loading("Base model: answering", 20, 80))
    shown = look(studio, tradeoffs, run.id)
    assert "Evaluating. Base model: answering (20 of 80)." in shown["status"]
    assert "80 of &lt;90&gt; rows." in shown["status"]
    assert 'aria-valuenow="25"' in shown["status"]
    assert "report below is the previous one" not in shown["status"]
    say(run, Finished("stopped", "Stopped.", 3.0))
    workers(studio).leave()
    shown = look(studio, tradeoffs, run.id)
    assert "The evaluation was stopped." in shown["status"]
    assert "Evaluate it now" in shown["status"]


def test_a_failure_is_two_sentences_and_can_be_tried_again(
    studio: Studio, tradeoffs: Tradeoffs, run: RunFolder
) -> None:
    press(studio, tradeoffs, Action("evaluate", run.id), run.id)
    say(run, Started(1, "evaluate"), Failed("memory", "There is <too> little memory.", "Close other programs."))
    workers(studio).leave()
    shown = look(studio, tradeoffs, run.id)
    assert "There is &lt;too&gt; little memory." in shown["status"]
    assert "Close other programs." in shown["status"]
    assert "Try again" in shown["status"]
    press(studio, tradeoffs, Action("evaluate", run.id), run.id)
    assert len(evaluations(studio)) == 2


def test_a_report_is_shown_whole(studio: Studio, tradeoffs: Tradeoffs, run: RunFolder) -> None:
    made_up.write(run)
    shown = look(studio, tradeoffs, run.id)
    assert "Right labels: 40 % before, 90 % after, on 30 of 36 rows." in shown["summary"]
    assert "Clearly better: luck alone" in shown["summary"]
    assert "on 30 of 36 held-out rows, in 1 min 14 s on the CPU, fp32." in shown["status"]
    assert shown["scores"].index("Accuracy") < shown["scores"].index(">Loss<")
    assert "30 of 36 rows were asked. Choose all of them" in shown["scores"]
    assert "clearly better" in shown["scores"]
    assert "p below 0.001" in shown["scores"]
    assert "loss 3.08 before, 3.14 after, on 204 everyday texts, 2 % higher" in shown["summary"]
    assert "By subject (3)" in shown["forgetting"]
    assert "As written" in shown["confusions"]
    assert "By likelihood" in shown["confusions"]
    assert (shown["confusions_card"]["visible"], shown["name"]["visible"]) == (True, False)
    assert "<script>" not in shown["rows"]
    assert shown["rows"].count("<details") == PAGE_ROWS
    assert '<span translate="no">1</span>' in shown["rows"]  # the worst of all: wrong, with the highest loss but one
    assert "wrong" in shown["rows"]


def test_a_report_without_probes_and_labels_says_so(studio: Studio, tradeoffs: Tradeoffs, run: RunFolder) -> None:
    made_up.write(run, replace(made_up.report(run), forgetting=None, confusions=()))
    shown = look(studio, tradeoffs, run.id)
    assert "Not checked" in shown["forgetting"]
    assert shown["confusions_card"]["visible"] is False


def test_of_plain_text_only_the_losses_are_told(studio: Studio, tradeoffs: Tradeoffs, run: RunFolder) -> None:
    report = replace(made_up.report(run), task="text", main="loss", confusions=())
    text = ScoredRow(0, "", "Once upon a time.", "", "", 3.1, 2.2, 3.1, 2.2)
    write_evaluation(run, report, (text,))
    shown = look(studio, tradeoffs, run.id)["rows"]
    assert "Once upon a time." in shown
    assert shown.count("<em>") == 2
    assert "loss 2.200" in shown
    assert "nothing" not in shown


def test_an_earlier_report_stays_while_another_is_made(studio: Studio, tradeoffs: Tradeoffs, run: RunFolder) -> None:
    made_up.write(run)
    press(studio, tradeoffs, Action("evaluate", run.id), run.id)
    shown = look(studio, tradeoffs, run.id)
    assert "report below is the previous one" in shown["status"]
    assert "Accuracy" in shown["scores"]


def test_one_of_several_evaluations_is_chosen(studio: Studio, tradeoffs: Tradeoffs, run: RunFolder) -> None:
    made_up.write(run)
    made_up.write(run, made_up.report(run, name="data-0123456789", data="tickets.csv", accuracy=0.7))
    shown = look(studio, tradeoffs, run.id)
    labels = [label.split(" · ")[0] for label, _ in shown["name"]["choices"]]
    assert (labels, shown["name"]["value"]) == (["The held-out rows", "tickets.csv"], AT_THE_END)
    other = look(studio, tradeoffs, run.id, name="data-0123456789")
    assert "rows of tickets.csv" in other["status"]
    assert "70 %" in other["summary"]
    assert "90 %" in look(studio, tradeoffs, run.id, name="data-of-another-run")["summary"]


def test_rows_are_searched_ordered_and_turned(studio: Studio, tradeoffs: Tradeoffs, run: RunFolder) -> None:
    made_up.write(run)
    shown = press(studio, tradeoffs, Action("page", "2"), run.id, order=ALL)
    assert "21 to 30 of 30 rows" in shown["rows"]
    assert '<span translate="no">21</span>' in shown["rows"]
    selection = shown["selection"]
    again = look(studio, tradeoffs, **asdict(selection), drawn=shown["drawn"])
    assert again == {"drawn": shown["drawn"]}
    other = settle(selection, replace(selection, text="alert(7)"))
    assert other.page == 0
    searched = look(studio, tradeoffs, **asdict(other), drawn=shown["drawn"])
    assert "1 row of 30" in searched["rows"]
    assert "scores" not in searched
    assert "No matching row" in look(studio, tradeoffs, run.id, text="walrus")["rows"]
    far = press(studio, tradeoffs, Action("page", "99"), run.id, order=ALL)
    assert "21 to 30 of 30 rows" in far["rows"]


def test_rows_are_not_read_again_while_they_are_the_same(studio: Studio, tradeoffs: Tradeoffs, run: RunFolder) -> None:
    """While another evaluation is under way the page is drawn at every look."""
    made_up.write(run)
    shown = look(studio, tradeoffs, run.id)
    report = read_report(run, "end")
    assert report is not None
    rows_path(run, report).unlink()
    press(studio, tradeoffs, Action("evaluate", run.id), run.id)
    now = look(studio, tradeoffs, run.id, drawn=shown["drawn"])
    assert "Evaluating." in now["status"]
    assert "rows" not in now
    assert "are gone" in look(studio, tradeoffs, run.id)["rows"]


def ask_again(studio: Studio, run: RunFolder, **given: Any) -> Result[Selection]:
    fields: dict[str, Any] = {"file": None, "how_many": SOON, "number": None, "forgetting": True}
    fields |= {"longest": 0, "tasks": [], "questions": 100, **given}
    return actions.start(studio, Selection(run.id), **fields)


def test_a_run_is_evaluated_again_on_what_is_asked_for(
    studio: Studio, tradeoffs: Tradeoffs, run: RunFolder, table: Path
) -> None:
    ask_again(studio, run, how_many=A_NUMBER, number=12, forgetting=False)
    assert evaluations(studio)[-1] == Evaluate(run.path, AT_THE_END, rows=12, probes=False)
    with pytest.raises(TooMany, match="5,000 tokens for the longest answer are too many"):
        ask_again(studio, run, longest=5000)
    asked = ask_again(studio, run, file=str(table), how_many=EVERY, longest=512)
    given = evaluations(studio)[-1]
    name = given.name
    assert name.startswith("data-")
    assert given.data is not None
    assert (given.rows, given.longest) == (rows_wanted(EVERY, None), 512)
    assert asked == Result(Selection(run.id, name), {"file": None})
    assert look(studio, tradeoffs, run.id, name=name)["name"]["value"] == name


def test_standard_tasks_are_an_evaluation_of_their_own(
    studio: Studio, tradeoffs: Tradeoffs, run: RunFolder, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standard_tasks, "installed", lambda: True)
    name = ask_again(studio, run, tasks=["piqa", "boolq"], questions=40.0).state.name
    assert name.startswith("tasks-")
    assert evaluations(studio)[-1] == Evaluate(run.path, name, questions=40, tasks=("piqa", "boolq"))
    assert (label(name, None), label("end", None)) == ("The held-out rows with standard tasks", "The held-out rows")
    other = ask_again(studio, run, file=str(table), tasks=["piqa"]).state.name
    assert other.startswith("data-")
    assert label(other, None) == "Another file"
    monkeypatch.setattr(standard_tasks, "installed", lambda: False)
    with pytest.raises(ConfigError, match="not installed"):
        ask_again(studio, run, tasks=["piqa"])


def test_what_came_of_standard_tasks_is_shown_and_named(studio: Studio, tradeoffs: Tradeoffs, run: RunFolder) -> None:
    made_up.write(run)
    assert look(studio, tradeoffs, run.id)["standard_card"]["visible"] is False
    report = read_report(run, "end")
    assert report is not None
    half = Estimate(0.5, 0.4, 0.6)
    figure = Figure("hellaswag", "HellaSwag (acc_norm)", "share", True, 80, half, half, Estimate(0, -0.1, 0.1), 1.0)
    report = replace(report, name="tasks-1", standard=(figure,))
    write_evaluation(run, report, ())
    shown = look(studio, tradeoffs, run.id, name="tasks-1")
    assert shown["standard_card"]["visible"] is True
    assert "HellaSwag (acc_norm)" in shown["standard"]
    assert "no clear difference" in shown["standard"]
    assert dict(map(reversed, shown["name"]["choices"]))["tasks-1"].startswith("The held-out rows with HellaSwag · ")


def test_an_evaluation_that_is_not_there_is_chosen_no_more(
    studio: Studio, tradeoffs: Tradeoffs, run: RunFolder
) -> None:
    made_up.write(run)
    Evaluate(run.path, "data-1").paths.events.touch()
    assert len(look(studio, tradeoffs, run.id)["name"]["choices"]) == 2
    assert [look(studio, tradeoffs, run.id, name=name)["name"]["value"] for name in ("", "data-1", "data-2")] == [
        AT_THE_END,
        "data-1",
        AT_THE_END,
    ]


@pytest.mark.parametrize("number", [None, 0, -3, 2.5])
def test_a_number_of_rows_is_a_whole_one(number: float | None) -> None:
    with pytest.raises(RunError, match="whole number above 0"):
        rows_wanted(A_NUMBER, number)
    assert (rows_wanted(SOON, number), rows_wanted(A_NUMBER, 7.0)) == (0, 7)


def test_what_is_missing_is_queued_with_the_same_data_and_seed(
    studio: Studio, tradeoffs: Tradeoffs, run: RunFolder
) -> None:
    made_up.write(run)
    shown = look(studio, tradeoffs, run.id)
    assert "Trains QLoRA (4-bit) and full fine-tuning with the same examples, the same seed (42)" in shown["offer"]
    assert "Full fine-tuning: learning rate 5e-5" in shown["offer"]
    shown = press(studio, tradeoffs, Action("train-missing", run.id), run.id)
    made = {each.config.method: each for each in studio.runs.all() if each.id != run.id}
    assert set(made) == {QLORA, FULL}
    for each in made.values():
        assert each.train_path.read_bytes() == run.train_path.read_bytes()
        assert each.validation_path.read_bytes() == run.validation_path.read_bytes()
        assert (each.config.seed, each.config.epochs) == (run.config.seed, run.config.epochs)
        assert each.origin.dataset_sha256 == run.origin.dataset_sha256
        assert studio.scheduler.view(each.id).status in ("queued", "preparing")
    assert (made[QLORA].config.learning_rate, made[FULL].config.learning_rate) == (5e-4, 5e-5)
    assert shown["offer"] == ""
    assert shown["tradeoff"].count("in the queue or training") == 2
    press(studio, tradeoffs, Action("train-missing", run.id), run.id)
    assert len(studio.runs.all()) == 3


def test_the_trade_off_follows_new_reports(studio: Studio, tradeoffs: Tradeoffs, dataset: str, run: RunFolder) -> None:
    other = finished_run(studio, dataset_id=dataset, config=RunConfig(name="heron", method=FULL, learning_rate=5e-5))
    made_up.write(run)
    shown = look(studio, tradeoffs, run.id)
    assert shown["tradeoff"].count("not evaluated yet") == 1
    assert [point["method"] for point in shown["scatter"]["points"]] == [LORA]
    made_up.write(other, made_up.report(other, accuracy=0.95))
    shown = look(studio, tradeoffs, run.id, drawn=shown["drawn"])
    assert "95.0 %" in shown["tradeoff"]
    assert "not evaluated yet" not in shown["tradeoff"]
    assert {point["method"] for point in shown["scatter"]["points"]} == {LORA, FULL}
    assert "scores" not in shown


def test_rows_and_report_are_written_and_their_addresses_returned(
    studio: Studio, tradeoffs: Tradeoffs, run: RunFolder
) -> None:
    made_up.write(run)
    rows = actions.take_rows(studio, CSV, Selection(run.id, order=ALL, text="alert(7)"))
    assert rows == f"studio/download/run/{run.id}/{run.id}-held-out-rows.csv"
    assert (run.exports / f"{run.id}-held-out-rows.csv").read_text(encoding="utf-8").count("Which team") == 1
    page = actions.take_report(studio, tradeoffs, Selection(run.id))
    assert page == f"studio/download/run/{run.id}/{run.id}-held-out-report.html"
    assert "otter" in (run.exports / f"{run.id}-held-out-report.html").read_text(encoding="utf-8")
    assert actions.take_report(studio, tradeoffs, Selection()) is None


def test_the_chooser_offers_runs_with_a_result_and_those_on_their_way(studio: Studio, run: RunFolder) -> None:
    draft = studio.duplicate_run(run.id)
    live = studio.start_run(RunConfig(name="live"), run.origin.dataset_id)
    shown = tab.refresh_runs(studio, None)
    assert {id for _, id in shown["choices"]} == {live.id, run.id}
    assert shown["value"] == run.id
    assert tab.refresh_runs(studio, draft.id)["value"] == draft.id
