"""The Data tab: bring a file or take a sample, see what is in it and what the model will learn from it.

Knows how to show a data set; what a data set is, `studio.data` knows.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from studio.config import setting_named
from studio.data.library import Sample
from studio.runs.studio import Studio
from studio.runs.words import counted
from studio.ui import data_cards, data_drawing, fragments
from studio.ui.components import QUIET, html, picker
from studio.ui.errors import shown
from studio.ui.reading import Reading

FILE_TYPES = [".jsonl", ".json", ".csv", ".tsv", ".txt", ".ndjson"]


@dataclass(frozen=True)
class DataTab:
    """The components of the tab. `place` is the number of the example shown, from 0; `drawn` is what was drawn last."""

    upload: gr.File
    samples: Mapping[str, gr.Button]
    added: gr.Textbox
    library: gr.Dropdown
    verdict: gr.HTML
    figures: gr.HTML
    problems: gr.HTML
    left_out: gr.Accordion
    preview: gr.HTML
    previous: gr.Button
    position: gr.HTML
    following: gr.Button
    proceed: gr.Button
    place: gr.State
    drawn: gr.State


def build(studio: Studio) -> DataTab:
    """Lay the tab out."""
    with gr.Row(equal_height=True):
        with gr.Column(scale=5, elem_classes="ls-card"):
            html(fragments.heading("Bring your examples", "Each shows a question and the answer you want."))
            upload = gr.File(
                label="Drop a JSONL, JSON or CSV file", file_types=FILE_TYPES, height=190, elem_id="data-upload"
            )
            html(data_cards.formats())
            added = gr.Textbox(visible=False, label="Data set id")
        with gr.Column(scale=6, elem_classes="ls-card"):
            html(fragments.heading("Or start with a sample", "Small sets that change a small model visibly."))
            samples = {sample.key: _build_sample(sample) for sample in studio.datasets.samples()}
    with gr.Column(elem_classes="ls-card"):
        html(fragments.heading("What is in it"))
        library = picker(label="Data set", info="Everything you brought stays here.", elem_id="data-library")
        verdict = html(data_cards.nothing_yet(), elem_id="data-verdict")
        figures = html("", elem_id="data-figures")
        with gr.Accordion("Rows left out", open=False, visible=False, elem_id="data-problems") as left_out:
            problems = html("")
    with gr.Column(elem_classes="ls-card"):
        html(fragments.heading("What the model reads and learns"))
        preview = html(data_cards.no_preview(), elem_id="data-preview")
        with gr.Row(elem_classes="ls-pager"):
            previous = gr.Button("Previous", size="sm", interactive=False, elem_id="data-previous")
            position = html("", elem_id="data-position")
            following = gr.Button("Next", size="sm", interactive=False, elem_id="data-next")
    with gr.Row(elem_classes="ls-forward"):
        proceed = gr.Button("Next: configure", variant="primary", elem_id="data-proceed")
    return DataTab(
        upload=upload,
        samples=samples,
        added=added,
        library=library,
        verdict=verdict,
        figures=figures,
        problems=problems,
        left_out=left_out,
        preview=preview,
        previous=previous,
        position=position,
        following=following,
        proceed=proceed,
        place=gr.State(0),
        drawn=gr.State(None),
    )


def _build_sample(sample: Sample) -> gr.Button:
    with gr.Row(elem_classes="ls-sample"):
        html(fragments.sample(sample.title, sample.description))
        return gr.Button(f"Use {sample.key.replace('_', ' ')}", size="sm", elem_id=f"data-sample-{sample.key}")


def wire(
    tab: DataTab,
    *,
    studio: Studio,
    reading: Reading,
    model: gr.Dropdown,
    max_length: gr.Number,
    timer: gr.Timer,
    tabs: gr.Tabs,
) -> None:
    """Connect the tab. The preview follows the model and the longest example that the Configure tab has."""
    uploaded = tab.upload.upload(
        shown(functools.partial(add_dataset, studio)),
        inputs_kwargs={"file": tab.upload},
        outputs=[tab.added],
        api_name="add_dataset",
        api_description="Keep an uploaded file as a data set, and return its id.",
    )
    uploaded.failure(lambda: None, outputs=[tab.upload], **QUIET)
    for key, button in tab.samples.items():
        button.click(shown(functools.partial(add_sample, studio, key)), outputs=[tab.added], api_visibility="private")
    tab.added.change(
        shown(functools.partial(choose, studio)),
        inputs=[tab.added],
        outputs=[tab.library, tab.upload, tab.added],
        **QUIET,
    )
    looked_at = {"dataset_id": tab.library, "model": model, "max_length": max_length, "place": tab.place}
    outputs = _outputs(tab)
    for step, triggers in (
        (None, [tab.library.change]),
        (-1, [tab.previous.click]),
        (1, [tab.following.click]),
        (0, [timer.tick, model.change, max_length.change]),
    ):
        gr.on(
            triggers,
            shown(functools.partial(redraw, studio, reading, step)),
            inputs_kwargs={**looked_at, "drawn": tab.drawn},
            outputs=outputs,
            **QUIET,
        )
    tab.proceed.click(lambda: gr.Tabs(selected="configure"), outputs=[tabs], **QUIET)


def _outputs(tab: DataTab) -> list[Any]:
    """List the outputs in the order of `updates`."""
    return [
        tab.verdict,
        tab.figures,
        tab.problems,
        tab.left_out,
        tab.preview,
        tab.position,
        tab.previous,
        tab.following,
        tab.place,
        tab.drawn,
    ]


def add_dataset(studio: Studio, file: str | None) -> str:
    """Keep an uploaded file and return the id of its data set."""
    if not file:
        return ""
    return studio.datasets.add(Path(file)).id


def add_sample(studio: Studio, key: str) -> str:
    """Keep a sample and return the id of its data set."""
    return studio.datasets.add_sample(key).id


def choose(studio: Studio, dataset_id: str) -> tuple[Any, Any, Any]:
    """Select a data set that was just added, and empty the drop zone for the next file."""
    if not dataset_id:
        return gr.skip(), gr.skip(), gr.skip()
    return gr.update(choices=choices(studio), value=dataset_id), None, ""


def choices(studio: Studio) -> list[tuple[str, str]]:
    """List the stored data sets for the dropdown, newest first."""
    return [(f"{each.name} · {counted(each.inspection.usable, 'example')}", each.id) for each in studio.datasets.all()]


def redraw(
    studio: Studio,
    reading: Reading,
    step: int | None,
    *,
    dataset_id: str | None,
    model: str | None,
    max_length: float | None,
    place: int,
    drawn: object,
) -> list[Any]:
    """Show the chosen data set. `step` moves to another example, None starts at the first; 0 draws only what is new."""
    longest = int(max_length or setting_named("max_length").default)
    model = (model or "").strip()
    here = data_drawing.where(reading, model)
    wanted = 0 if step is None else place + step
    now = (dataset_id, model, longest, wanted, str(here.folder), here.trouble)
    if now == drawn:
        return [gr.skip()] * 10
    drawing = data_drawing.draw(studio, reading, dataset_id, model=model, max_length=longest, place=wanted)
    now = (dataset_id, model, longest, drawing.place, str(here.folder), here.trouble)
    return [
        drawing.verdict,
        drawing.figures,
        drawing.problems,
        gr.update(visible=bool(drawing.left_out), label=f"Rows left out ({drawing.left_out:,})"),
        drawing.preview,
        drawing.position,
        gr.update(interactive=not drawing.at_start),
        gr.update(interactive=not drawing.at_end),
        drawing.place,
        now,
    ]
