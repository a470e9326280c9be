import random
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from studio.data.checking.first_values import FirstValues

LARGEST = 2**64 - 1


@given(st.lists(st.tuples(st.integers(1, LARGEST) | st.integers(1, 5), st.integers(0, LARGEST))))
def test_the_first_value_of_each_key_is_given(pairs: list[tuple[int, int]]) -> None:
    found, expected = FirstValues(), dict[int, int]()
    for key, value in pairs:
        assert found.first(key, value) == expected.setdefault(key, value)


def test_many_keys_take_few_bytes_each() -> None:
    rng = random.Random(4)
    found, count = FirstValues(), 50_000
    keys = [rng.getrandbits(64) for _ in range(count)]
    tracemalloc.start()
    try:
        firsts = sum(found.first(key, place) == place for place, key in enumerate(keys))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert firsts == count
    assert [found.first(key, 0) for key in keys] == list(range(count))
    assert held / count < 50
