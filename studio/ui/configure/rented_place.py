"""What a place that is paid for by time costs, before a run starts there; and whether it knows who pays."""

from dataclasses import dataclass

import gradio as gr

from studio.jobs.places.found import price_in_words
from studio.studio import Studio
from studio.ui.kit import fragments
from studio.ui.kit.drawn import Parts
from studio.ui.kit.numbers import moment


@dataclass(frozen=True)
class Rented:
    """What is known of the chosen place: `price` is a sentence, empty before a check has asked the Hub for it."""

    name: str
    price: str
    checked: str
    is_token_known: bool
    is_refused: bool = False
    """Whether nobody can train there: nobody's access token would be theirs alone."""


def look(studio: Studio, name: str) -> Rented | None:
    """Return what is known of a place; None for one that is not rented."""
    if not studio.places.is_on_hub(name):
        return None
    check = studio.places.last_check(name)
    facts = None if check is None or check.trouble else check.facts
    price = "" if facts is None else price_in_words(facts, studio.places.get(name))
    checked = moment(check.at) if check is not None else ""
    return Rented(name, price, checked, studio.hub_token.is_known, is_refused=not studio.has_own_token)


def parts(rented: Rented | None) -> Parts:
    """Draw the price, the most that a run can cost, and whose money it is."""
    if rented is None:
        return {"hub": gr.update(visible=False)}
    if rented.is_refused:
        refused = fragments.line(
            "bad",
            "Nobody can train there from this page: without accounts, all who open it would share one access token.",
        )
        return {"hub": gr.update(visible=True), "hub_said": str(refused), "hub_token": gr.update(visible=False)}
    lines = [
        fragments.line("quiet", rented.price)
        if rented.price
        else fragments.line("warning", "What it costs is not known yet: have the place checked, under All runs."),
        fragments.line("quiet", "How long this run takes there is not known: only this machine was measured."),
    ]
    if rented.price:
        lines.append(
            fragments.note(f"Asked {rented.checked}. It is asked again before a job starts, and the cap holds.")
        )
    lines.append(
        fragments.line("good", "An access token is known that pays for it.")
        if rented.is_token_known
        else fragments.line("warning", "Give your access token: whoever it belongs to pays for the run.")
    )
    return {
        "hub": gr.update(visible=True),
        "hub_said": str(fragments.stack(lines)),
        "hub_token": gr.update(visible=True),
    }
