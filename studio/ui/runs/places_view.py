"""The places where runs train, drawn: what each is, what its last check found, and what can be done with it."""

from dataclasses import dataclass
from typing import Any

import gradio as gr
from markupsafe import Markup

from studio.jobs.jobs import JobState
from studio.jobs.places.book import HUB, IMAGE, KINDS, RAY, SLURM, Check, Place
from studio.jobs.places.ending import Ending
from studio.jobs.places.found import found_in_words
from studio.studio import Studio
from studio.ui.kit import fragments
from studio.ui.kit.actions import button
from studio.ui.kit.drawn import Parts
from studio.ui.kit.numbers import moment
from studio.wording import counted

CHECK, FORGET, OVER = "check", "forget", "over"

ABOUT = (
    "A run can train on a cluster, or on rented hardware, as on this machine: its curves, answers and checkpoints come "
    "here while it trains. Once there is a place, the Configure tab asks where a run trains."
)


_FIELDS = {
    "address": (RAY,),
    "folder": (RAY, SLURM),
    "python": (RAY, SLURM),
    "gpus": (RAY, SLURM),
    **dict.fromkeys(("flavor", "cap", "hours", "namespace", "image", "token"), (HUB,)),
}
"""Which fields belong to which kinds of places."""


@dataclass(frozen=True)
class Wanted:
    """What is typed of a place that shall be added, and what came of the last action."""

    kind: str = RAY
    name: str = ""
    address: str = ""
    folder: str = ""
    python: str = "python"
    runs_at_once: Any = 1
    gpus: Any = 0
    flavor: str = ""
    cap: Any = 0
    hours: Any = 24
    namespace: str = ""
    image: str = IMAGE
    said: str = ""


def draw(studio: Studio, wanted: Wanted) -> Parts:
    """Show all places to those who may add one, and to everybody their jobs that shall end and may not have."""
    ending = {"ending": str(fragments.stack(map(_ending, studio.ending.all())))}
    if not studio.may_add_places:
        return {"all": gr.update(visible=False), **ending}
    good = {each.name: each for each in studio.places.all()}
    names = studio.places.names()
    shown = [_card(name, good.get(name), studio.places.last_check(name), studio.place_check(name)) for name in names]
    return {
        "all": gr.update(visible=True, label=f"Places to train ({len(names):,})" if names else "Places to train"),
        "list": str(fragments.stack(shown)),
        **ending,
        **{name: gr.update(visible=wanted.kind in kinds) for name, kinds in _FIELDS.items()},
        "said": str(fragments.line("good", wanted.said)) if wanted.said else "",
    }


def _ending(job: Ending) -> Markup:
    """Draw a job that shall end, which only the Hub can say is over."""
    until = moment(job.until)
    return fragments.stack(
        [
            fragments.line(
                "warning",
                f"A job at {job.place} may still cost money until {until}, and later if it still waits for room there.",
            ),
            fragments.note(
                "The Hub has not said yet that it is over. The studio asks again as long as it knows the access token "
                "that pays for it: give that one again if it was forgotten."
            ),
            fragments.note(
                f"To end it yourself, look for {job.job} among the jobs of {job.owner} on the "
                "Hugging Face Hub, and cancel it there."
            ),
            fragments.buttons(button("It is over", OVER, key=job.job, name=f"{job.job} is over", once=True)),
        ]
    )


def _card(name: str, place: Place | None, check: Check | None, state: JobState[str]) -> Markup:
    what = "" if place is None else f"{KINDS.get(place.kind, place.kind)}, {counted(place.runs_at_once, 'run')} at once"
    acts = [button("Check", CHECK, key=name, name=f"Check {name}", once=True)] if place is not None else []
    acts.append(button("Forget", FORGET, key=name, name=f"Forget {name}", kind="stop", once=True))
    return fragments.stack(
        [
            fragments.subheading(fragments.own(name)),
            fragments.note(what),
            *_found(place, check, state),
            fragments.buttons(*acts),
        ]
    )


def _found(place: Place | None, check: Check | None, state: JobState[str]) -> list[Markup]:
    if place is None:
        return [fragments.line("bad", "Its settings are damaged. Forget it and add it again; its runs stay.")]
    if state.working:
        return [fragments.line("busy", f"{state.sentence.rstrip('.')}.")]
    if check is None:
        return [fragments.line("quiet", "It was never checked.")]
    first, *doubts = found_in_words(check, place)
    when = fragments.note(f"Checked {moment(check.at)}.")
    return [
        fragments.line("bad" if check.trouble else "good", first),
        *(fragments.line("warning", each) for each in doubts),
        when,
    ]
