"""Serving the pages of several people, each to their own studio."""

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import replace

from rich.console import Console

from studio.accounts.people import Account, People
from studio.accounts.removing import finish_removals
from studio.accounts.studios import Studios
from studio.cli.public_address import arrange
from studio.cli.serve import LAST_SECONDS, check_mirror, looked_after, start_mirror
from studio.errors import MirrorError
from studio.mirror.keeper import ForOthers, MirrorKeeper
from studio.mirror.upkeep import was_brought_back
from studio.models.publishing import own_token
from studio.settings import Settings, ensure_guarded, ensure_writable
from studio.ui.accounts.serving import serve_accounts

FIRST_NAME = "owner"
ADDED = "People sign in. Add them with: python app.py users add NAME"
GUESTS = "STUDIO_GUESTS=1: visitors may look around without an account."

BACK_SECONDS = 1500.0
TROUBLE_SECONDS = 120.0
"""So long the start waits for the accounts that are kept in a mirror, and so long where that cannot be reached. Hugging
Face gives a Space half an hour."""


def serve_people(
    settings: Settings, *, fetch_starter: bool, console: Console, trouble_seconds: float = TROUBLE_SECONDS
) -> int:
    """Serve the pages of all accounts until that is interrupted; where there is no account, make the owner's.

    Raises RunError when the data folder cannot be written, or another process serves these accounts, and MirrorError
    when a mirror is asked for and cannot be had.
    """
    settings = replace(settings, accounts=True)
    ensure_guarded(settings)
    token = own_token() if settings.mirror else None  # before secrets are withheld from all that is started
    check_mirror(settings, token)
    ensure_writable(settings.home)
    arrange(settings, os.environ)
    with _mirrored(settings, token, console=console, trouble_seconds=trouble_seconds) as keeper:
        people = People(settings.home)
        people.recover()
        finish_removals(people)
        first = _first_code(people, settings)
        studios = Studios(settings, people)
        studios.mirror = keeper
        studios.mirror_for_others = None if keeper is None else ForOthers(keeper)
        how = "People sign in with Hugging Face." if settings.hub_app else ADDED
        try:
            starter = studios.open(people.first()).models if fetch_starter else None
            more = (how, GUESTS if settings.guests else "", first)
            with looked_after(studios, settings, starter=starter, more=more, console=console) as is_up:
                serve_accounts(studios, is_up=is_up)
        finally:
            studios.close()
    return 0


@contextlib.contextmanager
def _mirrored(
    settings: Settings, token: str | None, *, console: Console, trouble_seconds: float
) -> Iterator[MirrorKeeper | None]:
    """Keep the mirror within the block, where there is one. The block begins when all accounts are back.

    An account that is made before those that were there have come back would take the place of one of them. Raises
    MirrorError when they do not come back.
    """
    if not settings.mirror or not token:
        yield None
        return
    keeper = start_mirror(settings, token, console=console)
    try:
        is_here = was_brought_back(settings.home, settings.mirror)
        if not is_here and not keeper.wait(BACK_SECONDS, in_trouble=trouble_seconds):
            state = keeper.state
            raise MirrorError(
                f"The accounts that are kept in the bucket {settings.mirror} are not back. {state.trouble}".strip(),
                f"{state.hint} Then start the studio again.".strip(),
            )
        yield keeper
    finally:
        keeper.close(seconds=LAST_SECONDS)


def _first_code(people: People, settings: Settings) -> str:
    """Make the owner's account where there is none, by the name that they have on the Hub where one is told.

    Return how they sign in for the first time, or again where a mirror has brought the account back without a password.
    """
    author = settings.hub_app.author if settings.hub_app is not None else ""
    if not people.all():
        account, code = people.add(author or FIRST_NAME)
    else:
        account = people.first()
        if _can_sign_in(account, settings):
            return ""
        account, code = people.reset(account.id)
    if author:
        return (
            f"You are '{account.name}', the owner: sign in with Hugging Face. Where that fails, this one-time "
            f"code lets you in: {code}"
        )
    return f"You are '{account.name}'. Sign in with this one-time code, then choose a password: {code}"


def _can_sign_in(account: Account, settings: Settings) -> bool:
    has_code = account.code and time.time() < account.code_until
    return bool(account.password or has_code or settings.proxy_header or (account.hub and settings.hub_app))
