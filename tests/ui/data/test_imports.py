from pathlib import Path

import pytest

from studio.data.reading_choices import Change
from studio.events import Failed
from studio.jobs.imports import ImportRequest
from studio.jobs.jobs import JobState
from studio.studio import Studio
from studio.ui.data import imports
from studio.ui.data.imports import Begun, add_begun, add_over, begun, card, follow, names, progress
from tests.ui.fake_studio import FakeWorkers, brought


@pytest.mark.parametrize("remembered", [None, 3, "x", {"id": "a"}, [1, None, "x"]])
def test_what_a_browser_could_hold_otherwise_is_passed_over(remembered: object) -> None:
    assert begun(remembered) == ()
    assert add_over(remembered, ["a"])[-1] == "a"


def test_the_browser_remembers_only_the_last_ones() -> None:
    remembered: object = []
    for number in range(100):
        remembered = add_begun(remembered, Begun(str(number), "a.csv", "files"))
    assert [each.id for each in begun(remembered)][::29] == ["70", "99"]
    assert begun(remembered)[-1] == Begun("99", "a.csv", "files")


def test_an_import_is_followed_until_it_is_a_data_set(studio: Studio, table: Path) -> None:
    id = studio.imports.start(ImportRequest(files=(str(table),)))
    now = follow(studio, add_begun([], Begun(id, "mixed.csv", "files")), [])
    assert now.over == (id,)
    assert now.made == Begun(id, "mixed.csv", "files")
    assert studio.data.get(now.dataset_id).name == "mixed"
    assert (now.cards, now.working) == ("", False)
    again = follow(studio, add_begun([], Begun(id)), add_over([], now.over))
    assert (again.over, again.dataset_id) == ((), "")


def test_a_failed_import_stays_until_it_is_dismissed(studio: Studio, tmp_path: Path) -> None:
    path = tmp_path / "letter.csv"
    path.write_bytes(b"%PDF-1.7 ...")
    started = add_begun([], Begun(studio.imports.start(ImportRequest(files=(str(path),))), "letter.csv", "files"))
    now = follow(studio, started, [])
    assert "PDF" in now.cards
    assert "Dismiss" in now.cards
    assert "Go to Configure" not in now.cards
    assert follow(studio, started, [each.id for each in begun(started)]).cards == ""


def test_an_import_at_work_shows_its_progress_on_every_page(studio: Studio, table: Path) -> None:
    workers = studio._launch
    assert isinstance(workers, FakeWorkers)
    workers.hold_imports = True
    id = studio.imports.start(ImportRequest(files=(str(table),)))
    mine = follow(studio, add_begun([], Begun(id, "mixed.csv", "files")), [])
    assert mine.working
    assert 'aria-label="Cancel mixed.csv"' in mine.cards
    assert "mixed.csv" in follow(studio, [], []).cards


def test_a_change_is_named_before_its_answer_has_reached_the_page(studio: Studio, copies: Path) -> None:
    """A fix was shown as "Another import" for as long as the server was busy."""
    first = brought(studio, copies)
    second = studio.add_dataset(ImportRequest(of=first.id, changes=(Change("drop-duplicates"),)))
    workers = studio._launch
    assert isinstance(workers, FakeWorkers)
    workers.hold_imports = True
    studio.imports.start(ImportRequest(of=first.id, changes=(Change("mask-emails"),)))
    studio.imports.start(ImportRequest(of=second.id))
    studio.imports.start(ImportRequest(of=first.id, roles=first.inspection.roles))
    cards = follow(studio, [], []).cards
    for title in ("Masking e-mail addresses · copies", "Undoing: Keep one of each", "Reading with the new columns"):
        assert title in cards
    assert cards.count("data-changes") == 3


def test_an_import_that_nobody_knows_any_more_is_done_with(studio: Studio) -> None:
    assert follow(studio, [{"id": "../../etc", "what": "x"}, {"id": "0123456789abcdef"}], []).over == (
        "../../etc",
        "0123456789abcdef",
    )


def test_progress_in_words() -> None:
    assert (
        progress(JobState("working", "Reading", done=12_000_000, total=80_000_000, unit="bytes"))
        == "Reading: 12.0 MB of 80.0 MB"
    )
    assert progress(JobState("working", "Fetching", done=5, total=1200, unit="rows")) == "Fetching: 5 of 1,200 rows"
    assert progress(JobState("working", "Starting.")) == "Starting …"


def test_a_model_is_shown_the_way_to_where_it_belongs() -> None:
    failed = Failed("bad_input", "x.gguf is a GGUF model file.", "A model belongs under Configure.")
    made = card(Begun("a", "x.gguf"), JobState("failed", "x", failed=failed))
    assert 'data-verb="configure"' in made


def test_names_and_sentences_are_escaped() -> None:
    failed = Failed("bad_input", "<b>bad</b>", "<i>so</i>")
    for state in (
        JobState("failed", "x", failed=failed),
        JobState("working", "<u>Reading</u>", done=1, total=2, unit="bytes"),
    ):
        made = card(Begun("a", '<img src=x onerror="alert(1)">.csv'), state)
        assert not any(mark in made for mark in ("<img", "<b>bad", "<i>so", "<u>"))


def test_several_files_are_named_shortly() -> None:
    assert names(["a.csv"]) == "a.csv"
    assert names(["a.csv", "b.csv"]) == "a.csv and b.csv"
    assert names(["a.csv", "b", "c", "d"]) == "a.csv and 3 more"
    assert imports.MOST_REMEMBERED > 4
