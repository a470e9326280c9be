from pathlib import Path

import pytest
import torch

from studio.errors import ModelError, is_out_of_memory
from studio.ml import accelerator, loading
from studio.ml.accelerator import architecture_trouble, find_accelerator
from studio.runs.diagnosis import diagnose_lost

CUDA_13 = ("sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120", "compute_120")


@pytest.mark.parametrize(
    ("capability", "built_for", "said"),
    [
        ((6, 1), CUDA_13, "an older PyTorch"),
        ((7, 0), CUDA_13, "an older PyTorch"),
        ((7, 5), CUDA_13, ""),
        ((8, 9), CUDA_13, ""),
        ((12, 1), CUDA_13, ""),
        ((12, 0), ("sm_80", "sm_90"), "a newer PyTorch"),
        ((12, 0), ("sm_80", "compute_90"), ""),
        ((9, 0), ("sm_90a",), ""),
        ((9, 0), (), ""),
    ],
)
def test_a_card_without_code_in_the_build_says_so(
    capability: tuple[int, int], built_for: tuple[str, ...], said: str
) -> None:
    found = architecture_trouble("NVIDIA X", capability=capability, built_for=built_for)
    assert bool(found) == bool(said)
    assert said in found


def test_a_machine_without_a_card_has_no_trouble() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has one")
    found = find_accelerator()
    assert found.device in ("cpu", "mps")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported", "graphics card"),
        ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", "graphics card"),
        ("MPS backend out of memory (MPS allocated: 17.9 GB, other allocations: 1 GB)", "graphics card"),
        ("HIP out of memory. Tried to allocate 2.00 GiB.", "graphics card"),
        ("CUDA driver error: out of memory", "graphics card"),
        ("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried", "computer"),
    ],
)
def test_errors_and_logs_are_told_apart_by_the_same_words(text: str, kind: str) -> None:
    """Errors of cuBLAS, of Apple's GPUs and of asynchronous calls were bugs: no step was tried again with less."""
    assert is_out_of_memory(RuntimeError(text))
    trace = f'Traceback (most recent call last):\n  File "a.py", line 1\ntorch.AcceleratorError: {text}\n'
    found = diagnose_lost(trace, exit_code=1)
    assert (found.cause, kind in found.message) == ("out_of_memory", True)


def test_what_is_no_want_of_memory_is_none() -> None:
    assert not is_out_of_memory(RuntimeError("CUDA error: an illegal memory access was encountered"))
    assert not is_out_of_memory(ModelError("The GPU ran out of memory: CUDA out of memory."))


def test_each_process_of_a_run_loads_onto_its_own_gpu() -> None:
    """All of them loaded onto the first: transformers was told "cuda"."""
    options = loading.load_options(loading.Placement("cuda", "bf16", index=1))
    assert options["device_map"] == {"": 1}
    assert loading.load_options(loading.Placement("mps", "fp32"))["device_map"] == {"": "mps"}
    assert "device_map" not in loading.load_options(loading.Placement("cpu", "fp32"))


def test_an_older_pytorch_has_the_system_tell_what_a_processor_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyTorch 2.8, which a Space may have, has no `torch.cpu.get_capabilities`: every run failed there."""
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    told = tmp_path / "cpuinfo"
    told.write_text("processor : 0\nflags\t\t: fpu sse2 avx512_bf16\n\nprocessor : 1\nflags : fpu\n")
    assert accelerator._processor_features(told) == {"fpu", "sse2", "avx512_bf16"}
    assert accelerator._processor_features(tmp_path / "none") == set()
