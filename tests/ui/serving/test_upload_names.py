"""What is known of uploads has a bound."""

from typing import Any

import anyio
from gradio.routes import file_upload_statuses

from studio.ui.serving.upload_names import LONGEST_NAME, MOST_NAMES, UploadNames


def known() -> set[str]:
    return set(file_upload_statuses._statuses) | set(file_upload_statuses._signals)


def test_what_nobody_follows_any_more_is_forgotten() -> None:
    """Each upload, and each name that was only asked for, stayed in memory as long as the server."""
    before = known()
    statuses: list[int] = []

    async def gradio(scope: Any, receive: Any, send: Any) -> None:
        name = scope["query_string"].decode().removeprefix("upload_id=")
        if scope["method"] == "POST":
            file_upload_statuses.append(name, "a.csv", b"abc")
            file_upload_statuses.set_done(name)
        else:
            _ = file_upload_statuses._signals[name]  # as it waits for one that it does not know

    async def send(message: Any) -> None:
        statuses.append(message.get("status", 0))

    async def ask(names: UploadNames, method: str, path: str, query: str) -> None:
        await names({"type": "http", "method": method, "path": path, "query_string": query.encode()}, send, send)

    async def many() -> None:
        names = UploadNames(gradio)
        for number in range(MOST_NAMES + 300):
            await ask(names, "POST", "/gradio_api/upload", f"upload_id=sent{number}")
            await ask(names, "GET", "/gradio_api/upload_progress", f"upload_id=asked{number}")
        assert len(known() - before) <= MOST_NAMES
        assert f"sent{MOST_NAMES + 299}" in known()
        for query in (f"upload_id={'x' * (LONGEST_NAME + 1)}", "upload_id=a&upload_id=b"):
            await ask(names, "GET", "/gradio_api/upload_progress", query)
        assert statuses.count(400) == 2
        names.forget()

    anyio.run(many)
    assert known() == before
