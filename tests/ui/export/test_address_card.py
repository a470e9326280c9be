from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from studio.models.starter import READY_MARK, starter_folder
from studio.openai_api.keys import ApiKey
from studio.studio import Studio
from studio.ui.export.address_card import Shown, draw, renewed
from tests.live_page import Served, assert_fits
from tests.tiny_model import write_tiny_model
from tests.ui.fake_studio import finished_run


def look(studio: Studio, run_id: str = "") -> dict[str, Any]:
    return dict(draw(studio, ApiKey(studio.settings.home), Shown(run_id)))


def test_the_card_shows_where_programs_ask_and_how(studio: Studio) -> None:
    run = finished_run(studio, dataset_id=studio.data.add_sample("order_slips").id)
    key = ApiKey(studio.settings.home).read()
    shown = look(studio, run.id)
    assert shown["address"]["value"] == "http://127.0.0.1:7860/v1"
    assert (shown["model"]["value"], shown["key"]["value"]) == (run.id, key)
    for part in ("curl", "python"):
        assert all(each in shown[part]["value"] for each in ("http://127.0.0.1:7860/v1", key, run.id))
    compile(shown["python"]["value"], "snippet", "exec")
    assert look(studio, "gone")["model"]["value"] == "base/starter"


def test_a_new_key_takes_the_place_of_the_one_before(studio: Studio) -> None:
    before = look(studio)["key"]["value"]
    renewed(ApiKey(studio.settings.home), Shown())
    assert look(studio)["key"]["value"] != before


def test_on_a_public_address_nothing_is_offered_that_is_not_there(studio: Studio) -> None:
    studio.settings = replace(studio.settings, host="0.0.0.0")
    shown = look(studio)
    assert "Other programs are not answered" in shown["status"]
    assert shown["all"]["visible"] is False
    assert not (studio.settings.home / "api-key").exists()
    studio.settings = replace(studio.settings, api=True)
    assert look(studio)["all"]["visible"] is True


def test_without_a_model_the_card_says_what_will_come(bare_studio: Studio) -> None:
    assert "No model yet" in look(bare_studio)["status"]


@pytest.mark.browser
def test_the_address_answers_from_the_page(home: Path, server: Served, new_page: Page) -> None:
    write_tiny_model(starter_folder(home))
    (starter_folder(home) / READY_MARK).write_text("{}", encoding="utf-8")
    new_page.goto(f"{server.address}/?tab=export")
    new_page.locator("#export-address button").first.click()
    expect(new_page.locator("#address-url input, #address-url textarea")).to_have_value(f"{server.address}/v1")
    new_page.locator("#address-ask").click()
    expect(new_page.locator("#address-answer")).not_to_have_text("", use_inner_text=False)
    expect(new_page.locator("#address-answer")).not_to_have_text("...")
    expect(new_page.locator("#address-ask")).to_be_enabled()
    assert "key" not in new_page.locator("#address-answer").inner_text()
    assert_fits(new_page)
