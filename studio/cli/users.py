"""The accounts of a studio, for whoever runs it: list, add, reset and remove them."""

import argparse
import time

from rich.console import Console
from rich.table import Table

from studio.accounts.people import Account, People
from studio.accounts.removing import remove_account
from studio.settings import Settings, ensure_writable
from studio.wording import counted

_FIRST = "It is the first one, so it is the owner's: what this studio holds is theirs."


def users(options: argparse.Namespace, settings: Settings, console: Console) -> int:
    """Do one of `list`, `add`, `reset` and `remove`. Raises StudioError with what is wrong."""
    ensure_writable(settings.home)
    people = People(settings.home)
    match options.action:
        case "add":
            account, code = people.add(options.name, options.role or "")
            first = f" {_FIRST}" if account.is_first else ""
            _say(console, f"The account '{account.name}' is there, as {account.role}.{first}")
            _say_code(console, code)
        case "reset":
            account, code = people.reset(people.get(options.name).id)
            _say(console, f"The password of '{account.name}' is forgotten, and nobody is signed in with it any more.")
            _say_code(console, code)
        case "remove":
            account = people.get(options.name)
            ended = remove_account(people, account)
            also = f" {counted(ended, 'worker')} of it {'was' if ended == 1 else 'were'} ended." if ended else ""
            _say(console, f"'{account.name}' is removed, with all that it made, to {people.bin}.{also}")
            _say(console, "An owner can take it back from there on the page of accounts, or delete it for good.")
        case _:
            _list(people, console)
    return 0


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, soft_wrap=True)


def _say_code(console: Console, code: str) -> None:
    _say(console, f"One-time code for the next sign-in, good for seven days: {code}")


def _way_in(account: Account) -> str:
    """Say how somebody signs in."""
    if account.visits:
        return "a visitor"
    if account.hub:
        return "Hugging Face"
    if account.password:
        return "chosen"
    return "waits for its code" if time.time() < account.code_until else "its code has ended"


def _list(people: People, console: Console) -> None:
    table = Table("name", "role", "password", "last signed in", "id", box=None)
    for each in people.all():
        seen = time.strftime("%Y-%m-%d %H:%M", time.localtime(each.seen)) if each.seen else "never"
        table.add_row(each.name, each.role, _way_in(each), seen, each.id)
    console.print(table if people.all() else "There are no accounts. The first one that is added is the owner's.")
