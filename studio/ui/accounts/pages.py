"""The pages of accounts that stand outside of Gradio: plain HTML and forms, in the language of whoever asks."""

import functools
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeVar
from urllib.parse import parse_qsl

import anyio
import anyio.to_thread
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route
from starlette.types import Scope

from studio.accounts.hub_sign_in import HubSignIn
from studio.accounts.links import Links
from studio.accounts.people import GUEST, MEMBER, OWNER, Account, plain_name
from studio.accounts.removing import archive
from studio.accounts.rights import Rights
from studio.accounts.secrets import LONGEST_PASSWORD, SHORTEST_PASSWORD
from studio.accounts.sessions import Sessions, SignIn
from studio.accounts.studios import Studios
from studio.errors import StudioError, TooMany
from studio.openai_api.shapes import PREFIX
from studio.openai_api.snippets import url_of
from studio.ui.accounts import forms
from studio.ui.accounts.identity import Identity
from studio.ui.accounts.shared import SharedRun, look
from studio.ui.frame.header import ICON
from studio.ui.kit import fragments
from studio.ui.language import translate
from studio.ui.language.catalog import catalog
from studio.ui.language.choice import COOKIE, LANGUAGES, language_of
from studio.ui.serving.login import Tries
from studio.ui.serving.origins import FROM_HUB, SHARED, TO_HUB

LONGEST_FORM = 4096
"""The longest form that is read, in bytes."""

_MOST_FIELDS = 20
_MOST_THREADS = 40
_MOST_HUB_THREADS = 4
TRIES_OF_A_NAME = 5
TRIES_OF_AN_ADDRESS = 15
TRIES_IN_ALL = 60
"""How many wrong passwords are taken in a minute. People behind one proxy have one address."""

TRIES_AT_THE_HUB = 60
"""How many sign-ins with the Hub may fail in a minute. In a Space all visitors have one address."""

_MOST_WAITING_FOR_HUB = 40

VISITS_OF_AN_ADDRESS = 10
"""How many visitors without an account are let in in a minute."""

STYLE = Path(__file__).with_name("plain.css")

NOTHING_HERE = "There is nothing at this address for you. If you are not signed in, open the page of the studio first."
"""What is answered for all that is not there, is another's, or needs a sign-in: it does not tell which."""

_OF_SOMEBODY = ("/account", "/archive", "/people")
"""Addresses at which nobody is told anything."""

_FORM_SECONDS = 10.0
"""So long a short form may take: whoever is slower holds a place that others need."""

_ROLES = {OWNER: "Owner", MEMBER: "Member", GUEST: "Guest"}

log = logging.getLogger(__name__)

Made = TypeVar("Made")
Form = Mapping[str, str]
Answering = Callable[[Request, Account | None], Awaitable[Response]]


class Pages:
    """Answers at the addresses of accounts. `clock` counts seconds."""

    def __init__(
        self,
        studios: Studios,
        identity: Identity,
        sessions: Sessions,
        sign_in: SignIn,
        *,
        hub: HubSignIn | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`hub` asks the Hugging Face Hub who a visitor is, where it is one of its Spaces."""
        self._hub = hub
        self._studios = studios
        self._identity = identity
        self._sessions = sessions
        self._sign_in = sign_in
        self._links = Links(studios.settings.home)
        self._names = Tries(clock, each=TRIES_OF_A_NAME, in_all=TRIES_IN_ALL)
        self._own = Tries(clock, each=TRIES_OF_A_NAME, in_all=TRIES_IN_ALL)
        self._addresses = Tries(clock, each=TRIES_OF_AN_ADDRESS, in_all=TRIES_IN_ALL)
        self._visits = Tries(clock, each=VISITS_OF_AN_ADDRESS, in_all=VISITS_OF_AN_ADDRESS)
        self._at_hub = Tries(clock, each=TRIES_AT_THE_HUB, in_all=TRIES_AT_THE_HUB)
        self._threads = anyio.CapacityLimiter(_MOST_THREADS)
        self._hub_threads = anyio.CapacityLimiter(_MOST_HUB_THREADS)  # it may be slow, and others must not wait for it
        self._table: dict[tuple[str, str], Answering] = {
            ("POST", "/sign-in"): self._take_sign_in,
            ("GET", "/sign-in"): self._to_page,
            ("GET", "/password"): self._password_page,
            ("POST", "/password"): self._take_password,
            ("POST", "/sign-out"): self._sign_out,
            ("GET", "/account"): self._account_page,
            ("POST", "/account"): self._take_account,
            ("GET", "/archive"): self._archive,
            ("GET", "/people"): self._people_page,
            ("POST", "/people"): self._take_people,
        }
        if hub is not None:
            self._table |= {("GET", TO_HUB): self._to_hub, ("GET", FROM_HUB): self._from_hub}
        if studios.settings.guests:
            self._table["POST", "/visit"] = self._take_visit

    async def in_thread(self, function: Callable[..., Made], *arguments: object) -> Made:
        """Call a function that reads the disk or hashes, in a thread that no listener of a page can take."""
        return await anyio.to_thread.run_sync(function, *arguments, limiter=self._threads)

    def routes(self) -> list[BaseRoute]:
        """Return the addresses, for those who ask which there are."""
        shared = Route(f"{SHARED}{{token}}", _nothing)
        paths = {path: [method for method, of in self._table if of == path] for _, path in self._table}
        return [shared, *(Route(path, _nothing, methods=methods) for path, methods in paths.items())]

    def is_for_anybody(self, scope: Scope) -> bool:
        """Tell whether a request of somebody who is not signed in is looked at: what only reads, and the forms."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            return True
        path = Request(scope).url.path
        return (scope["method"], path) in self._table and path not in _OF_SOMEBODY

    async def answer(self, request: Request, account: Account | None) -> Response | None:
        """Answer where the address is one of accounts, or the page's own and nobody is signed in; else None."""
        method, path = ("GET" if request.method == "HEAD" else request.method), request.url.path
        if path == "/" and method == "GET" and request.query_params.get("language") in LANGUAGES:
            return _in_language(request)
        if path == "/" and method == "GET" and account is None:
            if await self.in_thread(self._identity.choosing, request.scope) is not None:
                return RedirectResponse("password", 303)
            return self._sign_in_page(request)
        if path.startswith(SHARED) and method == "GET":
            return await self._shared(request)
        answer = self._table.get((method, path))
        if answer is None or (path in _OF_SOMEBODY and account is None):
            return None
        if path == "/people" and account is not None and not account.is_owner:
            return None  # whoever is no owner is told what they are told of any other address
        return await answer(request, account)

    async def _to_page(self, request: Request, account: Account | None) -> Response:
        return RedirectResponse("./", 303)

    def _sign_in_page(self, request: Request, *, name: str = "", trouble: str = "", status: int = 200) -> Response:
        app = self._studios.settings.hub_app
        return self._page(
            request,
            "accounts/sign_in.html",
            status=status,
            name=name,
            trouble=trouble,
            hub=f"{app.address}{TO_HUB}" if app is not None else "",
            visits=self._studios.settings.guests,
            in_frame=request.headers.get("sec-fetch-dest") == "iframe",
            back="../" if request.url.path.startswith("/login/") else "./",
        )

    async def _to_hub(self, request: Request, account: Account | None) -> Response:
        """Send a visitor to the Hub, from the Space's own address: the Hub sends them back there."""
        app = self._studios.settings.hub_app
        assert self._hub is not None
        assert app is not None
        named = {request.headers.get(name, "").lower() for name in ("host", "x-forwarded-host")}
        if app.host not in named and "again" not in request.query_params:
            return RedirectResponse(f"{app.address}{TO_HUB}?again=1", 303)
        try:
            begun = await self._ask_hub(self._hub.begin)
        except StudioError as error:
            return self._sign_in_page(request, trouble=str(error), status=502)
        answer = RedirectResponse(begun.address, 303, {"Cache-Control": "no-store"})
        answer.headers["Set-Cookie"] = self._identity.cookie_to_hub(begun.kept)
        return answer

    async def _from_hub(self, request: Request, account: Account | None) -> Response:
        """Take in a visitor whom the Hub sends back."""
        app = self._studios.settings.hub_app
        assert self._hub is not None
        assert app is not None
        given = _fields(request.url.query[:LONGEST_FORM]) or {}
        kept = request.cookies.get(self._identity.to_hub, "")
        address = request.client.host if request.client else ""
        try:
            if seconds := self._at_hub.begin(address):
                raise TooMany(f"Too many sign-ins failed. Try again in {int(seconds) + 1} seconds.")
            person = await self._ask_hub(functools.partial(self._hub.finish, given, kept))
            self._at_hub.forgive(address)
            role, people = MEMBER if app.takes_members else GUEST, self._studios.people
            take = functools.partial(people.from_hub, person.id, person.name, author=app.author, role=role)
            token = await self.in_thread(lambda: self._sessions.begin(take()))
        except StudioError as error:
            status = 429 if isinstance(error, TooMany) else 403
            answer: Response = self._sign_in_page(request, trouble=str(error), status=status)
        else:
            answer = RedirectResponse("../", 303)
            answer.headers.append("Set-Cookie", self._identity.cookie_for(request.scope, token))
        answer.headers.append("Set-Cookie", self._identity.cookie_to_hub(""))
        return answer

    async def _ask_hub(self, function: Callable[[], Made]) -> Made:
        """Call a function that may wait for the Hub. Raises TooMany where many wait for it already."""
        if self._hub_threads.statistics().tasks_waiting >= _MOST_WAITING_FOR_HUB:
            raise TooMany("Too many sign-ins wait for the Hub. Try again in a moment.")
        return await anyio.to_thread.run_sync(function, limiter=self._hub_threads)

    async def _take_visit(self, request: Request, account: Account | None) -> Response:
        """Let somebody look around without an account, as a guest."""
        address = request.client.host if request.client else ""
        try:
            if seconds := self._visits.begin(address):
                raise TooMany(f"Too many visitors came at once. Try again in {int(seconds) + 1} seconds.")
            token = await self.in_thread(lambda: self._sessions.begin(self._studios.add_visitor()))
        except StudioError as error:
            return self._sign_in_page(request, trouble=str(error), status=429)
        answer = RedirectResponse("./", 303)
        answer.headers["Set-Cookie"] = self._identity.cookie_for(request.scope, token)
        return answer

    async def _take_sign_in(self, request: Request, account: Account | None) -> Response:
        form = await _form(request)
        if form is None:
            return PlainTextResponse("A sign-in is a short form: a name and the password.", 413)
        name = form.get("name", "").strip()
        address = request.client.host if request.client else ""
        # An address that is refused counts for no name: whoever tries many would shut out everybody.
        seconds = self._addresses.begin(address) or self._names.begin(plain_name(name)[:200])
        if seconds:
            trouble = f"Too many wrong passwords. Try again in {int(seconds) + 1} seconds."
            page = self._sign_in_page(request, status=429, name=name, trouble=trouble)
            page.headers["Retry-After"] = str(int(seconds) + 1)
            return page
        try:
            token, must_choose = await self.in_thread(self._sign_in.token_for, name, form.get("password", ""))
        except StudioError as error:
            return self._sign_in_page(request, status=403, name=name, trouble=str(error))
        self._names.forgive(plain_name(name)[:200])
        self._addresses.forgive(address)
        answer = RedirectResponse("password" if must_choose else "./", 303)
        answer.headers["Set-Cookie"] = self._identity.cookie_for(request.scope, token, is_choosing=must_choose)
        return answer

    async def _password_page(self, request: Request, account: Account | None) -> Response:
        chooses = await self.in_thread(self._identity.choosing, request.scope)
        if chooses is None:
            return RedirectResponse("./", 303)
        return self._choice(request, chooses)

    async def _take_password(self, request: Request, account: Account | None) -> Response:
        chooses = await self.in_thread(self._identity.choosing, request.scope)
        form = await _form(request)
        if chooses is None or form is None:
            return RedirectResponse("./", 303)
        password = form.get("password", "")
        if password != form.get("again", ""):
            return self._choice(request, chooses, "The two passwords differ. Type the same one twice.")
        try:
            changed = await self.in_thread(self._studios.people.choose_password, chooses.id, password)
            token = await self.in_thread(self._sessions.begin, changed)
        except StudioError as error:
            return self._choice(request, chooses, str(error))
        answer = RedirectResponse("./", 303)
        answer.headers["Set-Cookie"] = self._identity.cookie_for(request.scope, token)
        return answer

    async def _sign_out(self, request: Request, account: Account | None) -> Response:
        await self.in_thread(self._sessions.end, self._identity.token(request.scope))
        answer = RedirectResponse("./", 303)
        answer.headers["Set-Cookie"] = self._identity.cookie_for(request.scope, "")
        return answer

    async def _account_page(
        self, request: Request, account: Account | None, trouble: str = "", done: str = "", link: str = ""
    ) -> Response:
        assert account is not None
        try:
            groups, links = await self.in_thread(forms.shareable, self._studios, self._links, account)
        except StudioError:  # it was removed meanwhile: the studio's own page says what there is to say
            log.info("The page of an account cannot be shown", exc_info=True)
            return RedirectResponse("./", 303)
        shares = await self.in_thread(forms.shares, self._studios, account)
        return self._page(
            request,
            "accounts/account.html",
            status=400 if trouble else 200,
            account=account,
            role=_ROLES[account.role],
            shares=shares,
            groups=groups,
            links=links,
            link=link,
            signs_out=not self._identity.comes_by_proxy,
            has_password=bool(account.password),
            trouble=trouble,
            done=done,
            shortest=SHORTEST_PASSWORD,
            longest=LONGEST_PASSWORD,
        )

    async def _take_account(self, request: Request, account: Account | None) -> Response:
        assert account is not None
        form = await _form(request) or {}
        if form.get("action") in ("share", "revoke"):
            return await self._take_link(request, account, form)
        try:
            if seconds := self._own.begin(account.id):
                raise TooMany(f"Too many wrong passwords. Try again in {int(seconds) + 1} seconds.")
            if form.get("action") == "delete":
                await self.in_thread(forms.leave, self._studios, account, form)
                answer = RedirectResponse("./", 303)
                answer.headers["Set-Cookie"] = self._identity.cookie_for(request.scope, "")
                return answer
            changed = await self.in_thread(forms.change_password, self._studios, account, form)
            token = await self.in_thread(self._sessions.begin, changed)
        except StudioError as error:
            return await self._account_page(request, account, trouble=str(error))
        self._own.forgive(account.id)
        page = await self._account_page(request, changed, done="Your password is changed.")
        page.headers["Set-Cookie"] = self._identity.cookie_for(request.scope, token)
        return page

    async def _take_link(self, request: Request, account: Account, form: Form) -> Response:
        try:
            if form["action"] == "revoke":
                await self.in_thread(self._links.revoke, account, form.get("link", ""))
                return await self._account_page(request, account, done="The link is revoked: it leads nowhere now.")
            Rights(account.id, self._studios.people).require_member()
            kind, id = await self.in_thread(forms.to_share, self._studios, account, form)
            token = await self.in_thread(lambda: self._links.share(account, id, kind=kind))
        except StudioError as error:
            return await self._account_page(request, account, trouble=str(error))
        address = url_of(self._studios.settings, request.headers).rsplit(PREFIX.rstrip("/"), 1)[0]
        return await self._account_page(request, account, link=f"{address}{SHARED}{token}")

    async def _shared(self, request: Request) -> Response:
        link = await self.in_thread(self._links.find, request.url.path.removeprefix(SHARED))
        shown = None if link is None else await self.in_thread(look, self._studios, link)
        if shown is None:
            return PlainTextResponse(NOTHING_HERE, 404, headers={"Cache-Control": "no-store"})
        template = "accounts/shared.html" if isinstance(shown, SharedRun) else "accounts/compared.html"
        return self._page(request, template, shown=shown, back="../")

    async def _archive(self, request: Request, account: Account | None) -> Response:
        assert account is not None
        headers = {"Content-Disposition": 'attachment; filename="lora-studio.zip"', "Cache-Control": "no-store"}
        packed = archive(self._studios.people.home_of(account))
        return StreamingResponse(packed, media_type="application/zip", headers=headers)

    async def _people_page(self, request: Request, account: Account | None) -> Response:
        assert account is not None
        return await self._people(request, account)

    async def _take_people(self, request: Request, account: Account | None) -> Response:
        assert account is not None
        form = await _form(request) or {}
        try:
            done = await self.in_thread(forms.look_after, self._studios, account, form)
        except StudioError as error:
            return await self._people(request, account, trouble=str(error))
        return await self._people(request, account, done=done)

    async def _people(
        self, request: Request, account: Account, *, done: forms.Done | None = None, trouble: str = ""
    ) -> Response:
        people = self._studios.people
        listed = await self.in_thread(lambda: [forms.seen(self._studios, each) for each in people.all()])
        return self._page(
            request,
            "accounts/people.html",
            status=400 if trouble else 200,
            own=account.id,
            people=listed,
            removed=await self.in_thread(people.removed),
            code=done.code if done else None,
            done=done.said if done else "",
            trouble=trouble,
        )

    def _choice(self, request: Request, account: Account, trouble: str = "") -> Response:
        status = 400 if trouble else 200
        lengths = {"shortest": SHORTEST_PASSWORD, "longest": LONGEST_PASSWORD}
        return self._page(
            request, "accounts/password.html", status=status, name=account.name, trouble=trouble, **lengths
        )

    def _page(self, request: Request, template: str, *, status: int = 200, **values: object) -> Response:
        """Fill in a page, in the language of the request."""
        language = language_of(request.headers, request.cookies)
        text = str(
            fragments.render(
                template,
                icon=Markup(ICON.read_text(encoding="utf-8")),
                style=Markup(STYLE.read_text(encoding="utf-8")),
                languages=LANGUAGES,
                language=language,
                **{"back": "./", **values},
            )
        )
        known = catalog(language)
        if known is not None:
            text = translate.markup(text, known)
        return HTMLResponse(text, status, headers={"Cache-Control": "no-store"})


def _in_language(request: Request) -> Response:
    answer = RedirectResponse("./", 303)
    language = request.query_params["language"]
    answer.headers["Set-Cookie"] = f"{COOKIE}={language}; Path=/; Max-Age=31536000; SameSite=Lax"
    return answer


async def _form(request: Request) -> Form | None:
    """Read a short form; None for one that is too long or too slow, or none."""
    content = bytearray()
    with anyio.move_on_after(_FORM_SECONDS) as reading:
        async for part in request.stream():
            content += part
            if len(content) > LONGEST_FORM:
                return None
    if reading.cancelled_caught:
        return None
    return _fields(content.decode("utf-8", "replace"))


def _fields(text: str) -> Form | None:
    """Read the fields of a form or an address; None for more than any of ours has."""
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except ValueError:
        log.debug("Too many fields are no form", exc_info=True)
        return None


async def _nothing(request: Request) -> Response:
    """Answer for a route that only says which addresses there are."""
    return PlainTextResponse("", 404)
