"""The one place that asks PyTorch for the accelerator: which device is used and why not another, its memory, and which
number formats it multiplies fast.
"""

import logging
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from studio import graphics_card
from studio.logs import logged

CUDA_CONTEXT_BYTES = 500 * 2**20
"""What a GPU holds for a process beside its tensors; the forecast counts as much for the program."""

_FASTER_IN_FP16 = (7, 0)
"""From this capability on (Volta, Turing) a card has tensor cores, which fp32 cannot use."""

_BF16_OF_PROCESSORS = frozenset({"avx512_bf16", "amx_bf16", "arm_bf16", "bf16"})
"""What PyTorch and Linux call the instructions of processors for bf16; the last is that of ARM."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Accelerator:
    """What this process computes on: `device` is "cpu", "cuda" or "mps", `index` counts the GPUs of one kind.

    `trouble` says why a graphics card that is there is not used; empty where it is, or where there is none.
    """

    device: str
    index: int = 0
    trouble: str = ""


def find_accelerator() -> Accelerator:
    """Find the device of this process: of several that train together, each has the GPU of its own number."""
    if torch.cuda.is_available():
        index = int(os.environ.get("LOCAL_RANK", "0")) % max(1, torch.cuda.device_count())
        trouble = ""
        if not torch.version.hip:
            capability = torch.cuda.get_device_capability(index)
            trouble = architecture_trouble(
                torch.cuda.get_device_name(index), capability=capability, built_for=torch.cuda.get_arch_list()
            )
        return Accelerator("cpu", trouble=trouble) if trouble else Accelerator("cuda", index)
    trouble = _why_no_cuda()
    return Accelerator("mps" if torch.backends.mps.is_available() else "cpu", trouble=trouble)


def architecture_trouble(name: str, *, capability: tuple[int, int], built_for: Sequence[str]) -> str:
    """Say that a PyTorch that was built for some architectures has no code for a card; empty where it has.

    Code for sm_XY runs on cards of the same X and no smaller Y, code for compute_XY on all later ones too.
    """
    number = capability[0] * 10 + capability[1]
    made = [(kind, int(digits)) for each in built_for for kind, digits in re.findall(r"^(sm|compute)_(\d+)", each)]
    if not made or any(built <= number and (kind == "compute" or built // 10 == capability[0]) for kind, built in made):
        return ""
    oldest = min(built for _, built in made)
    what = "a card from before those that" if number < oldest else "a card that is newer than those that"
    return (
        f"{graphics_card.not_used(name)}: it is {what} the installed "
        f"PyTorch {torch.__version__} was built for (capability {capability[0]}.{capability[1]}; it has code for "
        f"{', '.join(built_for)}). Install {'an older' if number < oldest else 'a newer'} PyTorch. "
        f"{graphics_card.INSTALL}"
    )


def has_bf16(device: str) -> bool:
    """Tell whether a device has instructions for bf16, however fast."""
    if device != "cpu":
        return device == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return not _BF16_OF_PROCESSORS.isdisjoint(_processor_features())


def _processor_features(told: Path = Path("/proc/cpuinfo")) -> set[str]:
    """Name the instructions of the processor. PyTorch 2.8 does not tell them, so there the system is asked."""
    if hasattr(torch.cpu, "get_capabilities"):
        return {name for name, is_there in torch.cpu.get_capabilities().items() if is_there}
    with logged(log, "The system does not tell what its processor can", OSError):
        lines = told.read_text(encoding="utf-8", errors="replace").splitlines()
        found = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
        return set(found.partition(":")[2].split())
    return set()


def needs_fp16(device: str) -> bool:
    """Tell whether fp16 is the one format that a device multiplies fast: a card with tensor cores and without bf16."""
    return device == "cuda" and not has_bf16(device) and torch.cuda.get_device_capability() >= _FASTER_IN_FP16


def start_gradients(device: str) -> None:
    """Compute a small gradient, so that the thread of PyTorch that does has a context of CUDA.

    Whatever comes first there makes one, but for a product of cuBLAS, which warns.
    """
    if device == "cuda":
        with torch.inference_mode(False), torch.enable_grad():
            one = torch.ones(1, device=device, requires_grad=True)
            torch.autograd.backward([(one * one).sum()])


def free_gpu_bytes() -> int:
    """Return what the GPU has free for tensors of this process, with what PyTorch keeps of memory that was freed."""
    kept = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
    return int(torch.cuda.mem_get_info()[0]) + int(kept)


def _why_no_cuda() -> str:
    names = graphics_card.card_names()
    found = graphics_card.trouble_here()
    if found or not names or torch.version.hip or graphics_card.are_hidden():
        return found
    driver = graphics_card.driver_version()
    return (
        f"{graphics_card.not_used(names[0])}: PyTorch finds no "
        f"device of CUDA {torch.version.cuda} with the driver {driver or 'that is installed'}. Restart the computer; "
        f"if that does not help, install the driver again. {graphics_card.INSTALL}"
    )
