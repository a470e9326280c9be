"""The address for other programs: one table of routes, and what stands before and behind all of them.

A request is answered when the address is on and the key is right. Whatever goes wrong is an error in OpenAI's shape:
a sentence for what a person can mend, a number for a bug, whose trace goes to the log.
"""

import contextlib
import functools
import logging
import secrets
import shutil
import tempfile
from collections.abc import AsyncGenerator, Callable, Iterator
from pathlib import Path, PurePath
from typing import Any, TypeVar

import anyio
import anyio.to_thread
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Message, Receive, Scope, Send

from studio import codec
from studio.compare.chat_protocol import FromWorker
from studio.errors import OutOfMemory, RunError, StudioError, TooMany
from studio.logs import logged
from studio.openai_api import files, jobs
from studio.openai_api.chat_answers import Completion
from studio.openai_api.chat_requests import ChatRequest, as_json, read_chat
from studio.openai_api.keys import ApiKey
from studio.openai_api.names import Chosen, Named, choose, named_models, require_read
from studio.openai_api.shapes import PREFIX, ApiError, page_of, refused
from studio.planning.model_facts import ModelFacts
from studio.studio import Studio
from studio.visitors import visiting, visitor_at

OFF = (
    "This studio answers no other programs: others can reach it, and whoever runs it has not switched that on. "
    "It is started with --api, or with STUDIO_API=1, to do so."
)
_METHODS = ("GET", "POST", "DELETE")
_MOST_LISTED = 100
_SEEDS = 2**31
_MOST_THREADS = 200
_LONGEST_NAME = 200

UNREAD_SECONDS = 60.0
"""So long in all a program may let one answer wait to be read: it keeps the model from others meanwhile."""

Made = TypeVar("Made")

Coming = AsyncGenerator[FromWorker | None, None]
"""What the chat worker says of one answer, as it says it."""

log = logging.getLogger("studio.openai_api")


class Address:
    """The address of one studio. `key` is what programs show; `facts` know what the suggestions follow from."""

    def __init__(self, studio: Studio, facts: ModelFacts, key: ApiKey) -> None:
        self._studio = studio
        self._facts = facts
        self._key = key
        self._answering = 0
        # Not the threads of the page, whose requests would wait behind answers.
        self._threads = anyio.CapacityLimiter(_MOST_THREADS)

    def routes(self) -> list[BaseRoute]:
        """Return the routes, to be mounted beside the page."""
        table: dict[str, dict[str, Callable[[Request], Any]]] = {
            "models": {"GET": self._models},
            "models/{id:path}": {"GET": self._model},
            "chat/completions": {"POST": self._chat},
            "files": {"GET": self._files, "POST": self._add_file},
            "files/{id}": {"GET": self._file, "DELETE": self._delete_file},
            "files/{id}/content": {"GET": self._content},
            "fine_tuning/jobs": {"GET": self._jobs, "POST": self._create_job},
            "fine_tuning/jobs/{id}": {"GET": self._job},
            "fine_tuning/jobs/{id}/cancel": {"POST": self._cancel_job},
            "fine_tuning/jobs/{id}/events": {"GET": self._events},
            "fine_tuning/jobs/{id}/checkpoints": {"GET": self._checkpoints},
            "{anything:path}": {},
        }
        return [
            Route(f"{PREFIX}{path}", functools.partial(self._answer, answers), methods=[*_METHODS])
            for path, answers in table.items()
        ]

    async def _answer(self, answers: dict[str, Callable[[Request], Any]], request: Request) -> Response:
        """Answer a request by what its route has for its method. Nothing but an answer ever leaves."""
        try:
            with visiting(visitor_at(request.client.host if request.client else None)):
                await self._in_thread(self._admit, request)
                answer = answers.get("GET" if request.method == "HEAD" else request.method)
                if answer is None:
                    raise ApiError(404, f"This studio has nothing for {request.method} {request.url.path[:120]}.")
                made = await answer(request)
                return made if isinstance(made, Response) else JSONResponse(made)
        except Exception as error:
            return refusal(error)

    def _admit(self, request: Request) -> None:
        """Raise ApiError unless the address is on and the request shows the key."""
        if not self._studio.settings.allows_api:
            raise ApiError(403, OFF)
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not self._key.is_right(given.strip()):
            raise ApiError(
                401,
                "The key is missing or wrong. Send the one that the Export tab shows, as 'Authorization: Bearer ...'.",
                code="invalid_api_key",
            )

    async def _models(self, request: Request) -> Any:
        def find() -> list[dict[str, Any]]:
            require_read(self._studio)
            return [each.document for each in named_models(self._studio)]

        return {"object": "list", "data": await self._in_thread(find)}

    async def _model(self, request: Request) -> Any:
        name = request.path_params["id"]

        def find() -> dict[str, Any]:
            found = next((each for each in named_models(self._studio) if each.id == name), None)
            if found is not None:
                return found.document
            return Named(name, choose(self._studio, name).model, 0).document

        return await self._in_thread(find)

    async def _chat(self, request: Request) -> Any:
        asked = read_chat(await self._body(request), self._studio.limits, seed=secrets.randbelow(_SEEDS))
        chosen = await self._in_thread(functools.partial(choose, self._studio, asked.model, strength=asked.strength))
        completion = Completion(asked.model, int(self._studio.clock()), told=asked.told >= 0)
        coming = self._coming(request, asked, chosen)
        if asked.is_streamed:
            first = await _first_chunks(coming, completion)
            return _Chunks(coming, completion, first, counts_usage=asked.counts_usage)
        async with contextlib.aclosing(coming):
            async for said in coming:
                for _ in completion.take(said):
                    pass
        return completion.document

    async def _coming(self, request: Request, asked: ChatRequest, chosen: Chosen) -> Coming:
        """Yield what the chat worker says of one answer; a program that has hung up ends it. Raises ApiError."""
        most = self._studio.limits.answers_at_once
        if self._answering >= most:
            raise ApiError(429, f"{most:,} answers are being written, which is as many as may be. Try again later.")
        self._answering += 1
        try:
            said = self._studio.chat.write(chosen.model.base, asked.write(chosen))
            try:
                while (each := await self._in_thread(next, said, _OVER)) is not _OVER:
                    if await request.is_disconnected():
                        raise ClientDisconnect
                    yield each
            except TooMany:
                raise
            except (RunError, OutOfMemory) as error:  # the worker ended, or made room for a run
                raise ApiError(503, str(error)) from error
            finally:
                with anyio.CancelScope(shield=True):
                    await self._in_thread(said.close)
        finally:
            self._answering -= 1

    async def _files(self, request: Request) -> Any:
        purpose = request.query_params.get("purpose", files.PURPOSE)
        found = await self._in_thread(files.files, self._studio)
        if request.query_params.get("order") == "asc":
            found = found[::-1]
        return _paged(request, found if purpose == files.PURPOSE else [], most=10_000)

    async def _add_file(self, request: Request) -> Any:
        try:
            async with request.form(max_files=1, max_fields=8) as form:
                given, purpose = form.get("file"), form.get("purpose")
                if not isinstance(given, UploadFile) or not isinstance(purpose, str):
                    raise refused("An upload has a 'file' and a 'purpose'.", "file")
                with _upload_folder(self._studio.settings.uploads) as folder:
                    path = folder / (PurePath(given.filename or "").name[:_LONGEST_NAME] or "file.jsonl")
                    await self._in_thread(_copy, given, path)
                    return await self._in_thread(files.add_file, self._studio, path, purpose)
        except MultiPartException as error:
            raise refused(f"The upload cannot be read: {error.message}", "file") from error

    async def _file(self, request: Request) -> Any:
        def find() -> dict[str, Any]:
            return files.document(self._studio, files.find(self._studio, request.path_params["id"]))

        return await self._in_thread(find)

    async def _delete_file(self, request: Request) -> Any:
        return await self._in_thread(files.delete, self._studio, request.path_params["id"])

    async def _content(self, request: Request) -> Any:
        path = await self._in_thread(files.content, self._studio, request.path_params["id"])
        return FileResponse(path, media_type="application/octet-stream", content_disposition_type="attachment")

    async def _jobs(self, request: Request) -> Any:
        return _paged(request, await self._in_thread(jobs.jobs, self._studio))

    async def _create_job(self, request: Request) -> Any:
        asked = jobs.read_job(await self._body(request))
        return await self._in_thread(jobs.create_job, self._studio, self._facts, asked)

    async def _job(self, request: Request) -> Any:
        def find() -> dict[str, Any]:
            return jobs.document(self._studio, jobs.find(self._studio, request.path_params["id"]))

        return await self._in_thread(find)

    async def _cancel_job(self, request: Request) -> Any:
        return await self._in_thread(jobs.cancel, self._studio, request.path_params["id"])

    async def _events(self, request: Request) -> Any:
        return _paged(request, await self._in_thread(jobs.events, self._studio, request.path_params["id"]))

    async def _checkpoints(self, request: Request) -> Any:
        return _paged(request, await self._in_thread(jobs.checkpoints, self._studio, request.path_params["id"]))

    async def _in_thread(self, function: Callable[..., Made], *arguments: Any) -> Made:
        return await anyio.to_thread.run_sync(function, *arguments, limiter=self._threads)

    async def _body(self, request: Request) -> Any:
        """Read the body of a request as JSON. Raises ApiError where it is too long, or none."""
        most = self._studio.limits.api_request_mib * 2**20
        content = bytearray()
        async for part in request.stream():
            content += part
            if len(content) > most:
                raise ApiError(413, f"This request is longer than {most // 2**20:,} MiB, which is what is taken.")
        try:
            return codec.parse(bytes(content))
        except codec.Damaged as error:
            raise refused(f"The body is not JSON that can be read: {error}.") from error


class _Chunks(Response):
    """An answer that is streamed, as events of a server. What is `coming` was begun: `first` are its first chunks."""

    def __init__(
        self,
        coming: Coming,
        completion: Completion,
        first: list[dict[str, Any]],
        *,
        counts_usage: bool,
        unread_seconds: float = UNREAD_SECONDS,
    ) -> None:
        super().__init__(media_type="text/event-stream", headers={"Cache-Control": "no-cache"})
        del self.headers["content-length"]
        self._coming = coming
        self._completion = completion
        self._first = first
        self._counts_usage = counts_usage
        self._unread_seconds = unread_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the chunks as they come; a program that hangs up, or does not read on, ends the answer."""
        seconds_left = self._unread_seconds

        async def pass_on(message: Message) -> None:
            nonlocal seconds_left
            began = anyio.current_time()
            with anyio.fail_after(seconds_left):
                await send(message)
            seconds_left -= anyio.current_time() - began

        async def tell(text: str, *, more: bool = True) -> None:
            body = f"data: {text}\n\n".encode()
            await pass_on({"type": "http.response.body", "body": body, "more_body": more})

        async with contextlib.aclosing(self._coming):
            try:
                start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
                await pass_on(start)
                for chunk in self._first:
                    await tell(self._written(chunk))
                if self._completion.answered is None:
                    async for said in self._coming:
                        for chunk in self._completion.take(said):
                            await tell(self._written(chunk))
                if self._counts_usage:
                    await tell(as_json(self._completion.usage_chunk))
            except (ClientDisconnect, OSError):  # of the latter is what says that nobody read on
                log.debug("A program hung up in the middle of its answer, or did not read on", exc_info=True)
                return
            except Exception as error:
                await tell(as_json(_told(error).body))
        with logged(log, "A program did not read its answer to the end", OSError):
            await tell("[DONE]", more=False)

    def _written(self, chunk: dict[str, Any]) -> str:
        return as_json({**chunk, "usage": None} if self._counts_usage else chunk)


async def _first_chunks(coming: Coming, completion: Completion) -> list[dict[str, Any]]:
    """Wait for the first that is said of an answer: trouble is then a status, and not a chunk."""
    try:
        async for said in coming:
            if chunks := list(completion.take(said)):
                return chunks
    except BaseException:
        await coming.aclose()
        raise
    return []


_OVER: Any = object()


def refusal(error: Exception) -> Response:
    """Return what is answered to a request that ended in an error."""
    told = _told(error)
    # What was refused is refused again: OpenAI's own package would ask three times.
    headers = {"x-should-retry": "false"}
    if told.retry_seconds is not None:
        headers = {"x-should-retry": "true", "Retry-After": str(told.retry_seconds)}
    return JSONResponse(told.body, status_code=told.status, headers=headers)


def _told(error: Exception) -> ApiError:
    """Translate any error into one for a program. The trace of a bug goes to the log under the number that is told."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, ClientDisconnect):
        return ApiError(499, "The program hung up.")
    if isinstance(error, StudioError):
        log.info("A request of a program was refused: %s", error)
        return ApiError(429 if isinstance(error, TooMany) else 400, str(error))
    number = secrets.token_hex(4)
    log.error("A request of a program failed (%s)", number, exc_info=error)
    return ApiError(500, f"The studio met a fault of its own. Its log has it under the number {number}.")


def _paged(request: Request, items: list[dict[str, Any]], *, most: int = _MOST_LISTED) -> dict[str, Any]:
    given = request.query_params.get("limit", "20" if most == _MOST_LISTED else str(most))
    if not given.isdecimal() or not 1 <= int(given[:9]) <= most:
        raise refused(f"'limit' must be a whole number from 1 to {most}.", "limit")
    return page_of(items, after=request.query_params.get("after", ""), limit=int(given[:9]))


@contextlib.contextmanager
def _upload_folder(uploads: Path) -> Iterator[Path]:
    """Give a folder for an upload that is gone afterwards: what becomes of it is kept as a data set."""
    uploads.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=uploads, prefix="api-") as folder:
        yield Path(folder)


def _copy(given: UploadFile, path: Path) -> None:
    given.file.seek(0)
    with path.open("wb") as file:
        shutil.copyfileobj(given.file, file)
