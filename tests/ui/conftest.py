"""A studio for the page's tests: real stores on a temporary folder, played workers, a clock that stands still."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.planning.model_facts import ModelFacts
from studio.studio import Studio
from tests.live_page import Served, serve_page
from tests.ui import made_up
from tests.ui.fake_studio import end_workers, fake_studio, finished_run, open_fake_studio
from tests.warm import Forkserver


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    """A studio whose starter model is ready."""
    with fake_studio(tmp_path) as opened:
        yield opened


@pytest.fixture
def bare_studio(tmp_path: Path) -> Iterator[Studio]:
    """A studio whose starter model is not here yet."""
    with fake_studio(tmp_path, with_model=False) as opened:
        yield opened


@pytest.fixture
def facts(studio: Studio) -> ModelFacts:
    return ModelFacts(studio)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A small file with two rows that cannot be learned, and with text that looks like markup."""
    path = tmp_path / "mixed.csv"
    rows = [f"What is {n}?,It is {n} <b>bold</b> {{{{x}}}}" for n in range(10)]
    path.write_text("\n".join(["question,answer", *rows, "Why?,", ",Because"]) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def mixed_lengths(tmp_path: Path) -> Path:
    """Twelve examples, of which three are longer than 512 tokens."""
    rows = [{"question": f"What is {n}?", "answer": "word " * (400 if n % 4 == 0 else 3)} for n in range(12)]
    path = tmp_path / "lengths.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def table_of_three(tmp_path: Path) -> Path:
    """A small file with a column that no example needs."""
    path = tmp_path / "tickets.csv"
    rows = [f"How do I fix part {n}?,Turn screw {n} until it is tight.,T-{n}" for n in range(10)]
    path.write_text("\n".join(["question,answer,ticket", *rows]) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def copies(tmp_path: Path) -> Path:
    """Ten examples, of which two are copies."""
    path = tmp_path / "copies.csv"
    rows = [f"How do I fix part {n % 8}?,Turn screw {n % 8} until it is tight." for n in range(10)]
    path.write_text("\n".join(["question,answer", *rows]) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def seeded(tmp_path: Path, warm: Forkserver) -> Iterator[Served]:
    """A page with a data set, a finished run and its evaluation."""
    home = tmp_path / "home"
    studio = open_fake_studio(home, clock=time.time)
    run = finished_run(studio, dataset_id=studio.data.add_sample("order_slips").id, steps=30)
    made_up.write(run)
    end_workers(studio)
    with serve_page(home, warm) as served:
        yield served
