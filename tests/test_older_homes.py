"""Files that older studios wrote under other names are still read."""

import json
from pathlib import Path

import pytest

from studio import codec
from studio.compare.answering import GenerationSettings
from studio.compare.sheets import Sheet
from studio.config import RunConfig
from studio.data.checking.findings import Finding, Fix
from studio.data.examples import Example, Message
from studio.jobs.evaluations import request_path
from studio.runs.store import DISCARD, KEEP, RunFolder, RunStore

FIX = [{"kind": "drop-duplicates", "label": "Keep one of each"}]


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    example = Example((Message("user", "a"), Message("assistant", "b")))
    return RunStore(tmp_path).create(
        RunConfig(), dataset_id="a", dataset_name="rows", dataset_sha256="0", train=[example], validation=[]
    )


@pytest.mark.parametrize("name", ["stop.wish", "stop.request"])
@pytest.mark.parametrize("wanted", [KEEP, DISCARD])
def test_a_request_to_stop_is_found(run: RunFolder, name: str, wanted: str) -> None:
    (run.path / name).write_text(wanted, encoding="utf-8")
    assert run.stop_request.exists()
    assert run.stop_wanted == wanted
    run.stop_request.unlink()
    assert run.stop_wanted == ""


@pytest.mark.parametrize("name", ["evaluation.wish", "evaluation.request"])
def test_a_request_to_evaluate_is_found(run: RunFolder, name: str) -> None:
    (run.path / name).write_text("1", encoding="utf-8")
    assert request_path(run).read_text(encoding="utf-8") == "1"


def test_a_prompt_sheet_is_read() -> None:
    settings = GenerationSettings("Be brief.", 0.5, 30, 7)
    text = json.dumps({"columns": [], "rows": [], "wish": codec.to_plain(settings), "id": "x"})
    assert codec.loads(Sheet, text) == Sheet((), (), settings, id="x")


def test_the_fixes_of_a_finding_are_read() -> None:
    text = json.dumps({"kind": "a", "level": "bad", "title": "Copies", "text": "Two.", "count": 2, "mends": FIX})
    assert codec.loads(Finding, text).fixes == (Fix("drop-duplicates", "Keep one of each"),)
