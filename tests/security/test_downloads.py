"""Files leave by one route, by their id and name, as attachments: nothing else of the machine can be asked for."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from studio.jobs.exports import export_archive, export_state
from studio.runs.store import RunFolder
from studio.studio import Studio
from studio.ui.kit.downloads import download_address
from studio.ui.serving.download_routes import routes
from tests.ui.fake_studio import fake_studio, finished_run, write_export

pytestmark = pytest.mark.security


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    with fake_studio(tmp_path / "home") as opened:
        yield opened


@pytest.fixture
def run(studio: Studio) -> RunFolder:
    return finished_run(studio, dataset_id=studio.data.add_sample("order_slips").id)


@pytest.fixture
def client(studio: Studio) -> TestClient:
    return TestClient(Starlette(routes=list(routes(studio))))


def test_an_export_is_sent_as_an_attachment_that_no_browser_shows(
    studio: Studio, run: RunFolder, client: TestClient
) -> None:
    """A file was served inline at the studio's origin, so a page that had been uploaded ran there."""
    write_export(run, "adapter")
    name = export_archive(run, "adapter").name
    answer = client.get(download_address("run", run.id, name))
    assert (answer.status_code, answer.content[:2]) == (200, b"PK")
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "sandbox"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/octet-stream"


def test_an_export_that_was_not_checked_is_not_sent(run: RunFolder, client: TestClient) -> None:
    write_export(run, "adapter")
    (run.exports / "adapter.json").unlink()
    assert client.get(download_address("run", run.id, export_archive(run, "adapter").name)).status_code == 404


def test_a_link_in_the_place_of_an_export_is_not_followed(studio: Studio, run: RunFolder, client: TestClient) -> None:
    """A report named any file of the machine; a link would have done the same."""
    write_export(run, "adapter")
    secret = studio.settings.home / "secret"
    secret.write_text("secret")
    archive = export_archive(run, "adapter")
    archive.unlink()
    archive.symlink_to(secret)
    assert export_state(studio.jobs, studio.runs.get(run.id), "adapter").status == "none"
    assert client.get(download_address("run", run.id, archive.name)).status_code == 404


def test_a_folder_of_exports_that_is_a_link_offers_nothing(studio: Studio, run: RunFolder, client: TestClient) -> None:
    write_export(run, "adapter")
    os.rename(run.exports, studio.settings.home / "moved")
    run.exports.symlink_to(studio.settings.home / "moved")
    assert export_state(studio.jobs, studio.runs.get(run.id), "adapter").status == "none"
    assert client.get(download_address("run", run.id, export_archive(run, "adapter").name)).status_code == 404


def test_a_report_of_an_older_studio_is_read_without_its_paths(studio: Studio, run: RunFolder) -> None:
    """The report said which file was offered."""
    write_export(run, "adapter")
    report = run.exports / "adapter.json"
    report.write_text(report.read_text().replace("{", '{"archive":"/etc/hostname","folder":"/etc",', 1))
    state = export_state(studio.jobs, studio.runs.get(run.id), "adapter")
    assert state.status == "ready"
    assert "/etc" not in repr(state)
    export_archive(run, "adapter").unlink()
    assert export_state(studio.jobs, studio.runs.get(run.id), "adapter").status == "none"


@pytest.mark.parametrize(
    "name",
    [
        "adapter.json",
        "../config.json",
        "..%2Fconfig.json",
        "%2e%2e%2fconfig.json",
        "..",
        "adapter.lock",
        "x.zip",
        "{id}-other.zip",
        "{id}.run.zip.",
        "{id}-a/../../config.json",
        "{id}-%00-rows.csv",
        "{id}-é-rows.csv",
        "/etc/hostname",
        "%2Fetc%2Fhostname",
    ],
)
def test_only_what_was_made_to_be_downloaded_has_an_address(run: RunFolder, client: TestClient, name: str) -> None:
    write_export(run, "adapter")
    (run.exports / "x.zip").write_text("x")
    (run.exports / f"{run.id}-other.zip").write_text("x")
    answer = client.get(f"studio/download/run/{run.id}/{name.format(id=run.id)}")
    assert answer.status_code == 404


@pytest.mark.parametrize("id", ["nobody", "..", "%2e%2e", ".bin", "..%2f..%2fetc", "a%00b"])
@pytest.mark.parametrize("kind", ["run", "data", "file"])
def test_an_unknown_id_is_a_sentence_without_a_path(studio: Studio, client: TestClient, kind: str, id: str) -> None:
    answer = client.get(f"studio/download/{kind}/{id}/x.jsonl")
    assert answer.status_code == 404
    assert str(studio.settings.home) not in answer.text


def test_a_data_set_is_sent_and_nothing_beside_it(studio: Studio, client: TestClient) -> None:
    dataset = studio.data.add_sample("order_slips")
    made = studio.data.download(dataset.id)
    answer = client.get(download_address("data", dataset.id, made.name))
    assert answer.text == made.read_text(encoding="utf-8")
    assert client.get(download_address("data", dataset.id, "examples.jsonl")).status_code == 404
    assert client.get(download_address("data", dataset.id, "../examples.jsonl")).status_code == 404


def test_what_programs_are_told_holds_no_path(studio: Studio, run: RunFolder) -> None:
    """`run_status` told where the run lies, and so where a base model that had been brought in was to be found."""
    from studio.ui.api import export_of, status_of

    write_export(run, "adapter")
    told = f"{status_of(studio, run.id)} {export_of(studio, run.id, 'adapter')}"
    assert str(studio.settings.home) not in told


def test_the_card_of_an_export_names_no_folder_of_this_machine(run: RunFolder) -> None:
    """The card said where the base and the adapter that was trained further had lain."""
    from studio.jobs.model_card import card_of

    place = "/home/somebody/private/base"
    run.__dict__["config"] = replace(run.config, model=place, start_adapter=f"{place}/adapter-7")
    card = card_of(run, kind="adapter", steps=1)
    assert "somebody" not in card
    assert "adapter-7" in card
