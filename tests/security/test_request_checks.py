"""Who is let in: by the name of the studio, by the page that asks, and by what is asked for."""

import pytest
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from studio.settings import Settings
from studio.ui.serving.login import Tries
from studio.ui.serving.origins import Hosts, hosts_of
from studio.ui.serving.request_checks import RequestChecks, Rules
from tests.security.visits import Gradio, ask

pytestmark = pytest.mark.security

LAPTOP = Rules(Hosts(frozenset()))
PUBLIC = Rules(Hosts(frozenset({"studio.example", "workbench", "workbench.local"}), public=True))
SPACE = Rules(Hosts(frozenset({"me-studio.hf.space"}), public=True), framed=True)
ALL = pytest.mark.parametrize("rules", [LAPTOP, PUBLIC, SPACE], ids=["laptop", "public", "space"])

OWN = "http://127.0.0.1:7860"
OPENED = (("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document"))
FRAME = (("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "iframe"), ("Sec-Fetch-Site", "cross-site"))

ACTIONS = [
    ("POST", "/gradio_api/queue/join"),
    ("GET", "/gradio_api/queue/data"),
    ("POST", "/gradio_api/upload"),
    ("POST", "/gradio_api/run/predict"),
    ("POST", "/gradio_api/api/start_run"),
    ("POST", "/gradio_api/call/start_run"),
    ("GET", "/gradio_api/call/start_run/abc123"),
    ("POST", "/gradio_api/cancel"),
    ("POST", "/gradio_api/reset"),
    ("POST", "/login"),
    ("GET", "/logout"),
    ("GET", "/config"),
    ("GET", "/gradio_api/info"),
    ("GET", "/gradio_api/heartbeat/abc"),
    ("GET", "/gradio_api/file=/tmp/gradio/x/y.csv"),
    ("GET", "/assets/index.js"),
    ("GET", "/own/file"),
]

CLOSED = [
    "/gradio_api/proxy=https://me-x.hf.space/file",
    "/gradio_api/file=http://10.0.0.1/",
    "/gradio_api/file=https://evil.example/x.html",
    "/gradio_api/file=relative/path",
    "/gradio_api/file/etc/passwd",
    "/gradio_api/component_server",
    "/gradio_api/component_server/",
    "/gradio_api/process_recording",
    "/gradio_api/vibe-edit",
    "/gradio_api/vibe-code/",
    "/gradio_api/undo-vibe-edit",
    "/gradio_api/vibe-starter-queries",
    "/gradio_api/deep_link",
    "/gradio_api/dev/reload",
    "/gradio_api/token",
    "/gradio_api/user",
    "/gradio_api/openapi.json",
    "/gradio_api/runs",
    "/gradio_api/startup-events",
    "/gradio_api/queue/status",
    "/gradio_api/stream/abc",
    "/gradio_api/stream/a/b/1/playlist.m3u8",
    "/gradio_api/custom_component/a/client/b/c.js",
    "/gradio_api/mcp/sse",
    "/gradio_api/profiling/traces",
    "/monitoring",
    "/monitoring/summary",
    "/svelte/x.js",
    "/pwa_icon/9999",
    "/docs",
    "/openapi.json",
    "//config",
    "/config/../gradio_api/token",
    "/CONFIG",
    "/config\n",
]


def checks(rules: Rules = LAPTOP, gradio: Gradio | None = None) -> RequestChecks:
    own = Route("/own/file", lambda _request: PlainTextResponse("own"))
    return RequestChecks(gradio or Gradio(), rules, tries=Tries(lambda: 0.0), routes=[own])


@pytest.mark.parametrize(
    ("host", "laptop", "public"),
    [
        ("127.0.0.1:7860", True, True),
        ("127.0.0.1", True, True),
        ("127.8.9.1:7860", True, True),
        ("localhost:7860", True, True),
        ("LocalHost", True, True),
        ("localhost.:7860", True, True),
        ("[::1]:7860", True, True),
        ("192.168.1.20:7860", False, True),
        ("203.0.113.7", False, True),
        ("[2001:db8::7]:7860", False, True),
        ("0.0.0.0:7860", False, True),
        ("studio.example", False, True),
        ("STUDIO.example:443", False, True),
        ("workbench:7860", False, True),
        ("workbench.local:7860", False, True),
        ("evil.example:7860", False, False),
        ("localhost.evil.example", False, False),
        ("evil.studio.example", False, False),
        ("127.0.0.1.evil.example", False, False),
        ("127.1:7860", False, False),
        ("0x7f.1", False, False),
        ("evil.example@127.0.0.1", False, False),
        ("127.0.0.1:7860, evil.example", False, False),
        ("127.0.0.1:99999", False, False),
        ("127.0.0.1:x", False, False),
        ("http://127.0.0.1", False, False),
        ("127.0.0.1/", False, False),
        (" 127.0.0.1", False, False),
        ("127.0.0.1\xa0", False, False),
        ("", False, False),
        ("*", False, False),
        ("a" * 5000, False, False),
    ],
)
def test_only_known_names_are_answered(host: str, laptop: bool, public: bool) -> None:
    """Any Host was answered, so a name that points to 127.0.0.1 made a web page the studio's own."""
    for rules, known in ((LAPTOP, laptop), (PUBLIC, public)):
        for path in ("/", "/config", "/own/file"):
            answer = ask(checks(rules), path, host=host)
            assert answer.status == (200 if known else 421)
            assert known or "STUDIO_HOSTS" in answer.text
            assert len(answer.text) < 300


@ALL
def test_a_request_names_its_host_once(rules: Rules) -> None:
    """Two Host headers let each reader choose another one."""
    assert ask(checks(rules), host=None).status == 421
    assert ask(checks(rules), headers=[("Host", "127.0.0.1:7860")]).status == 421
    assert ask(checks(rules), headers=[("Host", "evil.example")]).status == 421


def test_the_names_of_a_studio_come_from_its_settings() -> None:
    settings = Settings(home=None, host="0.0.0.0", hosts=("Studio.Example",))  # type: ignore[arg-type]
    hosts = hosts_of(settings, machine="Workbench")
    assert all(map(hosts.knows, ("studio.example", "workbench", "workbench.local", "localhost", "198.51.100.1")))
    alone = hosts_of(Settings(home=None), machine="workbench")  # type: ignore[arg-type]
    assert not any(map(alone.knows, ("workbench", "198.51.100.1", "studio.example", "")))


@pytest.mark.parametrize(
    "headers",
    [
        [("Origin", "http://evil.example")],
        [("Origin", "https://127.0.0.1:7860.evil.example")],
        [("Origin", "http://127.0.0.1:8888")],
        [("Origin", "http://localhost:7860")],
        [("Origin", "http://127.0.0.1")],
        [("Origin", "null")],
        [("Origin", "")],
        [("Origin", "file://")],
        [("Origin", "chrome-extension://127.0.0.1:7860")],
        [("Origin", "http://user@127.0.0.1:7860")],
        [("Origin", "http://127.0.0.1:7860/")],
        [("Origin", OWN), ("Origin", "http://evil.example")],
        [("Origin", OWN), ("Sec-Fetch-Site", "cross-site")],
        [("Sec-Fetch-Site", "cross-site")],
        [("Sec-Fetch-Site", "same-site")],
        [("Sec-Fetch-Site", "anything")],
        [("Sec-Fetch-Site", "cross-site"), *OPENED],
        [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "no-cors"), ("Sec-Fetch-Dest", "script")],
    ],
)
def test_another_page_reaches_nothing(headers: list[tuple[str, str]]) -> None:
    """A multipart upload and every GET of another page were carried out, and their answers could be read."""
    gradio = Gradio()
    for method, path in ACTIONS:
        answer = ask(checks(gradio=gradio), path, headers, method=method)
        assert answer.status == 403, path
        assert not any(name.startswith("access-control") for name in answer.headers)
    assert gradio.seen == []


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Origin", OWN)],
        [("Origin", OWN), ("Sec-Fetch-Site", "same-origin")],
        [("Sec-Fetch-Site", "same-origin")],
        [("Sec-Fetch-Site", "none"), *OPENED],
    ],
)
def test_the_page_itself_and_programs_pass(headers: list[tuple[str, str]]) -> None:
    for method, path in ACTIONS:
        assert ask(checks(), path, [*headers, ("Content-Length", "40")], method=method).status == 200, path


@pytest.mark.parametrize("site", ["cross-site", "same-site", "same-origin", "none"])
def test_a_link_from_anywhere_opens_the_page_and_nothing_else(site: str) -> None:
    headers = [("Sec-Fetch-Site", site), *OPENED]
    assert ask(checks(), "/", headers).status == 200
    elsewhere = 200 if site in ("same-origin", "none") else 403
    assert ask(checks(), "/own/file", headers).status == elsewhere
    assert ask(checks(), "/", headers, method="POST").status == elsewhere
    assert ask(checks(), "/", [*headers, ("Origin", "http://evil.example")]).status == 403


def test_only_a_space_is_shown_in_a_frame() -> None:
    """Any page could show the studio in a frame and let a person press its buttons unseen."""
    assert ask(checks(LAPTOP), "/", FRAME).status == 403
    assert ask(checks(PUBLIC), "/", FRAME).status == 403
    space = ask(checks(SPACE), "/", FRAME, host="me-studio.hf.space")
    assert space.status == 200
    assert "frame-ancestors https://huggingface.co" in space.headers["content-security-policy"]
    assert "x-frame-options" not in space.headers
    assert ask(checks(SPACE), "/own/file", FRAME, host="me-studio.hf.space").status == 403
    alone = ask(checks(LAPTOP), "/")
    assert "frame-ancestors 'none'" in alone.headers["content-security-policy"]
    assert alone.headers["x-frame-options"] == "DENY"


@ALL
@pytest.mark.parametrize("origin", [OWN, "http://evil.example", "null"])
def test_no_preflight_is_answered(rules: Rules, origin: str) -> None:
    """Gradio allowed another origin to send what it liked, with credentials."""
    asked = [("Origin", origin), ("Access-Control-Request-Method", "POST")]
    answer = ask(checks(rules), "/gradio_api/queue/join", asked, method="OPTIONS")
    assert answer.status == 403
    assert not any(name.startswith("access-control") for name in answer.headers)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "get"])
def test_other_methods_are_not_answered(method: str) -> None:
    assert ask(checks(), "/config", method=method).status == 405


def test_a_websocket_is_closed() -> None:
    assert ask(checks(), "/gradio_api/queue/join", kind="websocket").text == "websocket.close"


@ALL
def test_what_the_page_does_not_need_is_closed(rules: Rules) -> None:
    """Gradio fetches foreign addresses for any visitor, and names its visitors' tokens, among others."""
    gradio = Gradio()
    for path in CLOSED:
        for method in ("GET", "POST"):
            assert ask(checks(rules, gradio), path, method=method).status == 404, path
    assert gradio.seen == []


@ALL
def test_every_answer_is_guarded(rules: Rules) -> None:
    gradio = Gradio()
    for path, host in (("/", "127.0.0.1"), ("/config", "127.0.0.1"), ("/nothing", "127.0.0.1"), ("/", "evil.example")):
        headers = ask(checks(rules, gradio), path, host=host).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "default-src" in headers["content-security-policy"]
        assert not any(name.startswith("access-control") for name in headers)
    policy = ask(checks(rules)).headers["content-security-policy"]
    for part in ("default-src 'self'", "connect-src 'self'", "script-src-attr 'none'", "object-src 'none'"):
        assert part in policy
    assert "http:" not in policy
    assert "*" not in policy


def test_a_stricter_policy_of_a_route_stays() -> None:
    gradio = Gradio(headers=(("Content-Security-Policy", "sandbox"),))
    assert ask(checks(gradio=gradio), "/config").headers["content-security-policy"] == "sandbox"


@pytest.mark.parametrize(
    "headers",
    [
        (("Content-Disposition", 'inline; filename="page.html"'), ("Content-Type", "text/html")),
        (("Content-Disposition", "inline"), ("Content-Security-Policy", "default-src *")),
        (("Content-Disposition", 'attachment; filename="page.html"'),),
        (),
    ],
)
def test_a_file_is_saved_and_never_shown(headers: tuple[tuple[str, str], ...]) -> None:
    """An HTML file that was uploaded, or lay in an imported run, ran as a page of the studio."""
    answer = ask(checks(gradio=Gradio(headers=headers)), "/gradio_api/file=/tmp/gradio/x/page.html")
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert "default-src *" not in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("forwarded", "passed"),
    [
        (["studio.example"], True),
        (["studio.example:8443"], True),
        (["studio.example, 127.0.0.1"], True),
        (["evil.example"], False),
        (["studio.example, evil.example"], False),
        (["studio.example", "evil.example"], False),
        (["studio.example,"], False),
        (["http://studio.example"], False),
    ],
)
def test_a_forwarded_name_is_passed_on_only_when_known(forwarded: list[str], passed: bool) -> None:
    """Gradio builds the addresses of the page from headers that anybody can write."""
    gradio = Gradio()
    headers = [*(("X-Forwarded-Host", each) for each in forwarded), ("X-Gradio-Server", "http://evil.example")]
    assert ask(checks(PUBLIC, gradio), headers=headers).status == 200
    names = {name for name, _ in gradio.seen[0]["headers"]}
    assert (b"x-forwarded-host" in names) is passed
    assert b"x-gradio-server" not in names


@pytest.mark.parametrize(
    ("host", "headers", "status"),
    [
        ("studio.example", [("Origin", "https://studio.example")], 200),
        ("127.0.0.1:7860", [("Origin", "https://studio.example")], 200),
        ("studio.example:8443", [("Origin", "https://studio.example:8443")], 200),
        (
            "127.0.0.1:7860",
            [("Origin", "https://studio.example:8443"), ("X-Forwarded-Host", "studio.example:8443")],
            200,
        ),
        ("127.0.0.1:7860", [("Origin", "https://evil.example"), ("X-Forwarded-Host", "evil.example")], 403),
        ("studio.example", [("Origin", "https://studio.example:8443")], 403),
        ("evil.example", [("X-Forwarded-Host", "studio.example")], 421),
    ],
)
def test_behind_a_proxy(host: str, headers: list[tuple[str, str]], status: int) -> None:
    answer = ask(checks(PUBLIC), "/gradio_api/queue/join", headers, host=host, method="POST")
    assert answer.status == status


def test_the_prefix_of_a_proxy_is_taken_off() -> None:
    gradio = Gradio()
    behind = checks(Rules(Hosts(frozenset()), prefix="/tools/studio"), gradio)
    for path in ("/tools/studio/config", "/config"):
        assert ask(behind, path).status == 200
    assert [scope["path"] for scope in gradio.seen] == ["/config", "/config"]
    assert ask(behind, "/tools/studio/own/file").status == 200
    for path in ("/tools/studio/monitoring", "/tools/studioconfig", "/tools/studio"):
        assert ask(behind, path).status == 404
