"""What many tests stand on: a tiny random model with a tokenizer of its own, made on the spot."""

from pathlib import Path

import pytest

from tests.live_page import browser, page, server
from tests.tiny_model import write_tiny_model

__all__ = ["browser", "page", "server"]


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random two-layer Llama and a byte-level tokenizer with a ChatML template. Do not write to it."""
    return write_tiny_model(tmp_path_factory.mktemp("models") / "tiny")
