"""A served studio whose starter model is a tiny one, and OpenAI's own package as its client."""

from collections.abc import Callable, Iterator
from pathlib import Path

import openai
import pytest

from studio.models.starter import READY_MARK, starter_folder
from studio.openai_api.keys import ApiKey
from tests.live_page import Served, serve_page
from tests.patience import PATIENCE_SECONDS
from tests.tiny_model import write_tiny_model
from tests.warm import Forkserver

BASE = "base/starter"


@pytest.fixture(scope="module")
def api_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder that is served: a starter model is in it, and nothing else."""
    home = tmp_path_factory.mktemp("api") / "home"
    write_tiny_model(starter_folder(home))
    (starter_folder(home) / READY_MARK).write_text("{}", encoding="utf-8")
    return home


@pytest.fixture(scope="module")
def api_server(api_home: Path, warm: Forkserver) -> Iterator[Served]:
    with serve_page(api_home, warm) as running:
        yield running


@pytest.fixture(scope="module")
def connect(api_home: Path, api_server: Served) -> Iterator[Callable[..., openai.OpenAI]]:
    """Make a client, as a script for the hosted service does after one change of its base_url."""
    made: list[openai.OpenAI] = []

    def client(key: str = "") -> openai.OpenAI:
        client = openai.OpenAI(
            base_url=f"{api_server.address}/v1", api_key=key or ApiKey(api_home).read(), timeout=PATIENCE_SECONDS
        )
        made.append(client)
        return client

    yield client
    for each in made:
        each.close()


@pytest.fixture(scope="module")
def client(connect: Callable[..., openai.OpenAI]) -> openai.OpenAI:
    return connect()
