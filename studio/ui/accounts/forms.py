"""What the forms of the account pages do: one's own password and leaving, and what an owner does with accounts."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from studio.accounts.links import CONVERSATION, RUN, SHEET, Links
from studio.accounts.people import FOR_GOOD, Account
from studio.accounts.removing import remove_account
from studio.accounts.secrets import is_password
from studio.accounts.studios import Studios
from studio.compare.conversations import open_conversations
from studio.compare.sheets import open_sheets
from studio.errors import RunError
from studio.jobs.places.book import Places
from studio.wording import brief_duration, duration, size

Form = Mapping[str, str]
_MOST_OFFERED = 200


@dataclass(frozen=True)
class Code:
    """A one-time code that is shown this once."""

    name: str
    text: str


@dataclass(frozen=True)
class Done:
    """What a form did, in a sentence; a code where one was made."""

    said: str = ""
    code: Code | None = None


@dataclass(frozen=True)
class Share:
    """One share of an account: what it is of, what is used of what, and which part that is."""

    name: str
    said: str
    part: float


def shares(studios: Studios, account: Account) -> list[Share]:
    """Say what an account has used of its shares."""
    usage, limits = studios.usage(account), studios.settings.limits
    disk, today = usage.disk_bytes(), usage.today()
    waiting = sum(each.home == studios.people.home_of(account) for each in studios.queue.order())
    most_waiting = limits.runs_waiting_each
    whole, minutes, tokens = limits.account_disk_gib * 2**30, limits.account_run_minutes, limits.account_tokens
    home, most_there = studios.people.home_of(account), limits.runs_at_place_each
    at_places = {name: studios.queue.held(home, name) for name in Places(studios.settings.home).names()}
    return [
        Share("Disk", f"{size(disk)} of {size(whole)}", _part(disk, whole)),
        Share(
            "Training today",
            f"{brief_duration(today.train_seconds)} of {brief_duration(minutes * 60)}",
            _part(today.train_seconds, minutes * 60),
        ),
        Share("Runs that wait", f"{waiting:,} of {most_waiting:,}", _part(waiting, most_waiting)),
        Share("Answers today", f"{today.tokens:,} of {tokens:,} tokens", _part(today.tokens, tokens)),
        *(
            Share(f"Nodes at {name} now", f"{held:,} of {most_there:,}", _part(held, most_there))
            for name, held in at_places.items()
        ),
    ]


def _part(used: float, whole: float) -> float:
    return min(1.0, used / whole) if whole else 1.0


@dataclass(frozen=True)
class SharedLink:
    """A link in a person's list."""

    id: str
    name: str
    age: str


@dataclass(frozen=True)
class Shareable:
    """What of one kind an account can share, each by what names it in the form and its name."""

    title: str
    things: tuple[tuple[str, str], ...]


def shareable(studios: Studios, links: Links, account: Account) -> tuple[list[Shareable], list[SharedLink]]:
    """Return what an account can share, by its kinds, and the links that it has made."""
    home = studios.people.home_of(account)
    runs = [run for run in studios.open(account).runs.all() if run.was_launched and not run.is_blend]
    kept = [each for each in open_conversations(home).all() if each.questions]
    sheets = [each for each in open_sheets(home).all() if each.answered]
    groups = [
        Shareable(title, tuple((f"{kind}/{each.id}", each.name or each.id) for each in things[:_MOST_OFFERED]))
        for kind, title, things in (
            (RUN, "Runs", tuple(runs)),
            (CONVERSATION, "Conversations", tuple(kept)),
            (SHEET, "Prompt sheets", tuple(sheets)),
        )
    ]
    names = dict(thing for group in groups for thing in group.things)
    now = time.time()
    made = [
        SharedLink(id, names.get(f"{link.kind}/{link.id}", link.id), f"{duration(max(1.0, now - link.created))} old")
        for id, link in links.of(account).items()
    ]
    return [group for group in groups if group.things], made


def to_share(studios: Studios, account: Account, form: Form) -> tuple[str, str]:
    """Return the kind and the id of what a person wants to share. Raises RunError where it is not theirs."""
    kind, _, id = form.get("what", "").partition("/")
    home = studios.people.home_of(account)
    if kind == CONVERSATION:
        return kind, open_conversations(home).get(id).id
    if kind == SHEET:
        return kind, open_sheets(home).get(id).id
    return RUN, studios.open(account).runs.get(id).id


@dataclass(frozen=True)
class Seen:
    """An account in the owner's list."""

    account: Account
    state: str
    used: str


def seen(studios: Studios, account: Account) -> Seen:
    """Say of an account whether it has signed in, and what it has used."""
    if account.leaving:
        state = "Is being removed"
    elif account.visits:
        state = f"Looks around without an account, for {duration(max(time.time() - account.created, 1.0))}"
    elif account.hub:
        state = f"Signs in with Hugging Face, last {duration(max(time.time() - account.seen, 1.0))} ago"
    elif not account.password:
        is_good = time.time() < account.code_until
        state = "Waits for the first sign-in with its code" if is_good else "Its code has ended: make a new one"
    else:
        ago = time.time() - account.seen
        state = f"Signed in {duration(max(ago, 1.0))} ago" if account.seen else "Has a password"
    return Seen(account, state, studios.usage(account).sentence())


def change_password(studios: Studios, account: Account, form: Form) -> Account:
    """Give an account the password that its person chose. Raises StudioError with what is wrong."""
    if not account.password:  # the name is on the page: it proves nothing
        raise RunError(
            "This account has no password that could be changed.",
            "An owner can make a one-time code for it: whoever signs in with that chooses a password.",
        )
    _require_password(account, form)
    if form.get("password", "") != form.get("again", ""):
        raise RunError("The two passwords differ. Type the same one twice.")
    return studios.people.choose_password(account.id, form.get("password", ""))


def leave(studios: Studios, account: Account, form: Form) -> None:
    """Delete an account and all that it made, for good. Raises StudioError with what is wrong."""
    _require_password(account, form)
    remove_account(studios.people, account, how=FOR_GOOD, drop=studios.drop)


def _require_password(account: Account, form: Form) -> None:
    if (account.hub or account.visits) and not account.password:
        if form.get("current", "").strip() != account.name:
            raise RunError("This is not your name here.", f"Type it to be sure: {account.name}")
        return
    if not is_password(form.get("current", ""), account.password):
        raise RunError("This is not your password.", "Type the one that you sign in with.")


def look_after(studios: Studios, owner: Account, form: Form) -> Done:
    """Do what an owner asks with one account. Raises StudioError with what is wrong."""
    people, id = studios.people, form.get("id", "")
    if not owner.is_owner:
        raise RunError("Only an owner looks after accounts.")
    match form.get("action", ""):
        case "add":
            account, code = people.add(form.get("name", ""), form.get("role", ""))
            return Done(code=Code(account.name, code))
        case "reset":
            account, code = people.reset(id)
            return Done(code=Code(account.name, code))
        case "role":
            people.give_role(id, form.get("role", ""))
            return Done("The role is set. It holds at once.")
        case "remove":
            if id == owner.id:
                raise RunError("You cannot remove yourself here.", "You can delete your account on its own page.")
            found = people.find(id)
            if found is None:
                raise RunError("This account is no longer there.", "Choose another one from the list.")
            remove_account(people, found, drop=studios.drop)
            return Done("The account is in the Trash, with all that it made.")
        case "restore":
            people.restore(id)
            return Done("The account is back. It needs a new code, because its password was forgotten.")
        case "delete":
            people.delete(id)
            return Done("The account and all that it made are deleted.")
    raise RunError("This form says nothing that can be done.", "Reload the page.")
