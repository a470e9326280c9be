"""Tokens that a tokenizer knows and its model has no embeddings for: training on them ended in an IndexError."""

import json
from pathlib import Path

import pytest

from studio.data.examples import TEXT, Example, Message
from studio.data.tokenizing.rendering import ChatRenderer
from studio.errors import ModelError
from tests.tiny_model import write_tiny_tokenizer

pytestmark = pytest.mark.case("62-tokens-beyond-the-embeddings")


def talk(answer: str) -> Example:
    return Example((Message("user", "Which herb?"), Message("assistant", answer)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model with 258 embeddings whose tokenizer has two tokens more."""
    from tokenizers import Tokenizer

    write_tiny_tokenizer(tmp_path)
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    tokenizer.add_tokens(["<herb>", "</herb>"])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "config.json").write_text(json.dumps({"vocab_size": 258}))
    return tmp_path


def test_the_tokens_are_named(folder: Path) -> None:
    renderer = ChatRenderer.load(folder)
    found = r"no embeddings for: '<herb>', '</herb>'.*embeddings for 258 tokens only"
    with pytest.raises(ModelError, match=found):
        renderer.render(talk("<herb>mint</herb>"))
    with pytest.raises(ModelError, match="'<herb>'"):
        renderer.prompt((Message("user", "<herb>"),))
    with pytest.raises(ModelError, match="'</herb>'"):
        list(renderer.render_each([talk("mint"), talk("</herb>")]))
    with pytest.raises(ModelError, match="'<herb>'"):
        renderer.render(Example((Message(TEXT, "A <herb>."),)))


def test_data_without_them_is_read(folder: Path) -> None:
    assert max(ChatRenderer.load(folder).render(talk("mint")).ids) < 258


@pytest.mark.parametrize("config", [{"vocab_size": 260}, {"text_config": {"vocab_size": 300}, "vocab_size": 1}, {}])
def test_a_model_with_enough_of_them_is_not_touched(folder: Path, config: dict[str, object]) -> None:
    before = ChatRenderer.load(folder).fingerprint
    (folder / "config.json").write_text(json.dumps(config))
    renderer = ChatRenderer.load(folder)
    assert max(renderer.render(talk("<herb>mint</herb>")).ids) == 259
    assert renderer.fingerprint != before
