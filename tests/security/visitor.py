"""A visitor of a running studio that is no browser: it calls any listener, also those that only the page calls.

Standard library only. Talks to a loopback address and to nothing else.
"""

import copy
import http.client
import ipaddress
import json
import secrets
import time
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

MOST_BYTES = 64 * 2**20
BUG = "Something went wrong inside the studio"
"""What the page says when a listener failed in a way that nobody foresaw."""


@dataclass(frozen=True)
class Answer:
    """What came to one request. `status` is 0 where nothing came; `body` then says why."""

    status: int
    body: bytes
    headers: Mapping[str, str]
    seconds: float

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


@dataclass(frozen=True)
class Heard:
    """What a listener said: its outputs, or the sentence of its refusal. Both are empty where it took too long."""

    status: int
    data: list[Any] | None
    error: str
    seconds: float

    @property
    def is_bug(self) -> bool:
        return BUG in self.error

    @property
    def is_silent(self) -> bool:
        """Whether nothing came in time, or the connection broke."""
        return self.status == 0


class Visitor:
    """One visitor with a session of its own. Raises ValueError for an address that is not this machine's."""

    def __init__(self, url: str, *, password: str = "", timeout: float = 20.0) -> None:
        parts = urllib.parse.urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme != "http" or not (host == "localhost" or _is_loopback(host)) or not parts.port:
            raise ValueError(f"{url} is not http://127.0.0.1:PORT; only a studio on this machine may be attacked.")
        self.host, self.port, self.timeout = host, parts.port, timeout
        self.url = f"http://{host}:{parts.port}"
        self.session = secrets.token_hex(6)
        self.cookie = ""
        self.password = password
        if password:
            self.login(password)

    def login(self, password: str) -> Answer:
        """Log in as the page's own form does, and keep the cookie."""
        form = urllib.parse.urlencode({"username": "studio", "password": password}).encode()
        answer = self.ask("POST", "/login", form, {"Content-Type": "application/x-www-form-urlencoded"})
        given = answer.headers.get("set-cookie", "")
        self.cookie = given.split(";")[0] if given else self.cookie
        return answer

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Answer:
        """Send one request exactly as given and return what came; a broken connection is an answer too."""
        start = time.monotonic()
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout or self.timeout)
        sent = {"Cookie": self.cookie} if self.cookie else {}
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            given = {"Host": f"{self.host}:{self.port}", **sent, **(headers or {})}
            if body is not None:
                given.setdefault("Content-Length", str(len(body)))
            for name, value in given.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            came = connection.getresponse()
            headers_came: dict[str, str] = {}
            for name, value in came.getheaders():
                key = name.lower()
                headers_came[key] = f"{headers_came[key]}, {value}" if key in headers_came else value
            return Answer(came.status, came.read(MOST_BYTES), headers_came, time.monotonic() - start)
        except (OSError, http.client.HTTPException, ValueError) as error:
            return Answer(0, f"{type(error).__name__}: {error}".encode(), {}, time.monotonic() - start)
        finally:
            connection.close()

    def get(self, path: str, headers: Mapping[str, str] | None = None, timeout: float | None = None) -> Answer:
        return self.ask("GET", path, headers=headers, timeout=timeout)

    def post(self, path: str, value: object, headers: Mapping[str, str] | None = None, **more: Any) -> Answer:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        return self.ask("POST", path, body, {"Content-Type": "application/json", **(headers or {})}, **more)

    @cached_property
    def config(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.get("/config").body)
        return found

    @cached_property
    def components(self) -> dict[int, dict[str, Any]]:
        return {each["id"]: each for each in self.config["components"]}

    def opened_again(self) -> "Visitor":
        """Return the same visitor with another page of the same studio, just opened."""
        visitor = copy.copy(self)
        visitor.session = secrets.token_hex(6)
        return visitor

    @property
    def listeners(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.config["dependencies"]
        return found

    def id_of(self, elem_id: str) -> int:
        return next(id for id, each in self.components.items() if each["props"].get("elem_id") == elem_id)

    def comes_by_itself(self, listener: Mapping[str, Any]) -> bool:
        """Whether a page calls it by itself: at its load, when a tab is opened, or as one of its clocks ticks."""
        for id, event in listener["targets"]:
            name = self.components.get(id, {"props": {}})["props"].get("elem_id") or ""
            if event in ("load", "select") or (event in ("expand", "tick") and name.startswith("clock-")):
                return True
        return False

    def listener(self, elem_id: str | int, event: str) -> dict[str, Any]:
        """Return the first listener of a component, given by its name in the page or its number."""
        id = self.id_of(elem_id) if isinstance(elem_id, str) else elem_id
        return next(each for each in self.listeners if [id, event] in [list(target) for target in each["targets"]])

    def inputs(self, listener: Mapping[str, Any], values: Mapping[str | int, object]) -> list[object]:
        """Return what a page that was just loaded would send, with `values` for the components they name."""
        given = {self.id_of(key) if isinstance(key, str) else key: value for key, value in values.items()}
        return [
            given[id] if id in given else self.components.get(id, {"props": {}})["props"].get("value")
            for id in listener["inputs"]
        ]

    def call(
        self,
        listener: Mapping[str, Any],
        values: Mapping[str | int, object] | None = None,
        *,
        data: list[object] | None = None,
        event: object = None,
        timeout: float | None = None,
    ) -> Heard:
        """Call a listener by its number and wait for what it says."""
        trigger = listener["targets"][0][0] if listener["targets"] else None
        body = {
            "fn_index": listener["id"],
            "data": self.inputs(listener, values or {}) if data is None else data,
            "event_data": event,
            "trigger_id": trigger,
            "session_hash": self.session,
        }
        start = time.monotonic()
        if listener["queue"] is False:
            return heard(self.post("/gradio_api/run/predict", body, timeout=timeout))
        joined = self.post("/gradio_api/queue/join", body, timeout=timeout)
        if joined.status != 200:
            return heard(joined)
        return self._follow(json.loads(joined.body)["event_id"], start + (timeout or self.timeout))

    def api(self, name: str, data: list[object], timeout: float | None = None) -> Heard:
        """Call a named endpoint as a program does."""
        listener = next(each for each in self.listeners if each["api_name"] == name)
        return self.call(listener, data=data, timeout=timeout)

    def _follow(self, event_id: str, deadline: float) -> Heard:
        start = time.monotonic()
        connection = http.client.HTTPConnection(self.host, self.port, timeout=max(0.1, deadline - start))
        headers = {"Cookie": self.cookie} if self.cookie else {}
        try:
            connection.request("GET", f"/gradio_api/queue/data?session_hash={self.session}", headers=headers)
            came = connection.getresponse()
            while time.monotonic() < deadline:
                line = came.readline(MOST_BYTES)
                if not line:
                    break
                if not line.startswith(b"data: "):
                    continue
                message = json.loads(line[6:])
                if message["msg"] == "process_completed" and message.get("event_id") == event_id:
                    return _completed(message, time.monotonic() - start)
        except (OSError, http.client.HTTPException, ValueError) as error:
            return Heard(0, None, f"{type(error).__name__}: {error}", time.monotonic() - start)
        finally:
            connection.close()
        return Heard(0, None, "nothing came in time", time.monotonic() - start)

    def upload(self, name: str, content: bytes, headers: Mapping[str, str] | None = None) -> Answer:
        boundary = secrets.token_hex(8)
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n'
        body = f"{head}Content-Type: application/octet-stream\r\n\r\n".encode() + content
        sent = {"Content-Type": f"multipart/form-data; boundary={boundary}", **(headers or {})}
        return self.ask("POST", "/gradio_api/upload", body + f"\r\n--{boundary}--\r\n".encode(), sent)

    def file(self, name: str, content: bytes) -> dict[str, object] | None:
        """Upload a file and return what an upload field then sends; None where the upload was refused."""
        answer = self.upload(name, content)
        if answer.status != 200:
            return None
        path = json.loads(answer.body)[0]
        return {"path": path, "orig_name": name, "size": len(content), "meta": {"_type": "gradio.FileData"}}


def heard(answer: Answer) -> Heard:
    """Read the answer of a listener that does not queue."""
    try:
        said = json.loads(answer.body)
    except ValueError:
        return Heard(answer.status, None, answer.text[:300], answer.seconds)
    if answer.status == 200 and isinstance(said, dict) and "data" in said:
        return Heard(200, said["data"], "", answer.seconds)
    error = said.get("error", said.get("detail")) if isinstance(said, dict) else said
    return Heard(answer.status, None, str(error), answer.seconds)


def _completed(message: Mapping[str, Any], seconds: float) -> Heard:
    output = message.get("output") or {}
    if message.get("success"):
        return Heard(200, output.get("data"), "", seconds)
    return Heard(500, None, str(output.get("error")), seconds)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
