"""The page as a whole: header, seven tabs and their clocks.

Builds the tabs, then connects them to each other. Never imports torch, neither itself nor through anything it imports.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.blocks import Block
from markupsafe import Markup

from studio.config import STARTER
from studio.graphics_card import card_names, trouble_here
from studio.planning.model_facts import ModelFacts
from studio.studio import Studio
from studio.ui import api
from studio.ui.compare import tab as compare_tab
from studio.ui.compare.tab import CompareTab
from studio.ui.configure import tab as configure_tab
from studio.ui.configure.tab import ConfigureTab
from studio.ui.data import library
from studio.ui.data import tab as data_tab
from studio.ui.data.tab import DataTab
from studio.ui.evaluate import tab as evaluate_tab
from studio.ui.export import tab as export_tab
from studio.ui.frame import first_steps, place
from studio.ui.frame.header import header, machine
from studio.ui.frame.where_kept import where_kept
from studio.ui.kit import clocks, scripts
from studio.ui.kit.clocks import Pace
from studio.ui.kit.components import ACTING, QUIET, html
from studio.ui.kit.errors import report_errors
from studio.ui.language.choice import COOKIE
from studio.ui.language.spoken_page import SpokenPage
from studio.ui.runs import navigation
from studio.ui.runs import tab as runs_tab
from studio.ui.runs.tab import RunsTab
from studio.ui.serving import session_config
from studio.ui.train import tab as train_tab
from studio.ui.train import view as train_view
from studio.ui.train.tab import TrainTab

CALM_SECONDS = 3.0
"""How often at most is looked at what changes seldom. Each look costs the server and the browser a little, and both may
sit on the machine that trains."""

TABS = "tabs"
"""The name of the tabs in the browser."""

QUEUE_SECONDS = 0.02
"""So often Gradio looks for work in its queue. By itself it does so a thousand times a second: a twelfth of a core."""

PACES = {
    "data": Pace(CALM_SECONDS),
    "configure": Pace(CALM_SECONDS),
    # The run at work is followed on every tab: the title of the browser's tab shows it.
    "train": Pace(1.0, far=5.0),
    "compare": Pace(CALM_SECONDS),
    "evaluate": Pace(CALM_SECONDS),
    "export": Pace(CALM_SECONDS),
    "runs": Pace(CALM_SECONDS),
    # What stands above the tabs.
    "header": Pace(CALM_SECONDS, far=CALM_SECONDS),
}


@dataclass(frozen=True)
class _Page:
    """The tabs by their pages, and what leads from one to another."""

    tabs: gr.Tabs
    pages: Mapping[str, gr.Tab]
    data: DataTab
    configure: ConfigureTab
    train: TrainTab
    compare: CompareTab
    evaluate_run: gr.Dropdown
    export_run: gr.Dropdown
    runs: RunsTab

    @property
    def version(self) -> gr.Dropdown:
        """The chooser of the data set."""
        return self.data.library.version

    @property
    def run_choosers(self) -> dict[str, Block]:
        """What chooses the run of each tab that shows one, by the tabs, as in `place.RUN_OF`."""
        return {
            "train": self.train.run,
            "compare": self.compare.run,
            "evaluate": self.evaluate_run,
            "export": self.export_run,
        }


def build_app(studio: Studio, facts: ModelFacts | None = None) -> SpokenPage:
    """Build the page. Everything it shows and does goes through `studio`; `facts` are those that the server watches."""
    facts = facts or ModelFacts(studio)
    kept_seconds = studio.limits.upload_minutes * 60
    app: SpokenPage
    with SpokenPage(title="LoRA Studio", analytics_enabled=False, delete_cache=(600, kept_seconds)) as app:
        app.is_whole = False
        own = clocks.make(PACES, tabs=TABS)
        name, trouble = machine(card_names(), studio.settings.space), trouble_here()
        top = html(
            header(
                name, STARTER, studio.models.state(STARTER), trouble=trouble, kept=_kept(studio), person=studio.person
            ),
            elem_id="header",
            on_load=scripts.on_load("language", COOKIE),
        )
        steps = first_steps.build(studio)
        page = _build_tabs(studio, facts, own=own)
        data_tab.connect(
            page.data,
            controls=page.configure.controls,
            timer=own["data"],
            opened=page.pages["data"].select,
        )
        _connect_start(studio, page)
        _connect_train(studio, page)
        _connect_choosers(studio, page)
        navigation.wire(
            page.runs,
            studio=studio,
            tabs=page.tabs,
            data=page.data,
            configure=page.configure,
            train=page.train,
            compare=page.compare,
            evaluate_run=page.evaluate_run,
            export_run=page.export_run,
        )
        place.wire(studio, tabs=page.tabs, tab_ids=list(page.pages), name=TABS, runs=page.run_choosers)
        targets = first_steps.Targets(page.tabs, page.train.run, page.compare.run, page.compare.message)
        first_steps.wire(steps, studio, facts, targets, clock=own["header"], loaded=app.load)
        api.wire(studio)
        redraw = functools.partial(redraw_header, studio, name, trouble=trouble)
        drawn = gr.State(None)
        gr.on(
            [app.load, own["header"].tick],
            report_errors(redraw),
            inputs=[page.configure.model, drawn],
            outputs=[top, drawn],
            **QUIET,
        )
    app._queue.max_size = studio.limits.actions_waiting
    app._queue.sleep_when_free = QUEUE_SECONDS
    app._queue.progress_update_sleep_when_free = CALM_SECONDS  # nothing here uses Gradio's own bar
    session_config.share(app)
    app.describe()
    return app


def _build_tabs(studio: Studio, facts: ModelFacts, *, own: Mapping[str, gr.HTML]) -> _Page:
    """Lay the tabs out. `own` are their clocks."""
    pages: dict[str, gr.Tab] = {}

    def page(id: str, title: str) -> gr.Tab:
        pages[id] = gr.Tab(title, id=id)
        return pages[id]

    with gr.Tabs(selected="data", overflow_behavior="wrap", elem_classes="ls-tabs", elem_id=TABS) as tabs:
        with page("data", "1. Data"):
            data = data_tab.build(studio, facts, tabs)
        with page("configure", "2. Configure") as opened:
            configure = configure_tab.build(
                studio, facts, tabs=tabs, data=data, timer=own["configure"], opened=opened.select
            )
        with page("train", "3. Train"):
            train = train_tab.build(studio, timer=own["train"])
        with page("compare", "4. Compare") as opened:
            compare = compare_tab.build(studio, timer=own["compare"], opened=opened.select)
        with page("evaluate", "5. Evaluate") as opened:
            evaluate_run = evaluate_tab.build(studio, facts, timer=own["evaluate"], opened=opened.select)
        with page("export", "6. Export") as opened:
            export_run = export_tab.build(studio, timer=own["export"], opened=opened.select)
        with page("runs", "All runs") as opened:
            runs = runs_tab.build(studio, timer=own["runs"], opened=opened.select)
    return _Page(tabs, pages, data, configure, train, compare, evaluate_run, export_run, runs)


def _connect_start(studio: Studio, page: _Page) -> None:
    """Lead from a run that was started to the Train tab, drawn before it is shown: that must not say there is none."""
    chosen = page.configure.start.success(
        report_errors(functools.partial(train_view.refresh_runs, studio)),
        inputs=[page.configure.started],
        outputs=[page.train.run],
        **QUIET,
    )
    page.train.panel.redraws_after(chosen).success(lambda: gr.update(selected="train"), outputs=[page.tabs], **QUIET)


def _connect_train(studio: Studio, page: _Page) -> None:
    """Lead from the run that is followed to its comparison, its evaluation and its data."""
    train, family = page.train, page.data.library.family
    train.compare.click(
        report_errors(functools.partial(jump_to_comparison, studio)),
        inputs=[train.run],
        outputs=[page.tabs, page.compare.run],
        **ACTING,  # without the queue the browser is not told that the run to compare is another one
    )
    train.evaluate.click(
        report_errors(functools.partial(jump_to_evaluation, studio)),
        inputs=[train.run],
        outputs=[page.tabs, page.evaluate_run],
        **QUIET,
    )
    train.data.click(
        report_errors(functools.partial(jump_to_data, studio)),
        inputs=[train.run],
        outputs=[page.tabs, family, page.version],
        **ACTING,
    )


def _connect_choosers(studio: Studio, page: _Page) -> None:
    """Find the runs that there are whenever a tab is opened."""
    for id in ("train", "evaluate", "export"):
        run, refresh = page.run_choosers[id], functools.partial(place.RUN_OF[id], studio)
        page.pages[id].select(report_errors(refresh), inputs=[run], outputs=[run], **QUIET)


def redraw_header(
    studio: Studio, machine_name: str, model: str | None, drawn: str | None, *, trouble: str = ""
) -> tuple[Any, Any]:
    """Say where the chosen base model is; skip when that is what the page says already."""
    name = (model or STARTER).strip() or STARTER
    fresh = str(
        header(machine_name, name, studio.models.state(name), trouble=trouble, kept=_kept(studio), person=studio.person)
    )
    return (gr.skip(), gr.skip()) if fresh == drawn else (fresh, fresh)


def _kept(studio: Studio) -> Markup:
    mirror = None if studio.mirror is None else studio.mirror.state
    return where_kept(studio.settings.space, mirror, now=studio.clock())


def jump_to_comparison(studio: Studio, run_id: str | None) -> tuple[Any, Any]:
    """Show the run that is over beside its base model."""
    return gr.update(selected="compare"), compare_tab.show_run(studio, run_id)


def jump_to_evaluation(studio: Studio, run_id: str | None) -> tuple[Any, Any]:
    """Show how good the run became."""
    return gr.update(selected="evaluate"), evaluate_tab.refresh_runs(studio, run_id)


def jump_to_data(studio: Studio, run_id: str | None) -> tuple[Any, ...]:
    """Show the version of the data set that a run learned from, put back or made again where it is gone."""
    if not run_id:
        return gr.skip(), gr.skip(), gr.skip()
    return gr.update(selected="data"), *library.show(studio, studio.data_of_run(run_id).id)
