"""Files that are torn, cut off or altered, and a clock that goes back: the run says so and goes on to the same end."""

import dataclasses
import random
import time

import pytest

from studio.errors import RunError
from studio.events import Noted, Resumed, encode
from studio.ml.checkpoints import PROGRESS, read_progress
from studio.runs.event_log import read_events
from studio.runs.store import RunFolder
from tests.faults.conftest import Tally
from tests.faults.ground import Expected, Ground, check_finished, check_whole, events, wait

TORN = (b'{"seq":9', b'{"seq":99999,"time":1.0,"kind":"Stepped","step":7,"loss":0.0', b"\x00" * 4096, b"\xff\xfe{}")


@pytest.mark.parametrize("torn", [TORN[0], *(pytest.param(torn, marks=pytest.mark.faults) for torn in TORN[1:])])
def test_a_torn_last_event(ground: Ground, steady: Expected, tally: Tally, torn: bytes) -> None:
    held = tally("a torn last line of the events")
    run = ground.interrupted()
    before = ground.state(run)
    with run.events_path.open("ab") as file:
        file.write(torn)
    after = ground.state(run)
    assert (after.status, after.view.step) == ("lost", before.view.step)
    check_whole(ground, run, steady)
    ground.finish(run)
    check_finished(ground, run, steady)
    held()


def damage(run: RunFolder, steps: tuple[int, ...], how: str, rng: random.Random) -> None:
    for step in steps:
        path = run.checkpoint(step) / PROGRESS
        content = bytearray(path.read_bytes())
        if how == "cut off":
            del content[rng.randrange(len(content)) :]
        else:
            place = rng.randrange(len(content) * 8)
            content[place // 8] ^= 1 << place % 8
        path.write_bytes(content)


@pytest.mark.parametrize(
    ("how", "which"),
    [
        ("altered by a bit", "newest"),
        pytest.param("cut off", "newest", marks=pytest.mark.faults),
        pytest.param("cut off", "all", marks=pytest.mark.faults),
    ],
)
def test_a_damaged_checkpoint_is_passed_over(
    ground: Ground, steady: Expected, tally: Tally, how: str, which: str
) -> None:
    held = tally(f"a checkpoint {how}: {which}")
    run = ground.interrupted()
    steps = run.checkpoint_steps
    damage(run, steps[-1:] if which == "newest" else steps, how, random.Random(3))
    ground.finish(run)
    told = events(run)
    for step in steps[-1:] if which == "newest" else steps:
        assert Noted("warning", f"The checkpoint of step {step:,} is damaged and was passed over.") in told
    resumed = [event.step for event in told if isinstance(event, Resumed)]
    assert resumed == [steps[-2] if which == "newest" else 0]
    check_finished(ground, run, steady)
    held()


@pytest.mark.parametrize(
    "bits", [100, pytest.param(4_000, marks=[pytest.mark.faults, pytest.mark.timeout(1800)])], ids=["short", "whole"]
)
def test_no_altered_bit_of_a_checkpoint_goes_unseen(ground: Ground, tally: Tally, bits: int) -> None:
    run = ground.interrupted()
    folder = run.checkpoint(run.checkpoint_steps[-1])
    path = folder / PROGRESS
    whole = path.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    rng = random.Random(4)
    for number in range(bits):
        held = tally("a single bit of a checkpoint altered: seen")
        # Every other one in the header, which is small and tells what the rest means.
        place = rng.randrange((header if number % 2 else len(whole)) * 8)
        altered = bytearray(whole)
        altered[place // 8] ^= 1 << place % 8
        path.write_bytes(altered)
        with pytest.raises(RunError, match="cannot be read"):
            read_progress(folder)
        held()
    path.write_bytes(whole)
    read_progress(folder)


def test_the_clock_is_set_back_between_two_workers(ground: Ground, steady: Expected, tally: Tally) -> None:
    held = tally("the clock set back by a day")
    run = ground.interrupted()
    records, _ = read_events(run.events_path)
    later = [dataclasses.replace(record, time=record.time + 86_400) for record in records]
    run.events_path.write_text("".join(encode(record) + "\n" for record in later), encoding="utf-8")
    state = ground.state(run)
    assert state.status == "lost"
    ground.start(run)
    wait(lambda: ground.state(run).status == "training", what="it to train")
    seen = []
    while run.is_alive():
        state = ground.state(run)
        assert state.status in ("training", "finished")
        seen.append(state.seconds_left)
        time.sleep(0.02)
    left = [seconds for seconds in seen if seconds is not None]
    assert left
    assert all(0 <= seconds < 60 for seconds in left), left
    check_finished(ground, run, steady)
    held()


@pytest.mark.faults
def test_the_clock_of_the_server_is_wrong(ground: Ground, steady: Expected, tally: Tally) -> None:
    held = tally("the clock of the server a year behind")
    run = ground.interrupted()
    behind = dataclasses.replace(ground, clock=lambda: time.time() - 365 * 86_400)
    server = behind.another_server()
    run.lost_path.unlink()
    assert server.recover() == (run.id,)
    server.tick()
    wait(lambda: server.view(run.id).status == "training", what="it to train")
    left = server.view(run.id).seconds_left
    assert left is None or 0 <= left < 60
    wait(lambda: not run.is_alive(), what="it to end")
    check_finished(ground, run, steady)
    held()
