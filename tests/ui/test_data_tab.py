from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from studio.errors import DataError
from studio.runs.studio import Studio
from studio.ui.data_drawing import draw
from studio.ui.data_tab import add_dataset, add_sample, choices, choose, redraw
from studio.ui.reading import Reading


def drawn_with(studio: Studio, reading: Reading, step: int | None, **values: Any) -> list[Any]:
    given = {"dataset_id": None, "model": "starter", "max_length": 512, "place": 0, "drawn": None, **values}
    return redraw(studio, reading, step, **given)


def test_an_upload_is_kept_and_selected(studio: Studio, table: Path) -> None:
    id = add_dataset(studio, str(table))
    library, upload, added = choose(studio, id)
    assert library["value"] == id
    assert library["choices"] == choices(studio) == [("mixed · 10 examples", id)]
    assert (upload, added) == (None, "")


def test_a_file_that_is_not_one_is_refused(studio: Studio, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(b"%PDF-1.7 ...")
    with pytest.raises(DataError, match="PDF"):
        add_dataset(studio, str(path))


def test_the_verdict_counts_what_is_usable(studio: Studio, reading: Reading, table: Path) -> None:
    id = add_dataset(studio, str(table))
    drawing = draw(studio, reading, id, model="starter", max_length=512, place=0)
    assert "Ready: 10 examples, question / answer. 2 rows left out." in drawing.verdict
    assert "Row 12" in drawing.problems or "Row 11" in drawing.problems
    assert drawing.position == "Example 1 of 10 (row 2 of the file)" or drawing.position.startswith("Example 1 of 10")


def test_the_preview_is_escaped_and_marks_what_is_learned(studio: Studio, reading: Reading, table: Path) -> None:
    id = add_dataset(studio, str(table))
    preview = draw(studio, reading, id, model="starter", max_length=512, place=3).preview
    assert "<mark>It is 3 &lt;b&gt;bold&lt;/b&gt; {{x}}</mark>" in preview
    assert "<code>&lt;|im_start|&gt;</code>" in preview
    assert "<mark><code>&lt;|im_end|&gt;</code></mark>" in preview


def test_long_examples_are_counted_against_the_limit(studio: Studio, reading: Reading, table: Path) -> None:
    id = add_dataset(studio, str(table))
    figures = draw(studio, reading, id, model="starter", max_length=10, place=0).figures
    assert "over 10 tokens" in figures


def test_without_the_model_plain_bubbles_stand_in(bare_studio: Studio, table: Path) -> None:
    reading = Reading(bare_studio.settings.home, bare_studio.datasets)
    id = add_dataset(bare_studio, str(table))
    drawing = draw(bare_studio, reading, id, model="starter", max_length=512, place=0)
    assert "ls-bubble" in drawing.preview
    assert "as soon as the model has arrived" in drawing.preview
    assert "tokens" not in drawing.figures


def test_only_what_is_new_is_sent(studio: Studio, reading: Reading) -> None:
    id = add_sample(studio, "kettlewick_support")
    first = drawn_with(studio, reading, None, dataset_id=id)
    again = drawn_with(studio, reading, 0, dataset_id=id, drawn=first[-1])
    assert again == [gr.skip()] * len(first)


def test_the_pages_of_the_preview_end_where_the_data_does(studio: Studio, reading: Reading, table: Path) -> None:
    id = add_dataset(studio, str(table))
    last = drawn_with(studio, reading, 1, dataset_id=id, place=8)
    assert last[-2] == 9
    assert last[7]["interactive"] is False
    beyond = drawn_with(studio, reading, 1, dataset_id=id, place=9)
    assert beyond[-2] == 9


def test_another_data_set_starts_at_its_first_example(studio: Studio, reading: Reading, table: Path) -> None:
    id = add_dataset(studio, str(table))
    assert drawn_with(studio, reading, None, dataset_id=id, place=7)[-2] == 0


def test_no_data_set_says_what_will_fill_the_place(studio: Studio, reading: Reading) -> None:
    sent = drawn_with(studio, reading, None)
    assert "No data set yet" in sent[0]
    assert "Nothing to preview yet" in sent[4]


def test_the_verdict_says_what_is_too_long(studio: Studio, reading: Reading, mixed_lengths: Path) -> None:
    id = add_dataset(studio, str(mixed_lengths))
    long = draw(studio, reading, id, model="starter", max_length=512, place=0)
    assert "Ready: 9 of 12 examples" in long.verdict
    assert "3 are longer than 512 tokens and will be left out." in long.verdict
    assert "ls-warning" in long.verdict
    assert "This example will not be learned" in long.preview
    assert "will not be learned" not in draw(studio, reading, id, model="starter", max_length=512, place=1).preview
    assert "none fits into 8 tokens" in draw(studio, reading, id, model="starter", max_length=8, place=0).verdict


def test_the_rows_left_out_are_counted_in_their_heading(studio: Studio, reading: Reading, table: Path) -> None:
    left_out = drawn_with(studio, reading, None, dataset_id=add_dataset(studio, str(table)))[3]
    assert left_out["visible"] is True
    assert left_out["label"] == "Rows left out (2)"


def test_without_a_model_the_preview_asks_for_one(studio: Studio, reading: Reading, table: Path) -> None:
    sent = drawn_with(studio, reading, None, dataset_id=add_dataset(studio, str(table)), model="")
    assert "No base model is chosen." in sent[4]
