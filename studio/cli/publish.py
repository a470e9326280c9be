"""`python app.py publish`: puts an export of a run on the Hugging Face Hub, with a card that is shown before."""

import sys
from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console

from studio.cli.export import wait_for_export
from studio.cli.follow import wait_for_job, why_no_result
from studio.errors import ExportError
from studio.jobs.publishing import Publication, PublicationState, publication_state
from studio.runs.store import RunFolder
from studio.studio import Studio


@dataclass(frozen=True)
class Order:
    """What is published, and where: `licence` is that of the base, `agreed` that nobody need be asked."""

    kind: str
    to: str
    public: bool
    licence: str
    agreed: bool


def publish(
    studio: Studio,
    *,
    run_id: str,
    order: Order,
    console: Console,
    ask: Callable[[], str] | None = None,
) -> int:
    """Prepare an export unless it is there, show its card, and publish both. `ask` reads what a person answers.

    Raises RunError or ExportError for what cannot be published, RunFailed when the work fails.
    """
    run = studio.runs.get(run_id)
    card = studio.model_card(run_id, order.kind, order.to, licence=order.licence)
    wait_for_export(studio, run, order.kind, console=console)
    console.print(card, markup=False, soft_wrap=True)
    where = f"{order.to} ({'public' if order.public else 'private'})"
    if not order.agreed and not _agrees(where, console=console, ask=ask):
        console.print("Nothing was published.", markup=False)
        return 0
    published = _wait(studio, run, order, card=card, console=console)
    console.print(f"{published.address} ({'public' if published.public else 'private'})", markup=False, soft_wrap=True)
    return 0


def _agrees(where: str, *, console: Console, ask: Callable[[], str] | None) -> bool:
    if ask is None:
        if not sys.stdin.isatty():
            raise ExportError("Nobody is here to agree to this card.", "Read it, and say --yes to publish with it.")
        ask = input
    console.print(f"Publish this to {where}? [y/N] ", markup=False, end="")
    return ask().strip().lower() in ("y", "yes")


def _wait(studio: Studio, run: RunFolder, order: Order, *, card: str, console: Console) -> Publication:
    def far(state: PublicationState) -> str:
        return f"{state.sentence} ({100 * state.done // state.total} %)" if state.total else state.sentence

    state = wait_for_job(
        studio.start_publication(run.id, order.kind, order.to, card=card, public=order.public),
        look=lambda: publication_state(studio.jobs, run, order.kind),
        cancel=lambda: studio.cancel_publication(run.id, order.kind),
        console=console,
        said=far,
    )
    if state.ready and state.result is not None:
        return state.result
    raise why_no_result(state, "The upload did not come to an end.", "Publish again: it goes on from there.")
