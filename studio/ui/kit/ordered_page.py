"""The listeners of one panel run one after the other for each visitor.

Each reads the state of its panel when it begins and writes it when it ends. Two at the same time would know nothing of
each other, and the slower one would take back what the other did: answers went from the page because another model had
been chosen just before the question was sent.
"""

import asyncio
import contextlib
import functools
import sys
from collections.abc import AsyncIterator
from typing import Any
from weakref import WeakValueDictionary

import gradio as gr
from gradio.block_function import BlockFunction
from gradio.queueing import Queue


class OrderedPage(gr.Blocks):
    """A page whose listeners wait for those before them that write the same state of the same visitor.

    Of a listener that yields, only what comes before the first yield is waited for: the rest may take minutes, and has
    to be stopped meanwhile. At its end Gradio would send what came last once more, over what another listener has drawn
    since; nothing is sent instead.
    """

    is_whole = True
    """Whether it is described when that is asked for; false for a page that is being made, until `describe`."""

    def get_config_file(self) -> Any:
        """Describe the page. Gradio asks twice more while it makes one, which takes a tenth of a second each."""
        return super().get_config_file() if self.is_whole else {"pages": []}

    def queue(self, *args: Any, **kwargs: Any) -> "OrderedPage":
        """Make the queue of the listeners. Gradio makes its whole application too, which it does again at the end.

        Its queue makes a table of the last 10,000 events after each, for a page about them that nobody opens here.
        """
        self._queue = Queue(
            live_updates=True, concurrency_count=self.max_threads, update_intervals=1, max_size=None, blocks=self
        )
        self._queue.ANALYTICS_MAX_EVENTS, self._queue.ANAYLTICS_CACHE_FREQUENCY = 1, sys.maxsize
        return self

    def describe(self) -> None:
        """Take the page for whole."""
        self.is_whole = True
        self.config = self.get_config_file()

    @functools.cached_property
    def _turns(self) -> WeakValueDictionary[tuple[str, int], asyncio.Lock]:
        return WeakValueDictionary()  # a turn that nobody has or waits for is forgotten

    async def process_api(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Let Gradio answer a request once it is its turn."""
        async with self._turn(kwargs):
            answer: dict[str, Any] = await super().process_api(*args, **kwargs)
        if kwargs.get("iterator") is not None and not answer["is_generating"] and answer["data"]:
            answer["data"] = [gr.skip() for _ in answer["data"]]
        return answer

    @contextlib.asynccontextmanager
    async def _turn(self, asked: dict[str, Any]) -> AsyncIterator[None]:
        state, visitor = _state_of(asked.get("block_fn")), asked.get("session_hash")
        if state is None or not visitor or asked.get("iterator") is not None:
            yield
            return
        async with self._turns.setdefault((visitor, state), asyncio.Lock()):
            yield


def _state_of(listener: object) -> int | None:
    """Return the number of the first state that a listener writes: of all listeners of a panel that is the panel's."""
    written = listener.outputs if isinstance(listener, BlockFunction) else ()
    return next((each._id for each in written if isinstance(each, gr.State)), None)
