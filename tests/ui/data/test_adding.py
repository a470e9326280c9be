from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from studio.data.reading_choices import Change
from studio.errors import DataError
from studio.studio import Studio
from studio.ui.data import imports
from studio.ui.data.adding import (
    add_files,
    add_from_hub,
    add_pasted,
    add_sample,
    add_typed,
    follow,
    forget_taken,
    press,
    read_rows,
)
from studio.ui.data.imports import begun
from studio.ui.data.state import Selection
from studio.ui.kit.actions import Action
from studio.ui.kit.exchange import Result
from tests.ui.fake_studio import FakeWorkers


def arrived(studio: Studio, selection: Selection | Result[Selection]) -> Result[Selection]:
    """Follow what was begun, and say what comes of it."""
    now = follow(studio, selection.state if isinstance(selection, Result) else selection)
    return now if isinstance(now, Result) else Result(now)


def made(studio: Studio, selection: Selection | Result[Selection]) -> Any:
    """Return the data set that was made."""
    return studio.data.get(arrived(studio, selection).state.version)


def upload(studio: Studio, selection: Selection, *files: str) -> Selection:
    result = add_files(studio, selection, files=files)
    assert isinstance(result, Result)
    assert result.updates == {"upload": None}
    return result.state


def cards(studio: Studio, selection: Selection) -> dict[str, Any]:
    return imports.draw(studio, selection.started, selection.done_with)


def test_an_upload_is_brought_in_and_selected(studio: Studio, table: Path) -> None:
    started = upload(studio, Selection(), str(table))
    assert started.taken == (str(table),)
    assert add_files(studio, started, files=None) == started
    assert cards(studio, started)["quick"]["active"] is True, "what has arrived is still to be selected"
    result = arrived(studio, started)
    (stored,) = studio.data.all()
    assert (result.state.version, result.state.renewed, result.updates) == (stored.id, 1, {})
    assert result.state.done_with == (begun(started.started)[0].id,)
    assert cards(studio, result.state)["quick"]["active"] is False
    assert follow(studio, result.state) == result.state


def test_a_set_that_is_here_already_opens_in_the_version_that_was_left(studio: Studio, copies: Path) -> None:
    first = studio.data.get(arrived(studio, upload(studio, Selection(), str(copies))).state.version)
    changed = studio.data.derive(first.id, changes=[Change("drop-duplicates")])
    studio.data.choose(changed.id)
    assert arrived(studio, upload(studio, Selection(), str(copies))).state.version == changed.id


def test_the_drop_zone_may_hold_what_was_taken_and_may_get_it_again(studio: Studio, table: Path) -> None:
    """A refused file has the same path when it comes again: it stayed in the zone, and nothing began."""
    first, other = str(table), str(table.with_name("more.csv"))
    Path(other).write_text("question,answer\nWho?,Me.\n")
    again = upload(studio, upload(studio, Selection(), first), first)
    assert len(begun(again.started)) == 2
    more = upload(studio, again, first, other)
    assert begun(more.started)[-1].what == "more.csv"
    assert forget_taken(more, files=None).taken == ()
    assert forget_taken(more, files=[first]) == more
    both = upload(studio, forget_taken(more, files=[]), first, other)
    assert begun(both.started)[-1].what == "mixed.csv and more.csv"
    assert made(studio, both).inspection.usable == 11


def test_a_field_is_emptied_only_once_its_content_is_kept(studio: Studio) -> None:
    pasted = add_pasted(studio, Selection(), text="question,answer\nWhy?,So.\nWho?,Me.\n", name="")
    assert arrived(studio, pasted).updates == {"pasted": ""}
    typed = add_typed(studio, Selection(), rows=[["Why?", "So."], ["Who?", "Me."]], name="")
    assert arrived(studio, typed).updates["rows"]["value"]["emptied"] > 0
    unfinished = add_typed(studio, Selection(), rows=[["Why, then?", ""]], name="")
    assert arrived(studio, unfinished).updates == {}
    failed = add_pasted(studio, Selection(), text="%PDF-1.7 is not text", name="")
    assert "PDF" in cards(studio, failed)["imports"]
    assert follow(studio, failed) == failed


def test_a_failure_is_a_card_until_it_is_dismissed(studio: Studio, tmp_path: Path) -> None:
    path = tmp_path / "letter.csv"
    path.write_bytes(b"%PDF-1.7 ...")
    started = upload(studio, Selection(), str(path))
    shown = cards(studio, started)
    assert "PDF" in shown["imports"]
    assert shown["quick"]["active"] is False
    dismissed = press(studio, started, Action("dismiss", begun(started.started)[0].id))
    assert isinstance(dismissed, Selection)
    assert cards(studio, dismissed)["imports"] == ""


def test_the_quick_timer_runs_while_something_is_at_work(studio: Studio, table: Path) -> None:
    workers = studio._launch
    assert isinstance(workers, FakeWorkers)
    workers.hold_imports = True
    started = upload(studio, Selection(), str(table))
    shown = cards(studio, started)
    assert "Cancel" in shown["imports"]
    assert shown["quick"]["active"] is True
    assert press(studio, started, Action("cancel", begun(started.started)[0].id)) == started
    with pytest.raises(DataError, match="not known"):
        press(studio, started, Action("cancel", "../../../etc"))


def test_the_way_to_configure(studio: Studio) -> None:
    result = press(studio, Selection(), Action("configure"))
    assert isinstance(result, Result)
    assert result.updates["tabs"]["selected"] == "configure"
    assert press(studio, Selection(), Action("anything")) == Selection()


def test_pasted_text_and_typed_rows(studio: Studio) -> None:
    pasted = add_pasted(studio, Selection(), text="question,answer\nWhy?,Because.\nWho?,Me.\n", name="My paste")
    assert made(studio, pasted).name == "My paste"
    typed = add_typed(studio, pasted, rows=[["Why, then?", "So"], ["", None], ["Who?", "Me"]], name="")
    dataset = made(studio, typed)
    assert dataset.inspection.usable == 2
    assert studio.data.examples(dataset.id)[0].messages[0].content == "Why, then?"


def test_a_sample_keeps_its_title(studio: Studio) -> None:
    assert made(studio, add_sample(studio, "order_slips", Selection())).name == "A format: order slips"


def test_nothing_is_refused_in_words(studio: Studio) -> None:
    with pytest.raises(DataError, match="no text"):
        add_pasted(studio, Selection(), text="  \n", name="")
    with pytest.raises(DataError, match="no row"):
        add_typed(studio, Selection(), rows=[["", None], []], name="")
    with pytest.raises(DataError, match="No data set is named"):
        add_from_hub(studio, Selection(), id=" ", config="", split="train")
    with pytest.raises(DataError, match="no sample"):
        add_sample(studio, "nothing", Selection())


def test_what_arrived_and_was_deleted_at_once_is_done_with(studio: Studio, table: Path) -> None:
    started = upload(studio, Selection(), str(table))
    (stored,) = studio.data.all()
    studio.data.delete(stored.id)
    result = arrived(studio, replace(started, version=""))
    assert follow(studio, result.state) == result.state


def test_rows_are_pairs_of_text_without_the_empty_ones() -> None:
    assert read_rows([["Why?", "So."], ["", None], ["Who?"], [1, 2, 3]]) == (("Why?", "So."), ("Who?", ""), ("1", "2"))


@pytest.mark.parametrize("sent", [None, 3, "text", {"a": "b"}, ["row", None, {}]])
def test_what_no_page_of_ours_sends_is_no_row(sent: object) -> None:
    assert read_rows(sent) == ()


@pytest.mark.browser
@pytest.mark.timeout(400)
def test_no_letter_is_lost_and_html_is_text(page: Page) -> None:
    """The first letter typed after a click in a cell was swallowed, and the training learned the broken text."""
    page.get_by_role("tab", name="Type", exact=True).click(timeout=60_000)
    for number in range(1, 6):
        page.get_by_label(f"Question {number}", exact=True).click()
        page.wait_for_timeout(300)
        page.keyboard.type(f"Where is <b>{number}</b>?")
        page.keyboard.press("Tab")
        page.keyboard.type(f"Here &amp; ${{value}} {number}")
    page.reload()
    page.get_by_role("tab", name="Type", exact=True).click(timeout=60_000)
    expect(page.get_by_label("Answer 5", exact=True)).to_have_value("Here &amp; ${value} 5", timeout=60_000)
    page.get_by_role("button", name="Add these rows", exact=True).click()
    expect(page.locator("#data-verdict")).to_contain_text("Ready: 5 examples", timeout=60_000)
    page.get_by_role("button", name="Columns: question → answer").click()
    for number in range(1, 6):
        expect(page.locator("#data-table")).to_contain_text(f"Where is <b>{number}</b>?")
        expect(page.locator("#data-table")).to_contain_text(f"Here &amp; ${{value}} {number}")
    page.get_by_role("button", name="Add examples: files, text, the Hub or a sample").click()
    expect(page.get_by_label("Question 1", exact=True)).to_have_value("")
