"""What programs can ask of the page's server: the named endpoints that are not a press of a button on the page.

`start_run` is the press of a button; its tab names it.
"""

import functools
from typing import Any

import gradio as gr
from gradio.events import api

from studio.compare.answering import Answers, GenerationSettings, answers, check_asked
from studio.compare.chat_protocol import BASE, PaneRequest
from studio.compare.pane_models import pane_model
from studio.data.examples import Message
from studio.errors import RunError
from studio.jobs.imports import ImportRequest
from studio.studio import Studio
from studio.ui.export.view import export_address
from studio.ui.kit.errors import report_errors


def wire(studio: Studio) -> None:
    """Offer `add_dataset`, `run_status`, `ask` and `export_run`."""
    # A file reaches a listener only through a component. This one is never shown, so it costs the page nothing.
    file = gr.File(visible=False, label="A file of examples")
    file.upload(
        report_errors(functools.partial(add_dataset, studio)),
        inputs_kwargs={"file": file},
        outputs=[gr.Textbox(visible=False, label="Data set id")],
        api_name="add_dataset",
        api_description="Keep an uploaded file as a data set, and return its id.",
        concurrency_limit=4,
    )

    def run_status(run_id: str) -> dict[str, Any]:
        """Say what a run is at: status, step, losses, time left, and whether it has a result."""
        return status_of(studio, run_id)

    def ask(
        run_id: str,
        prompt: str,
        system_prompt: str = "",
        temperature: float = 0.0,
        longest_answer: int = 160,
        seed: int = 42,
    ) -> dict[str, str]:
        """Put one question to the base model and the tuned one; return both answers."""
        generation = GenerationSettings(system_prompt, temperature, longest_answer, seed)
        return ask_once(studio, run_id, prompt, generation=generation)

    def export_run(run_id: str, kind: str = "adapter") -> dict[str, Any]:
        """Prepare an export, "adapter", "merged" or one such as "gguf-q8_0", unless it is there; say what it is at."""
        return export_of(studio, run_id, kind)

    api(report_errors(run_status), api_name="run_status", concurrency_limit=None)
    api(report_errors(ask), api_name="ask", concurrency_limit=8)
    api(report_errors(export_run), api_name="export_run", concurrency_limit=None)


def status_of(studio: Studio, run_id: str) -> dict[str, Any]:
    """Say what a run is at. Raises RunError when there is no such run.

    `held_out_part` says over how many of how many examples the loss is, None where it is over all.
    """
    state = studio.scheduler.view(run_id)
    view = state.view
    check = view.evaluations[-1] if view.evaluations else None
    return {
        "run": state.run.id,
        "status": state.status,
        "headline": state.headline,
        "step": view.step,
        "total_steps": view.total_steps,
        "loss": view.steps[-1].loss if view.steps else None,
        "held_out_loss": None if check is None else check.figure,
        "held_out_part": list(check.only) if check is not None and check.only is not None else None,
        "seconds_left": state.seconds_left,
        "has_result": state.run.result is not None,
    }


def export_of(studio: Studio, run_id: str, kind: str) -> dict[str, Any]:
    """Start an export if it is not there, and say what it is at. Raises RunError or ExportError.

    `download` is its address below that of the page, once it is ready.
    """
    state = studio.start_export(run_id, kind)
    download = export_address(studio, run_id, kind) if state.result else ""
    return {"status": state.status, "sentence": state.sentence, "download": download}


def add_dataset(studio: Studio, file: str | None) -> str:
    """Keep a file and return the id of its data set. Raises DataError with what is wrong, and RunError."""
    return studio.add_dataset(ImportRequest(files=(file,))).id if file else ""


def ask_once(studio: Studio, run_id: str, prompt: str, *, generation: GenerationSettings) -> dict[str, str]:
    """Return the base model's and the tuned model's whole answers to one question."""
    check_asked(studio.limits, generation, [prompt])
    start = (Message("system", generation.system),) if generation.system.strip() else ()
    messages = (*start, Message("user", prompt))
    run = pane_model(studio, f"run:{run_id}")
    panes = [PaneRequest(adapter, messages) for adapter in (BASE, run.folder)]
    last = Answers(())
    for now in answers(studio.chat, run.base, panes, generation=generation):
        last = now
    base, tuned = last.panes
    for trouble in filter(None, (base.trouble, tuned.trouble)):
        raise RunError(trouble)
    return {"base": base.text, "tuned": tuned.text}
