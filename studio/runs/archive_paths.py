"""Which files of a run go into its archive, and how paths of one machine are kept out of it.

What can be made again stays behind.
"""

import dataclasses
import json
import re
from pathlib import Path, PurePosixPath
from typing import Any

from studio import codec
from studio.config import RunConfig, modernised
from studio.events import Failed, Finished, Loading, Noted, Record, Unknown, encode
from studio.files import write_whole
from studio.models.elsewhere import names_shortened, paths_shortened, without_place
from studio.runs.event_log import read_events
from studio.runs.store import RunOrigin

CONFIG, ORIGIN, ABOUT, PARENTS = "config.json", "origin.json", "about.json", "parents.json"
TRAIN, VALIDATION, EVENTS = "train.jsonl", "val.jsonl", "events.jsonl"

NEEDED = frozenset({CONFIG, ORIGIN, TRAIN})
"""Without these a folder is no run."""

_OWN = NEEDED | {ABOUT, PARENTS, VALIDATION, EVENTS, "reference.safetensors", "reference.later"}
"""The reference is what the exports are checked against: it was said by a model that is gone."""

_GIVEN = NEEDED | {ABOUT, PARENTS, VALIDATION, EVENTS}
"""What a run has before it is trained, and what it says meanwhile."""

_LEARNED = re.compile(r"(?:adapter|model|start|checkpoints/step-[0-9]{1,12})/([A-Za-z0-9][A-Za-z0-9._-]*)")

_EVALUATED = re.compile(r"evaluations/end(?:\.json|\.rows-[0-9]{1,16}\.jsonl)")
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


def packed_content(path: Path, inner: str) -> str | None:
    """Return what is packed of a file that may hold paths; None for one that is packed as it is.

    A settings file that cannot be read is packed as it is: whoever brings it in is told so.
    """
    if inner == EVENTS:
        records, _ = read_events(path)
        return "".join(encode(shortened(each)) + "\n" for each in records if not isinstance(each.event, Unknown))
    if not inner.endswith(".json") or PurePosixPath(inner).name.startswith(("tokenizer.", "vocab.")):
        return None
    try:
        document = codec.parse(path.read_text(encoding="utf-8"))
        return _placeless(document, inner)
    except (ValueError, TypeError):
        return None


def forget_places(folder: Path) -> None:
    """Turn the paths of models in the settings of an unpacked run into names. Raises OSError."""
    for path in sorted(folder.rglob("*.json")):
        content = packed_content(path, path.relative_to(folder).as_posix())
        if content is not None:
            write_whole(path, content.rstrip("\n"))


def _placeless(document: Any, inner: str) -> str | None:
    if inner == CONFIG:
        config = codec.from_plain(RunConfig, modernised(document))
        model, start = without_place(config.model), without_place(config.start_adapter)
        return codec.dumps(dataclasses.replace(config, model=model, start_adapter=start, place="", nodes=1)) + "\n"
    if inner == ORIGIN:
        origin = codec.from_plain(RunOrigin, document)
        return codec.dumps(dataclasses.replace(origin, model_name=without_place(origin.model_name))) + "\n"
    if not isinstance(document, dict):
        return None
    told = names_shortened(document)
    return None if told == document else json.dumps(told, ensure_ascii=False, indent=2) + "\n"


def shortened(record: Record) -> Record:
    """Cut the paths in what a worker told; the trace of a failure is for the log of the machine where it happened."""
    match record.event:
        case Loading() as event:
            return dataclasses.replace(record, event=dataclasses.replace(event, what=paths_shortened(event.what)))
        case Noted() as event:
            return dataclasses.replace(record, event=dataclasses.replace(event, text=paths_shortened(event.text)))
        case Finished() as event:
            return dataclasses.replace(record, event=dataclasses.replace(event, summary=paths_shortened(event.summary)))
        case Failed() as event:
            said = paths_shortened(event.message), paths_shortened(event.hint)
            return dataclasses.replace(record, event=Failed(event.cause, *said))
    return record


def is_made(inner: str) -> bool:
    """Tell whether a file is one that a worker makes of the run, beside its events. `inner` is as in `is_own`."""
    return is_own(inner) and inner not in _GIVEN


def is_evaluated(inner: str) -> bool:
    """Tell whether a file is of the evaluation that a place makes of a run at its end. `inner` is as in `is_own`."""
    return _EVALUATED.fullmatch(inner) is not None


def is_own(inner: str) -> bool:
    """Tell whether a file belongs to the run itself. `inner` is its path below the run's folder, with slashes."""
    if inner in _OWN:
        return True
    found = _LEARNED.fullmatch(inner)
    return found is not None and (found[1] in _LEARNED_FILES or found[1].endswith(".safetensors"))
