import threading
import time

import pytest

from studio.errors import RunError
from studio.ui.kit.shared_view import FRESH_SECONDS, Memo, Parts, SharedView


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_fifty_pages_share_one_look() -> None:
    looks: list[str] = []

    def draw(run_id: str) -> Parts:
        looks.append(run_id)
        time.sleep(0.01)
        return {"status": f"{run_id} {len(looks)}"}

    shared = SharedView(draw, clock=Clock())
    seen: list[Parts] = []
    pages = [threading.Thread(target=lambda: seen.append(shared.look("a"))) for _ in range(50)]
    for page in pages:
        page.start()
    for page in pages:
        page.join()
    assert looks == ["a"]
    assert seen == [{"status": "a 1"}] * 50


def test_an_old_look_is_followed_by_a_new_one() -> None:
    clock, looks = Clock(), iter(range(9))
    shared = SharedView(lambda run_id: {"look": next(looks)}, clock=clock)
    assert shared.look("a")["look"] == 0
    clock.now += FRESH_SECONDS / 2
    assert shared.look("a")["look"] == 0
    assert shared.look("b")["look"] == 1
    assert shared.look("a", fresh=True)["look"] == 2
    clock.now += FRESH_SECONDS
    assert shared.look("a")["look"] == 3


def test_trouble_is_not_kept() -> None:
    fails = iter([True, False])

    def draw(run_id: str) -> Parts:
        if next(fails):
            raise RunError("There is no run.")
        return {"status": "there"}

    shared = SharedView(draw, clock=Clock())
    with pytest.raises(RunError):
        shared.look("a")
    assert shared.look("a") == {"status": "there"}


def test_what_is_dear_is_made_once_for_each_key() -> None:
    made: list[int] = []
    memo = Memo()

    def make() -> int:
        made.append(1)
        return len(made)

    assert [memo.get("a", key, make) for key in (1, 1, 2, 2, 1)] == [1, 1, 2, 2, 3]
    for number in range(40):
        memo.get(str(number), 1, make)
    assert memo.get("a", 1, make) == 44
