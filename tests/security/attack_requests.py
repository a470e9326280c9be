"""Attempts with requests: other hosts, other origins, files that are no upload, broken HTTP, and the login."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

from tests.security.attempts import Outcome, Target, judged, must_refuse
from tests.security.visitor import Visitor

STRANGER = "http://evil.example"
PAGE = b"<!doctype html><script>document.title = 'ran'</script>"
PICTURE = b'<svg xmlns="http://www.w3.org/2000/svg"><script>document.title = "ran"</script></svg>'


def hosts(target: Target) -> Iterator[Outcome]:
    """Visit under names that are not the studio's own, as a page can whose name resolves to this machine."""
    visitor = target.visitor()
    port = visitor.port
    names = ["evil.example", f"evil.example:{port}", f"127.0.0.1.evil.example:{port}", f"localhost.evil.example:{port}"]
    names += [
        f"127.0.0.1:{port}@evil.example",
        f"127.0.0.1:{port}.evil.example",
        "0.0.0.0.evil.example",
        "",
        "[::ffff:6]",
    ]
    for name in names:
        for path in ("/", "/config", "/gradio_api/info"):
            yield must_refuse(f"GET {path} under the name '{name}'", visitor.get(path, {"Host": name}))
        upload = visitor.upload("x.csv", b"a,b\n1,2\n", {"Host": name})
        yield must_refuse(f"upload under the name '{name}'", upload)
    answer = visitor.get("/config", {"Host": "evil.example", "X-Forwarded-Host": f"127.0.0.1:{port}"})
    yield must_refuse("GET /config under a foreign name with X-Forwarded-Host", answer)


def origins(target: Target) -> Iterator[Outcome]:
    """Do what a foreign page can make a browser do."""
    visitor = target.visitor()
    call = json.dumps({"fn_index": 0, "data": [], "session_hash": visitor.session}).encode()
    senders: dict[str, dict[str, str]] = {
        "a foreign origin": {"Origin": STRANGER, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"},
        "a foreign origin alone": {"Origin": STRANGER},
        "origin null": {"Origin": "null"},
        "another port of this machine": {
            "Origin": f"http://127.0.0.1:{visitor.port % 60000 + 1}",
            "Sec-Fetch-Site": "same-site",
        },
        "a name that begins like the own": {"Origin": f"{visitor.url}.evil.example"},
        "cross-site without an origin": {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
    }
    for who, headers in senders.items():
        for kind in ("application/json", "text/plain"):
            for path in ("/gradio_api/run/predict", "/gradio_api/queue/join", "/gradio_api/call/run_status"):
                answer = visitor.ask("POST", path, call, {"Content-Type": kind, **headers})
                yield _closed(f"POST {path} as {kind} from {who}", answer.status, answer.text)
        for path in ("/config", "/gradio_api/info", "/gradio_api/queue/status", "/gradio_api/file=/etc/hostname"):
            answer = visitor.get(path, headers)
            yield _closed(f"GET {path} from {who}", answer.status, answer.text)
        answer = visitor.upload("x.csv", b"a,b\n1,2\n", headers)
        yield _closed(f"upload from {who}", answer.status, answer.text)
    yield from preflights(visitor)
    frame = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}
    answer = visitor.get("/", frame)
    framed = answer.status == 200 and "frame-ancestors" not in answer.headers.get("content-security-policy", "")
    yield Outcome("the page in a foreign frame", framed, answer.headers.get("content-security-policy", "no policy"))


def _closed(name: str, status: int, text: str) -> Outcome:
    """Judge an answer to a foreign page: 401, 403 and 421 refuse it; anything else was worked on."""
    return Outcome(name, status not in (401, 403, 421), f"{status} {text[:60]}")


def preflights(visitor: Visitor) -> Iterator[Outcome]:
    for origin in (STRANGER, "null"):
        for path in ("/gradio_api/run/predict", "/gradio_api/upload", "/config"):
            asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
            answer = visitor.ask("OPTIONS", path, headers={"Origin": origin, **asked})
            allowed = answer.headers.get("access-control-allow-origin", "")
            yield Outcome(f"preflight of {path} from {origin}", allowed in ("*", origin), f"{answer.status} {allowed}")


def page_headers(target: Target) -> Iterator[Outcome]:
    """Look whether the page tells browsers to keep others out."""
    answer = target.visitor().get("/")
    for name, holds in (
        ("content-security-policy", "frame-ancestors"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", ""),
    ):
        found = answer.headers.get(name)
        yield Outcome(f"header {name}", found is None or holds not in found, found or "missing")


def uploaded_pages(target: Target) -> Iterator[Outcome]:
    """Upload what a browser would run, and ask for it: it may not be shown in the studio's name."""
    visitor = target.visitor()
    for name, content in (
        ("page.html", PAGE),
        ("picture.svg", PICTURE),
        ("page.xhtml", PAGE),
        ("data.csv", PAGE),
        ("x", PAGE),
    ):
        file = visitor.file(name, content)
        if file is None:
            yield Outcome(f"upload {name}", False, "the upload was refused")
            continue
        answer = visitor.get(f"/gradio_api/file={file['path']}")
        inline = answer.status == 200 and "attachment" not in answer.headers.get("content-disposition", "")
        yield Outcome(f"uploaded {name} as a page", inline, f"{answer.status} {answer.headers.get('content-type')}")


def forged_files(target: Target) -> Iterator[Outcome]:
    """Give upload fields a path or an address of the server's instead of an upload."""
    visitor = target.visitor()
    with _Listener() as other:
        forged: dict[str, dict[str, object]] = {
            "a path": {"path": str(target.private)},
            "a relative path": {"path": f"../../../../../../../..{target.private}"},
            "a path and meta": {"path": str(target.private), "meta": {"_type": "gradio.FileData"}, "is_stream": False},
            "a stream": {"path": str(target.private), "meta": {"_type": "gradio.FileData"}, "is_stream": True},
            "an address": {"path": other.url, "url": other.url, "meta": {"_type": "gradio.FileData"}},
            "a url alone": {"url": other.url, "path": "", "meta": {"_type": "gradio.FileData"}},
            "a url of a file": {"url": f"file://{target.private}", "path": "x", "meta": {"_type": "gradio.FileData"}},
            "another type": {"path": str(target.private), "meta": {"_type": "gradio.Nothing"}},
        }
        for id, component in list(visitor.components.items()):
            if component["type"] not in ("file", "uploadbutton"):
                continue
            many = component["props"].get("file_count") == "multiple"
            label = component["props"].get("elem_id") or component["props"].get("label")
            for name, file in forged.items():
                for listener in visitor.listeners:
                    if id in listener["inputs"]:
                        whole = {"orig_name": "x.csv", "size": 10, **file}
                        said = visitor.call(listener, {id: [whole] if many else whole})
                        outcome = judged(f"{name} in {label} of listener {listener['id']}", said, target)
                        if said.status == 200 and said.error == "" and listener["queue"]:
                            outcome = _echo(target, outcome)
                        yield outcome
        yield Outcome("the server fetched an address it was given", other.hits > 0, f"{other.hits} requests came")


def _echo(target: Target, outcome: Outcome) -> Outcome:
    """After a listener took a forged file: is the private file to be had now, or among the data sets?"""
    answer = target.visitor().get(f"/gradio_api/file={target.private}")
    if target.leaks(answer.text):
        return Outcome(outcome.name, True, "the private file can be fetched now")
    if target.home and any(target.home.rglob(target.private.name)):
        return Outcome(outcome.name, True, "the private file was brought in")
    return outcome


def broken_requests(target: Target) -> Iterator[Outcome]:
    """Send what is no proper request: all have to be turned away without harm to the next one."""
    visitor = target.visitor()
    huge = visitor.get("/config", {"X-Long": "a" * 2_000_000})
    yield must_refuse("a header of 2 MB", huge, may_cut=True)
    many = visitor.get("/config", {f"X-{number}": "a" * 50 for number in range(5_000)})
    yield must_refuse("5,000 headers", many, may_cut=True)
    yield must_refuse("an address of 500 kB", visitor.get("/" + "a" * 500_000), may_cut=True)
    nested = b"[" * 200_000 + b"]" * 200_000
    for path in ("/gradio_api/run/predict", "/gradio_api/queue/join", "/gradio_api/call/run_status"):
        answer = visitor.post(path, b'{"fn_index": 0, "data": ' + nested + b"}")
        yield Outcome(f"nested JSON to {path}", answer.status == 0, f"{answer.status} {answer.text[:60]}")
    for path in ("/gradio_api/component_server", "/gradio_api/cancel", "/gradio_api/reset", "/gradio_api/upload"):
        answer = visitor.post(
            path, {"session_hash": "x", "component_id": 1, "fn_name": "__init__", "data": {}, "fn_index": 1}
        )
        yield Outcome(
            f"POST {path} with what it never gets",
            answer.status in (0, 500),
            f"{answer.status}",
        )


def slow_connections(target: Target, count: int = 150, seconds: float = 4.0) -> Iterator[Outcome]:
    """Open connections that never finish their request, and look whether others are still served."""
    visitor = target.visitor()
    held = []
    for _ in range(count):
        try:
            connection = socket.create_connection((visitor.host, visitor.port), timeout=5)
            connection.sendall(f"POST /gradio_api/upload HTTP/1.1\r\nHost: {visitor.host}:{visitor.port}\r\n".encode())
            held.append(connection)
        except OSError:
            break
    time.sleep(min(seconds, 4.0))
    answer = visitor.get("/config", timeout=30)
    for connection in held:
        connection.close()
    late = answer.status != 200 or answer.seconds > 2
    yield Outcome(f"{len(held)} connections that never end", late, f"the page answered in {answer.seconds:.2f} s")


def logins(target: Target) -> Iterator[Outcome]:
    """Show nothing without the password, and end the guessing. Comes last: it may shut this address out."""
    if not target.password:
        return
    stranger = Visitor(target.url)
    for path in ("/config", "/gradio_api/info", "/gradio_api/file=/etc/hostname", "/gradio_api/queue/status"):
        yield must_refuse(f"GET {path} without the password", stranger.get(path))
    yield must_refuse("upload without the password", stranger.upload("x.csv", b"a\n"))
    yield must_refuse(
        "call without the password", stranger.post("/gradio_api/run/predict", {"fn_index": 0, "data": []})
    )
    stranger.cookie = "access-token=x; access-token-unsecure=x"
    yield must_refuse("GET /config with a made-up cookie", stranger.get("/config"))
    for attempt in range(60):
        answer = stranger.login(f"wrong {attempt}")
        if answer.status == 429:
            yield Outcome("guessing the password", False, f"refused to listen after {attempt} tries")
            return
    yield Outcome("guessing the password", True, "60 wrong tries in a row were all looked at")


class _Listener:
    """A server of the attacker's that counts who asks it."""

    def __enter__(self) -> "_Listener":
        listener = self
        self.hits = 0

        class Count(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                listener.hits += 1
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"a,b\n1,2\n")

            do_HEAD = do_POST = do_GET

            def log_message(self, *_: object) -> None:
                """Say nothing: the attack's own lines are what is read."""

        self._server = HTTPServer(("127.0.0.1", 0), Count)
        self.url = f"http://127.0.0.1:{self._server.server_port}/x.csv"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


GROUPS = (hosts, origins, page_headers, uploaded_pages, forged_files, broken_requests, slow_connections)
