from studio.ml.batches import IGNORED, TokenRow, collate, epoch_steps, micro_batches


def row(*labels: int) -> TokenRow:
    return TokenRow(ids=tuple(range(1, len(labels) + 1)), labels=labels)


def test_the_first_token_is_never_a_prediction() -> None:
    assert row(7, IGNORED, 8).learned == 1


def test_collate_pads_on_the_right_and_hides_the_padding() -> None:
    batch = collate([row(IGNORED, 5), row(IGNORED, 6, 7)], pad_id=9, device="cpu")
    assert batch.ids.tolist() == [[1, 2, 9], [1, 2, 3]]
    assert batch.mask.tolist() == [[1, 1, 0], [1, 1, 1]]
    assert batch.labels.tolist() == [[IGNORED, 5, IGNORED], [IGNORED, 6, 7]]
    assert (batch.tokens, batch.learned) == (5, 3)


def test_micro_batches_keep_to_the_budget_and_lose_no_row() -> None:
    rows = [row(*[1] * length) for length in (9, 2, 3, 3, 30, 2)]
    batches = list(micro_batches(rows, token_budget=10, pad_id=0, device="cpu"))
    assert sum(batch.tokens for batch in batches) == 49
    assert sum(len(batch.ids) for batch in batches) == 6
    assert all(batch.ids.numel() <= 10 for batch in batches if len(batch.ids) > 1)
    assert max(len(batch.ids) for batch in batches) > 1
    assert [len(batch.ids) for batch in batches if batch.ids.shape[1] == 30] == [1]


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
