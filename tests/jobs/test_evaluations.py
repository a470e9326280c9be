import dataclasses
import os
from pathlib import Path

import pytest

from studio.config import RunConfig
from studio.data.example_files import write_examples
from studio.data.examples import Example, Message
from studio.data.library import DatasetLibrary
from studio.errors import DataError, RunError
from studio.events import Failed, Finished, Loading, Noted, Started
from studio.jobs.automatic_evaluations import request_path
from studio.jobs.evaluation_report import (
    Estimate,
    EvaluationReport,
    Figure,
    ScoredRow,
    read_report,
    read_rows,
    rows_path,
    write_evaluation,
)
from studio.jobs.evaluations import Evaluations
from studio.jobs.jobs import Jobs
from studio.jobs.tasks import Evaluate
from studio.jobs.verdicts import summary
from studio.runs import lock
from studio.runs.launcher import PROJECT_ROOT
from studio.runs.store import RunFolder, RunStore
from studio.settings import Settings

EXAMPLE = Example((Message("user", "?"), Message("assistant", "!")))
FIGURE = Figure("accuracy", "Accuracy", "share", True, 10, Estimate(0.9, 0.8, 1.0), Estimate(0.5, 0.3, 0.7))
REPORT = EvaluationReport(
    name="end",
    run_id="r",
    run_name="otter",
    model="starter",
    method="lora",
    dataset_id="d",
    dataset_name="D",
    dataset_sha256="",
    data="held-out",
    data_sha256="",
    rows=10,
    rows_available=20,
    task="labels",
    main="accuracy",
    figures=(FIGURE,),
    confusions=(),
    forgetting=None,
    created=1.0,
    seconds=2.0,
    device="cpu",
    precision="fp32",
    seed=42,
    versions=(("torch", "2"),),
)
ROW = ScoredRow(0, "What?", "That.", "This.", "That.", 0.0, 1.0, 2.5, 0.1)


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path)


@pytest.fixture
def run(store: RunStore) -> RunFolder:
    run = store.create(
        RunConfig(), dataset_id="d", dataset_name="D", dataset_sha256="", train=[EXAMPLE], validation=[EXAMPLE]
    )
    (run.path / "adapter").mkdir()
    (run.path / "adapter" / "adapter_config.json").write_text("{}")
    return run


@pytest.fixture
def datasets(tmp_path: Path) -> DatasetLibrary:
    return DatasetLibrary(tmp_path, samples_folder=PROJECT_ROOT / "assets" / "samples")


@pytest.fixture
def evaluations(store: RunStore, datasets: DatasetLibrary, fake_launch) -> Evaluations:
    return Evaluations(store, datasets, jobs=Jobs(fake_launch), settings=Settings(store.folder.parent, evaluate=True))


def test_a_report_and_its_rows_are_read_as_they_were_written(run: RunFolder) -> None:
    assert read_report(run, "end") is None
    assert read_rows(run, "end") == ()
    write_evaluation(run, REPORT, (ROW, dataclasses.replace(ROW, prompt="Two\nlines\u2028")))
    assert read_report(run, "end") == REPORT
    assert [row.prompt for row in read_rows(run, "end")] == ["What?", "Two\nlines\u2028"]
    assert REPORT.figure("accuracy") == FIGURE
    assert REPORT.figure("loss") is None
    (run.path / "evaluations" / "end.json").write_text("{")
    assert read_report(run, "end") is None


def test_a_report_never_meets_the_rows_of_another(run: RunFolder) -> None:
    """A worker that ended between the two left the old report over new rows."""
    write_evaluation(run, REPORT, (ROW,))
    later = dataclasses.replace(REPORT, created=REPORT.created + 60)
    rows_path(run, later).write_text("what a killed worker left", encoding="utf-8")
    assert read_rows(run, "end") == (ROW,)
    write_evaluation(run, later, (ROW, ROW))
    assert read_rows(run, "end") == (ROW, ROW)
    assert sorted(path.name for path in (run.path / "evaluations").iterdir()) == [
        "end.json",
        rows_path(run, later).name,
    ]


def test_rows_under_their_former_name_are_read(run: RunFolder) -> None:
    write_evaluation(run, REPORT, (ROW,))
    path = rows_path(run, REPORT)
    path.rename(path.with_name("end.rows.jsonl"))
    assert read_rows(run, "end") == (ROW,)


def test_an_evaluation_from_start_to_end(evaluations: Evaluations, run: RunFolder, fake_launch, say) -> None:
    assert evaluations.state(run.id).status == "none"
    assert evaluations.start(run.id, rows=5, forgetting=False) == "end"
    assert evaluations.state(run.id).working
    assert fake_launch.tasks == [Evaluate(run.path, "end", rows=5, probes=False)]
    events = Evaluate(run.path, "end").paths.events
    plan = Noted("info", "5 of 9 rows.")
    say(events, Started(1, "evaluate"), plan, Loading("Base model: writing answers", 3, 5))
    assert evaluations.start(run.id) == "end"
    state = evaluations.state(run.id)
    assert (state.status, state.sentence, state.done, state.total) == ("working", "Base model: writing answers", 3, 5)
    assert state.remark == "5 of 9 rows."
    assert len(fake_launch.tasks) == 1
    write_evaluation(run, REPORT, (ROW,))
    say(events, Finished("finished", "Done", 1.0))
    fake_launch.end()
    state = evaluations.state(run.id)
    assert (state.status, state.sentence, state.result) == ("ready", summary(REPORT).text, REPORT)
    assert evaluations.reports(run.id) == (REPORT,)
    assert evaluations.rows(run.id) == (ROW,)
    assert evaluations.names(run.id) == ("end",)


def test_a_report_of_which_nothing_can_be_said_breaks_no_page(evaluations: Evaluations, run: RunFolder) -> None:
    """The state of an evaluation was asked at every look, and raised whatever its sentences did."""
    odd = dataclasses.replace(FIGURE, base=None, change=Estimate(0.5, 0.4, 0.6), p_value=1e-320)
    write_evaluation(run, dataclasses.replace(REPORT, figures=(dataclasses.replace(odd, rows=0, p_value=-0.0),)), ())
    assert evaluations.state(run.id).status == "ready"
    write_evaluation(run, dataclasses.replace(REPORT, figures=()), ())
    assert evaluations.state(run.id).status == "none"
    assert evaluations.reports(run.id) == ()


def test_one_that_fails_leaves_the_report_before_it(evaluations: Evaluations, run: RunFolder, fake_launch, say) -> None:
    write_evaluation(run, REPORT, ())
    evaluations.start(run.id)
    say(
        Evaluate(run.path, "end").paths.events,
        Started(1, "evaluate"),
        Failed("out_of_memory", "Too large.", "Shorten."),
    )
    fake_launch.end()
    state = evaluations.state(run.id)
    assert (state.status, state.sentence, state.result) == ("failed", "Too large.", REPORT)


def test_other_data_becomes_a_data_set_and_an_evaluation_of_its_own(
    evaluations: Evaluations, run: RunFolder, datasets: DatasetLibrary, fake_launch, tmp_path: Path
) -> None:
    file = tmp_path / "more.jsonl"
    file.write_text('{"prompt": "a", "completion": "b"}\n{"prompt": "c", "completion": "d"}\n')
    name = evaluations.start(run.id, data=file)
    (dataset,) = datasets.all()
    assert name == f"data-{dataset.sha256[:10]}"
    (task,) = fake_launch.tasks
    assert (task.data, task.title) == (datasets.examples(dataset.id).path, dataset.name)
    assert evaluations.state(run.id).status == "none"
    file.write_text("")
    with pytest.raises(DataError):
        evaluations.start(run.id, data=file)


def test_what_cannot_be_evaluated_says_why(evaluations: Evaluations, run: RunFolder) -> None:
    (run.path / "adapter" / "adapter_config.json").unlink()
    with pytest.raises(RunError, match="nothing to evaluate"):
        evaluations.start(run.id)
    held = lock.acquire(run.lock_path)
    assert held is not None
    with pytest.raises(RunError, match="still training"):
        evaluations.start(run.id)
    os.close(held)
    for name in ("../end", "", "End", "a.b"):
        with pytest.raises(RunError):
            evaluations.state(run.id, name)


def test_a_run_that_holds_nothing_out_is_evaluated_on_a_file_alone(
    evaluations: Evaluations, run: RunFolder, fake_launch, say, tmp_path: Path
) -> None:
    write_examples(run.validation_path, [])
    run.log_path.touch()
    evaluations.automatic.expect(run)
    assert not request_path(run).exists()
    request_path(run).write_text("0")  # by an earlier server
    evaluations.automatic.recover()
    say(run.events_path, Started(1, "train"), Finished("finished", "Done", 1.0))
    evaluations.automatic.tick()
    assert not request_path(run).exists()
    state = evaluations.state(run.id)
    assert (state.status, state.sentence) == ("nothing", "There is nothing to evaluate on: no row was held out.")
    with pytest.raises(RunError, match="no row was held out"):
        evaluations.start(run.id)
    assert fake_launch.tasks == []
    file = tmp_path / "more.jsonl"
    file.write_text('{"prompt": "a", "completion": "b"}\n{"prompt": "c", "completion": "d"}\n')
    assert evaluations.state(run.id, evaluations.start(run.id, data=file)).working
