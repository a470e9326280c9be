from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from studio.errors import DataError
from studio.studio import Studio
from studio.ui.data import actions, editing, library
from studio.ui.data.library import choices, draw_bin, keep_or_last, prepare, rename, show
from studio.ui.data.state import Selection, settle
from studio.ui.kit.actions import Action
from tests.ui.fake_studio import brought, finished_run


def press(studio: Studio, verb: str, key: str, version: str = "") -> tuple[Selection, dict[str, Any]]:
    """Return what is chosen after a press, and what is drawn then."""
    before = settle(studio, Selection(), Selection(version=version))
    now = settle(studio, before, library.press(studio, before, Action(verb, key)))
    return now, library.draw(studio, now)


@pytest.fixture
def versions(studio: Studio, copies: Path) -> tuple[str, str]:
    """Two versions of one data set, the second without its copies."""
    from studio.data.reading_choices import Change

    first = brought(studio, copies)
    return first.id, studio.data.derive(first.id, changes=[Change("drop-duplicates")]).id


def test_a_family_is_listed_once_with_its_runs(studio: Studio, versions: tuple[str, str], table: Path) -> None:
    other = brought(studio, table)
    finished_run(studio, dataset_id=other.id)
    labels = dict(choices(studio, studio.uses()))
    assert labels == {"copies · 8 examples": versions[0], "mixed · 10 examples · 1 run": other.id}


def test_the_versions_are_named(studio: Studio, versions: tuple[str, str]) -> None:
    family, version = show(studio, versions[0])
    assert (family["value"], version["value"], version["visible"]) == (versions[0], versions[0], True)
    assert [label for label, _ in version["choices"]] == [
        "v2: left out 2 exact copies · 8 examples",
        "v1 as added · 10 examples",
    ]


def test_without_data_nothing_is_selected(studio: Studio) -> None:
    assert keep_or_last(studio, "gone") == ""
    family, version = show(studio, "")
    assert (family["value"], version["value"]) == (None, None)
    assert family["visible"] is version["visible"] is False, "an empty chooser opened to nothing"
    assert library.draw(studio, Selection())["name"]["value"] == ""


def test_the_version_that_was_left_opens_again(studio: Studio, versions: tuple[str, str], table: Path) -> None:
    """A reload, or a look at another set, opened the newest version: the one with the mistake that was undone."""
    other = brought(studio, table)
    left = settle(studio, Selection(), Selection(version=versions[0]))
    assert keep_or_last(studio, None) == versions[0]
    assert dict(choices(studio, studio.uses())) == {
        "copies · 10 examples": versions[0],
        "mixed · 10 examples": brought(studio, table).id,
    }
    away = settle(studio, left, replace(left, family=other.root))
    assert keep_or_last(studio, None) == away.version
    assert settle(studio, away, replace(away, family=versions[0])).version == versions[0]


def test_after_a_version_the_one_that_it_was_made_from_is_shown(studio: Studio, versions: tuple[str, str]) -> None:
    from studio.data.reading_choices import Change

    third = studio.data.derive(versions[0], changes=[Change("mask-emails")])
    now, _ = press(studio, "delete", third.id, third.id)
    assert now.version == versions[0]


def test_a_new_name_is_shown_at_once(studio: Studio, versions: tuple[str, str]) -> None:
    selection = Selection(*versions)
    renamed = rename(studio, selection, name="Support")
    assert renamed == replace(selection, renewed=1), "the data sets are listed again"
    parts = library.draw(studio, renamed)
    assert parts["family"]["choices"][0][0].startswith("Support · ")
    assert parts["name"]["value"] == "Support"
    with pytest.raises(DataError, match="name"):
        rename(studio, selection, name="  ")
    assert rename(studio, Selection(), name="x") == Selection()


def test_one_version_or_all_go_to_the_bin_and_come_back(studio: Studio, versions: tuple[str, str]) -> None:
    now, parts = press(studio, "delete", versions[1], versions[1])
    assert (now.version, parts["bin"]["label"]) == (versions[0], "Trash (1)")
    now, parts = press(studio, "delete-all", versions[0], versions[0])
    assert (now.version, now.family, parts["family"]["value"]) == ("", "", None)
    for _ in range(2):  # the second time another page had put it back already
        now, parts = press(studio, "restore", versions[0])
        assert now.version == versions[0]
        assert "Restore" in parts["binned"]
    for verb, key in (("anything", versions[0]), ("delete", ""), ("delete", versions[1]), ("delete-all", "../queue")):
        assert press(studio, verb, key, versions[0])[0] == Selection(versions[0], versions[0])


def test_nothing_is_done_to_a_data_set_that_the_page_does_not_show(
    studio: Studio, versions: tuple[str, str], table: Path
) -> None:
    """Its own was deleted on another page: what was pressed deleted, renamed and changed the next one instead."""
    other = brought(studio, table)
    kept = settle(studio, Selection(), Selection(version=other.id))
    studio.data.delete(other.id)
    now = settle(studio, kept, kept)
    assert now.version in versions
    acts: list[Callable[[], object]] = [
        lambda: library.press(studio, now, Action("delete", other.id)),
        lambda: rename(studio, now, name="Mine"),
        lambda: prepare(studio, "csv", now),
        lambda: actions.leave_out(studio, now),
        lambda: actions.press_check(studio, now, Action("fix", "drop-copies")),
        lambda: actions.append_files(studio, now, files=[str(table)]),
        lambda: actions.use_template(studio, now, template="{a}"),
        lambda: editing.begin(studio, now),
    ]
    for act in acts:
        with pytest.raises(DataError, match="not chosen any more"):
            act()
    assert len(studio.data.families()) == 1
    assert len(studio.data.versions(versions[0])) == 2
    seen = settle(studio, now, now)
    assert rename(studio, seen, name="Mine").renewed == 1, "once it was drawn it can be changed"


def test_what_deleting_means_is_said(studio: Studio, table: Path) -> None:
    dataset = brought(studio, table)
    said = library.deletion(dataset, count=3, uses=2)
    assert "2 runs learned from it and keep their own copies." in said
    assert "Delete all 3 versions" in said
    assert "No run learned from it." in library.deletion(dataset, count=1, uses=0)


@pytest.mark.parametrize(
    ("kind", "begins"), [("jsonl", b'{"messages":'), ("csv", b"\xef\xbb\xbfquestion,"), ("xlsx", b"PK")]
)
def test_the_download_is_written_and_its_address_returned(
    studio: Studio, table: Path, kind: str, begins: bytes
) -> None:
    dataset = brought(studio, table)
    address = prepare(studio, kind, Selection(version=dataset.id))
    (made,) = (studio.data.folder(dataset.id) / "download").iterdir()
    assert address == f"studio/download/data/{dataset.id}/{made.name}"
    assert made.name == f"mixed-v1.{kind}"
    assert made.read_bytes().startswith(begins)
    assert prepare(studio, kind, Selection()) is None


def test_a_name_is_text_in_the_bin(studio: Studio, table: Path) -> None:
    dataset = brought(studio, table, name="<b>bold</b>")
    _, parts = press(studio, "delete-all", dataset.id, dataset.id)
    assert "&lt;b&gt;bold" in parts["binned"]
    assert "<b>bold" not in parts["binned"]


def test_a_damaged_data_set_is_named_with_a_way_to_the_bin(studio: Studio, versions: tuple[str, str]) -> None:
    document = studio.data.folder(versions[1]) / "dataset.json"
    document.write_text("{", encoding="utf-8")
    parts = draw_bin(studio)
    assert (parts["bin"]["visible"], parts["bin"]["label"]) == (True, "Trash (0) · 1 damaged")
    assert "These data sets cannot be read" in parts["binned"]
    assert f'data-verb="discard" data-key="{versions[1]}"' in parts["binned"]
    now, parts = press(studio, "discard", versions[1], versions[1])
    assert now.version == versions[0]
    assert parts["bin"]["visible"] is False
    assert "cannot be read" not in parts["binned"]
