import subprocess
import sys

import gradio as gr

from studio.config import settings
from studio.studio import Studio
from studio.ui.app import build_app, jump_to_data, redraw_header
from studio.ui.kit.form import TERMINAL_ONLY
from tests.ui.fake_studio import finished_run

ENDPOINTS = {"/add_dataset", "/start_run", "/run_status", "/ask", "/export_run"}


def test_the_endpoints_are_these_and_no_others(studio: Studio) -> None:
    described = build_app(studio).get_api_info()
    assert set(described["named_endpoints"]) == ENDPOINTS
    start = described["named_endpoints"]["/start_run"]
    names = {parameter["parameter_name"] for parameter in start["parameters"]}
    offered = {setting.name for setting in settings()} - {*TERMINAL_ONLY}
    assert names == {"dataset_id", "validation_dataset_id", *offered}


def test_a_press_that_sets_what_is_followed_goes_through_the_queue(studio: Studio) -> None:
    """Beside the queue the browser is not told of another state: a button that led to another run led nowhere."""
    page = build_app(studio)
    followed = {id for fn in page.fns.values() for id, event in fn.targets if event == "change"}
    states = {id for id in followed if isinstance(page.blocks[id], gr.State)}
    assert states
    for fn in page.fns.values():
        pressed = [page.blocks[id] for id, event in fn.targets if event in ("click", "submit") and id is not None]
        if states & {block._id for block in fn.outputs} and any(isinstance(each, gr.Button) for each in pressed):
            assert fn.queue, f"{pressed[0].elem_id} sets a state that others follow"


def test_the_queue_looks_for_work_now_and_then(studio: Studio) -> None:
    """A thousand times a second, as by itself, took a twelfth of a core from a training that nobody watched."""
    queue = build_app(studio)._queue
    looks = {name: value for name, value in vars(queue).items() if "sleep_when_free" in name}
    assert len(looks) == 2
    assert min(looks.values()) >= 0.02


def test_importing_the_page_leaves_torch_alone() -> None:
    code = "import sys, studio.ui.app; print(sorted({'torch', 'transformers', 'peft'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_the_data_of_a_run_is_shown_even_when_it_was_deleted(studio: Studio) -> None:
    run = finished_run(studio, dataset_id=studio.data.add_sample("order_slips").id)
    studio.data.delete(run.origin.dataset_id)
    tabs, family, version = jump_to_data(studio, run.id)
    assert tabs["selected"] == "data"
    assert (family["value"], version["value"]) == (run.origin.dataset_id, run.origin.dataset_id)
    assert all("value" not in each for each in jump_to_data(studio, None)[1:])


def test_the_header_is_sent_once(studio: Studio) -> None:
    fresh, drawn = redraw_header(studio, "2 CPU cores", "starter", None)
    assert "Starter model: ready" in fresh
    assert "2 CPU cores" in fresh
    assert redraw_header(studio, "2 CPU cores", "starter", drawn) == (gr.skip(), gr.skip())
