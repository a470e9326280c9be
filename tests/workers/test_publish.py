"""The worker that publishes an export: on a Hub that breaks off, that refuses, and without a trace of the token."""

import functools
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from studio.errors import ExportError, RunError
from studio.jobs.exports import ExportReport, export_archive, export_folder, write_report
from studio.jobs.jobs import Jobs
from studio.jobs.publishing import (
    PublicationState,
    card_path,
    publication_state,
    read_publication,
    start_publication,
)
from studio.jobs.tasks import Publish
from studio.runs.launcher import NO_TOKEN_VARIABLE, kill_group, launch
from studio.runs.store import RunFolder, RunStore
from studio.settings import Settings
from tests.publishing_hub import TOKEN, PublishingHub, publishing_hub

MakeRun = Callable[..., RunFolder]
CARD = "---\nlicense: mit\n---\n# soup\n"
SIZES = {"adapter_config.json": 40, "adapter_model.safetensors": 30_000, "other.safetensors": 5000}


@pytest.fixture
def hub() -> Iterator[PublishingHub]:
    with publishing_hub() as server:
        yield server


@pytest.fixture
def run(make_run: MakeRun) -> RunFolder:
    """A run with an export that is ready, as the export worker leaves it."""
    run = make_run()
    folder = export_folder(run, "adapter")
    folder.mkdir(parents=True)
    for name, size in SIZES.items():
        (folder / name).write_bytes(name.encode()[:1] * size)
    (folder / "README.md").write_text("# with a question of the data", encoding="utf-8")
    export_archive(run, "adapter").write_bytes(b"zip")
    report = ExportReport(
        kind="adapter",
        folder_bytes=sum(path.stat().st_size for path in folder.iterdir()),
        archive_bytes=3,
        largest_difference=0.0,
        tolerance=1e-4,
        same_answers=3,
        answers=3,
        checked_with="peft",
    )
    write_report(run.exports, report)
    return run


def jobs_of(hub: PublishingHub, variables: Mapping[str, str] | None = None) -> Jobs:
    """Start workers from nothing, as the studio does. No login of whoever runs the tests reaches them."""
    given = {"HF_ENDPOINT": hub.address, "HF_TOKEN": "", "HF_TOKEN_PATH": "/nowhere"} | dict(variables or {})
    return Jobs(functools.partial(launch, variables=given))


def begin(jobs: Jobs, run: RunFolder, *, to: str = "me/soup", token: str = TOKEN, host: str = "127.0.0.1") -> None:
    settings = Settings(home=run.path.parent.parent, host=host)
    start_publication(jobs, run, Publish(run.path, "adapter", to), card=CARD, settings=settings, token=token)


def ended(jobs: Jobs, run: RunFolder) -> PublicationState:
    """Wait for a publication to end."""
    until = time.monotonic() + 60
    while (state := publication_state(jobs, run, "adapter")).working:
        assert time.monotonic() < until, state
        time.sleep(0.05)
    return state


def test_an_export_is_published_with_the_card_that_was_shown(hub: PublishingHub, run: RunFolder) -> None:
    jobs = jobs_of(hub)
    begin(jobs, run)
    state = ended(jobs, run)
    assert (state.status, state.sentence) == ("ready", f"Published: {hub.address}/me/soup")
    there = hub.repositories["me/soup"]
    assert there.private
    assert there.files["README.md"] == CARD.encode(), "that of the zip has a question of the data in it"
    assert {name: len(there.files[name]) for name in SIZES} == SIZES
    found = read_publication(run, "adapter")
    assert found is not None
    assert (found.to, found.address) == ("me/soup", f"{hub.address}/me/soup")


def test_the_token_is_in_no_file_of_the_studio(hub: PublishingHub, run: RunFolder) -> None:
    jobs = jobs_of(hub)
    for refused in ("/api/whoami", "/part/", "/commit/"):
        hub.refusals = {refused: 403}
        begin(jobs, run)
        assert ended(jobs, run).status == "failed"
    hub.refusals = {}
    begin(jobs, run)
    assert ended(jobs, run).ready
    home = run.path.parent.parent
    files = [path for path in home.rglob("*") if path.is_file()]
    assert run.published / "adapter.task.json" in files
    assert (run.published / "adapter.log.old").read_bytes()
    assert [path for path in files if TOKEN.encode() in path.read_bytes()] == []


def test_one_that_was_killed_goes_on_where_it_was(hub: PublishingHub, run: RunFolder) -> None:
    """It had sent one of two large files: that one is not sent again, and nothing of it was to be seen."""
    jobs, hub.hold = jobs_of(hub), "/whole/"
    (export_folder(run, "adapter") / "other.safetensors").rename(export_folder(run, "adapter") / "a.safetensors")
    hub.part_bytes = 10_000
    begin(jobs, run)
    assert hub.holding.wait(60)
    (worker,) = (each._worker for each in jobs._jobs.values())
    assert worker is not None
    assert worker.process_id is not None
    kill_group(worker.process_id)
    state = ended(jobs, run)
    assert state.status == "failed"
    assert state.failed is not None
    assert "ended before it was done" in state.failed.message
    assert list(hub.repositories["me/soup"].files) == [".gitattributes"]
    sent = [oid for oid, _ in hub.received]
    hub.hold = ""
    hub.go_on.set()
    time.sleep(0.2)
    hub.large = {oid: content for oid, content in hub.large.items() if len(content) == SIZES["other.safetensors"]}
    hub.received.clear()
    begin(jobs, run)
    assert ended(jobs, run).ready
    assert len(set(sent)) == 2
    assert hub.sent() == SIZES["adapter_model.safetensors"]
    assert hub.repositories["me/soup"].commits == 1


def test_one_that_is_cancelled_ends_between_two_pieces(hub: PublishingHub, run: RunFolder) -> None:
    jobs, hub.hold = jobs_of(hub), "/part/"
    begin(jobs, run)
    assert hub.holding.wait(60)
    state = publication_state(jobs, run, "adapter")
    assert state.working
    assert state.total == sum(SIZES.values()) + len(CARD)
    assert state.unit == "bytes"
    with pytest.raises(RunError, match="being published"):
        RunStore(run.path.parent.parent).delete(run.id)
    jobs.cancel(Publish(run.path, "adapter", ""))
    hub.hold = ""
    hub.go_on.set()
    assert ended(jobs, run).status == "stopped"
    assert hub.repositories["me/soup"].commits == 0
    begin(jobs, run)
    assert ended(jobs, run).ready


def test_whoever_is_logged_in_publishes_without_a_token(hub: PublishingHub, run: RunFolder, tmp_path: Path) -> None:
    login = tmp_path / "login"
    login.write_text(TOKEN, encoding="utf-8")
    jobs = jobs_of(hub, {"HF_TOKEN_PATH": str(login)})
    begin(jobs, run, token="")
    assert ended(jobs, run).ready


def test_on_a_public_address_the_login_of_the_machine_is_not_used(
    hub: PublishingHub, run: RunFolder, tmp_path: Path
) -> None:
    login = tmp_path / "login"
    login.write_text(TOKEN, encoding="utf-8")
    jobs = jobs_of(hub, {"HF_TOKEN_PATH": str(login), NO_TOKEN_VARIABLE: "1"})
    with pytest.raises(ExportError, match="nobody publishes with the login of this machine") as caught:
        begin(jobs, run, token=" ", host="0.0.0.0")
    assert "token of your own" in caught.value.hint
    begin(jobs, run, token="")  # not even where the first check were gone
    state = ended(jobs, run)
    assert "Nobody is logged in" in state.sentence
    begin(jobs, run, host="0.0.0.0")
    assert ended(jobs, run).ready


def test_a_refusal_is_told_and_nothing_is_lost(hub: PublishingHub, run: RunFolder) -> None:
    jobs = jobs_of(hub)
    begin(jobs, run, to="you/soup")
    state = ended(jobs, run)
    assert "may not write to repositories of 'you'" in state.sentence
    assert state.failed is not None
    assert "me/soup" in state.failed.hint
    assert export_archive(run, "adapter").is_file()
    assert card_path(run, "adapter").read_text(encoding="utf-8").strip() == CARD.strip()


@pytest.mark.parametrize("token", ["hf_a\nb", "hf_ä", "x" * 600])
def test_what_cannot_be_a_token_is_a_sentence(hub: PublishingHub, run: RunFolder, token: str) -> None:
    with pytest.raises(ExportError, match="no access token"):
        begin(jobs_of(hub), run, token=token)


def test_what_is_not_ready_or_was_changed_is_not_published(hub: PublishingHub, run: RunFolder) -> None:
    jobs = jobs_of(hub)
    with pytest.raises(ExportError, match="cannot be the name of a repository"):
        begin(jobs, run, to="soup")
    settings = Settings(home=run.path.parent.parent)
    with pytest.raises(ExportError, match="was not made yet"):
        start_publication(jobs, run, Publish(run.path, "adapter", "me/soup"), card=" ", settings=settings)
    (export_folder(run, "adapter") / "more.py").write_text("print()", encoding="utf-8")
    begin(jobs, run)
    assert "not those that were checked" in ended(jobs, run).sentence
    export_archive(run, "adapter").unlink()
    with pytest.raises(ExportError, match="not ready"):
        begin(jobs, run)
    assert hub.repositories == {}
