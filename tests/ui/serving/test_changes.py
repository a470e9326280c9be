import asyncio
import os
from pathlib import Path

from studio.studio import Studio
from studio.ui.serving.changes import LOOK_SECONDS, PAGES_AT_FULL_PACE, SLOWEST, Changes, FolderStamps
from tests.ui.fake_studio import end_workers, finish


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now

    def later(self, seconds: float = 2 * LOOK_SECONDS) -> None:
        self.now += seconds


def rested(changes: Changes, clock: Clock) -> int:
    """Look until nothing is new any more, and return the number."""
    for _ in range(20):
        clock.later()
        changes.number()
    return changes.number()


def test_nothing_is_new_while_nothing_changes(studio: Studio) -> None:
    clock = Clock()
    changes = Changes(studio, is_looking=lambda: False, clock=clock)
    number = rested(changes, clock)
    clock.later(60)
    assert changes.number() == number
    studio.data.add_sample("order_slips")
    clock.later()
    assert changes.number() > number


def test_what_is_at_work_is_told_every_time_and_its_end_too(studio: Studio) -> None:
    clock = Clock()
    changes = Changes(studio, is_looking=lambda: False, clock=clock)
    dataset = studio.data.add_sample("order_slips")
    rested(changes, clock)
    run = studio.start_run(_config(), dataset.id)
    seen = set()
    for _ in range(4):
        clock.later()
        seen.add(changes.number())
    assert len(seen) == 4
    finish(run, steps=2, clock=studio.clock)
    end_workers(studio)
    before = changes.number()
    clock.later()
    assert changes.number() > before  # the end itself
    number = rested(changes, clock)
    clock.later()
    assert changes.number() == number


def test_an_answer_of_a_network_is_waited_for(studio: Studio) -> None:
    clock, looking = Clock(), [True]
    changes = Changes(studio, is_looking=lambda: looking[0], clock=clock)
    numbers = set()
    for _ in range(3):
        clock.later(20)
        numbers.add(changes.number())
    assert len(numbers) == 3
    looking[0] = False
    number = rested(changes, clock)
    clock.later(20)
    assert changes.number() == number


def test_many_pages_share_one_look_and_are_told_more_seldom(studio: Studio) -> None:
    changes = Changes(studio, is_looking=lambda: True, clock=Clock())
    assert changes.number() == changes.number()  # within the same second
    for pages, times in ((1, 1), (PAGES_AT_FULL_PACE, 1), (PAGES_AT_FULL_PACE + 1, 2), (10_000, SLOWEST)):
        changes._pages = pages
        assert changes.pause == times * LOOK_SECONDS


def test_a_page_that_is_gone_is_forgotten_and_each_server_names_itself(studio: Studio) -> None:
    changes = Changes(studio, is_looking=lambda: False)

    async def visit(changes: Changes) -> str:
        lines = changes._lines()
        first = await anext(lines)
        assert changes._pages == 1
        await lines.aclose()
        return first

    first = asyncio.run(visit(changes))
    assert first.startswith("event: server\ndata: ")
    assert changes._pages == 0
    assert asyncio.run(visit(changes)) == first
    assert asyncio.run(visit(Changes(studio, is_looking=lambda: False))) != first


def test_folders_are_known_by_their_changes_down_to_the_files_of_a_run(tmp_path: Path) -> None:
    deep = tmp_path / "runs" / "one" / "exports"
    deep.mkdir(parents=True)
    stamps = FolderStamps(tmp_path)
    first = stamps.look()
    assert stamps.look() == first
    (deep / "made.zip").write_bytes(b"x")
    os.utime(deep, ns=(1, 2))
    changed = stamps.look()
    assert changed != first
    (tmp_path / "datasets").mkdir()
    os.utime(tmp_path, ns=(1, 3))
    assert stamps.look() != changed
    assert FolderStamps(tmp_path / "nowhere").look() == FolderStamps(tmp_path / "nowhere").look()


def _config() -> object:
    from studio.config import RunConfig

    return RunConfig()
