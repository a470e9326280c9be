from pathlib import Path

import pytest

from studio import codec
from studio.errors import RunError
from studio.jobs.tasks import (
    PUBLISH_TOKEN,
    TASKS,
    Calibrate,
    Chat,
    CheckPlace,
    CountTokens,
    Evaluate,
    Export,
    Import,
    MakeBlend,
    PrepareModel,
    Publish,
    Task,
    Train,
    TrainElsewhere,
    home_of,
    read_task,
)
from studio.runs.launcher import write_task
from studio.workers.__main__ import AFTERWARDS, WORK, work_of


def every(home: Path) -> tuple[Task, ...]:
    run = home / "runs" / "otter"
    return (
        Train(run),
        TrainElsewhere(run),
        CheckPlace(home, "lab"),
        MakeBlend(run),
        Export(run, "merged"),
        Publish(run, "merged", "me/otter", public=True),
        Evaluate(run, "data-1", data=home / "rows.jsonl", title="Rows \u00e9", tasks=("piqa",), own_tasks=False),
        Evaluate(run, "end"),
        PrepareModel("owner/model", home),
        Import(home / "imports" / "0123456789abcdef"),
        CountTokens(home / "examples.jsonl", home / "model", home / "datasets" / "d" / "tokens" / "ab.npz"),
        Calibrate(home),
        Chat(home),
    )


def test_a_worker_reads_the_task_that_was_written(tmp_path: Path) -> None:
    for task in every(tmp_path):
        path = write_task(task)
        assert path == task.paths.task
        assert read_task(path) == task
    assert {type(task) for task in every(tmp_path)} == set(TASKS)


def test_every_task_has_its_work() -> None:
    assert set(WORK) == set(TASKS)
    for place in (*WORK.values(), *AFTERWARDS.values()):
        assert callable(work_of(place))


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"job":"dance"}', '{"job":"export","kind":"merged"}', '{"job":["x"]}']
)
def test_a_damaged_task_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "task.json").write_text(text)
    with pytest.raises(codec.Damaged):
        read_task(tmp_path / "task.json")


def test_what_is_no_name_of_an_evaluation_is_a_sentence(tmp_path: Path) -> None:
    for name in ("", "../end", "a" * 250, "End"):
        with pytest.raises(RunError, match="is not an evaluation"):
            Evaluate(tmp_path, name)


def test_where_jobs_keep_their_files(tmp_path: Path) -> None:
    """An older studio's are there too: what it left at work is found again."""
    run = tmp_path / "runs" / "otter"
    assert Train(run).paths.lock == run / "run.lock"
    assert MakeBlend(run).paths == Train(run).paths
    assert Export(run, "merged").paths.lock == run / "exports" / "merged.lock"
    assert Evaluate(run, "end").paths.events == run / "evaluations" / "end.events.jsonl"
    assert PrepareModel("a/b", tmp_path).paths.events == tmp_path / "models" / "a--b.events.jsonl"
    assert Import(tmp_path).paths.lock == tmp_path / "lock"
    assert CountTokens(run, run, run / "ab.npz").paths.log == run / "ab.log"
    assert Calibrate(tmp_path).paths.lock == tmp_path / "machine.lock"
    assert home_of(run) == tmp_path


def test_a_token_reaches_a_worker_and_no_file(tmp_path: Path) -> None:
    task = Publish(tmp_path / "runs" / "otter", "adapter", "me/otter", token="hf_secret")
    assert "hf_secret" not in write_task(task).read_text() + repr(task)
    assert task.variables == {PUBLISH_TOKEN: "hf_secret"}
    assert read_task(task.paths.task).variables == {}
    assert Export(tmp_path, "merged").variables == {}
