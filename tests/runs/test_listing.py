from dataclasses import replace

import pytest

from studio.runs.listing import AT_WORK, KEYS, PAGE_ROWS, STATES, TROUBLE, Query, find
from studio.runs.summary import Summary

PLAIN = Summary(
    id="a",
    name="otter",
    note="",
    dataset="Order slips",
    model="starter",
    base="starter",
    method="lora",
    rank=8,
    learning_rate=5e-4,
    epochs=3,
    created=1.0,
    status="finished",
)
RUNS = (
    replace(PLAIN, id="c", name="Heron", created=3.0, best_loss=1.5, rank=None, method="full", status="training"),
    replace(PLAIN, id="b", name="badger", created=2.0, best_loss=None, note="too high a rate", status="failed"),
    replace(PLAIN, id="a", created=1.0, best_loss=0.5),
)


def ids(query: Query) -> str:
    return "".join(run.id for run in find(RUNS, query).rows)


def test_the_newest_stand_first() -> None:
    assert ids(Query()) == "cba"


@pytest.mark.parametrize(
    ("text", "found"),
    [("HERON", "c"), ("high rate", "b"), ("order", "cba"), ("full", "c"), ("otter full", ""), ("", "cba")],
)
def test_every_word_has_to_be_in_the_run(text: str, found: str) -> None:
    assert ids(Query(text=text)) == found


def test_states_are_grouped_as_a_person_asks_for_them() -> None:
    assert (ids(Query(state=AT_WORK)), ids(Query(state=TROUBLE)), ids(Query(state="nonsense"))) == ("c", "b", "cba")
    assert len({status for group in STATES.values() for status in group}) == 10


def test_what_is_not_known_comes_last_either_way() -> None:
    assert ids(Query(sort="best_loss", descending=False)) == "acb"
    assert ids(Query(sort="best_loss", descending=True)) == "cab"
    assert ids(Query(sort="rank", descending=False)) == "bac"


def test_names_are_sorted_whatever_their_case() -> None:
    assert ids(Query(sort="name", descending=False)) == "bca"


@pytest.mark.parametrize("column", [*KEYS, "nonsense"])
@pytest.mark.parametrize("descending", [False, True])
def test_any_column_sorts_all_runs(column: str, *, descending: bool) -> None:
    assert sorted(ids(Query(sort=column, descending=descending))) == ["a", "b", "c"]


def test_pages() -> None:
    many = [replace(PLAIN, id=f"{number}", created=float(number)) for number in range(2 * PAGE_ROWS + 3)]
    page = find(many, Query(page=1))
    assert (page.total, page.page, page.pages, len(page.rows)) == (53, 1, 3, PAGE_ROWS)
    last = find(many, Query(page=99))
    assert (last.page, [run.id for run in last.rows]) == (2, ["2", "1", "0"])
    none = find([], Query(page=2))
    assert (none.page, none.pages, none.rows) == (0, 1, ())


def test_runs_that_were_started_together_are_one_line() -> None:
    members = tuple(
        replace(PLAIN, id=str(number), created=1.0 + number, best_loss=loss, group="g", group_name="tone")
        for number, loss in enumerate((1.5, 0.9, 1.2))
    )
    other = replace(PLAIN, id="x", created=2.5)
    alone = replace(PLAIN, id="y", created=0.5, group="h", group_name="what is left")
    page = find((*members, other, alone), Query())
    assert [run.id for run in page.rows] == ["2", "x", "y"]
    assert (page.total, list(page.groups)) == (3, ["g"])
    assert page.groups["g"].done == 3
    assert page.groups["g"].best is members[1]
    rising = find((*members, other), Query(sort="best_loss", descending=False))
    assert [run.id for run in rising.rows] == ["1", "x"]
    searched = find((*members, other), Query(text="otter"))
    assert (searched.total, searched.groups) == (4, {})
    mixed = find((members[0], replace(members[1], base="another")), Query())
    assert mixed.groups["g"].best is None, "losses of other models are not comparable"
