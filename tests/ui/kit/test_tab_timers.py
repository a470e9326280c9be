import gradio as gr

from studio.studio import Studio
from studio.ui.app import OWN_TIMER, build_app
from studio.ui.kit.tab_timers import Paced, make, wire


def test_the_timer_of_the_tab_that_is_opened_runs_and_no_other() -> None:
    with gr.Blocks() as page:
        timers = make(("a", "b"), open_tab="a", seconds=3.0)
        with gr.Tabs():
            tabs = {name: gr.Tab(name, id=name) for name in ("a", "b", "c")}
        always = gr.Timer(5.0)
        wire(timers, tabs, elem_id="all", paced={"c": Paced(always, fast=1.0, slow=5.0)}, pace=gr.HTML())
    assert [timer.active for timer in timers.values()] == [True, False]
    assert {timer.value for timer in timers.values()} == {3.0}
    scripts = {each.targets[0][0]: str(each.js) for each in page.fns.values()}
    for name, tab in tabs.items():
        assert '"timers": [["a", 3.0], ["b", 3.0]]' in scripts[tab._id]
        assert '"tabs": "all"' in scripts[tab._id]
        assert f'"opened": "{name}"' in scripts[tab._id]
        assert '"paced": [["c", 1.0, 5.0]]' in scripts[tab._id]
    outputs = [list(each.outputs) for each in page.fns.values()]
    assert outputs == [[*timers.values(), always]] * 4  # for the three tabs, and for a change of the pace


def test_only_the_run_and_the_header_are_asked_for_while_another_tab_is_open(studio: Studio) -> None:
    page = build_app(studio)
    running = [block for block in page.blocks.values() if isinstance(block, gr.Timer) and block.active]
    assert len(running) == 3  # for the run, for the header, for the Data tab that is open at first
    timers = [block for block in page.blocks.values() if isinstance(block, gr.Timer)]
    followed = 3  # an import, a prompt sheet and a vote, each while it is under way
    assert len(timers) == 2 + followed + len(OWN_TIMER)
