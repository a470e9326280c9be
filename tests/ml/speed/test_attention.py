import pytest
import torch

from studio.ml.speed.attention import (
    Attend,
    Shape,
    blocked_attention,
    efficient_attention,
    expanded_varlen_attention,
    is_right,
    separate_attention,
    sequence_ends,
    varlen_attention,
)

on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


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


@pytest.mark.gpu
@on_gpu
@pytest.mark.parametrize("size", [64, 128, 256])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize(
    "attend", [varlen_attention, expanded_varlen_attention, efficient_attention, blocked_attention, separate_attention]
)
def test_the_kernels_of_a_gpu_attend_as_the_blocks_do(attend: Attend, dtype: torch.dtype, size: int) -> None:
    """The efficient one is what cards from before capability 8.0, and fp32, are left with."""
    if dtype == torch.float32 and attend in (varlen_attention, expanded_varlen_attention):
        pytest.skip("takes 16 bits alone")
    assert is_right(attend, "cuda", dtype, size)


@pytest.mark.gpu
@on_gpu
def test_grouped_queries_in_fp32_keep_no_scores() -> None:
    """Those of 8,192 tokens and 16 heads would be 4 GiB."""
    length = 8192
    query, key, value = (torch.randn(heads, length, 64, device="cuda", requires_grad=True) for heads in (16, 4, 4))
    for attend in (efficient_attention, separate_attention):
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        attended = attend(query, key, value, lengths=(length,), shape=Shape(0.125))
        torch.autograd.grad(attended.square().sum(), (query, key, value))
        assert torch.cuda.max_memory_allocated() - before < 2**29
