"""The top of the page: the name, and one line on the machine and the base model.

Looks at the machine without torch: what is there, and why a card is not used as far as that shows.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from studio.config import STARTER
from studio.jobs.base_models import ModelState
from studio.settings import Space
from studio.studio import Person
from studio.ui.configure.plan_card import arrival
from studio.ui.kit import fragments
from studio.ui.language.choice import LANGUAGES

ICON = Path(__file__).with_name("icon.svg")


def machine(cards: Sequence[str], space: Space | None = None) -> str:
    """Name the machine in a few words: its graphics card if it has one, else its cores and memory.

    A Space is told what it has of a larger machine.
    """
    told = space if space is not None and space.cores and space.memory_gib else None
    cores = f"{(os.cpu_count() or 1) if told is None else told.cores} CPU cores"
    memory = _memory_bytes() if told is None else told.memory_gib * 1e9
    rest = f"{cores}, {memory / 1e9:.0f} GB memory" if memory else cores
    return f"{cards[0]}, {rest}" if cards else rest


def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0


def header(
    machine_name: str,
    model: str,
    state: ModelState,
    *,
    trouble: str = "",
    kept: Markup | str = "",
    person: Person | None = None,
) -> Markup:
    """Draw the top of the page. `trouble` says why a graphics card is not used, `kept` where things are kept, `person`
    whose account this is.
    """
    kind = "good" if state.ready else "bad" if state.failed else "busy" if state.working else "quiet"
    name = "Starter model" if model == STARTER else model
    at = "ready" if state.ready else "not available" if state.failed else arrival(state).rstrip(".")
    status = f"{name}: {at}" if state.ready or state.failed else at
    icon = Markup(ICON.read_text())
    return fragments.render(
        "frame/header.html",
        icon=icon,
        kind=kind,
        status=status,
        machine=machine_name,
        languages=LANGUAGES,
        person=person,
        trouble=fragments.notice("warning", trouble) if trouble else "",
        kept=kept,
    )
