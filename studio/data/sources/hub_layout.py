"""Which files of a data set on the Hub hold the rows of a split, as its card says or its file names tell.

Everything is chosen from the list of files that the repository has at one commit: what a card names is compared with
that list and never opened.
"""

import fnmatch
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import yaml

from studio.errors import DataError

KINDS = ("parquet", "jsonl", "json", "csv", "tsv", "arrow", "txt", "ndjson", "xlsx", "zip", "md")
_PACKED = ("gz", "zst", "xz", "bz2")
_NO_DATA = frozenset({"dataset_infos.json", "dataset_info.json", "dataset_dict.json", "state.json", "readme.md"})
_SPLIT_WORDS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_SHARD = re.compile(r"(?P<split>\w+(?:[.-]\w+)*?)-\d{5}-of-\d{5}[\w.-]*", re.ASCII)
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_LONGEST_NAME = 500
_LONGEST_PATTERN = 500
_MOST_PATTERNS = 1_000


@dataclass(frozen=True)
class Configuration:
    """One configuration of a card. `files` are patterns by split, empty where only `folder` is named."""

    name: str
    is_default: bool
    folder: str
    files: Mapping[str, tuple[str, ...]]


def is_plain_name(name: str) -> bool:
    """Tell whether a name is that of a file inside a repository: no way out of it, no address, nothing hidden."""
    parts = name.split("/")
    strange = any(ord(letter) < 32 or letter in '\\:*?"<>|~' for letter in name)
    hidden = any(part.startswith(".") or not part for part in parts)
    return len(name) <= _LONGEST_NAME and not strange and not hidden


def read_configurations(card: str) -> tuple[Configuration, ...]:
    """Read the configurations of a card; none where it has none, or cannot be read."""
    found = re.match(r"\s*---\r?\n(.*?)\r?\n---\s*(?:\n|\Z)", card, re.DOTALL)
    try:
        head = yaml.load(found[1], Loader=_LOADER) if found else None
    except (yaml.YAMLError, ValueError, RecursionError):
        return ()
    listed = head.get("configs") if isinstance(head, dict) else None
    return tuple(_configuration(each) for each in listed if isinstance(each, dict)) if isinstance(listed, list) else ()


def choose_files(
    names: Collection[str], configurations: Sequence[Configuration], *, config: str, split: str
) -> tuple[str, ...]:
    """Choose the files of a configuration ("" for the usual one) and a split, in order.

    Raises DataError when there is no such configuration or split, or the card names nothing that the repository has.
    """
    plain = sorted(filter(is_plain_name, names))
    chosen = _choose_configuration(configurations, config)
    if chosen is not None and chosen.files:
        return _named_files(plain, chosen, split)
    folder = chosen.folder if chosen is not None else ""
    inside = [name for name in plain if not folder or name.startswith(f"{folder}/")]
    splits = _told_by_names(_alike(inside))
    if not splits:
        raise _no_kind()
    if split not in splits:
        raise _no_split(split, splits)
    return tuple(splits[split])


def _configuration(described: Mapping[Any, Any]) -> Configuration:
    return Configuration(
        name=_text(described.get("config_name"))[:100] or "default",
        is_default=described.get("default") is True,
        folder=_inner(_text(described.get("data_dir"))).rstrip("/"),
        files=_patterns(described.get("data_files")),
    )


def _patterns(described: object) -> dict[str, tuple[str, ...]]:
    """Return the patterns by split. A card writes them in four ways."""
    if isinstance(described, list) and all(isinstance(each, dict) for each in described):
        return {_text(each.get("split"))[:100] or "train": _texts(each.get("path")) for each in described}
    if isinstance(described, dict):
        return {_text(split)[:100]: _texts(paths) for split, paths in described.items()}
    return {"train": _texts(described)} if described else {}


def _text(value: object) -> str:
    """Return a value that is a text; a card may hold anything, and some of it is made to grow when it is written."""
    return value if isinstance(value, str) else ""


def _texts(paths: object) -> tuple[str, ...]:
    listed = paths if isinstance(paths, list) else [paths]
    return tuple(path for path in listed[:_MOST_PATTERNS] if isinstance(path, str))


def _choose_configuration(configurations: Sequence[Configuration], wanted: str) -> Configuration | None:
    if not configurations:
        if wanted not in ("", "default"):
            raise DataError(f"This data set has no configuration '{wanted[:80]}'.", "Leave the configuration empty.")
        return None
    usual = next((each for each in configurations if each.is_default or each.name == "default"), None)
    if not wanted:
        found = usual or (configurations[0] if len(configurations) == 1 else None)
    else:
        found = next((each for each in configurations if each.name == wanted), None)
    if found is None:
        listed = ", ".join(each.name for each in configurations[:20])
        what = f"has no configuration '{wanted[:80]}'" if wanted else "has several configurations"
        raise DataError(f"This data set {what}.", f"Name one of: {listed}.")
    return found


def _named_files(names: Sequence[str], chosen: Configuration, split: str) -> tuple[str, ...]:
    if split not in chosen.files:
        raise _no_split(split, chosen.files)
    folder = f"{chosen.folder}/" if chosen.folder else ""
    patterns = [folder + _inner(pattern) for pattern in chosen.files[split]]
    found = [name for name in names if any(_fits(name, pattern) for pattern in patterns)]
    if not found:
        first = chosen.files[split][0] if chosen.files[split] else "nothing"
        raise DataError(
            f"The card of this data set names '{first[:80]}' as its data, and none of its files is called so.",
            "Only files of the data set itself are read. Choose another one.",
        )
    kept = _alike(found)
    if not kept:
        raise _no_kind()
    return tuple(kept)


def _inner(pattern: str) -> str:
    """Return a pattern as names in a repository are written: "./data/x" means "data/x"."""
    shown = pattern[:_LONGEST_PATTERN]
    while shown.startswith("./"):
        shown = shown[2:]
    return "" if shown == "." else shown


def _fits(name: str, pattern: str) -> bool:
    """Match part by part: "*" stays in a folder, "**" crosses them. No pattern takes long, however it is written."""
    parts, wanted = name.split("/"), pattern.split("/")  # one that begins with "/" fits nothing
    reached = {0}
    for each in wanted:
        if each == "**":
            reached = set(range(min(reached), len(parts) + 1)) if reached else set()
        else:
            reached = {at + 1 for at in reached if at < len(parts) and fnmatch.fnmatchcase(parts[at], each)}
    return len(parts) in reached


def _alike(names: Sequence[str]) -> list[str]:
    """Take the files of the one kind that most are of: beside the data there may be notes and other forms of it."""
    kinds = {name: kind for name in names if (kind := _kind(name))}
    if not kinds:
        return []
    count = Counter(kinds.values())
    best = min(count, key=lambda kind: (kind in ("md", "txt"), -count[kind], KINDS.index(kind)))
    return [name for name, kind in kinds.items() if kind == best]


def _kind(name: str) -> str:
    path = PurePosixPath(name.lower())
    ends = [each.lstrip(".") for each in path.suffixes[-2:]]
    if ends and ends[-1] in _PACKED:
        ends.pop()
    hidden = any(part.startswith("_") for part in path.parts)
    return ends[-1] if ends and ends[-1] in KINDS and path.name not in _NO_DATA and not hidden else ""


def _told_by_names(names: Sequence[str]) -> dict[str, list[str]]:
    """Tell the splits by the names of the files or, where those say nothing, of their folders; else all is "train"."""
    shards: dict[str, list[str]] = {}
    for name in names:
        if shard := _SHARD.fullmatch(PurePosixPath(name).name):
            shards.setdefault(shard["split"], []).append(name)
    if shards:
        return shards
    by_file = _by_words(names, read=lambda path: path.name)
    by_folder = _by_words(names, read=lambda path: str(path.parent))
    return by_file or by_folder or ({"train": list(names)} if names else {})


def _by_words(names: Sequence[str], *, read: Callable[[PurePosixPath], str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in names:
        words = set(re.split(r"[^a-z]+", read(PurePosixPath(name)).lower()))
        for split, known in _SPLIT_WORDS.items():
            if words & set(known):
                found.setdefault(split, []).append(name)
                break
    return found


def _no_kind() -> DataError:
    return DataError(
        "This data set has no files of a kind that can be read: CSV, JSON, JSON Lines, Parquet, Arrow, text.",
        "The code of a data set is never run. Choose another one.",
    )


def _no_split(split: str, splits: Collection[str]) -> DataError:
    listed = ", ".join(each[:40] for each in list(splits)[:20])
    return DataError(f"This data set has no split '{split[:80]}'.", f"It has: {listed}.")
