from pathlib import Path

import pytest

from studio.errors import DataError
from studio.studio import Studio
from studio.ui.data import library
from studio.ui.data.library import (
    choices,
    choose_family,
    delete,
    draw_bin,
    keep_or_newest,
    prepare,
    rename,
    restore,
    show,
)
from studio.ui.kit.actions import Action
from tests.ui.fake_studio import brought, finished_run


@pytest.fixture
def versions(studio: Studio, copies: Path) -> tuple[str, str]:
    """Two versions of one data set, the second without its copies."""
    from studio.data.reading_choices import Change

    first = brought(studio, copies)
    return first.id, studio.data.derive(first.id, changes=[Change("drop-duplicates")]).id


def test_a_family_is_listed_once_with_its_runs(studio: Studio, versions: tuple[str, str], table: Path) -> None:
    other = brought(studio, table)
    finished_run(studio, dataset_id=other.id)
    labels = dict(choices(studio))
    assert labels == {"copies · 8 examples": versions[0], "mixed · 10 examples · 1 run": other.id}


def test_the_versions_are_named(studio: Studio, versions: tuple[str, str]) -> None:
    family, version = show(studio, versions[0])
    assert (family["value"], version["value"], version["visible"]) == (versions[0], versions[0], True)
    assert [label for label, _ in version["choices"]] == [
        "v2: left out 2 exact copies · 8 examples",
        "v1 as brought · 10 examples",
    ]
    assert choose_family(studio, versions[0])[1]["value"] == versions[1]


def test_without_data_nothing_is_selected(studio: Studio) -> None:
    assert keep_or_newest(studio, "gone") == ""
    family, version = show(studio, "")
    assert (family["value"], version["value"], version["visible"]) == (None, None, False)
    assert library.draw_keeping(studio, None)[0] == ""


def test_a_new_name_is_shown_at_once(studio: Studio, versions: tuple[str, str]) -> None:
    family, _ = rename(studio, versions[1], "Support")
    assert family["choices"][0][0].startswith("Support · ")
    with pytest.raises(DataError, match="name"):
        rename(studio, versions[1], "  ")


def test_one_version_or_all_go_to_the_bin_and_come_back(studio: Studio, versions: tuple[str, str]) -> None:
    _, version, bin, _ = delete(studio, Action("delete", "one"), dataset_id=versions[1])
    assert version["value"] == versions[0]
    assert bin["label"] == "Bin (1)"
    family, *_ = delete(studio, Action("delete", "all"), dataset_id=versions[0])
    assert family["value"] is None
    back = restore(studio, Action("restore", versions[0]), dataset_id=None)
    assert back[1]["value"] == versions[0]
    assert "Put back" in back[3]
    again = restore(studio, Action("restore", versions[0]), dataset_id=None)
    assert again[1]["value"] == versions[0], "another page had put it back already"


def test_what_deleting_means_is_said(studio: Studio, table: Path) -> None:
    dataset = brought(studio, table)
    said = library.deletion(dataset, versions=3, uses=2)
    assert "2 runs learned from it and keep their own copies." in said
    assert "Delete all 3 versions" in said
    assert "No run learned from it." in library.deletion(dataset, versions=1, uses=0)


def test_the_download_is_written_and_its_address_returned(studio: Studio, table: Path) -> None:
    dataset = brought(studio, table)
    address = prepare(studio, dataset.id)
    (made,) = (studio.data.folder(dataset.id) / "download").iterdir()
    assert address == f"studio/download/data/{dataset.id}/{made.name}"
    assert made.read_text().startswith('{"messages":')
    assert len(made.read_text().splitlines()) == 10


def test_a_name_is_text_in_the_bin(studio: Studio, table: Path) -> None:
    dataset = brought(studio, table, name="<b>bold</b>")
    assert "<b>bold" not in delete(studio, Action("delete", "all"), dataset_id=dataset.id)[3]


def test_a_damaged_data_set_is_named_with_a_way_to_the_bin(studio: Studio, versions: tuple[str, str]) -> None:
    document = studio.data.folder(versions[1]) / "dataset.json"
    document.write_text("{", encoding="utf-8")
    bin, listed = draw_bin(studio)
    assert (bin["visible"], bin["label"]) == (True, "Bin (0) · 1 damaged")
    assert "These data sets cannot be read" in listed
    assert f'data-verb="discard" data-key="{versions[1]}"' in listed
    _, version, bin, listed = restore(studio, Action("discard", versions[1]), dataset_id=versions[1])
    assert version["value"] == versions[0]
    assert bin["visible"] is False
    assert "cannot be read" not in listed
