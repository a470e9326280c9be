from pathlib import Path

import pytest

from studio.errors import DataError
from studio.studio import Studio
from studio.ui.data import requests
from studio.ui.data.columns import Assigning
from studio.ui.data.imports import follow
from studio.ui.data.requests import Remembered
from studio.ui.kit.actions import Action
from tests.ui.fake_studio import FakeWorkers, brought


def arrived(studio: Studio, started: Remembered | None) -> str:
    """Return the data set that the last of these imports became."""
    return follow(studio, started, []).dataset_id


def test_files_become_one_data_set(studio: Studio, table: Path) -> None:
    other = table.with_name("more.csv")
    other.write_text("question,answer\nWho?,Me.\n")
    started = requests.add_files(studio, [str(table), str(other)], [])
    assert started[-1]["what"] == "mixed.csv and more.csv"
    assert studio.data.get(arrived(studio, started)).inspection.usable == 11


def test_pasted_text_and_typed_rows(studio: Studio) -> None:
    pasted = requests.add_pasted(studio, "question,answer\nWhy?,Because.\nWho?,Me.\n", "My paste", [])
    assert studio.data.get(arrived(studio, pasted)).name == "My paste"
    typed = requests.add_typed(studio, [["Why, then?", "So"], ["", None], ["Who?", "Me"]], "", pasted)
    dataset = studio.data.get(arrived(studio, typed))
    assert dataset.inspection.usable == 2
    assert studio.data.examples(dataset.id)[0].messages[0].content == "Why, then?"


def test_a_sample_keeps_its_title(studio: Studio) -> None:
    started = requests.add_sample(studio, "order_slips", [])
    assert studio.data.get(arrived(studio, started)).name == "A format: order slips"


def test_nothing_is_refused_in_words(studio: Studio) -> None:
    with pytest.raises(DataError, match="no text"):
        requests.add_pasted(studio, "  \n", "", [])
    with pytest.raises(DataError, match="no row"):
        requests.add_typed(studio, [["", None], []], "", [])
    with pytest.raises(DataError, match="No data set is named"):
        requests.add_from_hub(studio, " ", "", "train", [])
    with pytest.raises(DataError, match="no sample"):
        requests.add_sample(studio, "nothing", [])


def test_a_fix_makes_a_version_and_undoing_it_finds_the_first_again(studio: Studio, copies: Path) -> None:
    first = brought(studio, copies)
    outcome = requests.fix(studio, first, Action("fix", "drop-duplicates"), [])
    second = studio.data.get(arrived(studio, outcome.started))
    assert (second.version, second.inspection.usable) == (2, first.inspection.usable - 2)
    assert [(each.kind, each.count) for each in second.changes] == [("drop-duplicates", 2)]
    back = requests.undo(studio, second, Action("undo", "drop-duplicates"), [])
    assert (back.started, back.dataset_id) == (None, first.id)


def test_a_change_that_nothing_offers_is_refused(studio: Studio, copies: Path) -> None:
    for kind in ("leave-out", "mask-emails", "nothing", ""):
        with pytest.raises(DataError, match="not on offer"):
            requests.fix(studio, brought(studio, copies), Action("fix", kind), [])


def test_examples_are_left_out_one_after_the_other(studio: Studio, table: Path) -> None:
    first = brought(studio, table)
    second = studio.data.get(arrived(studio, requests.leave_out(studio, first, 3, []).started))
    third = studio.data.get(arrived(studio, requests.leave_out(studio, second, 0, []).started))
    assert (third.inspection.usable, len(third.changes), third.changes[0].count) == (8, 1, 2)
    questions = [example.messages[0].content for example in studio.data.examples(third.id)]
    assert questions[:3] == ["What is 1?", "What is 2?", "What is 4?"]
    with pytest.raises(DataError, match="no such example"):
        requests.leave_out(studio, third, 8, [])


def test_other_parts_are_read_only_when_they_suffice(studio: Studio, table: Path) -> None:
    dataset = brought(studio, table)
    none = requests.read_as(studio, dataset, Assigning(dataset.id, ("ignore", "answer")), [])
    assert none == requests.Outcome()
    swapped = requests.read_as(studio, dataset, Assigning(dataset.id, ("answer", "prompt")), [])
    fresh = studio.data.get(arrived(studio, swapped.started))
    assert studio.data.examples(fresh.id)[0].messages[-1].content == "What is 0?"
    again = requests.read_as(studio, fresh, Assigning(fresh.id, ("prompt", "answer")), [])
    assert again.dataset_id == dataset.id


def test_one_change_after_the_other(studio: Studio, copies: Path) -> None:
    """Two at once would make two versions of the first, each without the other's change."""
    dataset = brought(studio, copies)
    workers = studio._launch
    assert isinstance(workers, FakeWorkers)
    workers.hold_imports = True
    started = requests.fix(studio, dataset, Action("fix", "drop-duplicates"), []).started
    with pytest.raises(DataError, match="still being made"):
        requests.leave_out(studio, dataset, 0, started)
