import json
from dataclasses import replace
from pathlib import Path

import pytest

from studio.studio import Studio
from studio.ui.data import columns
from studio.ui.data.columns import Assigning, chosen, table, with_part
from studio.ui.kit.actions import Action
from tests.ui.fake_studio import brought


def test_the_guess_is_chosen_in_the_headers(studio: Studio, table_of_three: Path) -> None:
    dataset = brought(studio, table_of_three)
    made = table(dataset.inspection, chosen(dataset, None).parts)
    assert made.count("<select") == 3
    assert made.count('<option value="prompt" selected>Question (prompt)</option>') == 1
    assert made.count('<option value="answer" selected>Answer</option>') == 1
    assert made.count('<option value="ignore" selected>Not used</option>') == 1
    assert 'aria-label="What the column answer holds"' in made


def test_names_and_cells_are_text(studio: Studio, tmp_path: Path) -> None:
    path = tmp_path / "evil.csv"
    evil = "<script>alert(1)</script>"
    path.write_text(f'question,answer,"{evil}""x"\nWhat?,{evil} ${{7*7}} {{{{x}}}},{evil}\nWho?,Me,y\n')
    dataset = brought(studio, path)
    made = table(dataset.inspection, chosen(dataset, None).parts)
    assert "<script" not in made
    assert "&lt;script&gt;" in made


def test_a_part_for_one_column_changes_places() -> None:
    parts = {"a": "prompt", "b": "answer", "c": "ignore"}
    assert with_part(parts, "a", "answer") == {"a": "answer", "b": "prompt", "c": "ignore"}
    assert with_part(parts, "c", "prompt") == {"a": "prompt", "b": "answer", "c": "prompt"}
    assert with_part(parts, "b", "ignore") == {"a": "prompt", "b": "ignore", "c": "ignore"}


def test_what_is_chosen_stands_until_it_suffices(studio: Studio, table_of_three: Path) -> None:
    dataset = brought(studio, table_of_three)
    step = columns.choose(dataset, None, Action("part", "1", "ignore"))
    assert step == Assigning(dataset.id, ("prompt", "ignore", "ignore"))
    assert "answer" in chosen(dataset, step).verdict
    enough = columns.choose(dataset, step, Action("part", "2", "answer"))
    assert enough is not None
    assert chosen(dataset, enough).verdict == ""
    elsewhere = replace(enough, dataset_id="another")
    assert chosen(dataset, elsewhere).roles == dataset.inspection.roles


@pytest.mark.parametrize(
    "press", [Action(), Action("part", "9", "answer"), Action("part", "0", "owner"), Action("x", "0", "answer")]
)
def test_a_press_that_is_none_of_ours_chooses_nothing(studio: Studio, table: Path, press: Action) -> None:
    assert columns.choose(brought(studio, table), None, press) is None


def test_several_columns_make_the_question_by_a_template(studio: Studio, table_of_three: Path) -> None:
    dataset = brought(studio, table_of_three)
    assert not chosen(dataset, None).needs_template
    both = columns.choose(dataset, None, Action("part", "2", "prompt"))
    now = chosen(dataset, both)
    assert now.needs_template
    assert columns.default_template(now.roles) == "{question}\n\n{ticket}"
    assert "oops" in chosen(dataset, columns.with_template(dataset, both, "{oops}")).verdict
    worded = columns.with_template(dataset, both, "{ticket}: {question}")
    assert chosen(dataset, worded).roles.template == "{ticket}: {question}"
    alone = columns.choose(dataset, worded, Action("part", "2", "ignore"))
    assert alone is not None
    assert alone.template == ""


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        (
            '[{"role": "user", "content": "Say \\"hi\\"."}, {"role": "assistant", "content": "Hi, caf\\u00e9 own',
            'user: Say "hi". / assistant: Hi, café own',
        ),
        (
            '[{"value": "Why?", "from": "human"}, {"value": "So", "fr',
            '[{"value": "Why?", "from": "human"}, {"value": "So", "fr',
        ),
        ('[{"from": "human", "value": "Why?"}, {"from": "gp', "human: Why?"),
        ("plain words", "plain words"),
        ('[{"question": "Why?"}]', '[{"question": "Why?"}]'),
    ],
)
def test_a_conversation_is_shown_as_turns(cell: str, shown: str) -> None:
    assert columns.turns(cell) == shown


def test_only_conversations_are_shown_so(studio: Studio, tmp_path: Path) -> None:
    path = tmp_path / "chats.jsonl"
    turns = [{"role": "user", "content": "<b>Why</b>?"}, {"role": "assistant", "content": "So it is."}]
    path.write_text(f"{json.dumps({'messages': turns})}\n" * 3, encoding="utf-8")
    dataset = brought(studio, path)
    made = table(dataset.inspection, chosen(dataset, None).parts)
    assert "user: &lt;b&gt;Why&lt;/b&gt;? / assistant: So it is." in made
    assert "&#34;role&#34;" in table(dataset.inspection, {"messages": "ignore"})
