"""The page as a whole: header, seven tabs and their timers.

Builds the tabs, then connects them to each other. Never imports torch, neither itself nor through anything it imports.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.events import Dependency

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
from studio.ui.export import view as export_view
from studio.ui.header import header, machine
from studio.ui.kit import run_choices, tab_timers
from studio.ui.kit.components import ACTING, QUIET, html
from studio.ui.kit.errors import asking_page, report_errors
from studio.ui.kit.pace import Pace
from studio.ui.kit.sent_values import CheckedPage
from studio.ui.runs import navigation
from studio.ui.runs import tab as runs_tab
from studio.ui.runs.tab import RunsTab
from studio.ui.serving import session_config
from studio.ui.train import tab as train_tab
from studio.ui.train import view as train_view
from studio.ui.train.tab import TrainTab

TICK_SECONDS = 1.0
CALM_TICK_SECONDS = 3.0
"""How often is looked at what changes seldom. Each look costs the server and the browser a little, and both may sit on
the machine that trains."""

FAR_TICK_SECONDS = 5.0
"""How often the run is looked at while another tab is open: only the title of the browser's tab shows it then."""

TABS = "tabs"
"""The name of the tabs in the browser."""

OWN_TIMER = ("data", "configure", "compare", "evaluate", "export", "runs")
"""The tabs that are looked at only while they are open. The run at work is followed on every tab, for the title."""


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


def build_app(studio: Studio) -> gr.Blocks:
    """Build the page. Everything it shows and does goes through `studio`."""
    facts = ModelFacts(studio)
    kept_seconds = studio.limits.upload_minutes * 60
    app: gr.Blocks
    with CheckedPage(title="LoRA Studio", analytics_enabled=False, delete_cache=(600, kept_seconds)) as app:
        timer, calm = gr.Timer(FAR_TICK_SECONDS), gr.Timer(CALM_TICK_SECONDS)
        own = tab_timers.make(OWN_TIMER, open_tab="data", seconds=CALM_TICK_SECONDS)
        name, trouble = machine(card_names()), trouble_here()
        top = html(header(name, STARTER, studio.models.state(STARTER), trouble=trouble), elem_id="header")
        page = _build_tabs(studio, facts, timer=timer, own=own, loaded=app.load)
        data_tab.connect(
            page.data,
            controls=page.configure.controls,
            timer=own["data"],
            opened=page.pages["data"].select,
            loaded=app.load,
        )
        started = configure_tab.wire(
            page.configure,
            studio=studio,
            facts=facts,
            dataset=page.version,
            held_out=page.data.held_out,
            timer=own["configure"],
            opened=page.pages["configure"].select,
        )
        _connect_start(studio, page, started)
        _connect_train(studio, page)
        _connect_choosers(studio, page, loaded=app.load)
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
        api.wire(studio)
        tab_timers.wire(
            own,
            {str(each.id): each for each in page.pages.values()},
            elem_id=TABS,
            paced={
                "train": tab_timers.Paced(timer, fast=TICK_SECONDS, slow=FAR_TICK_SECONDS),
                "header": tab_timers.Paced(calm, fast=CALM_TICK_SECONDS, slow=CALM_TICK_SECONDS),
            },
            pace=top,
        )
        redraw = functools.partial(redraw_header, studio, name, Pace(), trouble=trouble)
        drawn = gr.State(None)
        calm.tick(report_errors(redraw), inputs=[page.configure.model, drawn], outputs=[top, drawn], **QUIET)
    app.queue(max_size=studio.limits.actions_waiting)
    session_config.share(app)
    return app


def _build_tabs(
    studio: Studio, facts: ModelFacts, *, timer: gr.Timer, own: Mapping[str, gr.Timer], loaded: Callable[..., Any]
) -> _Page:
    """Lay the tabs out. `timer` is that of the Train tab, `own` those of the others; `loaded` is the page's event."""
    pages: dict[str, gr.Tab] = {}

    def page(id: str, title: str) -> gr.Tab:
        pages[id] = gr.Tab(title, id=id)
        return pages[id]

    with gr.Tabs(selected="data", overflow_behavior="wrap", elem_classes="ls-tabs", elem_id=TABS) as tabs:
        with page("data", "1. Data"):
            data = data_tab.build(studio, facts, tabs)
        with page("configure", "2. Configure"):
            configure = configure_tab.build()
        with page("train", "3. Train"):
            train = train_tab.build(studio, timer=timer)
        with page("compare", "4. Compare") as opened:
            compare = compare_tab.build(studio, timer=own["compare"], opened=opened.select, loaded=loaded)
        with page("evaluate", "5. Evaluate") as opened:
            evaluate_run = evaluate_tab.build(studio, facts, timer=own["evaluate"], opened=opened.select)
        with page("export", "6. Export") as opened:
            export_run = export_tab.build(studio, timer=own["export"], opened=opened.select)
        with page("runs", "All runs") as opened:
            runs = runs_tab.build(studio, timer=own["runs"], opened=opened.select)
    return _Page(tabs, pages, data, configure, train, compare, evaluate_run, export_run, runs)


def _connect_start(studio: Studio, page: _Page, started: Dependency) -> None:
    """Lead from a run that was started to the Train tab, drawn before it is shown: that must not say there is none."""
    chosen = started.success(
        report_errors(functools.partial(train_view.refresh_runs, studio)),
        inputs=[page.configure.started],
        outputs=[page.train.run],
        **QUIET,
    )
    page.train.panel.redraws_after(chosen).success(lambda: gr.Tabs(selected="train"), outputs=[page.tabs], **QUIET)
    started.success(lambda: ("", ""), outputs=[page.configure.source, page.configure.editing], **QUIET)


def _connect_train(studio: Studio, page: _Page) -> None:
    """Lead from the run that is followed to its comparison, its evaluation and its data."""
    train, family = page.train, page.data.library.family
    train.compare.click(
        report_errors(functools.partial(jump_to_comparison, studio)),
        inputs=[train.run],
        outputs=[page.tabs, page.compare.run],
        **QUIET,
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


def _connect_choosers(studio: Studio, page: _Page, *, loaded: Callable[..., Any]) -> None:
    """Find the data sets and runs that there are whenever the page is loaded, and the runs when a tab is opened."""
    loaded(
        report_errors(functools.partial(open_page, studio)),
        inputs=[page.version, page.train.run, page.evaluate_run, page.export_run],
        outputs=[page.data.library.family, page.version, page.train.run, page.evaluate_run, page.export_run, page.tabs],
        **QUIET,
    )
    for id, run, refresh in (
        ("train", page.train.run, train_view.refresh_runs),
        ("evaluate", page.evaluate_run, evaluate_tab.refresh_runs),
        ("export", page.export_run, export_view.refresh_runs),
    ):
        page.pages[id].select(report_errors(functools.partial(refresh, studio)), inputs=[run], outputs=[run], **QUIET)


def redraw_header(
    studio: Studio, machine_name: str, pace: Pace, model: str | None, drawn: str | None, *, trouble: str = ""
) -> tuple[Any, Any]:
    """Say where the chosen base model is and how fast to ask; skip when that is what the page says already."""
    name = (model or STARTER).strip() or STARTER
    slower = pace.of(asking_page())
    fresh = str(header(machine_name, name, studio.models.state(name), slower=slower, trouble=trouble))
    return (gr.skip(), gr.skip()) if fresh == drawn else (fresh, fresh)


def open_page(
    studio: Studio,
    dataset_id: str | None,
    train_run: str | None,
    evaluate_run: str | None,
    export_run: str | None,
) -> tuple[Any, ...]:
    """Find the data sets and runs again after a load or reload; a run at work is what the person came back for."""
    return (
        *library.show(studio, library.keep_or_newest(studio, dataset_id)),
        train_view.refresh_runs(studio, train_run),
        evaluate_tab.refresh_runs(studio, evaluate_run),
        export_view.refresh_runs(studio, export_run),
        gr.Tabs(selected="train") if run_choices.at_work(studio) else gr.skip(),
    )


def jump_to_comparison(studio: Studio, run_id: str | None) -> tuple[Any, Any]:
    """Show the run that is over beside its base model."""
    return gr.Tabs(selected="compare"), compare_tab.show_run(studio, run_id)


def jump_to_evaluation(studio: Studio, run_id: str | None) -> tuple[Any, Any]:
    """Show how good the run became."""
    return gr.Tabs(selected="evaluate"), evaluate_tab.refresh_runs(studio, run_id)


def jump_to_data(studio: Studio, run_id: str | None) -> tuple[Any, ...]:
    """Show the version of the data set that a run learned from, put back or made again where it is gone."""
    if not run_id:
        return gr.skip(), gr.skip(), gr.skip()
    return gr.Tabs(selected="data"), *library.show(studio, studio.data_of_run(run_id).id)
