"""A studio for each account, over the folder of that account: none can look up what is not in its own.

They share the base models, the measurement of this machine, the pool of workers, the line of runs, and the processes
that show how a model reads an example. A studio is opened when somebody asks for it or a run of it is next, and closed
when it has rested for a while.
"""

import functools
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from studio.accounts.people import FOR_GOOD, GUEST, Account, People
from studio.accounts.removing import remove_account
from studio.accounts.rights import AccountPool, Rights
from studio.accounts.usage import Usage
from studio.compare.chat_client import ChatClient
from studio.compare.chat_room import ChatRoom
from studio.data.library import DatasetLibrary
from studio.errors import RunError, TooMany
from studio.jobs.places.book import Places
from studio.jobs.places.ending import Ender, EndingJobs, Hub
from studio.jobs.places.engines import open_ender
from studio.jobs.places.tokens import HubToken
from studio.jobs.pool import Pool
from studio.jobs.rendering import Rendering
from studio.logs import logged
from studio.priority import BESIDE_PAGES
from studio.runs.fair_queue import FairQueue, Waiting
from studio.runs.following import Following
from studio.runs.launcher import PROJECT_ROOT, Launch, launch
from studio.runs.scheduler import Scheduler
from studio.runs.store import RunFolder, RunStore
from studio.settings import Settings, ensure_writable
from studio.studio import Among, Mirror, Person, Studio
from studio.visitors import visiting

REST_SECONDS = 600.0
"""A studio that nobody asked for so long is closed, unless something of it is at work or waits."""

VISIT_SECONDS = 24 * 3600.0
"""So long a visitor without an account may look around until all that they made is deleted."""

SWEEP_SECONDS = 60.0

log = logging.getLogger(__name__)

OpenChat = Callable[[Path, ChatRoom, Usage], ChatClient]


def open_chat(home: Path, room: ChatRoom, usage: Usage) -> ChatClient:
    """Make the chat of one account."""
    return ChatClient(home, room=room, meter=usage)


@dataclass
class _Open:
    """A studio that is open, and when it was last asked for."""

    studio: Studio
    asked_at: float


class Studios:
    """The studios of all accounts, for any number of threads. `clock` counts seconds."""

    def __init__(
        self,
        settings: Settings,
        people: People,
        *,
        launch: Launch | None = None,
        chat: OpenChat = open_chat,
        rendering: Rendering | None = None,
        clock: Callable[[], float] = time.monotonic,
        ender: Callable[[str], Hub] = open_ender,
    ) -> None:
        """`settings` are those of the whole, with the studio's own data folder. `ender` returns what ends jobs on the
        Hub by one token. Raises RunError when another process serves these accounts.
        """
        self.settings = settings
        self.people = people
        self.queue = FairQueue(
            settings.home, room=Places(settings.home).runs_at_once, most_each=settings.limits.runs_at_place_each
        )
        self._launch: Launch = launch or _launch(settings)
        self._chat = chat
        self._clock = clock
        self._rendering = rendering or Rendering()
        self._room = ChatRoom(settings.limits.chats_at_once)
        # Visitors without an account are one among the accounts: else each who comes again as another has more.
        self._room_of_visitors = ChatRoom(1, within=self._room)
        self._usage_of_visitors = Usage(settings.limits, settings.home, "visitors")
        self._pool = Pool(settings.home, settings.limits, launch=self._launch)
        self._guard = threading.RLock()
        self._studios: dict[str, _Open] = {}
        self._held: Counter[str] = Counter()
        self._usage: dict[str, Usage] = {}
        self._hub_tokens: dict[str, HubToken] = {}
        """By account, and longer than its studio is open: a run may start later."""
        self._tokens_of_removed: list[HubToken] = []
        """Those of accounts that are gone, as long as jobs that they pay for are not known to be over."""
        self._open_ender = ender
        self._enders: dict[Path, Ender] = {}
        self._swept_at = clock()
        self._trains: tuple[float, Mapping[Waiting, str]] = (clock(), {})
        self._elsewhere: dict[Waiting, Following] = {}
        self.drop_page: Callable[[str], None] = lambda id: None
        """Closes the page of an account; whoever serves the pages sets it."""
        self.mirror: Mirror = None
        self.mirror_for_others: Mirror = None
        """What the studios of owners and of all others hear of the mirror."""
        self._serving = self.queue.serving()

    def open(self, account: Account) -> Studio:
        """Return the studio of an account. Raises RunError when its folder cannot be written, and for one that is being
        removed, or was: its folder must not be made again.
        """
        with self._guard:
            now = self.people.find(account.id)
            if now is None or now.leaving:
                raise RunError("This account is being removed, or was.", "Ask the owner of this studio.")
            found = self._studios.get(account.id)
            if found is None:
                found = self._studios[account.id] = _Open(self._make(account), self._clock())
            found.asked_at = self._clock()
            return found.studio

    @contextmanager
    def held(self, account: Account) -> Iterator[Studio]:
        """Keep the studio of an account open within the block."""
        with self._guard:
            studio = self.open(account)
            self._held[account.id] += 1
        try:
            yield studio
        finally:
            with self._guard:
                self._held[account.id] -= 1
                if account.id in self._studios:
                    self._studios[account.id].asked_at = self._clock()

    def tick(self) -> None:
        """Start what waits, the run whose turn it is, and the evaluations of those that ended.

        To be called about once a second. What one account met does not hold up the others.
        """
        self._pool.tick()
        self._count_training()
        self._end_jobs()
        for place in self.queue.places():
            if (home := self.queue.next_home(place)) is not None:
                self._start_run(home)
                self.queue.pass_by(home, place)
            for each in self.queue.leaving(place):
                self._with_scheduler(each.home, functools.partial(Scheduler.see_to_the_end, id=each.id))
            if (run := self.queue.in_the_way(place)) is not None:
                self._with_scheduler(run.home, functools.partial(Scheduler.give_way, id=run.id))
        with self._guard:
            open_now = list(self._studios.items())
        for id, opened in open_now:
            try:
                with visiting(id):
                    opened.studio.evaluations.automatic.tick()
            except Exception:  # one account's trouble must not stop the others
                log.exception("The evaluations of the account %s are not looked after.", id)
        self._close_resting()
        if self._clock() - self._swept_at > SWEEP_SECONDS:
            self._swept_at = self._clock()
            self._sweep_visitors()

    def _end_jobs(self) -> None:
        """End the jobs of all accounts that shall end, each with the token of its account, as far as that is known."""
        with self._guard:
            if not any(token.is_known for token in (*self._hub_tokens.values(), *self._tokens_of_removed)):
                return
        shared, accounts = self.settings.home, self.people.all()
        with self._guard:
            known = {id: token.known for id, token in self._hub_tokens.items()}
            of_removed = [token.known for token in self._tokens_of_removed]
            if of_removed and not any(each.leaving for each in accounts) and not EndingJobs(shared).all():
                self._tokens_of_removed.clear()
        for account in accounts:
            home = self.people.home_of(account)
            tokens = (known.get(account.id, ""), *(of_removed if home == shared else ()))
            if any(tokens):
                self._enders.setdefault(home, Ender(self._open_ender)).tick(home, tokens)

    def recover(self) -> tuple[str, ...]:
        """Take up what was lost with the server, of all accounts; return the ids of the runs."""
        self._pool.recover()
        found: list[str] = []
        for account in self.people.all():
            if self.people.home_of(account).is_dir() and not account.leaving:
                try:
                    with visiting(account.id):
                        found += self.open(account).recover()
                except Exception:  # one damaged folder must not keep the page from coming up
                    log.exception("The runs of the account %s are not taken up again.", account.id)
        return tuple(found)

    def make_room(self) -> None:
        """Free the accelerator for a run that is about to train, of whichever account."""
        with self._guard:
            open_now = [each.studio for each in self._studios.values()]
        for studio in open_now:
            studio.make_room()

    def usage(self, account: Account) -> Usage:
        """Say what an account has used of its share."""
        with self._guard:
            if account.id not in self._usage:
                self._usage[account.id] = Usage(
                    self.settings.limits,
                    self.people.home_of(account),
                    account.id,
                    all_visitors=self._usage_of_visitors if account.visits else None,
                )
            return self._usage[account.id]

    def add_visitor(self) -> Account:
        """Make the account of a visitor who looks around without one. Raises TooMany when so many do.

        One that nobody has open makes place, and whatever was in it is deleted.
        """
        most = self.settings.limits.visitors_at_once
        try:
            return self.people.add_visitor(most=most)
        except TooMany:
            with self._guard:
                resting = [
                    each for each in self.people.all() if each.visits and not (each.leaving or self._held[each.id])
                ]
            if not resting:
                raise
            log.info("A visitor makes place for another")
        self._remove_visitor(min(resting, key=lambda each: each.created))
        return self.people.add_visitor(most=most)

    def _remove_visitor(self, account: Account) -> None:
        remove_account(self.people, account, how=FOR_GOOD, drop=self.drop)

    def _sweep_visitors(self) -> None:
        """Delete the accounts of visitors who came long ago."""
        for account in self.people.all():
            if account.visits and not account.leaving and time.time() - account.created > VISIT_SECONDS:
                try:
                    self._remove_visitor(account)
                except Exception:  # one visitor's trouble must not keep the others here
                    log.exception("The account %s of a visitor is still there.", account.id)

    def drop(self, id: str) -> None:
        """Close the page and the studio of an account whatever they do: it is removed."""
        self.drop_page(id)
        with self._guard:
            found = self._studios.pop(id, None)
            self._usage.pop(id, None)
            token = self._hub_tokens.pop(id, None)
            if token is not None and token.is_known:
                self._tokens_of_removed.append(token)
        if found is not None:
            found.studio.chat.close()

    def close(self) -> None:
        """End the chats and what renders examples. Runs and other work go on without the studio."""
        with self._guard:
            open_now, self._studios = [each.studio for each in self._studios.values()], {}
        for studio in open_now:
            studio.chat.close()
        self._rendering.close()
        os.close(self._serving)

    def _make(self, account: Account) -> Studio:
        home = self.people.home_of(account)
        ensure_writable(home)
        settings = replace(self.settings, home=home, account=account.id, accounts=True)
        rights = Rights(account.id, self.people)
        usage = self.usage(account)
        studio = Studio(
            settings=settings,
            data=DatasetLibrary(home, samples_folder=PROJECT_ROOT / "assets" / "samples", allow=rights.require_member),
            runs=RunStore(home, allow=rights.require_member),
            chat=self._chat(home, self._room_of_visitors if account.visits else self._room, usage),
            launch=self._launch,
            rendering=self._rendering,
            among=Among(
                person=functools.partial(self._person, account),
                pool=AccountPool(self._pool, rights, home, usage.require_disk),
                queue=self.queue,
                make_room=self.make_room,
                hub_token=self._hub_tokens.setdefault(account.id, HubToken(is_public=True)),
                require_member=rights.require_member,
                require_time=usage.require_time,
            ),
        )
        studio.mirror = self.mirror if account.is_owner else self.mirror_for_others
        return studio

    def _count_training(self) -> None:
        """Count how long each run at work has trained for its account, here or at a place, and stop those of an
        account that have as long as they may.
        """
        now, runs = self._clock(), self.queue.all_at_work()
        since, before = self._trains
        self._trains = now, runs
        self._elsewhere = {run: found for run, found in self._elsewhere.items() if run in runs}
        for run, place in runs.items():
            account = self._account_at(run.home)
            if account is None or run not in before or (place and self._is_waiting_there(run)):
                continue
            usage = self.usage(account)
            usage.trained(now - since)
            if usage.has_trained_enough:
                with logged(log, "A run whose account has used up its time was not stopped", RunError):
                    self.open(account).scheduler.stop(run.id)

    def _is_waiting_there(self, run: Waiting) -> bool:
        """Tell whether a run that trains at a place only waits for room there, or for an answer."""
        following = self._elsewhere.setdefault(run, Following(RunFolder(run.home / "runs" / run.id).events_path))
        loading = following.view().loading
        return loading is not None and loading.is_waiting

    def _account_at(self, home: Path) -> Account | None:
        return next(
            (each for each in self.people.all() if self.people.home_of(each) == home and not each.leaving), None
        )

    def _person(self, account: Account) -> Person:
        now = self.people.find(account.id) or account
        return Person(
            now.name,
            is_owner=now.is_owner,
            is_guest=now.role == GUEST,
            used=self.usage(now).sentence(),
            signs_out=not self.settings.proxy_header,
        )

    def _start_run(self, home: Path) -> None:
        """Start the next run of a data folder. Where that cannot be opened, its runs hold nobody else's up."""
        self.queue.note_closed(home, is_closed=not self._with_scheduler(home, Scheduler.tick))

    def _with_scheduler(self, home: Path, do: Callable[[Scheduler], object]) -> bool:
        """Have something done to the runs of a data folder, and say whether it was. Trouble with it is logged."""
        account = self._account_at(home)
        if account is None:
            log.warning("A run waits in %s, which is no account's.", home)
            return False
        try:
            with visiting(account.id):
                do(self.open(account).scheduler)
        except Exception:  # a full disk, most likely: it is tried again
            log.exception("The queue of the account %s cannot be looked after.", account.id)
            return False
        return True

    def _close_resting(self) -> None:
        with self._guard:
            resting = [
                (id, each.studio)
                for id, each in self._studios.items()
                if not self._held[id] and self._clock() - each.asked_at > REST_SECONDS
            ]
            for id, studio in resting:
                if self._is_idle(studio):
                    del self._studios[id]
                    studio.chat.close()

    def _is_idle(self, studio: Studio) -> bool:
        run = self.queue.at_work()
        trains = run is not None and run.home == studio.settings.home
        expects = studio.evaluations.automatic.is_expecting
        return not (
            trains or studio.scheduler.waiting() or expects or studio.pool.is_busy() or studio.chat.is_answering
        )


def _launch(settings: Settings) -> Launch:
    """Start workers that step back: the pages of all come before the work of one."""
    return functools.partial(launch, variables=settings.limits.variables(), nice=BESIDE_PAGES)
