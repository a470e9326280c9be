import json
import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from studio.data.library import DatasetLibrary
from studio.jobs.jobs import Jobs, JobState
from studio.jobs.rendering import Rendering
from studio.jobs.token_counts import AT_ONCE, TokenCounting
from studio.models.locate import ModelFiles
from studio.runs.launcher import launch


@pytest.fixture
def library(tmp_path: Path) -> DatasetLibrary:
    return DatasetLibrary(tmp_path, samples_folder=tmp_path)


@pytest.fixture
def rendering() -> Iterator[Rendering]:
    with closing(Rendering()) as opened:
        yield opened


def add(library: DatasetLibrary, folder: Path, rows: int) -> str:
    path = folder / f"{rows}.jsonl"
    path.write_text(
        "".join(json.dumps({"prompt": f"{row}?", "completion": "word " * (row % 9 + 1)}) + "\n" for row in range(rows))
    )
    return library.add(path).id


def never(*_: object, **__: object) -> None:
    raise AssertionError("no worker is needed")


def test_a_small_set_is_counted_at_once_and_only_once(
    library: DatasetLibrary, tmp_path: Path, tiny_model: Path, rendering: Rendering
) -> None:
    model = tmp_path / "model"
    shutil.copytree(tiny_model, model)
    id = add(library, tmp_path, 5)
    counting = TokenCounting(library, jobs=Jobs(never), rendering=rendering)
    state = counting.state(id, ModelFiles("m", model, "folder"))
    assert state.result is not None
    assert len(state.result.lengths) == 5
    assert counting.state(id, ModelFiles("m", model, "folder")).result is state.result
    files = list((library.folder(id) / "tokens").iterdir())
    again = TokenCounting(library, jobs=Jobs(never), rendering=rendering)
    assert (again.state(id, ModelFiles("m", model, "folder")).result.lengths == state.result.lengths).all()  # type: ignore[union-attr]
    assert list((library.folder(id) / "tokens").iterdir()) == files


def test_no_model_and_a_broken_one(library: DatasetLibrary, tmp_path: Path, rendering: Rendering) -> None:
    id = add(library, tmp_path, 5)
    counting = TokenCounting(library, jobs=Jobs(never), rendering=rendering)
    assert counting.state(id, None) == JobState("none", "The tokens are counted once the model is downloaded.")
    assert "tokenizer" in counting.state(id, ModelFiles("m", tmp_path, "folder")).sentence


def test_a_large_set_is_counted_by_a_worker(
    library: DatasetLibrary, tmp_path: Path, tiny_model: Path, rendering: Rendering
) -> None:
    id = add(library, tmp_path, AT_ONCE + 1)
    counting = TokenCounting(library, jobs=Jobs(launch), rendering=rendering)
    first = counting.state(id, ModelFiles("m", tiny_model, "folder"))
    assert first.working
    deadline = time.monotonic() + 60
    while (state := counting.state(id, ModelFiles("m", tiny_model, "folder"))).working:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert state.result is not None
    assert len(state.result.lengths) == AT_ONCE + 1
    assert (state.result.lengths > 0).all()
