from pathlib import Path

import pytest

from studio.errors import ConfigError
from studio.jobs import standard_tasks
from studio.jobs.standard_tasks import MOST_QUESTIONS, MOST_TASKS, check, fingerprint, own_tasks, title_of


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standard_tasks, "installed", lambda: True)


def test_no_task_asks_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standard_tasks, "installed", lambda: False)
    assert check(["", " "], 0) == ()
    with pytest.raises(ConfigError, match="not installed") as trouble:
        check(["piqa"], 10)
    assert "requirements-tasks.txt" in trouble.value.hint


@pytest.mark.usefixtures("installed")
def test_tasks_are_asked_once_each() -> None:
    assert check(["piqa", " boolq", "piqa"], 1) == ("piqa", "boolq")


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("names", "questions", "found"),
    [
        (["--home=/"], 10, "not the name of a task"),
        (["piqa", "a b"], 10, "'a b' is not the name"),
        ([f"task{number}" for number in range(MOST_TASKS + 1)], 10, f"found {MOST_TASKS + 1}"),
        (["piqa"], 0, "found 0"),
        (["piqa"], MOST_QUESTIONS + 1, "from 1 to 10,000; found 10,001"),
    ],
)
def test_what_cannot_be_asked_is_a_sentence(names: list[str], questions: int, found: str) -> None:
    with pytest.raises(ConfigError, match=found):
        check(names, questions)


def test_ones_own_tasks_are_found_by_their_names(tmp_path: Path) -> None:
    assert own_tasks(tmp_path) == ()
    folder = tmp_path / "tasks"
    folder.mkdir()
    (folder / "b.yaml").write_text("task: lantern\ndataset_path: json\n")
    (folder / "a.yaml").write_text("dataset_path: json\ntask: 'harbour-1'  # ours\n")
    (folder / "c.yaml").write_text("task: lantern\ngroup: shore\n")
    (folder / "shared.yaml").write_text("dataset_path: json\n")
    (folder / "broken.yaml").write_bytes(b"task: \xff\xfe")
    (folder / "notes.txt").write_text("task: none\n")
    assert [(task.name, task.about) for task in own_tasks(tmp_path)] == [
        ("harbour-1", "your own, in a.yaml"),
        ("lantern", "your own, in b.yaml"),
        ("shore", "your own, in c.yaml"),
    ]


def test_titles_and_fingerprints() -> None:
    assert (title_of("hellaswag"), title_of("lantern")) == ("HellaSwag", "lantern")
    assert fingerprint(["a", "b"], 10) == fingerprint(["b", "a"], 10)
    assert len({fingerprint(["a"], 10), fingerprint(["a"], 20), fingerprint(["b"], 10)}) == 3
