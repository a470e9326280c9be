"""The NVIDIA cards of this machine and whether the PyTorch that is installed can use them, told without importing it.

What a card's architecture allows is known only to PyTorch: `studio.ml.accelerator` asks that.
"""

import importlib.metadata
import logging
import os
import re
from pathlib import Path

log = logging.getLogger(__name__)

DRIVER = Path("/proc/driver/nvidia")

OLDEST_DRIVERS = {11: 450, 12: 525, 13: 580}
"""The oldest Linux driver that runs programs made for a version of CUDA (NVIDIA, "CUDA compatibility")."""

INSTALL = "The README says which PyTorch to install for which driver."


def card_names(driver: Path = DRIVER) -> tuple[str, ...]:
    """Name the cards that the driver lists."""
    names = []
    for file in sorted(driver.glob("gpus/*/information")):
        found = re.search(r"^Model:\s*(.+)$", _text(file), re.MULTILINE)
        names.append(found[1].strip() if found else file.parent.name)
    return tuple(names)


def driver_version(driver: Path = DRIVER) -> str:
    """Return the driver's version, such as 535.183.01; empty where there is no driver."""
    found = re.search(r"^NVRM version:.*?\s(\d+\.[\d.]+)\s", _text(driver / "version"), re.MULTILINE)
    return found[1] if found else ""


def torch_cuda() -> str | None:
    """Return for which version of CUDA the installed PyTorch was made: "" for none, None where that cannot be told."""
    try:
        text = _text(Path(str(importlib.metadata.distribution("torch").locate_file("torch/version.py"))))
    except importlib.metadata.PackageNotFoundError:
        return None
    if re.search(r"^(hip|rocm).*= '", text, re.MULTILINE):
        return None
    found = re.search(r"^cuda\b.*= (?:'([\d.]+)'|None)", text, re.MULTILINE)
    return None if found is None else found[1] or ""


def trouble(names: tuple[str, ...], *, driver: str, cuda: str | None) -> str:
    """Say why the cards cannot be used with a PyTorch that was made for `cuda`, and what to do; empty where they can.

    Nothing is said where a person has hidden them in CUDA_VISIBLE_DEVICES.
    """
    if not names or cuda is None or are_hidden():
        return ""
    unused = not_used(names[0])
    if not cuda:
        return f"{unused}: the PyTorch that is installed is made for processors alone. {INSTALL}"
    oldest = OLDEST_DRIVERS.get(int(cuda.partition(".")[0]), 0)
    if driver and int(driver.partition(".")[0]) < oldest:
        return (
            f"{unused}: its driver is version {driver}, and the PyTorch that is installed (for CUDA {cuda}) needs "
            f"{oldest} or newer. Update the driver, or install a PyTorch for an older CUDA. {INSTALL}"
        )
    return ""


def not_used(name: str) -> str:
    """Begin the sentence that says why a card is not used."""
    return f"The graphics card {name} is not used, and this machine computes on its processor"


def are_hidden() -> bool:
    """Tell whether a person has hidden the cards."""
    return os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")


def trouble_here(driver: Path = DRIVER) -> str:
    """Say why the cards of this machine cannot be used, as far as that can be told without PyTorch."""
    return trouble(card_names(driver), driver=driver_version(driver), cuda=torch_cuda())


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        log.debug("%s cannot be read: %s", file, error)
        return ""
