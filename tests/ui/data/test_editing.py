from dataclasses import replace
from pathlib import Path

import pytest

from studio.errors import DataError, TooMany
from studio.studio import Studio
from studio.ui.data import editing
from studio.ui.data.actions import press_check
from studio.ui.data.adding import follow
from studio.ui.data.state import Selection, settle
from studio.ui.kit.actions import Action
from studio.ui.kit.exchange import Result
from tests.ui.fake_studio import FakeWorkers, brought


def arrived(studio: Studio, selection: Selection) -> Selection:
    result = follow(studio, selection)
    return settle(studio, selection, result.state if isinstance(result, Result) else result)


def opened(studio: Studio, file: Path, number: int = 3) -> Selection:
    dataset = brought(studio, file)
    before = settle(studio, Selection(), Selection(version=dataset.id, number=number))
    return settle(studio, before, editing.begin(studio, before))


def texts(studio: Studio, selection: Selection) -> list[str]:
    return [each.content for each in studio.data.examples(selection.version)[selection.place].messages]


def test_an_example_is_edited_twice_and_all_of_it_undone(studio: Studio, table: Path) -> None:
    first = opened(studio, table)
    before = texts(studio, first)
    second = arrived(studio, editing.save(studio, first, texts=["What is 2, please?", "Two."]))
    assert (texts(studio, second), second.number, second.editing) == (["What is 2, please?", "Two."], 3, "")
    again = editing.begin(studio, second)
    third = arrived(studio, editing.save(studio, again, texts=["What is 2, please?", "It is two."]))
    assert texts(studio, third)[1] == "It is two."
    dataset = studio.data.get(third.version)
    assert (dataset.version, dataset.inspection.usable, dataset.changes[0].count) == (3, 10, 1)
    undone = arrived(studio, press_check(studio, third, Action("undo", "edit")))
    assert texts(studio, undone) == before


def test_the_fields_are_drawn_while_an_example_is_edited(studio: Studio, table: Path) -> None:
    selection = opened(studio, table)
    example = studio.data.examples(selection.version)[2]
    drawn = editing.draw(example, selection)
    assert drawn["editor_box"]["visible"] is not drawn["viewing"]["visible"]
    assert [name for name, _ in drawn["editor"]["fields"]] == ["Question", "Answer"]
    closed = editing.draw(example, editing.cancel(selection))
    assert closed["editor"] == {"key": "", "fields": [], "number": 1}
    moved = settle(studio, selection, replace(selection, number=4))
    assert moved.editing == "", "another example is shown"


def test_what_cannot_be_learned_from_is_refused(studio: Studio, table: Path) -> None:
    selection = opened(studio, table)
    with pytest.raises(DataError, match="An answer is empty"):
        editing.save(studio, selection, texts=["What?", " "])
    with pytest.raises(TooMany):
        editing.save(studio, selection, texts=["What?", "a" * (studio.limits.pasted_characters + 1)])
    for sent in (None, "text", ["one"], [1, 2], {"a": 1}, ["a", "b", "c"]):
        with pytest.raises(DataError, match="not the one that was edited"):
            editing.save(studio, selection, texts=sent)
    with pytest.raises(DataError, match="not the one"):
        editing.save(studio, replace(selection, number=4), texts=["a", "b"])
    assert len(studio.data.all()) == 1


def test_nothing_new_makes_no_version(studio: Studio, table: Path) -> None:
    selection = opened(studio, table)
    assert editing.save(studio, selection, texts=texts(studio, selection)) == editing.cancel(selection)
    assert editing.begin(studio, Selection()) == editing.save(studio, Selection(), texts=["a"]) == Selection()
    with pytest.raises(DataError, match="no such example"):
        editing.begin(studio, replace(selection, number=99))


def test_one_change_after_the_other(studio: Studio, table: Path) -> None:
    selection = opened(studio, table)
    workers = studio._launch
    assert isinstance(workers, FakeWorkers)
    workers.hold_imports = True
    begun = editing.save(studio, selection, texts=["a", "b"])
    with pytest.raises(DataError, match="still being made"):
        editing.save(studio, replace(begun, editing=selection.editing), texts=["a", "c"])


def test_an_example_that_was_left_half_edited_is_opened_again(studio: Studio, table: Path) -> None:
    """After a reload, nothing led back to an example that was being edited."""
    selection = opened(studio, table)
    fresh = settle(studio, Selection(), Selection(version=selection.version))
    again = settle(studio, fresh, editing.resume(studio, fresh, Action("resume", selection.editing, "3")))
    assert (again.number, again.editing) == (3, selection.editing)
    for sent in (
        Action("resume", "other", "3"),
        *(Action("resume", selection.editing, n) for n in ("4", "99", "-1", "x")),
    ):
        with pytest.raises(DataError, match="another example there"):
            editing.resume(studio, fresh, sent)
    assert editing.resume(studio, Selection(), Action("resume", "a", "1")) == Selection()
