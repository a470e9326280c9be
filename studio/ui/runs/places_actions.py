"""What the buttons of the places do: each adds, checks or forgets one, and says in a sentence what came of it."""

from dataclasses import replace

from studio.errors import ConfigError
from studio.jobs.places.book import RAY, Place
from studio.studio import Studio
from studio.ui.kit.actions import Action
from studio.ui.runs.places_view import CHECK, FORGET, Wanted


def press(studio: Studio, wanted: Wanted, action: Action) -> Wanted:
    """Check a place or forget it. Raises RunError."""
    if action.verb == CHECK:
        studio.check_place(action.key)
        return replace(wanted, said="")
    if action.verb == FORGET:
        studio.remove_place(action.key)
        return replace(wanted, said=f"{action.key} is forgotten. Its runs stay, and those at work there go on.")
    return wanted


def add(studio: Studio, wanted: Wanted) -> Wanted:
    """Add the place that was typed, and start to check it. Raises ConfigError and RunError."""
    place = studio.add_place(
        Place(
            name=wanted.name.strip(),
            kind=wanted.kind,
            address=wanted.address.strip().rstrip("/") if wanted.kind == RAY else "",
            folder=wanted.folder.strip(),
            python=wanted.python.strip() or "python",
            runs_at_once=int(_number(wanted.runs_at_once, "Runs at once")),
            gpus=_number(wanted.gpus, "GPUs"),
        )
    )
    return replace(Wanted(), kind=wanted.kind, said=f"{place.name} is added, and is being checked.")


def _number(value: object, label: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1_000:
        raise ConfigError(f"{label} is no number from 0 to 1,000.", "Enter one.")
    return float(value)
