"""The gate before the pages of all accounts: it looks who asks, and hands the request to the page of that account.

Each account has a page of its own, over its own studio, made when it is first asked for and dropped when it has rested.
So nothing of another account can be looked up: whatever is asked for is not there. Whoever is not signed in gets the
sign-in page at the page's own address, and everywhere else one and the same answer.
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from studio.accounts.people import Account
from studio.accounts.rights import Rights
from studio.accounts.studios import Studios
from studio.errors import StudioError, TooMany
from studio.logs import logged
from studio.openai_api.shapes import error_body, is_api
from studio.ui.accounts.identity import Identity
from studio.ui.accounts.pages import NOTHING_HERE, Pages
from studio.ui.serving.page_assets import PREFIX, PageAssets
from studio.ui.serving.request_checks import FILE
from studio.ui.serving.request_limits import RequestLimits, is_upload
from studio.ui.serving.site import Site, forget_callables

REST_SECONDS = 900.0
"""A page that nobody has open, and nothing was asked of for so long, is dropped."""

LOOK_SECONDS = 30.0
DROP_SECONDS = 10.0
"""So long a page that is dropped is waited for."""

LISTENER_THREADS = 160

WHO = "studio.account"
"""Under this key a request carries the account that asks."""

AS_IT_CAME = "studio.as-it-came"
"""Under this key it carries itself, before it was told whose it is."""

_OWN_END, _ENDS_OF_OTHERS = ("/sign-out", "/account"), "/people"
"""Where sessions end by a form: one's own, and those of others by an owner."""

log = logging.getLogger(__name__)


@dataclass
class _Live:
    """A page in memory. `answering` are the requests that are being answered, as they came, and `cut` those of whoever
    is not signed in any more; `used_at` is when the last one was.
    """

    site: Site
    ended: asyncio.Event
    task: "asyncio.Task[None]"
    answering: "dict[asyncio.Task[None], Scope]" = field(default_factory=dict)
    cut: "set[asyncio.Task[None]]" = field(default_factory=set)
    used_at: float = field(default_factory=time.monotonic)

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have the page answer one request."""
        await self.site(scope, receive, send)


class TooManyPages(Exception):
    """As many pages are in memory as may be, and each is open somewhere."""


class Gate:
    """The application that stands before the pages of all accounts."""

    def __init__(
        self,
        studios: Studios,
        identity: Identity,
        pages: Pages,
        *,
        make: Callable[..., Site] = Site,
        clock: Callable[[], float] = time.monotonic,
        drop_seconds: float = DROP_SECONDS,
    ) -> None:
        self._drop_seconds = drop_seconds
        self._studios = studios
        self._identity = identity
        self._pages = pages
        self._make = make
        self._clock = clock
        self._most = studios.settings.limits.pages_at_once
        assets = PageAssets(self._dispatch)
        self._bounded: ASGIApp = RequestLimits(assets, studios.settings.limits)
        self._bounded_apart: ASGIApp = RequestLimits(assets, studios.settings.limits)
        """The same for whoever has no account: they must not use up what the people here have."""
        self._live: dict[str, _Live] = {}
        self._making = asyncio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        studios.drop_page = self._drop_from_a_thread

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._live_on(receive, send)
            return
        try:
            account = await self._pages.in_thread(self._identity.of, scope)
        except StudioError as error:
            status = 429 if isinstance(error, TooMany) else 403
            await _refused(scope, status, str(error))(scope, receive, send)
            return
        scope = {**scope, WHO: account, AS_IT_CAME: scope}
        if account is None and not self._pages.is_for_anybody(scope):
            # Before what bounds uploads counts it: strangers must not use up what the people here have.
            await _nothing_for_nobody(scope)(scope, receive, send)
            return
        if account is not None:
            scope["client"] = (account.id, 0)  # bounds of one visitor are those of one account, wherever it comes from
            if is_upload(scope) and (refusal := await self._pages.in_thread(self._refusal_of_upload, account)):
                await _refused(scope, 403, refusal)(scope, receive, send)
                return
        is_stranger = account is None or account.visits
        await (self._bounded_apart if is_stranger else self._bounded)(scope, receive, send)

    def _refusal_of_upload(self, account: Account) -> str:
        """Say why an account may upload nothing; empty where it may. A guest can make nothing of a file."""
        try:
            Rights(account.id, self._studios.people).require_member()
        except StudioError as error:
            log.info("An upload of a guest was refused: %s", error)
            return str(error)
        return ""

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        account: Account | None = scope[WHO]
        answer = await self._pages.answer(Request(scope, receive), account)
        if scope["method"] == "POST" and account is not None:
            if scope["path"] in _OWN_END:
                await self._end_streams(account.id)
            elif scope["path"] == _ENDS_OF_OTHERS and account.is_owner:
                await self._end_streams(*self._live)
        if answer is None and account is not None:
            scope = self._narrowed(scope, account)
            if scope["path"].startswith(FILE) and not self._is_own_file(scope["path"], account):
                answer = _refused(scope, 404, NOTHING_HERE)
        if answer is not None or account is None:
            await (answer or _nothing_for_nobody(scope))(scope, receive, send)
            return
        try:
            live = await self._page_of(account)
        except TooManyPages:
            sentence = "As many people use this studio as it has room for. Try again soon."
            await _refused(scope, 503, sentence)(scope, receive, send)
            return
        except StudioError as error:
            log.warning("The page of the account %s cannot be made: %s", account.id, error, exc_info=True)
            await _refused(scope, 503, str(error))(scope, receive, send)
            return
        answering = asyncio.create_task(live.answer(scope, receive, send))
        live.answering[answering] = scope[AS_IT_CAME]
        try:
            await answering
        except asyncio.CancelledError:
            if not live.ended.is_set() and answering not in live.cut:
                raise
        finally:
            del live.answering[answering]
            live.cut.discard(answering)
            live.used_at = self._clock()

    def _narrowed(self, scope: Scope, account: Account) -> Scope:
        """Give the names that a browser invents for its uploads a part that no other account has.

        Gradio knows what is on its way by that name alone, for all pages of a process.
        """
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if not any(name == "upload_id" for name, _ in query):
            return scope
        own = [(name, f"{account.id}-{value}" if name == "upload_id" else value) for name, value in query]
        return {**scope, "query_string": urlencode(own).encode("ascii")}

    def _is_own_file(self, path: str, account: Account) -> bool:
        own, place = self._studios.settings.home / "uploads" / account.id, path.removeprefix(FILE)
        return "\0" not in place and os.path.realpath(place).startswith(f"{os.path.realpath(own)}/")

    async def _page_of(self, account: Account) -> _Live:
        live = self._live.get(account.id)
        if live is None:
            async with self._making:
                live = self._live.get(account.id) or await self._begin(account)
        live.used_at = self._clock()
        return live

    async def _begin(self, account: Account) -> _Live:
        if len(self._live) >= self._most:
            await self._make_place()
        site = await self._pages.in_thread(self._build, account)
        begun, ended = asyncio.Event(), asyncio.Event()
        task = asyncio.create_task(self._keep(site, account, begun, ended))
        waiting = asyncio.create_task(begun.wait())
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if task.done():
            task.result()
        live = self._live[account.id] = _Live(site, ended, task)
        return live

    def _build(self, account: Account) -> Site:
        return self._make(self._studios.open(account))

    async def _keep(self, site: Site, account: Account, begun: asyncio.Event, ended: asyncio.Event) -> None:
        """Keep a page alive until it is dropped, all in one task, as its own lifespan wants."""
        with self._studios.held(account):
            async with site.living():
                begun.set()
                await ended.wait()

    async def _make_place(self) -> None:
        resting = [(live.used_at, id) for id, live in self._live.items() if not live.answering]
        if not resting:
            raise TooManyPages
        await self._drop(min(resting)[1])

    async def _drop(self, id: str) -> None:
        live = self._live.pop(id, None)
        if live is None:
            return
        live.site.stop()
        live.ended.set()
        for each in list(live.answering):  # a stream would end only when its browser does
            each.cancel()
        ended, _ = await asyncio.wait({live.task}, timeout=self._drop_seconds)
        if not ended:  # whatever it hangs in must not hold up the others
            log.warning("The page of the account %s does not end. It is not waited for.", id)
        elif not live.task.cancelled():
            with logged(log, "A page ended in trouble", Exception, level=logging.WARNING):
                live.task.result()
        forget_callables()

    def _drop_from_a_thread(self, id: str) -> None:
        """Drop a page, and wait until it is gone."""
        if self._loop is not None and id in self._live:
            with logged(log, "A page that is dropped was not waited for", TimeoutError, level=logging.WARNING):
                asyncio.run_coroutine_threadsafe(self._drop(id), self._loop).result(2 * self._drop_seconds)

    async def _end_streams(self, *ids: str) -> None:
        """End what is being answered to whoever has signed out meanwhile, or whose session or key has ended."""
        for id, live in [(id, self._live[id]) for id in ids if id in self._live]:
            for answering, scope in list(live.answering.items()):
                if not await self._pages.in_thread(self._is_still, id, scope):
                    live.cut.add(answering)
                    answering.cancel()

    def _is_still(self, id: str, scope: Scope) -> bool:
        with logged(log, "Who began a request is not let in any more", StudioError):
            account = self._identity.of(scope)
            return account is not None and account.id == id
        return False

    def stop_streams(self) -> None:
        """End the open streams of all pages: the server ends."""
        for live in list(self._live.values()):
            live.site.stop()

    async def _sweep(self) -> None:
        """Drop the pages that rest, and those of accounts that are gone."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self._end_streams(*self._live)
            except Exception:  # the pages are looked after all the same
                log.exception("The streams of those who signed out could not be ended.")
            for id, live in list(self._live.items()):
                try:
                    found = await self._pages.in_thread(self._studios.people.find, id)
                    if found is None or found.leaving:
                        await self._pages.in_thread(self._studios.drop, id)
                    elif not live.answering and self._clock() - live.used_at > REST_SECONDS:
                        await self._drop(id)
                except Exception:  # the others are looked after all the same
                    log.exception("The page of an account could not be dropped.")

    async def _live_on(self, receive: Receive, send: Send) -> None:
        sweeping = None
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._loop = asyncio.get_running_loop()
                # Of all pages together: a listener of one that waits for a model must not keep those of others.
                anyio.to_thread.current_default_thread_limiter().total_tokens = LISTENER_THREADS
                sweeping = asyncio.create_task(self._sweep())
                await send({"type": "lifespan.startup.complete"})
            else:
                if sweeping is not None:
                    sweeping.cancel()
                for id in list(self._live):
                    await self._drop(id)
                await send({"type": "lifespan.shutdown.complete"})
                return


def _nothing_for_nobody(scope: Scope) -> Response:
    return _refused(scope, 401 if is_api(scope["path"]) else 404, NOTHING_HERE)


def _refused(scope: Scope, status: int, sentence: str) -> Response:
    if is_api(scope["path"]):
        return JSONResponse(error_body(status, sentence), status_code=status)
    if scope["path"].startswith(PREFIX):
        status = 404
    return PlainTextResponse(sentence, status_code=status, headers={"Cache-Control": "no-store"})
