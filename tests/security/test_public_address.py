"""On an address that others can reach, a visitor names no file of the machine and uses no secret of its owner."""

import dataclasses
import os
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.cli.public_address import arrange, clear_uploads, tasks_sentence, token_sentence
from studio.config import RunConfig
from studio.errors import ConfigError, DataError, ModelError, RunError, StudioError
from studio.jobs.imports import ImportRequest
from studio.models.hub import Hub
from studio.models.locate import locate, locate_settled
from studio.models.starter import starter_folder
from studio.planning.model_facts import ModelFacts
from studio.runs.launcher import withhold_secrets, worker_environment
from studio.settings import Settings, read_settings
from studio.studio import Studio
from studio.ui.evaluate.actions import task_choices
from tests.own_task import write_task
from tests.ui.fake_studio import FakeWorkers, brought, end_workers, finished_run, open_fake_studio, write_plain_model

pytestmark = pytest.mark.security


@pytest.fixture
def public(tmp_path: Path) -> Iterator[Studio]:
    """A studio on a public address, with a data set, a run and a whole model in a folder beside its home."""
    home = tmp_path / "home"
    write_plain_model(tmp_path / "secret-model")
    opened = served(home, host="127.0.0.1")
    finished_run(opened, dataset_id=brought(opened, written(home / "uploads" / "a.csv")).id)
    end_workers(opened)
    studio = served(home, host="0.0.0.0")
    yield studio
    end_workers(studio)


def served(home: Path, *, host: str) -> Studio:
    with_fakes = open_fake_studio(home, clock=lambda: 1_800_000_000.0)
    return Studio(
        settings=Settings(home=home, host=host),
        data=with_fakes.data,
        runs=with_fakes.runs,
        chat=with_fakes.chat,
        launch=FakeWorkers(),
        clock=with_fakes.clock,
    )


def written(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = "".join(f"What is {n}?,It is {n}.\n" for n in range(20))
    path.write_text("question,answer\n" + rows, encoding="utf-8")
    return path


def path_names(tmp_path: Path) -> list[str]:
    """Ways to name the folder of a whole model, or something that is a folder where the server works."""
    whole = tmp_path / "secret-model"
    (tmp_path / "link").symlink_to(whole)
    return [
        str(whole),
        f"{whole}/",
        f"file://{whole}",
        str(tmp_path / "link"),
        str(tmp_path / "home" / "runs" / ".." / ".." / "secret-model"),
        "~/secret-model",
        "./secret-model",
        "../secret-model",
        "secret-model/",
        "secret-model/.",
        "secret-model\\",
        "\\\\host\\share",
        "\0",
    ]


def test_no_way_to_a_base_model_takes_a_path(public: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A visitor had any folder of the server loaded as a model, and learned which folders there are."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    run, dataset = public.runs.all()[0], public.data.all()[0]
    draft = public.duplicate_run(run.id)
    for name in path_names(tmp_path):
        config = RunConfig(model=name)
        assert not public.models.state(name).ready
        assert not public.models.prepare(name).working
        assert public.token_state(dataset.id, name).result is None
        assert ModelFacts(public).where(name).folder is None
        with pytest.raises(ModelError):
            ModelFacts(public).architecture(name)
        with pytest.raises(StudioError):
            public.start_run(config, dataset.id)
        with pytest.raises(StudioError):
            public.change_run(draft.id, config)
    assert len(public.runs.all()) == 2


def test_the_refusal_does_not_say_whether_the_folder_is_there(public: Studio, tmp_path: Path) -> None:
    """The sentence about a folder listed what it holds."""
    there, not_there = public.models.state(str(tmp_path)).sentence, public.models.state(f"{tmp_path}-x").sentence
    assert there.replace(str(tmp_path), "") == not_there.replace(f"{tmp_path}-x", "")


def test_an_id_is_no_folder_in_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An id was a folder wherever the server's working directory held one of that name."""
    write_plain_model(tmp_path / "owner" / "model")
    monkeypatch.chdir(tmp_path)
    hub = Hub(cache=tmp_path / "cache")
    assert locate("owner/model", tmp_path, hub=hub) is not None
    assert locate("owner/model", tmp_path, hub=hub, folders=False) is None
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    assert locate_settled("owner/model", tmp_path) is None
    assert locate_settled(str(tmp_path / "owner" / "model"), tmp_path) is not None


def test_on_a_laptop_folders_stay_what_they_were(tmp_path: Path) -> None:
    """The cure must not keep the person at the machine from their own models."""
    write_plain_model(tmp_path / "secret-model")
    studio = served(tmp_path / "home", host="127.0.0.1")
    assert studio.models.state(str(tmp_path / "secret-model")).ready
    dataset = brought(studio, written(tmp_path / "anywhere.csv"))
    assert studio.start_run(RunConfig(model=str(tmp_path / "secret-model")), dataset.id)
    end_workers(studio)


def test_a_folder_is_no_starting_adapter(public: Studio, tmp_path: Path) -> None:
    """A visitor had any folder of the server loaded as an adapter."""
    dataset, run = public.data.all()[0], public.runs.all()[0]
    for name in (str(run.path / "adapter"), "../adapter", "~", f"../{run.id}", "assets"):
        with pytest.raises(ConfigError, match="not a run of this studio"):
            public.start_run(RunConfig(start_adapter=name), dataset.id)
    assert public.start_run(RunConfig(start_adapter=run.id), dataset.id)


def test_data_is_uploaded_and_not_named(public: Studio, tmp_path: Path) -> None:
    """What reaches the studio as a path must have been uploaded: nothing else is read, and nothing is told of it."""
    outside = written(tmp_path / "outside.csv")
    (public.settings.uploads / "link.csv").symlink_to(outside)
    run = public.runs.all()[0]
    for name in (
        str(outside),
        str(public.settings.uploads / "link.csv"),
        f"{public.settings.uploads}/../../outside.csv",
    ):
        with pytest.raises(DataError) as caught:
            public.imports.start(ImportRequest(files=(name,)))
        assert "outside" not in str(caught.value)
        with pytest.raises(DataError):
            public.evaluations.start(run.id, data=Path(name))
        with pytest.raises(DataError):
            public.import_run(Path(name))
    assert public.add_dataset(ImportRequest(files=(str(written(public.settings.uploads / "b.csv")),)))
    sample = public.data.samples()[0]
    assert public.imports.start(ImportRequest(files=(str(sample.file),)))


@pytest.mark.parametrize("change", [{"model": "{secret}"}, {"start_adapter": "{secret}"}, {"model": "./x"}])
def test_a_run_that_was_brought_names_no_folder(public: Studio, tmp_path: Path, change: dict[str, str]) -> None:
    """The settings in an archive named a folder of the server, and the run could be trained or asked."""
    run = public.runs.all()[0]
    named = {key: value.format(secret=tmp_path / "secret-model") for key, value in change.items()}
    archive = packed(public, run.id, dataclasses.replace(run.config, **named))
    with pytest.raises((ModelError, RunError)):
        public.import_run(archive)
    assert [each.id for each in public.runs.all()] == [run.id]


def packed(studio: Studio, run_id: str, config: RunConfig) -> Path:
    """Pack a run with other settings, as an upload."""
    from studio import codec

    whole = studio.archive_run(run_id)
    target = studio.settings.uploads / "brought.run.zip"
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(target, "w") as made:
        for entry in source.infolist():
            text = source.read(entry)
            made.writestr(entry, codec.dumps(config) if entry.filename.endswith("/config.json") else text)
    return target


def test_workers_for_visitors_have_no_secret_of_the_owner() -> None:
    """Every worker, which may read what a visitor brought, had the tokens and passwords of the owner."""
    mine = {
        "HF_TOKEN": "1",
        "HUGGING_FACE_HUB_TOKEN": "2",
        "STUDIO_PASSWORD": "3",
        "AWS_SECRET_ACCESS_KEY": "4",
        "OPENAI_API_KEY": "5",
        "DB_PASSWORD": "6",
    }
    needed = {"PATH": "/bin", "HF_HOME": "/data/hf", "STUDIO_WEBHOOK": "https://x", "TOKENIZERS_PARALLELISM": "false"}
    environment = {**mine, **needed}
    withhold_secrets(environment)
    assert environment == {**needed, "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"}
    shared = {**mine, **needed}
    withhold_secrets(shared, but_the_token=True)
    assert shared == {**needed, "HF_TOKEN": "1", "HUGGING_FACE_HUB_TOKEN": "2"}
    assert "STUDIO_PASSWORD" not in worker_environment(mine)
    assert worker_environment(mine)["HF_TOKEN"] == "1"


@pytest.mark.parametrize(
    ("host", "share", "allowed"), [("127.0.0.1", "", True), ("0.0.0.0", "", False), ("0.0.0.0", "1", True)]
)
def test_the_owners_token_is_used_where_it_may_be(tmp_path: Path, host: str, share: str, allowed: bool) -> None:
    """The page asked the Hub with the owner's login whoever was there."""
    settings = read_settings({"STUDIO_HOME": str(tmp_path), "STUDIO_HOST": host, "STUDIO_SHARE_TOKEN": share})
    studio = served(tmp_path, host=host)
    assert Studio(settings=settings, data=studio.data, runs=studio.runs, chat=studio.chat).models.hub.token is (
        None if allowed else False
    )
    environment = {"HF_TOKEN": "1", "PATH": os.environ["PATH"]}
    arrange(settings, environment)
    assert ("HF_TOKEN" in environment) == allowed
    assert environment["GRADIO_TEMP_DIR"] == str(tmp_path / "uploads")
    assert bool(token_sentence(settings)) == bool(share)


def test_the_owners_tasks_are_not_run_for_visitors(public: Studio) -> None:
    """A task can hold code, and the page let whoever reached it run those of the owner."""
    write_task(public.settings.home)
    run = public.runs.all()[0]
    assert "drawers" not in [name for _, name in task_choices(public.settings)]
    with pytest.raises(ConfigError, match="only whoever runs this studio"):
        public.evaluations.start(run.id, tasks=["drawers"], forgetting=False)
    laptop = Settings(home=public.settings.home)
    assert "drawers" in [name for _, name in task_choices(laptop)]
    allowed = dataclasses.replace(public.settings, own_tasks=True)
    assert "drawers" in [name for _, name in task_choices(allowed)]
    assert "can hold code" in tasks_sentence(allowed)


def test_old_uploads_are_removed_when_the_studio_starts(tmp_path: Path) -> None:
    """What was uploaded to a server that was killed lay in the system's temporary folder for ever."""
    settings = Settings(home=tmp_path)
    old, new = written(settings.uploads / "old" / "a.csv"), written(settings.uploads / "new" / "a.csv")
    for path in (old, old.parent):
        os.utime(path, (0, 0))
    arrange(settings, {})
    assert not old.exists()
    assert new.exists()


def test_uploads_to_a_server_that_was_killed_go_as_those_of_others_do(tmp_path: Path) -> None:
    """With accounts they lay in the folder of the account, which was never old enough as a whole."""
    settings = Settings(home=tmp_path, accounts=True)
    ours = settings.uploads / "20260101-000000-aaaaaa"
    old, new, link = written(ours / "1" / "a.csv"), written(ours / "2" / "a.csv"), ours / "3"
    like_an_account = written(ours / "4" / ours.name)  # such a name kept a file for ever
    elsewhere = written(tmp_path / "runs" / "kept.csv")
    link.symlink_to(elsewhere.parent)
    hour_ago = time.time() - settings.limits.upload_minutes * 60 - 1
    for path in (old, like_an_account, elsewhere, link, ours):
        os.utime(path, (hour_ago, hour_ago), follow_symlinks=False)
    clear_uploads(settings)
    assert [path for path in ours.rglob("*") if not path.is_dir()] == [new]
    assert elsewhere.exists()
    assert ours.is_dir()


def test_the_starter_is_found_on_a_public_address(public: Studio) -> None:
    """The cure must not keep visitors from the models that they may have."""
    found = public.models.locate("starter")
    assert found is not None
    assert found.folder == starter_folder(public.settings.home)
    assert public.models.locate("owner/model-that-is-not-here") is None
