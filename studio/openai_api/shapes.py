"""What all answers of the address share: errors in OpenAI's shape, lists, and numbers of things by their prefix."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PREFIX = "/v1/"
"""All addresses of this room begin so."""

INVALID = "invalid_request_error"

_KINDS = {
    401: INVALID,
    403: "permission_error",
    429: "rate_limit_error",
    500: "server_error",
    503: "server_error",
}


@dataclass(eq=False)
class ApiError(Exception):
    """Why a request is not answered: a status of HTTP, a sentence, and what of the request is meant.

    `retry_seconds` says after how long the same request is worth another try; None where it never is.
    It is not frozen: Python writes the trace into an exception on its way.
    """

    status: int
    sentence: str
    param: str | None = None
    code: str | None = None
    retry_seconds: int | None = None

    @property
    def body(self) -> dict[str, Any]:
        """The error as the body of an answer."""
        return error_body(self.status, self.sentence, param=self.param, code=self.code)


def error_body(status: int, sentence: str, *, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    """Return an error in OpenAI's shape."""
    kind = _KINDS.get(status, INVALID)
    return {"error": {"message": sentence, "type": kind, "param": param, "code": code}}


def is_api(path: str) -> bool:
    """Tell whether an address is one of this room."""
    return path.startswith(PREFIX) or path == PREFIX.rstrip("/")


def refused(sentence: str, param: str | None = None, *, code: str | None = None) -> ApiError:
    """Return the error of a request that cannot be answered as it is."""
    return ApiError(400, sentence, param, code)


def page_of(items: Sequence[Mapping[str, Any]], *, after: str, limit: int) -> dict[str, Any]:
    """Return a list in OpenAI's shape: at most `limit` items, those behind the one with the id `after`.

    Raises ApiError where there is no such item.
    """
    start = 0
    if after:
        places = [place for place, item in enumerate(items) if item["id"] == after]
        if not places:
            raise refused(f"There is no '{after[:80]}' in this list to go on after.", "after")
        start = places[0] + 1
    shown = items[start : start + limit]
    return {
        "object": "list",
        "data": list(shown),
        "has_more": start + limit < len(items),
        "first_id": shown[0]["id"] if shown else None,
        "last_id": shown[-1]["id"] if shown else None,
    }


def without(prefix: str, id: str, *, noun: str) -> str:
    """Return the studio's own id in one such as "file-...". Raises ApiError for another shape."""
    if not id.startswith(prefix) or id == prefix:
        raise not_found(noun, id)
    return id.removeprefix(prefix)


def not_found(noun: str, id: str) -> ApiError:
    """Return the error of something that is not there."""
    return ApiError(404, f"There is no {noun} '{id[:120]}'.", "id", "not_found")
