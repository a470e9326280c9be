"""Models that are made to do harm by their chat template or their tokenizer. They hold no weights."""

import json
from pathlib import Path

PLAIN = "{% for m in messages %}{{ m.role + ': ' + m.content + ' end ' }}{% endfor %}"


def write_model(folder: Path, template: str = PLAIN, *, regex: str = "") -> Path:
    """Write a tokenizer with one token a word and a chat template; `regex` is how the tokenizer cuts a text."""
    folder.mkdir(parents=True)
    cut = {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": False}
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": cut if regex else {"type": "Whitespace"},
        "post_processor": None,
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": {"?": 0, "user": 1, "assistant": 2, "end": 3}, "unk_token": "?"},
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text('{"eos_token": "end"}', encoding="utf-8")
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    return folder
