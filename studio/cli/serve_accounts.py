"""Serving the pages of several people, each to their own studio."""

import os
from dataclasses import replace

from rich.console import Console

from studio.accounts.people import People
from studio.accounts.removing import finish_removals
from studio.accounts.studios import Studios
from studio.cli.public_address import arrange
from studio.cli.serve import looked_after
from studio.errors import MirrorError
from studio.settings import Settings, ensure_guarded, ensure_writable
from studio.ui.accounts.serving import serve_accounts

FIRST_NAME = "owner"
ADDED = "People sign in. Add them with: python app.py users add NAME"
GUESTS = "STUDIO_GUESTS=1: visitors may look around without an account."


def serve_people(settings: Settings, *, fetch_starter: bool, console: Console) -> int:
    """Serve the pages of all accounts until that is interrupted; where there is no account, make the owner's.

    Raises RunError when the data folder cannot be written, or another process serves these accounts, and MirrorError
    when a mirror is asked for, which knows no accounts.
    """
    settings = replace(settings, accounts=True)
    if settings.mirror:  # it would keep the owner's folder alone, and the others would rely on it
        raise MirrorError(
            f"This studio has accounts, and its data folder shall be kept in the bucket '{settings.mirror}': what the "
            "other accounts have would not be in it.",
            "Unset STUDIO_MIRROR and keep the data folder on a disk that stays, or set STUDIO_ACCOUNTS=0.",
        )
    ensure_guarded(settings)
    ensure_writable(settings.home)
    arrange(settings, os.environ)
    people = People(settings.home)
    people.recover()
    finish_removals(people)
    author = settings.hub_app.author if settings.hub_app is not None else ""
    first = "" if people.all() else _first_code(people, author)
    studios = Studios(settings, people)
    how = "People sign in with Hugging Face." if settings.hub_app else ADDED
    try:
        owner = people.first()
        starter = studios.open(owner).models if fetch_starter else None
        more = (how, GUESTS if settings.guests else "", first)
        with looked_after(studios, settings, starter=starter, more=more, console=console):
            serve_accounts(studios)
    finally:
        studios.close()
    return 0


def _first_code(people: People, author: str) -> str:
    """Make the owner's account, by the name that they have on the Hub where one is told. Return how they sign in."""
    account, code = people.add(author or FIRST_NAME)
    if author:
        return (
            f"You are '{account.name}', the owner: sign in with Hugging Face. Where that fails, this one-time "
            f"code lets you in: {code}"
        )
    return f"You are '{account.name}'. Sign in with this one-time code, then choose a password: {code}"
