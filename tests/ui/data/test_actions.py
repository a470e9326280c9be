from dataclasses import replace
from pathlib import Path

import pytest

from studio.errors import DataError
from studio.planning.model_facts import ModelFacts
from studio.studio import Studio
from studio.ui.data import columns, editing, newer
from studio.ui.data.actions import answer, append_files, assign_part, find, leave_out, press_check, use_template
from studio.ui.data.adding import follow
from studio.ui.data.state import Selection, settle
from studio.ui.kit.actions import Action
from studio.ui.kit.exchange import Result
from tests.ui.fake_studio import FakeWorkers, brought


def arrived(studio: Studio, selection: Selection) -> Selection:
    """Select what was begun, once it is a data set."""
    result = follow(studio, selection)
    now = result.state if isinstance(result, Result) else result
    return settle(studio, selection, now)


def chosen(studio: Studio, file: Path, number: int = 1) -> Selection:
    dataset = brought(studio, file)
    return Selection(dataset.root, dataset.id, number=number)


def questions(studio: Studio, selection: Selection) -> list[str]:
    return [example.messages[0].content for example in studio.data.examples(selection.version)]


def test_search_goes_round(facts: ModelFacts, studio: Studio, table: Path) -> None:
    selection = chosen(studio, table)

    def found(text: str, number: int = 1) -> tuple[float, str]:
        result = find(facts, replace(selection, number=number), text=text)
        return result.state.number, result.updates["search_said"]

    assert found("what is 7") == (8, "")
    number, said = found("WHAT IS 0", 5)
    assert (number, "first that holds it" in said) == (1, True)
    assert "No other example" in found("what is 4", 5)[1]
    number, said = found("<b>nowhere", 3)
    assert number == 3
    assert "No example holds “&lt;b&gt;nowhere”." in said
    assert find(facts, Selection(), text="x") == Result(Selection(), {"search_said": ""})
    assert "Type a word to search for" in found(" ")[1]


def shown_by(result: Selection | Result[Selection]) -> tuple[float, str]:
    assert isinstance(result, Result)
    return result.state.number, result.updates["search_said"]


def test_a_copy_is_shown_with_what_it_is_a_copy_of(studio: Studio, copies: Path) -> None:
    """Show went from one copy to the next, and said neither how many there are nor what they are copies of."""
    first = chosen(studio, copies)
    each = next(each for each in studio.data.get(first.version).inspection.findings if each.kind == "duplicates")
    texts = questions(studio, first)
    for place, copy in enumerate(each.places, start=1):
        number, said = shown_by(press_check(studio, first, Action("show", "duplicates")))
        assert number == copy + 1
        assert f"example {copy + 1} is {place} of 2" in said
        assert f"It says the same as example {texts.index(texts[copy]) + 1}." in said
        first = replace(first, number=number)


def test_the_buttons_of_the_checks(studio: Studio, copies: Path) -> None:
    first = chosen(studio, copies)
    listed = studio.data.get(first.version).inspection.findings
    kind = next(each.kind for each in listed if each.places)
    assert shown_by(press_check(studio, first, Action("show", kind)))[0] > 1
    second = arrived(studio, press_check(studio, first, Action("fix", "drop-duplicates")))
    dataset = studio.data.get(second.version)
    assert (dataset.version, dataset.inspection.usable) == (2, 8)
    assert [(each.kind, each.count) for each in dataset.changes] == [("drop-duplicates", 2)]
    back = press_check(studio, second, Action("undo", "drop-duplicates"))
    assert back == replace(second, version=first.version), "the first is found again"
    assert press_check(studio, first, Action("format the disk")) == first
    assert press_check(studio, Selection(), Action("fix")) == Selection()


def test_a_change_that_nothing_offers_is_refused(studio: Studio, copies: Path) -> None:
    selection = chosen(studio, copies)
    for kind in ("leave-out", "mask-emails", "nothing", ""):
        with pytest.raises(DataError, match="not available"):
            press_check(studio, selection, Action("fix", kind))


def test_examples_are_left_out_one_after_the_other(studio: Studio, table: Path) -> None:
    second = arrived(studio, leave_out(studio, chosen(studio, table, number=4)))
    third = arrived(studio, leave_out(studio, replace(second, number=1)))
    dataset = studio.data.get(third.version)
    assert (dataset.inspection.usable, len(dataset.changes), dataset.changes[0].count) == (8, 1, 2)
    assert questions(studio, third)[:3] == ["What is 1?", "What is 2?", "What is 4?"]
    with pytest.raises(DataError, match="no such example"):
        leave_out(studio, replace(third, number=9))


def test_a_wrong_guess_is_one_click_to_fix(studio: Studio, table: Path) -> None:
    first = chosen(studio, table)
    swapped = arrived(studio, assign_part(studio, first, Action("part", "0", "answer")))
    assert swapped.assigning is not None
    assert swapped.assigning.parts == ("answer", "prompt")
    assert studio.data.examples(swapped.version)[0].messages[-1].content == "What is 0?"
    assert assign_part(studio, swapped, Action("part", "1", "answer")).version == first.version
    assert assign_part(studio, first, Action("part", "0", "owner")) == first


def test_parts_are_read_only_when_they_suffice(studio: Studio, table: Path) -> None:
    first = chosen(studio, table)
    half = assign_part(studio, first, Action("part", "0", "ignore"))
    assert half.assigning is not None
    assert half.assigning.parts == ("ignore", "answer")
    assert (half.started, half.version) == ((), first.version)


def test_a_template_makes_the_question(studio: Studio, table_of_three: Path) -> None:
    both = arrived(studio, assign_part(studio, chosen(studio, table_of_three), Action("part", "2", "prompt")))
    worded = arrived(studio, use_template(studio, both, template="{ticket}: {question}"))
    assert questions(studio, worded)[0] == "T-0: How do I fix part 0?"


def test_one_change_after_the_other(studio: Studio, copies: Path) -> None:
    """Two at once would make two versions of the first, each without the other's change."""
    selection = chosen(studio, copies)
    workers = studio._launch
    assert isinstance(workers, FakeWorkers)
    workers.hold_imports = True
    begun = press_check(studio, selection, Action("fix", "drop-duplicates"))
    with pytest.raises(DataError, match="still being made"):
        leave_out(studio, begun)


@pytest.mark.case("28-encodings")
def test_an_encoding_that_is_not_sure_is_chosen_on_the_page(studio: Studio, tmp_path: Path) -> None:
    path = tmp_path / "short.csv"
    path.write_bytes("question,answer\n<b>id\u00f5,na\u00efve\n".encode("cp1252"))
    asked = chosen(studio, path)
    made = columns.questions(studio.data.get(asked.version).inspection.questions)
    assert '<option value="" selected>Choose one</option>' in made
    assert "&lt;b&gt;id\u0151" in made
    assert "<b>" not in made
    read = arrived(studio, assign_part(studio, asked, Action("read-as", "encoding", "cp1250")))
    inspection = studio.data.get(read.version).inspection
    assert (inspection.choices.encoding, inspection.usable) == ("cp1250", 1)
    assert "Choose one" not in columns.questions(inspection.questions)
    assert assign_part(studio, asked, Action("read-as", "encoding", "cp1250")).version == read.version
    with pytest.raises(DataError, match="cannot be read in this way"):
        assign_part(studio, asked, Action("read-as", "encoding", "rot13"))
    with pytest.raises(DataError, match="cannot be read in this way"):
        assign_part(studio, asked, Action("read-as", "sheet", "cp1250"))


@pytest.mark.case("34-wrappers")
def test_a_list_of_a_document_is_chosen_on_the_page(studio: Studio, tmp_path: Path) -> None:
    path = tmp_path / "lists.json"
    path.write_text('{"people": [{"name": "Ann"}], "faq": [{"question": "<b>Why?", "answer": "So."}]}')
    asked = chosen(studio, path)
    assert "&lt;b&gt;Why?" in columns.questions(studio.data.get(asked.version).inspection.questions)
    read = arrived(studio, assign_part(studio, asked, Action("read-as", "list", "faq")))
    inspection = studio.data.get(read.version).inspection
    assert (inspection.choices.list, inspection.usable) == ("faq", 1)


def test_a_file_is_added_to_the_chosen_version(studio: Studio, copies: Path, table: Path) -> None:
    first = chosen(studio, copies)
    second = arrived(studio, append_files(studio, first, files=[str(table)]))
    dataset = studio.data.get(second.version)
    assert (dataset.version, dataset.family, dataset.inspection.usable) == (2, first.family, 20)
    assert append_files(studio, first, files=None) == first
    assert append_files(studio, Selection(), files=[str(table)]) == Selection()


@pytest.fixture
def two_tabs(studio: Studio, copies: Path) -> tuple[Selection, Selection]:
    """What two tabs look at: one still the first version, the other the second, without the exact copies."""
    first = settle(studio, Selection(), chosen(studio, copies))
    return first, arrived(studio, press_check(studio, first, Action("fix", "drop-duplicates")))


def test_a_change_of_an_older_version_asks_and_is_made_on_the_newest(
    studio: Studio, two_tabs: tuple[Selection, Selection]
) -> None:
    """A version that was made of an older one undid in silence what the newest had done."""
    first, _ = two_tabs
    edited = settle(studio, first, editing.begin(studio, first))
    asked = settle(studio, edited, editing.save(studio, edited, texts=["Really?", "Yes."]))
    assert asked.waiting is not None
    assert asked.editing, "what was typed is still in its fields"
    said = newer.draw(studio, asked.waiting)
    assert "There is a newer version: v2: left out 2 exact copies" in said
    assert "version 1" in said
    assert len(studio.data.all()) == 2
    both = arrived(studio, answer(studio, asked, Action(newer.ON_NEWEST)))
    assert {each.kind for each in studio.data.get(both.version).changes} == {"drop-duplicates", "edit"}
    assert (both.waiting, both.editing) == (None, "")


def test_two_edits_of_one_example_are_not_put_together(studio: Studio, copies: Path) -> None:
    first = settle(studio, Selection(), chosen(studio, copies))
    edited = settle(studio, first, editing.begin(studio, first))
    arrived(studio, editing.save(studio, edited, texts=["Really?", "Yes."]))
    asked = settle(studio, edited, editing.save(studio, edited, texts=["Really?", "No."]))
    with pytest.raises(DataError, match="Version 2 has other words in this example already"):
        answer(studio, asked, Action(newer.ON_NEWEST))
    other = settle(studio, first, replace(first, number=2))
    edited = settle(studio, other, editing.begin(studio, other))
    asked = settle(studio, edited, editing.save(studio, edited, texts=["And this?", "Yes."]))
    both = arrived(studio, answer(studio, asked, Action(newer.ON_NEWEST)))
    assert [each.count for each in studio.data.get(both.version).changes] == [2]


def test_a_person_may_go_on_from_an_older_version_or_leave_it(
    studio: Studio, two_tabs: tuple[Selection, Selection], table: Path
) -> None:
    first, second = two_tabs
    for wanted in (leave_out(studio, first), append_files(studio, first, files=[str(table)])):
        asked = settle(studio, first, wanted)
        assert asked.waiting is not None
        assert answer(studio, asked, Action(newer.NEITHER)) == first
        assert settle(studio, asked, replace(asked, version=second.version)).waiting is None
    alone = arrived(studio, answer(studio, settle(studio, first, leave_out(studio, first)), Action(newer.ON_THIS)))
    assert [each.kind for each in studio.data.get(alone.version).changes] == ["leave-out"]
    assert answer(studio, first, Action(newer.ON_NEWEST)) == first, "nothing waits"


def test_nothing_is_asked_where_the_version_is_there(studio: Studio, two_tabs: tuple[Selection, Selection]) -> None:
    first, second = two_tabs
    assert press_check(studio, first, Action("fix", "drop-duplicates")).version == second.version
