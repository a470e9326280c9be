import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from studio.errors import RunError
from studio.ml.checkpoints import PROGRESS, Progress, read_progress, write_progress
from studio.ml.pacing import Scores
from studio.runs.store import RunFolder
from studio.workers.checkpoints import (
    leave_results_only,
    load_checkpoint,
    newest_checkpoint,
    save_checkpoint,
)

MakeRun = Callable[..., RunFolder]


class FakeModel:
    """Saves an adapter as peft would, as far as its files go."""

    def save_pretrained(self, folder: str, **options: object) -> None:
        (Path(folder) / "adapter_config.json").write_text("{}")
        (Path(folder) / "adapter_model.safetensors").write_bytes(b"weights")


def progress(step: int, *, best: int = 0) -> Progress:
    tensors = {
        "master/a": torch.full((3, 2), float(step)),
        "moment/a/step": torch.tensor(step),
        "rng/cpu": torch.arange(9, dtype=torch.uint8),
    }
    scores = Scores(first=3.0, last=2.0, best=1.5, best_step=best, kept=1.5 if best else None, kept_step=best)
    return Progress(step, scores, tensors)


def save(run: RunFolder, *steps: int, best: int = 0) -> None:
    for step in steps:
        assert save_checkpoint(FakeModel(), run, progress(step, best=best)) == f"checkpoints/step-{step}"


def hidden(run: RunFolder) -> list[str]:
    return [path.name for path in (run.path / "checkpoints").iterdir() if path.name.startswith(".")]


def same(one: Progress, other: Progress) -> bool:
    return (one.step, one.scores) == (other.step, other.scores) and all(
        torch.equal(one.tensors[name], other.tensors[name]) for name in one.tensors | other.tensors
    )


def test_the_last_two_and_the_best_are_kept(make_run: MakeRun) -> None:
    run = make_run()
    save(run, 1, 2)
    save(run, 3, 4, 5, best=2)
    assert run.checkpoint_steps == (2, 4, 5)
    save(run, 6, best=6)
    assert run.checkpoint_steps == (5, 6)
    assert hidden(run) == []
    found = load_checkpoint(run, 6)
    assert same(found, progress(6, best=6))
    assert run.result == run.checkpoint(6)


def test_what_dead_workers_left_is_swept_away(make_run: MakeRun) -> None:
    """A worker that was killed half-way through a checkpoint left its half for ever."""
    run = make_run()
    for name in (".step-1.tmp", ".step-7.tmp", ".step-2.old"):
        (run.path / "checkpoints" / name).mkdir(parents=True)
        (run.path / "checkpoints" / name / PROGRESS).write_bytes(b"half")
    assert run.checkpoint_steps == ()
    assert run.result is None
    save(run, 1)
    assert hidden(run) == []


def test_a_checkpoint_that_is_only_half_deleted_is_not_one(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed while it deleted an old checkpoint, a worker left one that looked whole."""
    run = make_run()
    save(run, 1, 2)
    monkeypatch.setattr(shutil, "rmtree", lambda path, ignore_errors=False: None)  # dies before
    save(run, 3)
    assert run.checkpoint_steps == (2, 3)


def test_a_damaged_one_is_passed_over_and_told(make_run: MakeRun) -> None:
    run, told = make_run(), list[str]()
    assert newest_checkpoint(run, tell=told.append) is None
    save(run, 1, 2)
    path = run.checkpoint(2) / PROGRESS
    whole = path.read_bytes()
    for content in (b"", whole[:10], whole[:-1], whole[:-20] + bytes([whole[-20] ^ 1]) + whole[-19:]):
        path.write_bytes(content)
        told.clear()
        found = newest_checkpoint(run, tell=told.append)
        assert found is not None
        assert found.step == 1
        assert told == ["The checkpoint of step 2 is damaged and was passed over."]
    path.unlink()
    assert newest_checkpoint(run, tell=told.append) is not None
    (run.checkpoint(1) / PROGRESS).write_bytes(b"")
    assert newest_checkpoint(run, tell=told.append) is None


def test_every_single_bit_counts(tmp_path: Path) -> None:
    """The step and the scores lay outside of what the checksum was made of."""
    write_progress(progress(12), tmp_path)
    path = tmp_path / PROGRESS
    whole = path.read_bytes()
    for place in range(0, len(whole) * 8, 3):
        altered = bytearray(whole)
        altered[place // 8] ^= 1 << place % 8
        path.write_bytes(altered)
        with pytest.raises(RunError, match="cannot be read"):
            read_progress(tmp_path)
    path.write_bytes(whole)
    assert same(read_progress(tmp_path), progress(12))


def test_once_it_is_over_only_results_are_left(make_run: MakeRun) -> None:
    run = make_run()
    save(run, 1, 2)
    (run.path / "checkpoints" / ".step-3.tmp").mkdir()
    leave_results_only(run, whole_models=False)
    assert hidden(run) == []
    assert run.checkpoint_steps == (1, 2)
    assert not list(run.path.rglob(PROGRESS))
    assert run.result == run.checkpoint(2)
    leave_results_only(run, whole_models=True)
    assert run.checkpoint_steps == ()
    assert not (run.path / "checkpoints").exists()
