import asyncio

from starlette.types import Message, Receive, Scope, Send

from studio.ui.serving.front_page import MOST_KEPT, FrontPage


class Site:
    """Writes the page again for every request that reaches it."""

    def __init__(self, status: int = 200) -> None:
        self.asked: list[bytes] = []
        self.status = status

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.append(scope["query_string"])
        await send({"type": "http.response.start", "status": self.status, "headers": [(b"x-number", b"1")]})
        await send({"type": "http.response.body", "body": f"page {len(self.asked)}".encode()})


def visit(page: FrontPage, *, path: str = "/", method: str = "GET", host: str = "127.0.0.1", query: bytes = b"") -> str:
    said: list[Message] = []

    async def send(message: Message) -> None:
        said.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    headers = [(b"host", host.encode()), (b"cookie", b"a=b")]
    scope = {"type": "http", "method": method, "path": path, "query_string": query, "headers": headers}
    asyncio.run(page(scope, receive, send))
    return b"".join(message.get("body", b"") for message in said).decode()


def test_the_page_is_rendered_once_for_each_way_to_reach_it() -> None:
    site = Site()
    page = FrontPage(site, lambda scope: "")
    assert [visit(page, query=b"deep_link=x"), visit(page), visit(page)] == ["page 1"] * 3
    assert visit(page, host="localhost") == "page 2"
    assert site.asked == [b"", b""]


def test_the_settings_alone_are_kept_beside_the_page() -> None:
    page = FrontPage(Site(), lambda scope: "")
    assert [visit(page, path="/config"), visit(page), visit(page, path="/config")] == ["page 1", "page 2", "page 1"]


def test_a_login_has_a_page_of_its_own() -> None:
    """The page of somebody who has given the password must never be shown to somebody who has not."""
    token = "one"
    page = FrontPage(Site(), lambda scope: token)
    assert visit(page) == "page 1"
    token = ""
    assert visit(page) == "page 2"
    token = "one"
    assert visit(page) == "page 1"


def test_what_is_not_the_page_and_what_went_wrong_is_not_kept() -> None:
    page = FrontPage(Site(), lambda scope: "")
    assert [visit(page, path="/login"), visit(page, path="/login")] == ["page 1", "page 2"]
    assert [visit(page, method="HEAD"), visit(page, method="HEAD")] == ["page 3", "page 4"]
    failing = FrontPage(Site(status=500), lambda scope: "")
    assert [visit(failing), visit(failing)] == ["page 1", "page 2"]


def test_only_so_many_versions_are_kept() -> None:
    page = FrontPage(Site(), lambda scope: "")
    for place in range(MOST_KEPT + 1):
        visit(page, host=f"h{place}")
    assert visit(page, host=f"h{MOST_KEPT}") == f"page {MOST_KEPT + 1}"
    assert visit(page, host="h0") == f"page {MOST_KEPT + 2}"
