import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.data.scoring.tasks import Task, task_of

SENTENCE = "The kettle has a switch at its foot that has to be pressed twice before it starts to boil."


def test_json_may_have_one_exception_in_ten() -> None:
    objects = [f'{{"item": {number}}}' for number in range(9)]
    assert task_of([*objects, "There is nothing to order."]) == Task("json")
    assert task_of([*objects[:8], "Nothing.", "Nothing at all."]).kind == "short"
    assert task_of(['```json\n["a"]\n```'] * 20) == Task("json")


def test_repeated_objects_are_json_and_no_labels() -> None:
    assert task_of(['{"mood": "good"}', '{"mood": "bad"}'] * 20).kind == "json"


def test_numbers_are_no_json() -> None:
    assert task_of(["5", "7"] * 10) == Task("labels", ("5", "7"))


def test_labels_come_by_frequency_then_name_in_their_most_frequent_spelling() -> None:
    answers = ["spam"] * 5 + ["Spam."] * 3 + ["  no   spam "] * 4 + ["Ham"] * 2 + ["ham"] * 2 + ["odd"]
    assert task_of(answers) == Task("labels", ("spam", "Ham", "no spam", "odd"))


def test_how_many_labels_there_may_be() -> None:
    assert task_of(["same"] * 50).kind == "short"
    assert len(task_of([f"class {number}" for number in range(30)] * 3).labels) == 30
    assert task_of([f"class {number}" for number in range(31)] * 9).kind == "short"


def test_how_often_labels_have_to_recur() -> None:
    assert task_of(["yes", "no"] * 5).kind == "labels"
    assert task_of([*["yes", "no"] * 4, "no"]).kind == "short"
    assert task_of([f"class {number}" for number in range(10)] * 3).kind == "labels"
    assert task_of([*[f"class {number}" for number in range(10)] * 2, *["class 1"] * 9]).kind == "short"


def test_labels_are_short() -> None:
    assert task_of(["one two three four five six", "no"] * 9).kind == "labels"
    assert task_of(["one two three four five six seven", "no"] * 9).kind == "short"


def test_short_and_long_answers() -> None:
    names = [f"Person {number}" for number in range(100)]
    longer = [f"{SENTENCE} {SENTENCE} {number}" for number in range(100)]
    assert task_of([SENTENCE[:40] + name for name in names]) == Task("short")
    assert task_of(longer) == Task("long")
    assert task_of([*names[:90], *longer[:10]]) == Task("short")
    assert task_of([*names[:89], *longer[:11]]) == Task("long")
    assert task_of([f"{SENTENCE} {number}" for number in range(9)]) == Task("long")


@pytest.mark.parametrize(
    ("half", "rest", "kind"), [(12, 25, "short"), (13, 25, "long"), (12, 26, "long"), (1, 26, "long")]
)
def test_where_short_answers_end(half: int, rest: int, kind: str) -> None:
    answers = [f"{number}{' word' * (half - 1)}" for number in range(10)]
    answers += [f"{number}{' word' * (rest - 1)}" for number in range(10, 20)]
    assert task_of(answers).kind == kind


def test_chinese_words_count_though_no_space_parts_them() -> None:
    assert task_of([f"{'我们今天去北京看长城' * 8}{number}" for number in range(20)]) == Task("long")
    assert task_of([f"北京{'中' * number}" for number in range(20)]) == Task("short")


def test_blank_answers_say_nothing() -> None:
    assert task_of(["yes", "", " \n", "no"] * 5) == Task("labels", ("no", "yes"))
    assert task_of(["", " "]) == Task("text")
    assert task_of([]) == Task("text")


@given(st.lists(st.text(max_size=12), max_size=60), st.randoms(use_true_random=False))
def test_the_order_of_the_answers_does_not_matter(answers: list[str], rng: random.Random) -> None:
    shuffled = list(answers)
    rng.shuffle(shuffled)
    assert task_of(shuffled) == task_of(answers)


@pytest.mark.timeout(20)
def test_a_large_data_set_takes_seconds_at_most() -> None:
    answers = [f"{SENTENCE * 5} {number}" for number in range(100_000)]
    assert task_of(answers).kind == "long"
