import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from studio.config import STARTER, RunConfig
from studio.data.checking.findings import Finding
from studio.planning.fitting import usable_settings
from studio.planning.model_facts import ModelFacts
from studio.studio import Studio
from studio.ui.data import view
from studio.ui.data.columns import Assigning
from studio.ui.data.state import Selection
from studio.ui.kit.drawn import Drawn, only_new
from tests.ui.fake_studio import brought


def draw(studio: Studio, facts: ModelFacts, selection: Selection, page: Drawn | None = None) -> dict[str, Any]:
    """What a page is sent that shows `page`, and what it shows then."""
    sent, then = only_new(view.draw(studio, facts, selection), page or Drawn())
    return {**sent, "drawn": then}


def drawn(studio: Studio, facts: ModelFacts, dataset_id: str, *, place: int = 0, **more: Any) -> dict[str, Any]:
    return draw(studio, facts, Selection(version=dataset_id, number=place + 1, **{"model": STARTER, **more}))


def test_only_what_is_new_is_sent(studio: Studio, facts: ModelFacts, table: Path) -> None:
    selection = Selection(version=brought(studio, table).id, model=STARTER)
    while (first := draw(studio, facts, selection)) and "histogram" in first and not first["histogram"]["counts"]:
        time.sleep(0.01)
    assert draw(studio, facts, selection, first["drawn"]) == {"drawn": first["drawn"]}
    moved = draw(studio, facts, replace(selection, number=10), first["drawn"])
    assert moved.keys() == {"preview", "exact", "position", "previous", "following", "drawn"}
    assert "What is 9?" in moved["preview"]
    assert moved["following"]["interactive"] is False


def test_the_verdict_counts_what_is_usable(studio: Studio, facts: ModelFacts, table: Path) -> None:
    parts = drawn(studio, facts, brought(studio, table).id)
    assert "Ready: 10 examples, question → answer.<" in parts["verdict"]
    assert "2 rows left out." in parts["verdict"]
    assert "Row 12" in parts["problems"]
    assert parts["left_out"]["visible"] is True
    assert parts["left_out"]["label"] == "Rows left out (2)"
    assert parts["position"] == "of 10 · row 2 of the file"
    assert "12 rows of CSV in mixed.csv." in parts["how_read"]


def test_the_preview_is_escaped_and_marks_what_is_learned(studio: Studio, facts: ModelFacts, table: Path) -> None:
    parts = drawn(studio, facts, brought(studio, table).id, place=3, special=True)
    assert (
        'ls-learns"><small>Answer</small><span translate="no">It is 3 &lt;b&gt;bold&lt;/b&gt; {{x}}' in parts["preview"]
    )
    exact = parts["exact"]
    assert "<mark>It is 3 &lt;b&gt;bold&lt;/b&gt; {{x}}</mark>" in exact
    assert "<code>&lt;|im_start|&gt;</code>" in exact
    assert "<mark><code>&lt;|im_end|&gt;</code></mark>" in exact
    assert "<dt>Question</dt>" in exact
    assert parts["exact_box"]["label"].startswith("Exactly what the model reads: ")


def test_without_the_model_plain_bubbles_stand_in(bare_studio: Studio, table: Path) -> None:
    parts = drawn(bare_studio, ModelFacts(bare_studio), brought(bare_studio, table).id)
    assert "ls-bubble" in parts["preview"]
    assert "as soon as the model has arrived" in parts["exact"]
    assert "as soon as the model has arrived" in parts["figures"]
    assert parts["histogram"]["counts"] == []
    assert "10 examples held out" not in parts["held_out_said"]
    assert "1 example held out, 9 examples to learn from." in parts["held_out_said"]


def test_without_a_model_the_preview_asks_for_one(studio: Studio, facts: ModelFacts, table: Path) -> None:
    parts = drawn(studio, facts, brought(studio, table).id, model="")
    assert "No base model is chosen." in parts["exact"]
    assert "No base model is chosen." in parts["figures"]


def test_what_is_too_long_is_said(studio: Studio, facts: ModelFacts, mixed_lengths: Path) -> None:
    id = brought(studio, mixed_lengths).id
    parts = drawn(studio, facts, id)
    assert "Ready: 9 of 12 examples" in parts["verdict"]
    assert "ls-warning" in parts["verdict"]
    assert "3 examples are longer than 512 tokens and will be skipped." in parts["meaning"]
    assert "This example will be skipped" in parts["preview"]
    assert "will be skipped" not in drawn(studio, facts, id, place=1)["preview"]
    assert sum(parts["histogram"]["counts"]) == 12
    assert parts["histogram"]["limit"] == 512
    cut = drawn(studio, facts, id, overlong="cut")
    assert "Ready: 12 examples" in cut["verdict"]
    assert "will be shortened" in cut["meaning"]
    assert "none fits" in drawn(studio, facts, id, max_length=8)["verdict"]


def test_steps_follow_from_the_form(studio: Studio, facts: ModelFacts, table: Path) -> None:
    parts = drawn(studio, facts, brought(studio, table).id, batch_size=2, epochs=5, validation_share=0.0)
    assert "A run makes 25 steps: 5 times through 10 examples, 2 at a step." in parts["meaning"]


def test_a_field_that_is_half_typed_does_not_matter(studio: Studio, facts: ModelFacts, table: Path) -> None:
    assert usable_settings(RunConfig(max_length=0, epochs=3)) == RunConfig(epochs=3)
    parts = drawn(studio, facts, brought(studio, table).id, max_length=0.5, seed=-1, validation_share=7.0)
    assert "Ready: 10 examples" in parts["verdict"]


def test_columns_that_nobody_knows_are_asked_for(studio: Studio, facts: ModelFacts, tmp_path: Path) -> None:
    path = tmp_path / "numbers.csv"
    path.write_text("a,b\n" + "\n".join(f"{n},{n * n}" for n in range(9)) + "\n")
    dataset = brought(studio, path)
    parts = drawn(studio, facts, dataset.id)
    assert "Not ready yet." in parts["verdict"]
    assert parts["body"]["visible"] is False
    assert parts["table"].count("<select") == 2
    half = draw(studio, facts, Selection(version=dataset.id, assigning=Assigning(dataset.id, ("prompt", "ignore"))))
    assert "answer" in half["verdict"]
    assert '<option value="prompt" selected>' in half["table"]
    whole = draw(studio, facts, Selection(version=dataset.id, assigning=Assigning(dataset.id, ("prompt", "answer"))))
    assert "Not ready yet. The file is still to be read" in whole["verdict"], "0 examples were said to be ready"


def test_nothing_says_what_will_fill_the_place(studio: Studio, facts: ModelFacts) -> None:
    parts = draw(studio, facts, Selection())
    assert "No data set yet" in parts["verdict"]
    assert parts["body"]["visible"] is parts["checks_card"]["visible"] is False


@pytest.mark.timeout(60)
def test_another_data_set_is_compared_in_the_background(
    studio: Studio, facts: ModelFacts, table: Path, tmp_path: Path
) -> None:
    dataset = brought(studio, table)
    path = tmp_path / "check.csv"
    path.write_text("question,answer\nWhat is 3?,Something\nWhat is new?,This\nAnd what else?,That\n")
    selection = Selection(version=dataset.id, other=brought(studio, path).id, model=STARTER)
    while "being compared" in (said := draw(studio, facts, selection)["held_out_said"]):
        time.sleep(0.01)
    assert "3 examples of check for checking; all of this data set, 10 examples, to learn from." in said
    assert "ls-findings" in said
    found = facts.overlap(selection.version, selection.other)
    assert isinstance(found, Finding)
