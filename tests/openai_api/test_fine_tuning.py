"""A training for a program: OpenAI's own package uploads a file, starts a job and asks what it made."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
import pytest

from studio.ui.serving.server import served
from tests.openai_api.conftest import BASE
from tests.patience import PATIENCE_SECONDS

WORDS = ("red", "blue", "green", "black")


def write_chats(path: Path, count: int, first: int = 0) -> Path:
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"Is number {n} {WORDS[n % 4]}?"},
                {"role": "assistant", "content": f"Yes, {n} is {WORDS[n % 4]}."},
            ]
        }
        for n in range(first, first + count)
    ]
    path.write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def uploaded(client: openai.OpenAI, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("files")
    ids = []
    for name, count, first in (("train.jsonl", 40, 0), ("held-out.jsonl", 8, 100)):
        with write_chats(folder / name, count, first).open("rb") as file:
            ids.append(client.files.create(file=file, purpose="fine-tune").id)
    return ids[0], ids[1]


@pytest.fixture(scope="module")
def job(client: openai.OpenAI, uploaded: tuple[str, str]) -> Any:
    """A job that has succeeded."""
    training, validation = uploaded
    made = client.fine_tuning.jobs.create(
        model=BASE,
        training_file=training,
        validation_file=validation,
        suffix="colours",
        seed=3,
        metadata={"who": "a test"},
        method={
            "type": "supervised",
            "supervised": {"hyperparameters": {"n_epochs": 2, "batch_size": "auto", "learning_rate_multiplier": 2}},
        },
    )
    assert made.status in ("queued", "running")
    assert made.fine_tuned_model is None
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := client.fine_tuning.jobs.retrieve(made.id)).status not in ("succeeded", "failed", "cancelled"):
        assert time.monotonic() < deadline, found
        time.sleep(0.2)
    assert found.status == "succeeded", found.error
    return found


def test_a_file_is_a_data_set(client: openai.OpenAI, uploaded: tuple[str, str]) -> None:
    listed = client.files.list().data
    assert [file.id for file in listed] == list(reversed(uploaded))
    file = client.files.retrieve(uploaded[0])
    assert (file.filename, file.purpose, file.status) == ("train.jsonl", "fine-tune", "processed")
    content = client.files.content(uploaded[0]).read()
    assert len(content) == file.bytes
    assert len(content.splitlines()) == 40


def test_a_file_can_be_deleted(client: openai.OpenAI, tmp_path: Path) -> None:
    with write_chats(tmp_path / "gone.jsonl", 5, 500).open("rb") as file:
        id = client.files.create(file=file, purpose="fine-tune").id
    assert client.files.delete(id).deleted
    with pytest.raises(openai.NotFoundError, match=f"There is no file '{id}'"):
        client.files.retrieve(id)


@pytest.mark.parametrize(
    ("content", "purpose", "sentence"),
    [
        (b'{"messages": []}\n', "batch", "give 'fine-tune' as the purpose"),
        (b'{"prompt": "x", "completion": "y"}\n', "fine-tune", "Line 1 is no chat"),
        (b"\n\n", "fine-tune", "The file is empty"),
        (b'{"messages": [{"role": "user", "content": "Alone?"}]}\n', "fine-tune", "cannot be learned from"),
    ],
)
def test_a_file_that_cannot_be_learned_from_is_a_sentence(
    client: openai.OpenAI, content: bytes, purpose: Any, sentence: str
) -> None:
    before = client.files.list().data
    with pytest.raises(openai.BadRequestError, match="400") as caught:
        client.files.create(file=("x.jsonl", content), purpose=purpose)
    assert sentence in str(caught.value)
    assert client.files.list().data == before


def test_a_job_is_a_run_with_the_settings_that_were_asked(job: Any, uploaded: tuple[str, str]) -> None:
    assert (job.training_file, job.validation_file) == uploaded
    assert (job.model, job.seed, job.metadata) == (BASE, 3, {"who": "a test"})
    assert job.hyperparameters.n_epochs == 2
    assert job.hyperparameters.batch_size == 4  # what the studio suggests for so few examples
    assert job.hyperparameters.learning_rate_multiplier == 2
    assert job.id == f"ftjob-{job.fine_tuned_model}"
    assert job.fine_tuned_model.endswith("colours")
    assert job.finished_at >= job.created_at
    assert job.trained_tokens > 1000


def test_events_and_checkpoints_can_be_read(client: openai.OpenAI, job: Any) -> None:
    events = list(client.fine_tuning.jobs.list_events(job.id, limit=5))
    steps = [event.data["step"] for event in events if "train_loss" in (event.data or {})]
    assert steps == list(range(20, 0, -1))
    assert any("valid_loss" in (event.data or {}) for event in events)
    checkpoints = client.fine_tuning.jobs.checkpoints.list(job.id).data
    assert all(each.fine_tuning_job_id == job.id and each.metrics.train_loss for each in checkpoints)
    names = {each.id for each in client.models.list()}
    assert {job.fine_tuned_model, *(each.fine_tuned_model_checkpoint for each in checkpoints)} <= names


def test_what_was_made_answers_at_any_strength(client: openai.OpenAI, job: Any) -> None:
    asked: Any = {"messages": [{"role": "user", "content": "Is number 2 green?"}], "temperature": 0, "max_tokens": 10}

    def answer(model: str, **more: Any) -> str | None:
        return client.chat.completions.create(model=model, **asked, **more).choices[0].message.content

    learned = job.fine_tuned_model
    base = next(each.id for each in client.models.list() if each.id.startswith(BASE))
    assert answer(f"{learned}@0") == answer(base)
    assert answer(learned) != answer(base)
    assert answer(f"{learned}@0.5") == answer(learned, extra_body={"strength": 0.5})
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        answer(f"{learned}:step-999")


def test_a_job_goes_on_from_a_job_and_can_be_cancelled(
    client: openai.OpenAI, job: Any, uploaded: tuple[str, str]
) -> None:
    more = client.fine_tuning.jobs.create(
        model=job.fine_tuned_model, training_file=uploaded[0], hyperparameters={"n_epochs": 50}
    )
    assert client.fine_tuning.jobs.cancel(more.id).status == "cancelled"
    assert [each.id for each in client.fine_tuning.jobs.list().data][:2] == [more.id, job.id]
    deadline = time.monotonic() + PATIENCE_SECONDS
    while client.fine_tuning.jobs.retrieve(more.id).finished_at is None:
        if client.fine_tuning.jobs.list_events(more.id).data == []:
            break  # it was still in the queue
        assert time.monotonic() < deadline
        time.sleep(0.2)
    with pytest.raises(openai.BadRequestError, match="has ended already"):
        client.fine_tuning.jobs.cancel(more.id)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"hyperparameters": {"n_epochs": 0}}, "'hyperparameters.n_epochs' must be from 1 to 100; found 0."),
        ({"hyperparameters": {"rank": 8}}, "The field 'hyperparameters.rank' is not known"),
        ({"method": {"type": "dpo"}}, "the method 'supervised'"),
        ({"model": "gpt-4o-mini"}, "The model 'gpt-4o-mini' does not exist"),
        ({"training_file": "file-nothing"}, "There is no file 'file-nothing'"),
        ({"integrations": [{"type": "wandb", "wandb": {"project": "x"}}]}, "reports to no other service"),
    ],
)
def test_what_cannot_be_asked_of_a_job_is_a_sentence(
    client: openai.OpenAI, uploaded: tuple[str, str], change: Any, sentence: str
) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        client.fine_tuning.jobs.create(**{"model": BASE, "training_file": uploaded[0], **change})
    assert caught.value.status_code in (400, 404)
    assert sentence in str(caught.value)


def test_an_unknown_job_is_a_sentence(client: openai.OpenAI) -> None:
    for id in ("ftjob-nobody", "nobody"):
        with pytest.raises(openai.NotFoundError, match=f"There is no fine-tuning job '{id}'"):
            client.fine_tuning.jobs.retrieve(id)


def test_ids_survive_a_restart(api_home: Path, job: Any, connect: Callable[..., openai.OpenAI]) -> None:
    from studio.settings import Settings
    from studio.studio import open_studio

    studio = open_studio(Settings(home=api_home))
    try:
        with served(studio, port=0) as server:
            again = connect().with_options(base_url=f"http://127.0.0.1:{server.port}/v1")
            assert again.fine_tuning.jobs.retrieve(job.id) == job
            assert again.files.retrieve(job.training_file).filename == "train.jsonl"
    finally:
        studio.close()
