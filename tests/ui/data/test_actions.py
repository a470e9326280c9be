from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from studio.planning.model_facts import ModelFacts
from studio.studio import Studio
from studio.ui.data.actions import (
    assign_part,
    find,
    leave_out,
    offer_held_out,
    place_of,
    press_check,
    redraw,
    use_template,
)
from studio.ui.data.imports import follow
from studio.ui.data.view import PARTS
from studio.ui.kit.actions import Action
from tests.ui.fake_studio import brought

SKIP = gr.skip()


def sent(studio: Studio, facts: ModelFacts, **values: Any) -> list[Any]:
    given: dict[str, Any] = {"dataset_id": None, "other_id": "", "number": 1, "special": False, "assigning": None}
    return redraw(studio, facts, **{**given, "drawn": None, "model": "starter", "max_length": 512, **values})


def test_only_what_is_new_is_sent(studio: Studio, facts: ModelFacts, table: Path) -> None:
    id = brought(studio, table).id
    first = sent(studio, facts, dataset_id=id)
    assert len(first) == len(PARTS) + 4
    assert sent(studio, facts, dataset_id=id, drawn=first[-3]) == [SKIP] * len(first)
    moved = sent(studio, facts, dataset_id=id, number=2, drawn=first[-3])
    assert moved[PARTS.index("verdict")] == SKIP
    assert "What is 1?" in moved[PARTS.index("preview")]


def test_a_number_beyond_the_data_is_corrected(studio: Studio, facts: ModelFacts, table: Path) -> None:
    id = brought(studio, table).id
    last = sent(studio, facts, dataset_id=id, number=10)
    assert last[-4] == SKIP
    assert last[PARTS.index("following")]["interactive"] is False
    again = [sent(studio, facts, dataset_id=id, number=number, drawn=last[-3])[-4] for number in (99, 99, -3, 0)]
    assert again == [10, 10, 1, 1]


@pytest.mark.parametrize("number", [None, "x", True, float("nan"), float("inf")])
def test_what_is_no_number_shows_the_first(number: object) -> None:
    assert place_of(number) == 0


def test_another_data_set_starts_at_its_first_and_a_version_stays(
    studio: Studio, facts: ModelFacts, table: Path, mixed_lengths: Path
) -> None:
    first, other = brought(studio, table), brought(studio, mixed_lengths)
    version = studio.data.get(follow(studio, leave_out(studio, first.id, 10, [])[0], []).dataset_id)
    before = sent(studio, facts, dataset_id=first.id, number=8)[-3]
    assert sent(studio, facts, dataset_id=version.id, number=8, drawn=before)[-4] == SKIP
    assert sent(studio, facts, dataset_id=other.id, number=8, drawn=before)[-4] == 1


def test_a_data_set_that_another_page_deleted_is_gone(studio: Studio, facts: ModelFacts, table: Path) -> None:
    """The timer would show the same trouble again every three seconds."""
    dataset = brought(studio, table)
    before = sent(studio, facts, dataset_id=dataset.id)[-3]
    studio.data.delete(dataset.id)
    after = sent(studio, facts, dataset_id=dataset.id, other_id=dataset.id, drawn=before)
    assert "No data set yet" in after[0]


def test_what_remains_is_shown_at_once(studio: Studio, facts: ModelFacts, table: Path, copies: Path) -> None:
    """For a moment the page said that there is no data set, though others were there."""
    other, dataset = brought(studio, table), brought(studio, copies)
    before = sent(studio, facts, dataset_id=dataset.id)[-3]
    studio.data.delete(dataset.id)
    after = sent(studio, facts, dataset_id=dataset.id, drawn=before)
    assert "Ready: 10 examples" in after[0]
    assert [picker["value"] for picker in after[-2:]] == [other.root, other.id]


def test_search_goes_round(facts: ModelFacts, studio: Studio, table: Path) -> None:
    id = brought(studio, table).id
    assert find(facts, id, "what is 7", 1) == (8, "")
    number, said = find(facts, id, "WHAT IS 0", 5)
    assert (number, "first that holds it" in said) == (1, True)
    assert "No other example" in find(facts, id, "what is 4", 5)[1]
    nothing, said = find(facts, id, "<b>nowhere", 5)
    assert nothing == SKIP
    assert "No example holds “&lt;b&gt;nowhere”." in said
    assert find(facts, None, "x", 1) == (SKIP, "")
    assert "Type a word to search for" in find(facts, id, " ", 1)[1]


def test_the_buttons_of_the_checks(studio: Studio, copies: Path) -> None:
    dataset = brought(studio, copies)

    def pressed(verb: str, key: str = "", *, id: str = dataset.id) -> tuple[Any, Any, Any]:
        return press_check(studio, Action(verb, key), dataset_id=id, number=1, started=[])

    kind = next(each.kind for each in dataset.inspection.findings if each.places)
    assert pressed("show", kind)[0] > 1
    _, started, _ = pressed("fix", "drop-duplicates")
    second = follow(studio, started, []).dataset_id
    number, started, version = pressed("undo", "drop-duplicates", id=second)
    assert (number, started, version["value"]) == (SKIP, SKIP, dataset.id)
    assert pressed("format the disk") == pressed("") == (SKIP, SKIP, SKIP)
    assert press_check(studio, Action("fix"), dataset_id=None, number=1, started=[]) == (SKIP, SKIP, SKIP)


def test_a_wrong_guess_is_one_click_to_fix(studio: Studio, table: Path) -> None:
    dataset = brought(studio, table)
    assigning, started, _ = assign_part(
        studio, Action("part", "0", "answer"), dataset_id=dataset.id, assigning=None, started=[]
    )
    assert assigning.parts == ("answer", "prompt")
    fresh = studio.data.examples(follow(studio, started, []).dataset_id)
    assert fresh[0].messages[-1].content == "What is 0?"
    nothing = assign_part(studio, Action("part", "0", "owner"), dataset_id=dataset.id, assigning=None, started=[])
    assert nothing == (SKIP, SKIP, SKIP)


def test_a_template_makes_the_question(studio: Studio, table_of_three: Path) -> None:
    dataset = brought(studio, table_of_three)
    assigning, started, _ = assign_part(
        studio, Action("part", "2", "prompt"), dataset_id=dataset.id, assigning=None, started=[]
    )
    both = studio.data.get(follow(studio, started, []).dataset_id)
    _, started, _ = use_template(studio, both.id, assigning, "{ticket}: {question}", [])
    worded = studio.data.examples(follow(studio, started, []).dataset_id)
    assert worded[0].messages[0].content == "T-0: How do I fix part 0?"


def test_what_is_held_out_stays_while_it_is_there(studio: Studio, table: Path, mixed_lengths: Path) -> None:
    first, other = brought(studio, table), brought(studio, mixed_lengths)
    assert offer_held_out(studio, first.id, other.id)["value"] == other.id
    assert offer_held_out(studio, other.id, other.id)["value"] == ""
