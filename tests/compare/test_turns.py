import threading

from studio.compare.chat_protocol import Open
from studio.compare.turns import Turns

A, B = Open("a", 0, "fp32"), Open("b", 0, "fp32")


def test_who_asks_one_base_shares_a_turn() -> None:
    turns = Turns()
    first, second, other = turns.line_up(together=A), turns.line_up(together=A), turns.line_up(together=B)
    assert first.wait(0)
    assert second.wait(0)
    assert not other.wait(0)
    first.leave()
    assert not other.wait(0)
    second.leave()
    assert other.wait(0)


def test_nobody_passes_a_question_alone() -> None:
    turns = Turns()
    first, alone, later = turns.line_up(together=A), turns.line_up(), turns.line_up(together=A)
    assert first.wait(0)
    assert not alone.wait(0)
    assert not later.wait(0), "it would never come to the question's turn while programs go on asking"
    first.leave()
    assert alone.wait(0)
    assert not later.wait(0)
    alone.leave()
    assert later.wait(0)


def test_who_gives_up_lets_the_next_one_in() -> None:
    turns = Turns()
    first, alone, later = turns.line_up(together=A), turns.line_up(), turns.line_up(together=A)
    assert first.wait(0)
    waited = threading.Thread(target=later.wait, args=(60,))
    waited.start()
    alone.leave()
    waited.join(60)
    assert not waited.is_alive()
