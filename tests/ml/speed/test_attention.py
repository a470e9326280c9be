import torch

from studio.ml.speed.attention import (
    Shape,
    blocked_attention,
    is_right,
    separate_attention,
    sequence_ends,
)


def test_a_kernel_is_used_only_where_it_attends_as_the_blocks_do() -> None:
    def forgetful(query, key, value, *, lengths, shape):  # type: ignore[no-untyped-def]
        return blocked_attention(query, key, value, lengths=lengths, shape=Shape(shape.scale))

    def broken(query, key, value, *, lengths, shape):  # type: ignore[no-untyped-def]
        raise TypeError("got an unexpected keyword argument")

    assert is_right(separate_attention, "cpu", torch.float32, 16)
    assert is_right(separate_attention, "cpu", torch.bfloat16, 16)
    assert not is_right(forgetful, "cpu", torch.float32, 16)
    assert not is_right(broken, "cpu", torch.float32, 16)


def test_the_ends_of_sequences_are_made_once_and_can_be_kept_for_gradients() -> None:
    with torch.inference_mode():
        first = sequence_ends((3, 1, 4), torch.device("cpu"))
    assert first.tolist() == [0, 3, 4, 8]
    assert not first.is_inference()
    assert sequence_ends((3, 1, 4), torch.device("cpu")) is first
