"""So many chat workers at once, whoever they are of."""

from dataclasses import dataclass, field

from studio.compare.chat_room import ChatRoom


@dataclass(eq=False)
class Occupant:
    is_running: bool = False
    is_answering: bool = True
    left: list[bool] = field(default_factory=list)

    def leave(self) -> None:
        self.left.append(True)
        self.is_running = False

    def rest(self) -> None:
        self.is_running, self.is_answering = True, False


def test_the_one_that_was_asked_longest_ago_leaves_for_another() -> None:
    room, first, second, third = ChatRoom(2), Occupant(), Occupant(), Occupant()
    for each in (first, second):
        assert room.enter(each)
        each.rest()
    assert room.enter(first)
    first.rest()
    assert room.enter(third)
    assert (first.left, second.left) == ([], [True])


def test_none_leaves_in_the_middle_of_an_answer() -> None:
    """A hundred accounts would have had a model in memory each."""
    room, first, second = ChatRoom(1), Occupant(), Occupant()
    assert room.enter(first)
    assert not room.enter(second)  # though its worker is not up yet
    first.is_running = True
    assert not room.enter(second)
    first.rest()
    assert room.enter(second)
    assert first.left == [True]
    assert not room.enter(first)


def test_one_may_ask_again_and_one_that_is_gone_takes_no_room() -> None:
    room, first, second = ChatRoom(1), Occupant(), Occupant()
    assert room.enter(first)
    assert room.enter(first)
    first.is_answering = False
    assert room.enter(second)
    assert first.left == []
