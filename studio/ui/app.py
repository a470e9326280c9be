"""The page as a whole: header, seven tabs and their clocks.

Builds the tabs, then connects them to each other. Never imports torch, neither itself nor through anything it imports.
"""

import functools
from typing import Any

import gradio as gr

from studio.config import STARTER
from studio.graphics_card import card_names, trouble_here
from studio.planning.model_facts import ModelFacts
from studio.studio import Studio
from studio.ui import api
from studio.ui.compare import tab as compare_tab
from studio.ui.configure import tab as configure_tab
from studio.ui.data import library
from studio.ui.data import tab as data_tab
from studio.ui.evaluate import tab as evaluate_tab
from studio.ui.export import tab as export_tab
from studio.ui.export import view as export_view
from studio.ui.header import header, machine
from studio.ui.kit import run_choices, tab_timers
from studio.ui.kit.components import ACTING, QUIET, html
from studio.ui.kit.errors import asking_page, shown
from studio.ui.kit.pace import Pace
from studio.ui.kit.sent_values import CheckedPage
from studio.ui.runs import navigation
from studio.ui.runs import tab as runs_tab
from studio.ui.serving import session_config
from studio.ui.train import tab as train_tab
from studio.ui.train import view as train_view

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


def build_app(studio: Studio) -> gr.Blocks:
    """Build the page. Everything it shows and does goes through `studio`."""
    facts = ModelFacts(studio)
    machine_name, trouble, pace = machine(card_names()), trouble_here(), Pace()
    page: gr.Blocks
    kept_seconds = studio.limits.upload_minutes * 60
    with CheckedPage(title="LoRA Studio", analytics_enabled=False, delete_cache=(600, kept_seconds)) as page:
        timer, calm = gr.Timer(FAR_TICK_SECONDS), gr.Timer(CALM_TICK_SECONDS)
        own = tab_timers.make(OWN_TIMER, open_tab="data", seconds=CALM_TICK_SECONDS)
        top = html(header(machine_name, STARTER, studio.models.state(STARTER), trouble=trouble), elem_id="header")
        drawn = gr.State(None)
        with gr.Tabs(selected="data", overflow_behavior="wrap", elem_classes="ls-tabs", elem_id=TABS) as tabs:
            with gr.Tab("1. Data", id="data") as data_page:
                data = data_tab.build(studio, facts, tabs)
            with gr.Tab("2. Configure", id="configure") as configure_page:
                configure = configure_tab.build()
            with gr.Tab("3. Train", id="train") as train_page:
                train = train_tab.build(studio, timer=timer)
            with gr.Tab("4. Compare", id="compare") as compare_page:
                compare = compare_tab.build(studio, timer=own["compare"], opened=compare_page.select, loaded=page.load)
            with gr.Tab("5. Evaluate", id="evaluate") as evaluate_page:
                evaluate_run = evaluate_tab.build(studio, facts, timer=own["evaluate"], opened=evaluate_page.select)
            with gr.Tab("6. Export", id="export") as export_page:
                export_run = export_tab.build(studio, timer=own["export"], opened=export_page.select)
            with gr.Tab("All runs", id="runs") as runs_page:
                runs = runs_tab.build(studio, timer=own["runs"], opened=runs_page.select)

        data_tab.connect(
            data, controls=configure.controls, timer=own["data"], opened=data_page.select, loaded=page.load
        )
        dataset = data.library.version
        started = configure_tab.wire(
            configure,
            studio=studio,
            facts=facts,
            dataset=dataset,
            held_out=data.held_out,
            timer=own["configure"],
            opened=configure_page.select,
        )
        navigation.wire(
            runs,
            studio=studio,
            tabs=tabs,
            data=data,
            configure=configure,
            train=train,
            compare=compare,
            evaluate_run=evaluate_run,
            export_run=export_run,
        )
        api.wire(studio)
        pages = (data_page, configure_page, train_page, compare_page, evaluate_page, export_page, runs_page)
        tab_timers.wire(
            own,
            {str(each.id): each for each in pages},
            elem_id=TABS,
            paced={
                str(train_page.id): tab_timers.Paced(timer, fast=TICK_SECONDS, slow=FAR_TICK_SECONDS),
                "header": tab_timers.Paced(calm, fast=CALM_TICK_SECONDS, slow=CALM_TICK_SECONDS),
            },
            pace=top,
        )

        calm.tick(
            shown(functools.partial(redraw_header, studio, machine_name, pace, trouble=trouble)),
            inputs=[configure.model, drawn],
            outputs=[top, drawn],
            **QUIET,
        )
        page.load(
            shown(functools.partial(open_page, studio)),
            inputs=[dataset, train.run, evaluate_run, export_run],
            outputs=[data.library.family, dataset, train.run, evaluate_run, export_run, tabs],
            **QUIET,
        )
        chosen = started.success(
            shown(functools.partial(train_view.refresh_runs, studio)),
            inputs=[configure.started],
            outputs=[train.run],
            **QUIET,
        )
        # The run is drawn before its tab is shown: that must not say that there is none.
        train.panel.redraws_after(chosen).success(lambda: gr.Tabs(selected="train"), outputs=[tabs], **QUIET)
        started.success(lambda: ("", ""), outputs=[configure.source, configure.editing], **QUIET)
        train.compare.click(
            shown(functools.partial(jump_to_comparison, studio)),
            inputs=[train.run],
            outputs=[tabs, compare.run],
            **QUIET,
        )
        train.evaluate.click(
            shown(functools.partial(jump_to_evaluation, studio)),
            inputs=[train.run],
            outputs=[tabs, evaluate_run],
            **QUIET,
        )
        train.data.click(
            shown(functools.partial(jump_to_data, studio)),
            inputs=[train.run],
            outputs=[tabs, data.library.family, dataset],
            **ACTING,
        )
        for tab_page, run, refresh in (
            (train_page, train.run, train_view.refresh_runs),
            (evaluate_page, evaluate_run, evaluate_tab.refresh_runs),
            (export_page, export_run, export_view.refresh_runs),
        ):
            tab_page.select(shown(functools.partial(refresh, studio)), inputs=[run], outputs=[run], **QUIET)
    page.queue(max_size=studio.limits.actions_waiting)
    session_config.share(page)
    return page


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
