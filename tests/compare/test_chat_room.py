"""So many chat workers at once, whoever they are of, and everybody's turn comes."""

import threading
import time
from dataclasses import dataclass, field

import pytest

from studio.compare.chat_room import ChatRoom, Place


@dataclass(eq=False)
class Occupant:
    is_running: bool = False
    may_leave: threading.Event | None = None
    left: list[bool] = field(default_factory=list)

    def leave(self) -> None:
        self.left.append(True)
        if self.may_leave is not None:
            assert self.may_leave.wait(60)
        self.is_running = False


def answered(room: ChatRoom, client: Occupant) -> None:
    """Have a client ask one thing, which is answered; its worker stays."""
    place = asked(room, client)
    assert place.wait(0)
    client.is_running = True
    place.leave()


def asked(room: ChatRoom, client: Occupant) -> Place:
    return room.line_up(client)


def test_the_one_that_was_asked_longest_ago_leaves_for_another() -> None:
    room, first, second, third = ChatRoom(2), Occupant(), Occupant(), Occupant()
    for each in (first, second, first, third):
        answered(room, each)
    assert (first.left, second.left) == ([], [True])


def test_none_leaves_in_the_middle_of_an_answer() -> None:
    """A hundred accounts would have had a model in memory each."""
    room, first, second = ChatRoom(1), Occupant(), Occupant()
    at_work, waits = asked(room, first), asked(room, second)
    assert at_work.wait(0)
    assert not waits.wait(0)  # though its worker is not up yet
    first.is_running = True
    assert not waits.wait(0)
    at_work.leave()
    assert waits.wait(0)
    assert first.left == [True]


def test_one_that_is_gone_takes_no_room() -> None:
    room, first, second = ChatRoom(1), Occupant(), Occupant()
    answered(room, first)
    first.is_running = False
    assert asked(room, second).wait(0)
    assert first.left == []


def test_two_that_ask_without_end_do_not_keep_a_third_out() -> None:
    """Each had its next question ready before the last was answered, so it was never idle when a third one looked."""
    room, first, second, third = ChatRoom(2), Occupant(), Occupant(), Occupant()
    at_work = {each: asked(room, each) for each in (first, second)}
    assert all(place.wait(0) for place in at_work.values())
    waits = asked(room, third)
    again = {each: asked(room, each) for each in (first, second)}
    assert not any(place.wait(0) for place in (waits, *again.values()))
    at_work[first].leave()
    assert waits.wait(0)
    assert not again[first].wait(0)
    at_work[second].leave()
    assert again[first].wait(0), "those that wait for each other would keep everybody out"
    waits.leave()
    assert again[second].wait(0)


def test_an_account_has_one_place_in_the_line_however_much_it_asks() -> None:
    room, first, second, third = ChatRoom(1), Occupant(), Occupant(), Occupant()
    at_work = asked(room, first)
    assert at_work.wait(0)
    many = [asked(room, second) for _ in range(8)]
    other, later = asked(room, third), asked(room, second)
    at_work.leave()
    assert all(place.wait(0) for place in (*many, later)), "what one base is asked is answered together"
    late = asked(room, second)
    for place in (*many, later):
        place.leave()
    assert not late.wait(0)
    assert other.wait(0)


def test_more_is_answered_at_once_while_nobody_else_waits() -> None:
    room, first = ChatRoom(1), Occupant()
    assert asked(room, first).wait(0)
    assert asked(room, first).wait(0)


def test_who_gives_up_lets_the_next_one_in() -> None:
    room, first, second, third = ChatRoom(1), Occupant(), Occupant(), Occupant()
    at_work, gives_up, next_one = (asked(room, each) for each in (first, second, third))
    assert at_work.wait(0)
    waited = threading.Thread(target=next_one.wait, args=(60,))
    waited.start()
    gives_up.leave()
    at_work.leave()
    waited.join(60)
    assert not waited.is_alive()


def test_all_who_share_a_room_within_it_have_one_place_in_the_line() -> None:
    """Twenty visitors without an account stood in the line before the next question of somebody who has one."""
    room, owner = ChatRoom(1), Occupant()
    visitors = ChatRoom(1, within=room)
    first, second = Occupant(), Occupant()
    of_first, of_second = asked(visitors, first), asked(visitors, second)
    assert of_first.wait(0)
    assert not of_second.wait(0)
    first.is_running = True
    of_owner = asked(room, owner)
    of_first.leave()
    assert not of_second.wait(0), "the owner came before the visitors' second question"
    assert of_owner.wait(0)
    assert first.left
    of_owner.leave()
    assert of_second.wait(0)
    of_second.leave()


def test_nobody_waits_under_the_lock_until_a_worker_has_left() -> None:
    """It took seconds, in which nobody could line up, be let in or give up."""
    room, idle, second, third = ChatRoom(1), Occupant(may_leave=threading.Event()), Occupant(), Occupant()
    answered(room, idle)
    waits = asked(room, second)
    waiting = threading.Thread(target=waits.wait, args=(60,))
    waiting.start()
    while not idle.left:
        time.sleep(0.01)
    begun = time.monotonic()
    later, again = asked(room, third), asked(room, idle)
    assert not later.wait(0)
    assert not again.wait(0), "its worker would be ended as soon as it is up"
    later.leave()
    assert time.monotonic() - begun < 30
    assert idle.may_leave is not None
    assert waiting.is_alive(), "the memory of the one that leaves is not free yet"
    idle.may_leave.set()
    waiting.join(60)
    assert waits.wait(0)
    assert not again.wait(0)
    waits.leave()
    assert again.wait(0)
    assert idle.left == [True]


def test_one_that_cannot_be_ended_is_no_error_of_who_waits(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Occupant):
        def leave(self) -> None:
            raise OSError("its process is not there")

    room, broken = ChatRoom(1), Broken()
    answered(room, broken)
    assert asked(room, Occupant()).wait(0)
    assert "could not be ended" in caplog.text
