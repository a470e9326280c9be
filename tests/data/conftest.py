"""Two tokenizers so simple that expected ids are written by hand: one token a word, and one token a byte."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

from studio.data.examples import Example, Message

ModelFolder = Callable[..., Path]
Conversation = Callable[..., tuple[Message, ...]]

WORDS = ["<unk>", "<|im_start|>", "<|im_end|>", "\n", " ", "system", "user", "assistant", "be", "kind", "hi", "bye"]
"""The place of a word is its id."""


@pytest.fixture
def model_folder(tmp_path: Path) -> ModelFolder:
    """Write the tokenizer of a model with one token a word (or a byte) and return its folder."""

    def write(template: str | None, *, bytes_only: bool = False, **config: object) -> Path:
        folder = tmp_path / f"model-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        tokenizer = _byte_tokenizer() if bytes_only else _word_tokenizer()
        tokenizer.add_special_tokens([AddedToken(token, special=True) for token in ("<|im_start|>", "<|im_end|>")])
        tokenizer.save(str(folder / "tokenizer.json"))
        settings = {"tokenizer_class": "TokenizersBackend", "eos_token": "<|im_end|>", **config}
        if template is not None:
            settings["chat_template"] = template
        (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
        return folder

    return write


@pytest.fixture
def conversation() -> Conversation:
    """Make messages of "role: content" lines."""

    def make(*lines: str) -> tuple[Message, ...]:
        parts = (line.partition(": ") for line in lines)
        return tuple(Message(role, content) for role, _, content in parts)

    return make


@pytest.fixture
def examples() -> tuple[Example, ...]:
    return tuple(
        Example((Message("user", f"question {place}"), Message("assistant", f"answer\u2028{place} é")), row=place)
        for place in range(1, 21)
    )


def _word_tokenizer() -> Tokenizer:
    vocabulary = {word: id for id, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"\s|[^\s]+"), behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    return tokenizer


def _byte_tokenizer() -> Tokenizer:
    vocabulary = {letter: id for id, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer
