"""The card for publishing: nothing is sent that was not seen, and the access token stays nowhere."""

import dataclasses
from dataclasses import replace
from typing import Any

import pytest

from studio.errors import ExportError
from studio.events import Failed, Loading, Started
from studio.jobs.publishing import Publication, write_publication
from studio.jobs.tasks import PUBLISH_TOKEN, Publish
from studio.runs.event_log import EventLog
from studio.runs.store import RunFolder
from studio.studio import Studio
from studio.ui.export import publish_card, view
from studio.ui.export.state import PUBLIC, Selection
from tests.ui.fake_studio import FakeWorkers, finished_run, write_export

TOKEN = "hf_secret"


@pytest.fixture
def run(studio: Studio) -> RunFolder:
    run = finished_run(studio, dataset_id=studio.data.add_sample("order_slips").id)
    write_export(run, "adapter")
    return run


def chosen(run: RunFolder) -> Selection:
    return Selection(run.id, repository="me/otter")


def look(studio: Studio, selection: Selection) -> dict[str, Any]:
    return dict(view.draw(studio, selection))


def workers(studio: Studio) -> FakeWorkers:
    assert isinstance(studio._launch, FakeWorkers)
    return studio._launch


def test_the_card_is_seen_before_anything_is_sent(studio: Studio, run: RunFolder) -> None:
    shown = look(studio, chosen(run))
    assert (shown["publish_show"]["interactive"], shown["publish_send"]["interactive"]) == (True, False)
    assert shown["publish_card"]["visible"] is False
    with pytest.raises(ExportError, match="was not made yet"):
        publish_card.publish(studio, chosen(run), token="")
    seen = publish_card.show_card(studio, chosen(run))
    shown = look(studio, seen)
    assert "license: apache-2.0" in shown["publish_card"]["value"]
    assert shown["publish_send"]["interactive"] is True
    done = publish_card.publish(studio, replace(seen, visibility=PUBLIC), token=TOKEN)
    assert done.updates == {"emptied_token": ""}
    assert TOKEN not in repr(done.state)
    task = workers(studio).jobs[-1]
    assert task == Publish(run.path, "adapter", "me/otter", True)
    assert task.variables == {PUBLISH_TOKEN: TOKEN}
    assert (run.published / "adapter.card.md").read_text(encoding="utf-8").strip() == seen.card.strip()


def test_a_card_is_forgotten_when_something_in_it_changes(studio: Studio, run: RunFolder) -> None:
    seen = publish_card.show_card(studio, chosen(run))
    for field, value in {"repository": "me/other", "licence": "mit", "publish_kind": "merged", "run_id": "x"}.items():
        changed = replace(seen, **{field: value})  # type: ignore[arg-type]
        assert publish_card.settle(seen, changed).card == ""
    assert publish_card.settle(seen, replace(seen, visibility=PUBLIC)).card == seen.card


def test_no_field_of_the_page_keeps_a_token() -> None:
    assert not [field.name for field in dataclasses.fields(Selection) if "token" in field.name]


def test_only_what_was_prepared_is_published(studio: Studio, run: RunFolder) -> None:
    shown = look(studio, replace(chosen(run), publish_kind="merged"))
    assert "Prepare this export above first" in shown["publish_status"]
    assert shown["publish_show"]["interactive"] is False
    assert look(studio, Selection())["publish_status"] == ""
    assert look(studio, replace(chosen(run), publish_kind="../x"))["publish_show"]["interactive"] is False


def test_an_upload_is_followed_cancelled_and_told(studio: Studio, run: RunFolder) -> None:
    seen = publish_card.show_card(studio, chosen(run))
    publish_card.publish(studio, seen, token=None)
    log = EventLog(Publish(run.path, "adapter", "").paths.events, studio.clock)
    log.emit(Started(1, "publish"))
    log.emit(Loading("Uploading adapter_model.safetensors", 5, 10, "bytes"))
    shown = look(studio, seen)
    assert "Uploading adapter_model.safetensors" in shown["publish_status"]
    assert 'aria-valuenow="50"' in shown["publish_status"]
    assert shown["publish_cancel"]["visible"] is True
    publish_card.cancel(studio, seen)
    assert look(studio, seen)["publish_cancel"]["interactive"] is False
    log.emit(Failed("bad_input", "The Hub is gone.", "Publish again."))
    log.close()
    workers(studio).leave()
    assert "The Hub is gone." in look(studio, seen)["publish_status"]


def test_what_was_published_is_named_until_the_export_is_another(studio: Studio, run: RunFolder) -> None:
    run.published.mkdir()
    address = "https://hub.example/me/<otter>"
    write_publication(run, Publication("adapter", "me/otter", False, (), 18_100_000, address))
    shown = look(studio, chosen(run))["publish_status"]
    assert "all of it arrived" in shown
    assert "It is private" in shown
    assert 'href="https://hub.example/me/&lt;otter&gt;"' in shown
    assert "prepared again since" not in shown
    write_publication(run, Publication("adapter", "me/otter", True, (), 5, address))
    shown = look(studio, chosen(run))["publish_status"]
    assert "prepared again since" in shown
    assert "Everybody sees it." in shown


def test_a_public_studio_says_that_it_uses_no_login_of_its_own(studio: Studio, run: RunFolder) -> None:
    studio.settings = replace(studio.settings, host="0.0.0.0", open=True)
    assert "the login of this machine is not used here" in look(studio, chosen(run))["publish_status"]
    seen = publish_card.show_card(studio, chosen(run))
    with pytest.raises(ExportError, match="nobody publishes with the login of this machine"):
        publish_card.publish(studio, seen, token="")
