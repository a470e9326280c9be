"""The served page as a program meets it, through gradio_client."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError, ValidationError

from studio.studio import Studio
from studio.ui.serving.server import served as served_page
from tests.patience import PATIENCE_SECONDS
from tests.ui.fake_studio import FakeWorkers, finish, open_fake_studio


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Studio, Client]]:
    studio = open_fake_studio(tmp_path_factory.mktemp("home"), clock=time.time)
    with served_page(studio, port=0) as server:
        client = Client(f"http://127.0.0.1:{server.port}", verbose=False, httpx_kwargs={"timeout": PATIENCE_SECONDS})
        yield studio, client
        client.close()
    workers = studio._launch
    assert isinstance(workers, FakeWorkers)
    workers.leave()


def test_the_whole_path_for_a_program(served: tuple[Studio, Client], tmp_path: Path) -> None:
    studio, client = served
    path = tmp_path / "tiny.jsonl"
    rows = [{"prompt": f"What is {n}?", "completion": f"It is {n}."} for n in range(8)]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    dataset_id = client.predict(file=handle_file(path), api_name="/add_dataset")
    run_id = client.predict(dataset_id=dataset_id, rank=4, name="by program", api_name="/start_run")
    run = studio.runs.get(run_id)
    assert (run.config.rank, run.config.alpha, run.config.name) == (4, 32, "by program")
    assert client.predict(run_id, api_name="/run_status")["status"] == "preparing"
    finish(run, steps=3, clock=studio.clock)
    workers = studio._launch
    assert isinstance(workers, FakeWorkers)
    workers.leave()
    status = client.predict(run_id, api_name="/run_status")
    assert (status["status"], status["step"]) == ("finished", 3)
    answers = client.predict(run_id, "Hello", api_name="/ask")
    assert answers["tuned"].startswith("tuned: Hello")
    assert client.predict(run_id, "adapter", api_name="/export_run")["status"] == "working"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"rank": 0}, "Rank must be between 1 and 512; found 0."),
        ({"dataset_id": "nothing-here"}, "There is no data set 'nothing-here'."),
    ],
)
def test_trouble_reaches_a_program_as_a_sentence(
    served: tuple[Studio, Client], changes: dict[str, Any], sentence: str
) -> None:
    studio, client = served
    given = {"dataset_id": studio.data.add_sample("order_slips").id, **changes}
    with pytest.raises((AppError, ValidationError), match=sentence):
        client.predict(**given, api_name="/start_run")


def test_an_unknown_run_is_a_sentence(served: tuple[Studio, Client]) -> None:
    with pytest.raises(AppError, match="no run"):
        served[1].predict("20260101-000000-nobody", api_name="/run_status")
