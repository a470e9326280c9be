from pathlib import Path

import pytest

from studio.graphics_card import card_names, driver_version, torch_cuda, trouble

NVRM = "NVRM version: NVIDIA UNIX {}  {}  Sun May 12 20:25:33 UTC 2024\nGCC version:  gcc version 12.2.0\n"


@pytest.mark.parametrize("kind", ["x86_64 Kernel Module", "Open Kernel Module for x86_64"])
def test_cards_and_driver_are_read_as_the_driver_names_them(kind: str, tmp_path: Path) -> None:
    assert (card_names(tmp_path), driver_version(tmp_path)) == ((), "")
    (tmp_path / "gpus" / "0000:01").mkdir(parents=True)
    (tmp_path / "gpus" / "0000:01" / "information").write_text("Model: \t NVIDIA L4\nIRQ: 5\n")
    (tmp_path / "version").write_text(NVRM.format(kind, "580.65.06"))
    assert (card_names(tmp_path), driver_version(tmp_path)) == (("NVIDIA L4",), "580.65.06")


@pytest.mark.parametrize(
    ("driver", "cuda", "said"),
    [
        ("535.183.01", "13.0", ("version 535.183.01", "needs 580 or newer", "Update the driver")),
        ("580.65.06", "13.0", ()),
        ("535.183.01", "12.6", ()),
        ("470.57", "12.6", ("needs 525 or newer",)),
        ("580.65.06", "", ("made for processors alone",)),
        ("", "13.0", ()),
        ("580.65.06", None, ()),
    ],
)
def test_a_card_that_cannot_be_used_says_why(
    driver: str, cuda: str | None, said: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    found = trouble(("NVIDIA L4",), driver=driver, cuda=cuda)
    assert bool(found) == bool(said)
    assert all(part in found for part in said)
    assert trouble((), driver=driver, cuda=cuda) == ""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert trouble(("NVIDIA L4",), driver=driver, cuda=cuda) == ""


def test_the_build_of_pytorch_is_read_without_importing_it() -> None:
    import torch

    assert torch_cuda() == (None if torch.version.hip else torch.version.cuda or "")
