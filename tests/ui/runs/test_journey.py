"""The table of all runs as a person uses it, in a real browser on a real server. The runs come from archives."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from studio.config import RunConfig
from studio.jobs.places.book import Check, Places
from studio.jobs.places.protocol import Facts
from tests.live_page import Served, assert_fits
from tests.ui.fake_studio import finished_run, open_fake_studio

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]


@pytest.fixture
def archives(tmp_path: Path) -> list[Path]:
    """Two finished runs from another machine, each as one file."""
    there = open_fake_studio(tmp_path / "there", clock=lambda: 1_800_000_000.0)
    dataset = there.data.add_sample("order_slips").id
    configs = (RunConfig(name="otter", rank=4), RunConfig(name="heron", rank=32, epochs=5))
    return [there.archive_run(finished_run(there, dataset_id=dataset, config=each).id) for each in configs]


def open_runs(page: Page) -> None:
    page.get_by_role("tab", name="All runs", exact=True).click()


def bring_in(page: Page, archive: Path) -> None:
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Import run", exact=True).click()
    chooser.value.set_files(archive)


def rows(page: Page) -> Locator:
    return page.locator("#runs-table tbody tr")


def test_runs_are_brought_in_compared_described_and_deleted(page: Page, archives: list[Path], tmp_path: Path) -> None:
    open_runs(page)
    expect(page.locator("#runs-table")).to_contain_text("No run yet")
    for name, archive in zip(("otter", "heron"), archives, strict=True):
        bring_in(page, archive)
        expect(page.locator("#runs-said")).to_contain_text(f"{name} was imported")
    expect(rows(page)).to_have_count(2)
    expect(rows(page).filter(has_text="otter")).to_contain_text("Finished")
    page.set_viewport_size({"width": 1280, "height": 800})
    assert page.locator(".ls-runs").evaluate("table => table.scrollWidth <= table.clientWidth"), "a column is clipped"

    for name in ("otter", "heron"):
        tick = page.get_by_role("checkbox", name=f"Compare {name}", exact=True)
        tick.focus()
        page.keyboard.press("Space")
        expect(tick).to_be_checked()
        expect(tick).to_be_focused()
    expect(page.locator("#runs-differences tr").filter(has_text="Rank")).to_contain_text("432")
    expect(page.locator("#runs-differences")).not_to_contain_text("Learning rate")
    expect(page.locator("#runs-chart .scatterlayer .trace")).to_have_count(2)

    page.get_by_role("button", name="Name", exact=True).click()
    expect(rows(page).first).to_contain_text("heron")
    page.get_by_role("textbox", name="Search runs").fill("otter")
    expect(rows(page)).to_have_count(1)

    page.get_by_role("button", name="otter", exact=True).click()
    expect(page.locator("#runs-one")).to_contain_text("Finished: 5 steps")
    expect(page.get_by_role("textbox", name="Name", exact=True)).to_have_value("otter")  # the other one was open before
    page.get_by_label("Note", exact=True).fill("Answers too long.")
    page.get_by_role("button", name="Save name and note", exact=True).click()
    expect(rows(page)).to_contain_text("Answers too long.")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Download the run, to import it elsewhere", exact=True).click()
    saved.value.save_as(tmp_path / "again.zip")
    assert (tmp_path / "again.zip").stat().st_size > 1000

    page.get_by_role("button", name="Move to Trash", exact=True).click()
    expect(page.locator("#runs-said")).to_contain_text("is in the Trash")
    page.locator("#runs-bin > button").click()
    page.get_by_role("button", name="Put otter back", exact=True).click()
    expect(page.locator("#runs-said")).to_contain_text("otter was put back")
    expect(rows(page)).to_have_count(2)

    page.get_by_role("button", name="Open in Train", exact=True).click()
    expect(page.get_by_role("tab", name="3. Train", exact=True)).to_have_attribute("aria-selected", "true")
    expect(page.locator("#train-status")).to_contain_text("Finished: 5 steps")
    expect(page.locator("#train-advice")).to_contain_text("What could make it better")


def test_settings_are_taken_over_and_a_draft_is_changed(page: Page, archives: list[Path]) -> None:
    open_runs(page)
    bring_in(page, archives[1])
    expect(page.locator("#runs-one")).to_contain_text("Finished: 5 steps")
    page.get_by_role("button", name="New run with these settings", exact=True).click()
    expect(page.locator("#configure-source")).to_contain_text("the settings of heron and its data set")
    page.locator("#advanced > button").click()
    rank, epochs = (page.locator(f"#setting-{name} input").first for name in ("rank", "epochs"))
    expect(rank).to_have_value("32")
    expect(epochs).to_have_value("5")
    expect(page.get_by_role("button", name="Start training", exact=False)).to_be_visible()
    page.wait_for_timeout(4_000)
    expect(rank).to_have_value("32")

    open_runs(page)
    page.get_by_role("button", name="Duplicate as draft", exact=True).click()
    expect(page.locator("#runs-said")).to_contain_text("is a draft")
    page.get_by_role("button", name="Edit settings", exact=True).click()
    expect(page.locator("#configure-source")).to_contain_text("which has not started")
    rank.fill("6")
    rank.press("Tab")
    page.get_by_role("button", name="Save these settings", exact=True).click()
    expect(page.locator("#configure-source")).to_contain_text("are saved")
    open_runs(page)
    expect(page.locator("#runs-one dd").filter(has_text="6")).to_have_count(1)
    expect(page.locator("#runs-one dd").filter(has_text="32")).to_have_count(0)


def test_two_pages_show_the_same_and_a_phone_has_room(page: Page, server: Served, archives: list[Path]) -> None:
    open_runs(page)
    bring_in(page, archives[0])
    expect(rows(page)).to_have_count(1)
    other = page.context.new_page()
    other.set_viewport_size({"width": 390, "height": 844})
    other.goto(server.address)
    open_runs(other)
    expect(rows(other)).to_contain_text("otter")
    page.get_by_role("textbox", name="Name", exact=True).fill("kestrel")
    page.get_by_role("button", name="Save name and note", exact=True).click()
    expect(rows(other)).to_contain_text("kestrel")
    assert_fits(other)
    other.get_by_role("button", name="kestrel", exact=True).click()
    expect(other.locator("#runs-one")).to_contain_text("Finished: 5 steps")
    assert_fits(other)


def test_a_place_is_added_asked_for_and_forgotten(page: Page, tmp_path: Path) -> None:
    """The page asks where a run trains only where there is another place than this machine."""
    page.get_by_role("tab", name="2. Configure", exact=True).click()
    expect(page.get_by_role("button", name="Choose a data set first", exact=True)).to_be_visible()
    expect(page.locator("#setting-place")).not_to_be_visible()
    open_runs(page)
    page.locator("#places-all").get_by_role("button", name="Places to train").click()
    page.locator("#places-all").get_by_label("Slurm cluster").check()
    page.locator("#places-name textarea, #places-name input").fill("lab-cluster")
    page.locator("#places-folder textarea, #places-folder input").fill(str(tmp_path / "unmounted"))
    page.get_by_role("button", name="Add and check", exact=True).click()
    listed = page.locator("#places-list")
    expect(listed).to_contain_text("lab-cluster")
    expect(listed).to_contain_text("a Slurm cluster, 1 run at once")
    expect(listed).to_contain_text(re.compile("is not installed|is not there"))
    assert_fits(page)
    page.get_by_role("tab", name="2. Configure", exact=True).click()
    expect(page.locator("#setting-place")).to_be_visible()
    open_runs(page)
    page.get_by_role("button", name="Forget lab-cluster", exact=True).click()
    expect(page.locator("#places-said")).to_contain_text("lab-cluster is forgotten")
    expect(listed).not_to_contain_text("lab-cluster")


def test_rented_hardware_is_added_with_a_cap_and_says_what_it_costs(page: Page, home: Path) -> None:
    open_runs(page)
    places = page.locator("#places-all")
    places.get_by_role("button", name="Places to train").click()
    places.get_by_label("Hugging Face Jobs").check()
    expect(page.locator("#places-address")).not_to_be_visible()
    for name, value in (("name", "rented"), ("flavor", "t4-small")):
        page.locator(f"#places-{name} textarea, #places-{name} input").fill(value)
    page.locator("#places-token input").fill("hf_typedbyaperson")
    page.get_by_role("button", name="Add and check", exact=True).click()
    expect(page.locator("body")).to_contain_text("What a run may cost at most is not set")
    page.locator("#places-cap input").fill("5")
    page.get_by_role("button", name="Add and check", exact=True).click()
    expect(page.locator("#places-list")).to_contain_text("Hugging Face Jobs, 1 run at once")
    expect(page.locator("#places-list")).to_contain_text("cannot be reached")
    expect(page.locator("#places-token input")).to_have_value("")
    assert_fits(page)
    facts = Facts(hardware="Nvidia T4 - small", price_per_hour=0.4)
    Places(home).keep_check("rented", Check(1.0, facts=facts))
    page.get_by_role("tab", name="2. Configure", exact=True).click()
    expect(page.locator("#hub-token")).not_to_be_visible()
    page.locator("#setting-place input").click()
    page.get_by_role("option", name="rented", exact=True).click()
    expect(page.locator("body")).to_contain_text("A run costs at most US$ 5.00")
    expect(page.locator("body")).to_contain_text("An access token is known that pays for it.")
    page.locator("#hub-token input").fill("not a token")
    page.get_by_role("button", name="Use this token", exact=True).click()
    expect(page.locator("body")).to_contain_text("This is no access token")
    assert_fits(page)
    assert not [path for path in home.rglob("*") if path.is_file() and b"hf_typedbyaperson" in path.read_bytes()]
