"""`python app.py places`: where runs train beside this machine. Lists, adds, checks and forgets places."""

import argparse
from functools import partial

from rich.console import Console
from rich.table import Table

from studio.cli.follow import wait_for_job, why_no_result
from studio.jobs.places.book import HUB, KINDS, RAY, SLURM, Place
from studio.jobs.places.found import found_in_words
from studio.studio import Studio


def places(studio: Studio, options: argparse.Namespace, *, console: Console) -> int:
    """Do one of `list`, `add`, `check` and `remove`. Raises StudioError with what is wrong."""
    match options.action:
        case "add":
            place = studio.add_place(_given(options))
            _say(console, f"{place.name} is added: {KINDS.get(place.kind, place.kind)}.")
            if place.files_address:
                _say(console, f"The files of its runs go through {place.files_address}.")
            _wait(studio, place.name, console=console)
        case "check":
            studio.check_place(options.name)
            _wait(studio, options.name, console=console)
        case "remove":
            studio.remove_place(options.name)
            _say(console, f"{options.name} is forgotten. Its runs stay here, and those at work there go on.")
        case _:
            _list(studio, console)
    return 0


def _given(options: argparse.Namespace) -> Place:
    return Place(
        name=options.name,
        kind=SLURM if options.slurm else HUB if options.hub else RAY,
        address=(options.ray or "").rstrip("/"),
        folder=options.folder,
        files_address=options.files_address.rstrip("/"),
        files_port=options.files_port,
        python=options.python,
        scratch=options.scratch,
        partition=options.partition,
        cpus=options.cpus,
        gpus=options.gpus,
        memory_gib=options.memory,
        hours=options.hours,
        namespace=options.namespace,
        flavor=options.hub or "",
        cap_usd=options.cap,
        image=options.image,
        runs_at_once=options.runs_at_once,
        send_models=options.send_models,
    )


def _wait(studio: Studio, name: str, *, console: Console) -> None:
    """Wait for a check to end, and say what it found. Raises RunFailed where runs cannot train there."""
    look, cancel = partial(studio.place_check, name), partial(studio.cancel_place_check, name)
    state = wait_for_job(look(), look=look, cancel=cancel, console=console)
    if state.status != "ready":
        raise why_no_result(state, "The check of the place did not come to an end.", "Check it again.")
    check = studio.places.last_check(name)
    if check is not None:
        for line in found_in_words(check, studio.places.get(name)):
            _say(console, line)
    _say(console, state.sentence)


def _list(studio: Studio, console: Console) -> None:
    names = studio.places.names()
    if not names:
        _say(console, "Runs train on this machine. Add a place: python app.py places add NAME --ray ADDRESS")
        return
    table = Table("name", "what it is", "runs at once", "last check", box=None)
    good = {each.name: each for each in studio.places.all()}
    for name in names:
        place, check = good.get(name), studio.places.last_check(name)
        found = "never" if check is None else check.trouble or "runs can train there"
        what = "its settings are damaged" if place is None else KINDS.get(place.kind, place.kind)
        table.add_row(name, what, "" if place is None else str(place.runs_at_once), found)
    console.print(table)


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, soft_wrap=True)
