import pytest
from jinja2 import UndefinedError
from markupsafe import Markup

from studio.ui.kit import fragments
from studio.ui.kit.fragments import Row, Tile

NASTY = "<script>alert('x')</script>"


def test_every_piece_escapes_what_it_shows() -> None:
    pieces = [
        fragments.tiles([Tile(NASTY, NASTY, NASTY)]),
        fragments.notice("good", NASTY, NASTY),
        fragments.line("busy", NASTY),
        fragments.empty(NASTY, NASTY),
        fragments.heading(NASTY, NASTY),
        fragments.pairs([(NASTY, NASTY)]),
        fragments.sample(NASTY, NASTY),
        fragments.bar(0.5, name=NASTY),
        fragments.stack([NASTY]),
    ]
    assert all("<script" not in piece for piece in pieces)


def test_a_bar_stays_within_its_bounds() -> None:
    assert "width:100.0%" in fragments.bar(1.7, name="x")
    assert "width:0.0%" in fragments.bar(-1, name="x")
    assert "ls-bar-open" in fragments.bar(None, name="x")


def test_empty_parts_take_no_room() -> None:
    assert fragments.stack(["", Markup("<p>x</p>")]) == '<div class="ls-stack"><p>x</p></div>'


def test_a_table_names_the_column_in_each_cell() -> None:
    rows = [Row("Ada", ["3", Markup("<b>4</b>")], "ls-main"), Row(NASTY, [NASTY, ""])]
    drawn = fragments.table("ls-figures", ("Who", "One", NASTY), rows, name="Scores")
    assert '<tr class="ls-main"><th scope="row">Ada</th><td data-label="One"><div>3</div></td>' in drawn
    assert "<div><b>4</b></div>" in drawn
    assert '<table aria-label="Scores">' in drawn
    assert "<script" not in drawn
    scrolls = fragments.table("ls-sheet", ("Who",), [], name=NASTY, scrolls=True)
    assert 'tabindex="0" role="region" aria-label="&lt;script' in scrolls


def test_a_template_that_is_given_too_little_is_a_bug() -> None:
    with pytest.raises(UndefinedError):
        fragments.render("kit/table.html", kind="x")
