"""What the buttons of the places do: each adds, checks or forgets one, and says in a sentence what came of it."""

from dataclasses import replace

from studio.errors import ConfigError
from studio.jobs.places.book import HUB, IMAGE, RAY, Place
from studio.studio import Studio
from studio.ui.kit.actions import Action
from studio.ui.kit.exchange import Result
from studio.ui.runs.places_view import CHECK, FORGET, OVER, Wanted


def press(studio: Studio, wanted: Wanted, action: Action) -> Wanted:
    """Check a place, forget it, or forget a job that is over. Raises RunError."""
    if action.verb == CHECK:
        studio.check_place(action.key)
        return replace(wanted, said="")
    if action.verb == FORGET:
        studio.remove_place(action.key)
        return replace(wanted, said=f"{action.key} is forgotten. Its runs stay, and those at work there go on.")
    if action.verb == OVER:
        studio.forget_ending_job(action.key)
    return wanted


def add(studio: Studio, wanted: Wanted, *, token: str | None = None) -> Result[Wanted]:
    """Add the place that was typed, and start to check it; the access token leaves the page.

    Raises ConfigError and RunError.
    """
    is_hub = wanted.kind == HUB
    if is_hub and token:
        studio.give_hub_token(token)
    place = studio.add_place(
        Place(
            name=wanted.name.strip(),
            kind=wanted.kind,
            address=wanted.address.strip().rstrip("/") if wanted.kind == RAY else "",
            folder="" if is_hub else wanted.folder.strip(),
            python="python" if is_hub else wanted.python.strip() or "python",
            runs_at_once=int(_number(wanted.runs_at_once, "Runs at once")),
            gpus=0.0 if is_hub else _number(wanted.gpus, "GPUs"),
            flavor=wanted.flavor.strip() if is_hub else "",
            cap_usd=_number(wanted.cap, "A run costs at most", most=100_000) if is_hub else 0.0,
            hours=_number(wanted.hours, "Longest time", most=10_000) if is_hub else 24.0,
            namespace=wanted.namespace.strip() if is_hub else "",
            image=(wanted.image.strip() or IMAGE) if is_hub else IMAGE,
        )
    )
    said = f"{place.name} is added, and is being checked."
    return Result(replace(Wanted(), kind=wanted.kind, said=said), {"emptied_token": ""})


def _number(value: object, label: str, *, most: int = 1_000) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise ConfigError(f"{label} is no number from 0 to {most:,}.", "Enter one.")
    return float(value)
