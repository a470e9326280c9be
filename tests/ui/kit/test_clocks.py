import gradio as gr

from studio.studio import Studio
from studio.ui.app import PACES, build_app
from studio.ui.kit.clocks import CHANGES_ADDRESS, Pace, make


def test_a_clock_knows_its_tab_and_its_pace() -> None:
    with gr.Blocks():
        clocks = make({"a": Pace(3.0), "b": Pace(1.0, far=5.0)}, tabs="all")
    assert [each.elem_id for each in clocks.values()] == ["clock-a", "clock-b"]
    script = str(clocks["b"].js_on_load)
    assert '"b", {"open": 1.0, "far": 5.0}' in script
    assert f'"address": "{CHANGES_ADDRESS}", "tabs": "all"' in script


def test_no_timer_runs_while_nothing_is_under_way(studio: Studio) -> None:
    page = build_app(studio)
    assert not [block for block in page.blocks.values() if isinstance(block, gr.Timer) and block.active]
    assert {name for name, pace in PACES.items() if pace.far} == {"train", "header"}
