import pytest

from studio.ml.batches import IGNORED, TokenRow, collate, cut, epoch_steps


def row(*labels: int) -> TokenRow:
    return TokenRow(ids=tuple(range(1, len(labels) + 1)), labels=labels)


def test_the_first_token_is_never_a_prediction() -> None:
    assert row(7, IGNORED, 8).learned == 1


def test_collate_pads_on_the_right_and_hides_the_padding() -> None:
    batch = collate([row(IGNORED, 5), row(IGNORED, 6, 7)], packed=False, pad_id=9)
    assert batch.ids.tolist() == [[1, 2, 9], [1, 2, 3]]
    assert batch.mask is not None
    assert batch.mask.tolist() == [[1, 1, 0], [1, 1, 1]]
    assert batch.places.tolist() == [0, 3, 4]
    assert batch.targets.tolist() == [5, 6, 7]
    assert (batch.tokens, batch.learned) == (5, 3)


def test_packed_rows_lie_end_to_end_and_never_predict_one_another() -> None:
    batch = collate([row(IGNORED, 5), row(8, 6, 7)], packed=True)
    assert batch.ids.tolist() == [[1, 2, 1, 2, 3]]
    assert batch.positions.tolist() == [[0, 1, 0, 1, 2]]
    assert batch.mask is None
    assert batch.lengths == (2, 3)
    assert batch.places.tolist() == [0, 2, 3]
    assert batch.targets.tolist() == [5, 6, 7]


@pytest.mark.parametrize("packed", [False, True])
def test_groups_keep_to_the_budget_and_lose_no_row(packed: bool) -> None:
    rows = [row(*[1] * length) for length in (9, 2, 3, 3, 30, 2)]
    groups = cut(rows, token_budget=10, packed=packed)
    assert sorted(len(each.ids) for group in groups for each in group) == [2, 2, 3, 3, 9, 30]
    for group in groups:
        size = sum(len(each.ids) for each in group) if packed else len(group) * max(len(each.ids) for each in group)
        assert size <= 10 or len(group) == 1
    assert max(map(len, groups)) > 1
    assert cut([], token_budget=10, packed=packed) == []


def test_a_step_is_cut_for_as_many_processes_as_there_are() -> None:
    rows = [row(*[1] * 5) for _ in range(4)]
    assert len(cut(rows, token_budget=100, packed=True)) == 1
    assert len(cut(rows, token_budget=100, packed=True, parts=2)) == 2
    assert len(cut(rows, token_budget=100, packed=False, parts=2)) == 2


def test_an_epoch_visits_every_row_once_in_an_order_of_its_own() -> None:
    rows = [row(IGNORED, index) for index in range(10)]

    def order(epoch: int, seed: int = 1) -> list[int]:
        steps = epoch_steps(rows, batch_size=4, seed=seed, epoch=epoch)
        return [each.labels[1] for step in steps for each in step]

    assert sorted(order(0)) == list(range(10))
    assert order(0) == order(0)
    assert order(0) != order(1)
    assert order(0) != order(0, seed=2)
    assert [len(step) for step in epoch_steps(rows, batch_size=4, seed=1, epoch=0)] == [4, 4, 2]
