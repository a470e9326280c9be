"""A program that does not read its answer: the model is not kept for it."""

from typing import Any

import anyio
import pytest

from studio.compare.chat_protocol import Token
from studio.openai_api.address import Coming, _Chunks
from studio.openai_api.chat_answers import Completion


@pytest.mark.parametrize(
    ("first", "pause", "least"),
    [("start", None, 0), ("body", None, 0), ("body", 0.03, 3)],
    ids=["not even the start", "never", "too slowly"],
)
def test_who_does_not_read_on_ends_the_answer(first: str, pause: float | None, least: int) -> None:
    """Two that never read on held the chat of all accounts for good, as long as they stayed connected."""
    ended, sent = [], []

    async def coming() -> Coming:
        try:
            while True:
                yield Token(1, 0, "word ")
        finally:
            ended.append(True)

    async def send(message: Any) -> None:
        if message["type"] in (f"http.response.{first}", "http.response.body"):
            if pause is None:
                await anyio.sleep_forever()
            await anyio.sleep(pause or 0.0)
            sent.append(message)

    async def answer() -> None:
        begun = coming()
        await anext(begun)
        chunks = _Chunks(begun, Completion("m", 0), [], counts_usage=False, unread_seconds=0.2)
        with anyio.fail_after(20):
            await chunks({}, send, send)  # type: ignore[arg-type]

    anyio.run(answer)
    assert ended == [True]
    assert least <= len(sent) <= 8
