import re

from studio.jobs.evaluation_report import Confusion
from studio.ui.evaluate import cards
from tests.ui.made_up import LABELS


def drawn(*, other: int) -> str:
    return str(
        cards.confusion(
            Confusion(
                "written",
                LABELS,
                base=((3, 1, 0, other), (0, 2, 2, 0), (0, 0, 0, 0)),
                tuned=((4, 0, 0, 0), (0, 4, 0, 0), (0, 0, 0, 0)),
            )
        )
    )


def test_right_answers_and_wrong_ones_are_shaded_by_their_share_of_the_row() -> None:
    cells = re.findall(r'<td class="ls-(\w+)" style="--heat:([\d.]+)">(\d+)</td>', drawn(other=0))
    assert cells[:3] == [("right", "0.75", "3"), ("wrong", "0.25", "1"), ("wrong", "0.0", "0")]
    assert cells[8] == ("right", "0.0", "0")  # a label that nobody expected


def test_the_column_of_other_answers_is_there_only_for_somebody() -> None:
    column = f"<span>{cards.OTHER}</span>"
    assert column not in drawn(other=0)
    assert drawn(other=4).count(column) == 2


def test_each_table_says_how_many_were_right_and_escapes_its_labels() -> None:
    shown = drawn(other=4)
    assert "5 of 12 right" in shown
    assert "8 of 8 right" in shown
    assert "&lt;b&gt;technical&lt;/b&gt;" in shown
    assert "<b>technical" not in shown
