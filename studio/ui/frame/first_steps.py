"""The first minute: an empty studio shows three steps, and one button that goes through them with a sample.

It calls what the tabs call. While the sample trains, and when it is trained, a line above the tabs says so.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import gradio as gr
from gradio.blocks import Block

from studio.config import STARTER
from studio.data.samples import Sample
from studio.errors import DataError, RunError
from studio.planning.model_facts import ModelFacts
from studio.runs.scheduler import RunState
from studio.runs.view import ENDED
from studio.studio import Studio
from studio.ui.compare import suggested_prompts
from studio.ui.configure import state as configure
from studio.ui.kit import fragments
from studio.ui.kit.actions import Action, button
from studio.ui.kit.components import QUIET
from studio.ui.kit.exchange import Result
from studio.ui.kit.panel import Panel
from studio.ui.train import view as train_view

TRY, COMPARE, HIDE = "try", "compare", "hide"

_LONGEST_ID = 200

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FirstSteps:
    """The run of the sample, which the browser remembers; `waits` while the starter model is not there yet."""

    run_id: Any = ""
    waits: bool = False


@dataclass(frozen=True)
class Targets:
    """What the steps lead to: the tabs, the run that is followed, and the run and the question to compare with."""

    tabs: gr.Tabs
    train_run: Block
    compare_run: Block
    question: Block


def build(studio: Studio) -> Panel[FirstSteps]:
    """Lay the line out. It is connected by `wire`, once the tabs are there."""
    panel = Panel("first", FirstSteps(), draw=partial(draw, studio))
    panel.input("run_id", gr.BrowserState("", storage_key="lora-studio-first-run", secret="lora-studio"))
    panel.input("waits", gr.State(False), redraws_on="")
    panel.action_html("card")
    return panel


def wire(
    panel: Panel[FirstSteps],
    studio: Studio,
    facts: ModelFacts,
    targets: Targets,
    *,
    clock: gr.HTML,
    loaded: Callable[..., Any],
) -> None:
    """Connect it. `clock` ticks whichever tab is open; `loaded` is the page's event."""
    also: dict[str, Block] = {
        "tabs": targets.tabs,
        "train_run": targets.train_run,
        "compare_run": targets.compare_run,
        "question": targets.question,
    }
    panel.redraws([loaded])
    panel.on([clock.tick], partial(follow, studio, facts), also=also, options=QUIET)
    panel.on_action(partial(press, studio, facts), also=also)


def draw(studio: Studio, steps: FirstSteps) -> dict[str, Any]:
    """Show the three steps, or how far the sample is; nothing to who has something of their own."""
    return {"card": str(_card(studio, steps))}


def _card(studio: Studio, steps: FirstSteps) -> str:
    state = _run(studio, steps.run_id)
    if state is not None:
        return _of_run(state)
    if steps.waits:
        return _waiting(studio)
    if studio.summaries.look().runs or studio.data.families():
        return ""
    return fragments.render("frame/first_steps.html", sample=_sample(studio).name, button=_try_button())


def _of_run(state: RunState) -> str:
    hide = button("Hide", HIDE, name="Hide this line")
    if state.status not in ENDED:
        said = fragments.notice(
            "busy", "The sample is training.", "When it is done, a button here leads to the comparison."
        )
        return fragments.stack([said])
    if state.run.result is None:
        return ""
    compare = button("Compare the answers", COMPARE, key=state.run.id, kind="primary", once=True)
    said = fragments.notice("good", "The sample is trained. See what changed.")
    return fragments.stack([said, fragments.buttons(compare, hide)])


def _waiting(studio: Studio) -> str:
    starter = studio.models.state(STARTER)
    hide = button("Cancel", HIDE, name="Do not try the sample")
    if starter.failed is not None:
        failed = starter.failed
        again = button("Try again", TRY, kind="primary", once=True)
        return fragments.stack([fragments.notice("bad", failed.message, failed.hint), fragments.buttons(again, hide)])
    more = "The sample starts by itself once the model is here. You can look around meanwhile."
    return fragments.stack([fragments.notice("busy", starter.sentence, more), fragments.buttons(hide)])


def follow(studio: Studio, facts: ModelFacts, steps: FirstSteps) -> FirstSteps | Result[FirstSteps]:
    """Start the sample once the starter model is there, where that is waited for."""
    return _begin(studio, facts, steps) if steps.waits and studio.models.state(STARTER).ready else steps


def press(studio: Studio, facts: ModelFacts, steps: FirstSteps, action: Action) -> FirstSteps | Result[FirstSteps]:
    """Do what a button says. Raises DataError, ConfigError, RunError and TooMany as the tabs do."""
    match action.verb:
        case "try":
            state = studio.models.prepare(STARTER, retry=True)
            return _begin(studio, facts, steps) if state.ready else replace(steps, waits=True)
        case "compare":
            return _compare(studio, steps, studio.runs.get(action.key).id)
        case "hide":
            return FirstSteps()
    return steps


def _begin(studio: Studio, facts: ModelFacts, steps: FirstSteps) -> Result[FirstSteps]:
    """Bring the sample in and train the starter model on it with what is suggested, as the tabs would."""
    sample = _sample(studio)
    dataset = studio.data.add_sample(sample.key)
    empty = configure.Selection()
    suggested = configure.settle(studio, facts, empty, replace(empty, dataset_id=dataset.id)).settings
    run = studio.start_run(suggested, dataset.id)
    shown = {"tabs": gr.update(selected="train"), "train_run": train_view.refresh_runs(studio, run.id)}
    return Result(FirstSteps(run_id=run.id), shown)


def _compare(studio: Studio, steps: FirstSteps, run_id: str) -> Result[FirstSteps]:
    """Show the answers of the run beside those of its base, with a question that it never learned filled in."""
    unseen = suggested_prompts.held_out(studio, run_id)
    question = next((each.content for row in unseen for each in row.messages if each.role == "user"), "")
    shown = {"tabs": gr.update(selected="compare"), "compare_run": run_id}
    return Result(FirstSteps(), shown | ({"question": question} if question else {}))


def _run(studio: Studio, run_id: object) -> RunState | None:
    """Return the run that the browser remembers, where it is still here."""
    if not isinstance(run_id, str) or not 0 < len(run_id) <= _LONGEST_ID:
        return None
    try:
        return studio.scheduler.view(run_id)
    except RunError as error:
        log.info("The run of the sample is gone: %s", error, exc_info=True)
        return None


def _sample(studio: Studio) -> Sample:
    """Return the sample that comes first. Raises DataError where the studio came without."""
    found = studio.data.samples()
    if not found:
        raise DataError("The samples are not here.", "Install the studio again, with its assets folder.")
    return found[0]


def _try_button() -> str:
    return button("Try it with a sample", TRY, kind="primary", once=True)
