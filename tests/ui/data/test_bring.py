from pathlib import Path

import gradio as gr
import pytest

from studio.errors import DataError
from studio.studio import Studio
from studio.ui.data import requests
from studio.ui.data.bring import add_files, forget_taken, press_card, redraw
from studio.ui.kit.actions import Action
from tests.ui.fake_studio import FakeWorkers

SKIP = gr.skip()


def test_an_upload_is_brought_in_and_selected(studio: Studio, table: Path) -> None:
    started, taken, upload = add_files(studio, [str(table)], [], [])
    assert (taken, upload) == ([str(table)], None)
    assert add_files(studio, None, taken, started) == (SKIP, SKIP, SKIP)
    cards, drawn, quick, done, family, version, pasted, rows = redraw(studio, started, [], "")
    (stored,) = studio.data.all()
    assert (cards, drawn, quick) == (SKIP, SKIP, SKIP)
    assert done == [started[0]["id"]]
    assert family["value"] == version["value"] == stored.id
    assert (pasted, rows) == (SKIP, SKIP)
    assert redraw(studio, started, done, "") == [SKIP] * 8


def test_the_drop_zone_may_hold_what_was_taken_and_may_get_it_again(studio: Studio, table: Path) -> None:
    """A refused file has the same path when it comes again: it stayed in the zone, and nothing began."""
    first, other = str(table), str(table.with_name("more.csv"))
    Path(other).write_text("question,answer\nWho?,Me.\n")
    started, taken, _ = add_files(studio, [first], [], [])
    again, _, zone = add_files(studio, [first], taken, started)
    assert (len(again), zone) == (2, None)
    more, _, _ = add_files(studio, [first, other], taken, again)
    assert more[-1]["what"] == "more.csv"
    assert forget_taken(None) == []
    assert forget_taken([first]) == SKIP
    both, _, _ = add_files(studio, [first, other], [], more)
    assert both[-1]["what"] == "mixed.csv and more.csv"


def test_a_field_is_emptied_only_once_its_content_is_kept(studio: Studio) -> None:
    pasted = requests.add_pasted(studio, "question,answer\nWhy?,So.\nWho?,Me.\n", "", [])
    assert redraw(studio, pasted, [], "")[-2] == ""
    typed = requests.add_typed(studio, [["Why?", "So."], ["Who?", "Me."]], "", [])
    assert redraw(studio, typed, [], "")[-1]["value"]["emptied"] > 0
    unfinished = requests.add_typed(studio, [["Why, then?", ""]], "", [])
    assert redraw(studio, unfinished, [], "")[-1] == SKIP
    failed = requests.add_pasted(studio, "%PDF-1.7 is not text", "", [])
    assert "PDF" in redraw(studio, failed, [], "")[0]
    assert redraw(studio, failed, [], "")[-2] == SKIP


def test_a_failure_is_a_card_and_the_page_goes_on(studio: Studio, tmp_path: Path) -> None:
    path = tmp_path / "letter.csv"
    path.write_bytes(b"%PDF-1.7 ...")
    started, *_ = add_files(studio, [str(path)], [], [])
    cards, drawn, quick, done, *rest = redraw(studio, started, [], "")
    assert "PDF" in cards
    assert quick.active is False
    assert [done, *rest] == [SKIP] * 5
    assert redraw(studio, started, [], drawn) == [SKIP] * 8
    dismissed, _ = press_card(studio, Action("dismiss", started[0]["id"]), done_with=[])
    assert redraw(studio, started, dismissed, drawn)[0] == ""


def test_the_quick_timer_runs_while_something_is_at_work(studio: Studio, table: Path) -> None:
    workers = studio._launch
    assert isinstance(workers, FakeWorkers)
    workers.hold_imports = True
    started, *_ = add_files(studio, [str(table)], [], [])
    cards, _, quick, *_ = redraw(studio, started, [], "")
    assert "Cancel" in cards
    assert quick.active is True
    press_card(studio, Action("cancel", started[0]["id"]), done_with=[])
    with pytest.raises(DataError, match="not known"):
        press_card(studio, Action("cancel", "../../../etc"), done_with=[])


def test_the_way_to_configure(studio: Studio) -> None:
    done, tabs = press_card(studio, Action("configure"), done_with=[])
    assert done == SKIP
    assert tabs.selected == "configure"
    assert press_card(studio, Action("anything"), done_with=[]) == (SKIP, SKIP)
