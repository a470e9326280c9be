from dataclasses import replace
from pathlib import Path

import pytest

from studio.config import RunConfig
from studio.data.reading_choices import Change
from studio.studio import Studio
from studio.ui.data.state import Selection, settle
from tests.ui.fake_studio import brought


def chosen(studio: Studio, file: Path) -> Selection:
    return settle(studio, Selection(), Selection(version=brought(studio, file).id))


def test_without_a_version_nothing_is_chosen(studio: Studio, table: Path) -> None:
    assert settle(studio, Selection(), Selection()) == Selection()
    dataset = brought(studio, table)
    assert chosen(studio, table) == Selection(dataset.root, dataset.id)


def test_a_page_that_was_just_opened_shows_what_was_looked_at_last(studio: Studio, table: Path, copies: Path) -> None:
    """For a second it said that there is no data set yet."""
    first, _ = chosen(studio, table), brought(studio, copies)
    assert settle(studio, Selection(), Selection()) == first


def test_a_number_beyond_the_data_is_corrected(studio: Studio, table: Path) -> None:
    first = chosen(studio, table)
    numbers = [settle(studio, first, replace(first, number=each)).number for each in (10, 99, -3, 0)]
    assert numbers == [10, 10, 1, 1]


@pytest.mark.parametrize("number", ["x", True, float("nan"), float("inf")])
def test_what_is_no_number_shows_the_first(number: float) -> None:
    assert Selection(number=number).place == 0


def test_another_data_set_starts_at_its_first_and_a_version_stays(
    studio: Studio, table: Path, mixed_lengths: Path
) -> None:
    first = replace(chosen(studio, table), number=8)
    other = brought(studio, mixed_lengths)
    version = studio.data.derive(first.version, changes=[Change("drop-duplicates")])
    assert settle(studio, first, replace(first, version=version.id)).number == 8
    assert settle(studio, first, replace(first, version=other.id)) == Selection(other.root, other.id)


def test_another_data_set_is_shown_in_the_version_that_was_left(studio: Studio, copies: Path, table: Path) -> None:
    first = chosen(studio, copies)
    newest = studio.data.derive(first.version, changes=[Change("drop-duplicates")])
    elsewhere = settle(studio, first, Selection(version=brought(studio, table).id))
    assert settle(studio, elsewhere, replace(elsewhere, family=first.family)) == first
    studio.data.choose(newest.id)
    assert settle(studio, elsewhere, replace(elsewhere, family=first.family)) == Selection(first.family, newest.id)
    gone = settle(studio, elsewhere, replace(elsewhere, family="gone"))
    assert gone.version in {each.id for each in studio.data.all()}


def test_what_is_shown_is_shown_also_where_it_cannot_be_remembered(studio: Studio, table: Path) -> None:
    dataset = brought(studio, table)
    (studio.data.folder(dataset.id).parent / "chosen.json").mkdir()
    assert settle(studio, Selection(), Selection(version=dataset.id)).version == dataset.id


def test_what_remains_of_a_data_set_that_another_page_deleted_is_shown_at_once(
    studio: Studio, table: Path, copies: Path
) -> None:
    """For a moment the page said that there is no data set, though others were there."""
    other, gone = brought(studio, table), chosen(studio, copies)
    studio.data.delete(gone.version)
    assert settle(studio, gone, replace(gone, other=gone.version)) == Selection(other.root, other.id)
    studio.data.delete(other.id)
    assert settle(studio, gone, gone) == Selection()


def test_what_is_held_out_stays_while_it_is_there(studio: Studio, table: Path, mixed_lengths: Path) -> None:
    first, other = chosen(studio, table), brought(studio, mixed_lengths)
    assert settle(studio, Selection(), replace(first, other=other.id)).other == other.id
    assert settle(studio, first, replace(first, version=other.id, other=other.id)).other == ""


def test_the_settings_are_those_of_the_fields() -> None:
    assert Selection(model=" base ", epochs=7.0, seed=3).settings == RunConfig(model="base", epochs=7, seed=3)
