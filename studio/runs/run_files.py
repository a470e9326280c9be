"""Which files of a run are its own truth, and so go with it to another machine. What can be made again stays behind."""

import re

CONFIG, ORIGIN, ABOUT, PARENTS = "config.json", "origin.json", "about.json", "parents.json"
TRAIN, VALIDATION, EVENTS = "train.jsonl", "val.jsonl", "events.jsonl"

NEEDED = frozenset({CONFIG, ORIGIN, TRAIN})
"""Without these a folder is no run."""

_OWN = NEEDED | {ABOUT, PARENTS, VALIDATION, EVENTS, "reference.safetensors", "reference.later"}
"""The reference is what the exports are checked against: it was said by a model that is gone."""

_LEARNED = re.compile(r"(?:adapter|model|start|checkpoints/step-[0-9]{1,12})/([A-Za-z0-9][A-Za-z0-9._-]*)")
_LEARNED_FILES = frozenset(
    {
        "adapter_config.json",
        "config.json",
        "generation_config.json",
        "model.safetensors.index.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "added_tokens.json",
        "vocab.json",
        "merges.txt",
        "vocab.txt",
        "tokenizer.model",
        "spiece.model",
        "sentencepiece.bpe.model",
        "chat_template.jinja",
        "chat_template.json",
    }
)


def is_own(inner: str) -> bool:
    """Tell whether a file belongs to the run itself. `inner` is its path below the run's folder, with slashes."""
    if inner in _OWN:
        return True
    found = _LEARNED.fullmatch(inner)
    return found is not None and (found[1] in _LEARNED_FILES or found[1].endswith(".safetensors"))
