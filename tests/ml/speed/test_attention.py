from collections.abc import Sequence

import pytest
import torch

from studio.ml.speed import attention
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
from studio.models.forecast.plan import KEPT_LENGTH

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


@pytest.mark.parametrize("window", [None, 50])
@pytest.mark.parametrize("kept_length", [1024, 150], ids=["weights kept", "long ones made again"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_blocks_are_no_further_from_the_exact_result_than_the_kernel_of_pytorch(
    dtype: torch.dtype, kept_length: int, window: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "KEPT_LENGTH", kept_length)
    lengths, shape = (300, 1, 128, 40), Shape(64**-0.5, window)
    made, down = _drawn(lengths, dtype)
    exact = _passes(separate_attention, [each.double() for each in made], down.double(), lengths, shape)
    blocks = _passes(blocked_attention, made, down, lengths, shape)
    kernel = _passes(separate_attention, made, down, lengths, shape)
    for one, other, true in zip(blocks, kernel, exact, strict=True):
        bound = 1.5 * (other - true).norm()  # of the output in bf16, which is rounded once more: 0.0022 beside 0.0017
        assert (one - true).norm() <= bound + 1e-6 * true.norm()


@pytest.mark.parametrize("softcap", [None, 5.0])
def test_weights_that_are_kept_give_the_gradients_of_those_that_are_made_again(
    softcap: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths, shape = (130, 60), Shape(0.125, softcap=softcap)
    made, down = _drawn(lengths, torch.float32)
    kept = _passes(blocked_attention, made, down, lengths, shape)
    monkeypatch.setattr(attention, "KEPT_LENGTH", 0)
    for one, other in zip(_passes(blocked_attention, made, down, lengths, shape), kept, strict=True):
        assert torch.equal(one, other)


def test_a_long_sequence_keeps_no_weights() -> None:
    held: list[int] = []
    sizes: list[int] = []

    def noted(saved: torch.Tensor) -> torch.Tensor:
        sizes.append(saved.numel())
        return saved

    for length in (KEPT_LENGTH, KEPT_LENGTH + 1):
        made, _ = _drawn((length,), torch.float32)
        inputs = [each.requires_grad_() for each in made]
        with torch.autograd.graph.saved_tensors_hooks(noted, lambda each: each):
            blocked_attention(*inputs, lengths=(length,), shape=Shape(0.125))
        held.append(sum(sizes))
        sizes.clear()
    assert held[0] > 5 * held[1]


def _drawn(lengths: Sequence[int], dtype: torch.dtype) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Draw queries, keys and values of 6, 2 and 2 heads, and a gradient of what is made of them."""
    rng, tokens = torch.Generator().manual_seed(0), sum(lengths)
    made = [(2 * torch.randn(heads, tokens, 64, generator=rng)).to(dtype) for heads in (6, 2, 2)]
    return made, torch.randn(tokens, 6, 64, generator=rng).to(dtype)


def _passes(
    attend: Attend, made: Sequence[torch.Tensor], down: torch.Tensor, lengths: Sequence[int], shape: Shape
) -> list[torch.Tensor]:
    """Return what is attended and the three gradients, in fp64."""
    inputs = [each.detach().requires_grad_() for each in made]
    attended = attend(*inputs, lengths=lengths, shape=shape)
    return [each.double() for each in (attended.detach(), *torch.autograd.grad(attended, inputs, down))]


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
