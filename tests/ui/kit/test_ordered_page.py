import asyncio
import time
from collections.abc import Iterator

import gradio as gr
from gradio.state_holder import SessionState

from studio.ui.kit.ordered_page import OrderedPage

SLOW = 0.2


def page() -> OrderedPage:
    """A page with two panels; each listener reads a list, takes its time and returns the list with its name in it."""
    with OrderedPage() as made:
        for _ in ("left", "right"):
            kept, said = gr.State([]), gr.Textbox()
            for seconds in (SLOW, 0.0):

                def add(before: list[float], seconds: float = seconds) -> tuple[list[float], str]:
                    time.sleep(seconds)
                    return [*before, seconds], "added"

                def stream(before: list[float]) -> Iterator[tuple[list[float], str]]:
                    yield [*before, 1.0], "begun"
                    yield [*before, 1.0, 2.0], "ended"

                gr.Button().click(add, [kept], [kept, said])
            gr.Button().click(stream, [kept], [kept, said])
    return made


SLOW_LEFT, QUICK_LEFT, STREAM_LEFT, _, QUICK_RIGHT, _ = range(6)


async def ask(made: OrderedPage, listener: int, visitor: str, state: SessionState, iterator: object = None) -> dict:
    request = {"inputs": [None], "state": state, "session_hash": visitor, "iterator": iterator, "event_id": "one"}
    return await made.process_api(block_fn=made.fns[listener], **request)


def held(made: OrderedPage, state: SessionState, listener: int) -> list[float]:
    return state[made.fns[listener].outputs[0]._id]


def test_a_quick_listener_does_not_take_back_what_a_slow_one_did() -> None:
    made = page()

    async def both() -> list[float]:
        state = SessionState(made)
        await asyncio.gather(*(ask(made, each, "me", state) for each in (SLOW_LEFT, QUICK_LEFT, STREAM_LEFT)))
        return held(made, state, SLOW_LEFT)

    assert asyncio.run(both()) == [SLOW, 0.0, 1.0]
    assert not made._turns


def test_other_panels_and_visitors_and_the_rest_of_a_stream_do_not_wait() -> None:
    made, order = page(), []

    async def noted(name: str, *asked: object) -> None:
        await ask(made, *asked)
        order.append(name)

    async def all_of_them() -> None:
        mine, yours = SessionState(made), SessionState(made)
        begun = await ask(made, STREAM_LEFT, "me", mine)
        await asyncio.gather(
            noted("slow", SLOW_LEFT, "me", mine),
            noted("quick", QUICK_LEFT, "me", mine),
            noted("rest", STREAM_LEFT, "me", mine, begun["iterator"]),
            noted("right", QUICK_RIGHT, "me", mine),
            noted("yours", QUICK_LEFT, "you", yours),
        )

    asyncio.run(all_of_them())
    assert order[-2:] == ["slow", "quick"]
    assert set(order) == {"slow", "quick", "rest", "right", "yours"}


def test_the_end_of_a_stream_draws_nothing_once_more() -> None:
    """Gradio would send the last piece again, over what another listener has drawn since."""
    made = page()

    async def pieces() -> list[tuple[object, bool]]:
        state, iterator, answered = SessionState(made), None, []
        for _ in range(3):
            answer = await ask(made, STREAM_LEFT, "me", state, iterator)
            iterator = answer["iterator"]
            answered.append((answer["data"][1], answer["is_generating"]))
        assert held(made, state, STREAM_LEFT) == [1.0, 2.0]
        return answered

    first, second, last = asyncio.run(pieces())
    assert first == ("begun", True)
    assert second[1]
    assert last == (gr.skip(), False)


def test_the_queue_counts_no_events_for_nobody() -> None:
    """After each event Gradio made a table of all before it, which took longer and longer."""
    queue = page().queue()._queue
    queue.events_recorded = 1_000_000
    told = {"function": "add", "status": "success", "process_time": 1.0}
    assert queue.compute_analytics_summary([told]) == {"functions": {}}
