"""Keeping the paths of one machine out of the archive of a run, and those of another out of the run it becomes here."""

import dataclasses
import json
from pathlib import Path, PurePosixPath
from typing import Any

from studio import codec
from studio.config import RunConfig, modernised
from studio.events import Failed, Finished, Loading, Noted, Record, Unknown, encode
from studio.files import write_whole
from studio.models.elsewhere import paths_shortened, shown_name, without_place
from studio.runs import run_files
from studio.runs.event_log import read_events
from studio.runs.store import RunOrigin

_NAMES_OF_MODELS = ("_name_or_path", "name_or_path", "base_model_name_or_path", "tokenizer_name_or_path")
"""Under these keys peft and transformers write from where they loaded a model."""


def packed_content(path: Path, inner: str) -> str | None:
    """Return what is packed of a file that may hold paths; None for one that is packed as it is.

    A settings file that cannot be read is packed as it is: whoever brings it in is told so.
    """
    if inner == run_files.EVENTS:
        records, _ = read_events(path)
        return "".join(encode(_shortened(each)) + "\n" for each in records if not isinstance(each.event, Unknown))
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
    if inner == run_files.CONFIG:
        config = codec.from_plain(RunConfig, modernised(document))
        model, start = without_place(config.model), without_place(config.start_adapter)
        return codec.dumps(dataclasses.replace(config, model=model, start_adapter=start)) + "\n"
    if inner == run_files.ORIGIN:
        origin = codec.from_plain(RunOrigin, document)
        return codec.dumps(dataclasses.replace(origin, model_name=without_place(origin.model_name))) + "\n"
    if not isinstance(document, dict):
        return None
    told = document | {key: shown_name(document[key]) for key in _NAMES_OF_MODELS if isinstance(document.get(key), str)}
    return None if told == document else json.dumps(told, ensure_ascii=False, indent=2) + "\n"


def _shortened(record: Record) -> Record:
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
