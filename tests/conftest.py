"""What many tests stand on: a tiny random model with its tokenizer, and what forks workers."""

import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.live_page import browser, home, new_page, page, playwright, seen, server
from tests.runs.conftest import fake_launch, say
from tests.tiny_model import write_tiny_model
from tests.transformers4 import transformers4
from tests.warm import Forkserver

__all__ = ["browser", "fake_launch", "home", "new_page", "page", "playwright", "say", "server", "transformers4"]

# The models are tiny, and each process of pytest has a core of its own: threads would only wait for one another.
os.environ.update({"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"})


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Function, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put beside a failure in the browser what the page showed: on another machine nobody sees it."""
    report = yield
    if report.when == "call" and report.failed and "new_page" in item.funcargs:
        report.sections.append(("What the page showed", seen(item.funcargs["new_page"], item.funcargs.get("home"))))
    return report


@pytest.fixture(scope="session", autouse=True)
def _evaluations_are_asked_for() -> Iterator[None]:
    """No run of a test is evaluated at its end, unless the test is about that: it takes as long as the run."""
    os.environ["STUDIO_EVALUATE"] = "0"
    yield
    del os.environ["STUDIO_EVALUATE"]


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random two-layer Llama and a byte-level tokenizer with a ChatML template. Do not write to it."""
    return write_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forkserver]:
    """Where workers come from that have their libraries in memory already."""
    forkserver = Forkserver(tmp_path_factory.mktemp("warm"))
    yield forkserver
    forkserver.close()
