"""Ways to damage a valid archive of a run: bytes of a file, values of its JSON, names, and the zip around it.

Every choice comes from the `random.Random` that is given, so that a seed names one damaged archive for good.
"""

import io
import json
import random
import zipfile
from collections.abc import Callable
from typing import Any

Files = dict[str, bytes]

NUMBERS = (0, -1, 1, 2**31, 2**63, 2**64, 10**30, -(10**30), 1e308, -1e308, 1e-320, 0.1)
RAW = ("1e999", "-1e999", "NaN", "Infinity", "9" * 6_000, "[" * 50_000 + "]" * 50_000, '"\\ud800"', '"\\u0000"', "tru")
TEXTS = (
    "",
    " ",
    "../../x",
    "/etc/hostname",
    "C:\\x",
    "a\0b",
    "x" * 50_000,
    "<img src=x onerror=a()>",
    "\u202e",
    "1e999",
)
NAMES = ("../x.json", "exports/adapter.json", "run.lock", ".hidden.json", "a/" * 40 + "x.json", "config.json", "x.py")
PLACEHOLDER = "@@raw@@"


def damaged(files: Files, rng: random.Random) -> bytes:
    """Return the archive of the files with one to three things wrong."""
    held = dict(files)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        rng.choice(CHANGES)(held, rng)
    packed = pack(held, rng)
    return rng.choice(STRUCTURE)(packed, rng) if rng.random() < 0.15 else packed


def pack(files: Files, rng: random.Random) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for name, content in files.items():
            archive.writestr(f"run/{name}", content)
    return held.getvalue()


def change_value(files: Files, rng: random.Random) -> None:
    """Put another value into one place of one JSON file, or one line of a JSONL file."""
    name = rng.choice([each for each in files if each.endswith((".json", ".jsonl"))])
    lines = files[name].split(b"\n") if name.endswith(".jsonl") else [files[name]]
    filled = [place for place, line in enumerate(lines) if line.strip()]
    if not filled:
        return
    place = rng.choice(filled)
    try:
        value = json.loads(lines[place])
    except (ValueError, RecursionError):
        return  # it was damaged before
    raw = rng.choice(RAW)
    text = json.dumps(_changed(value, rng)).replace(f'"{PLACEHOLDER}"', raw)
    lines[place] = text.encode("utf-8", "surrogatepass")
    files[name] = b"\n".join(lines)


def _changed(value: Any, rng: random.Random) -> Any:
    """Walk down at random, and change what is met where the walk ends."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        key = rng.choice(list(value))
        turn = rng.random()
        if turn < 0.08:
            return {other: item for other, item in value.items() if other != key}
        if turn < 0.12:
            return value | {rng.choice(TEXTS): value[key]}
        return value | {key: _changed(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.85:
        place = rng.randrange(len(value))
        return [*value[:place], _changed(value[place], rng), *value[place + 1 :]]
    others: tuple[Any, ...] = (None, True, [], {}, [value], {"a": value}, [None] * 3_000, PLACEHOLDER, PLACEHOLDER)
    return rng.choice((rng.choice(NUMBERS), rng.choice(TEXTS), rng.choice(others)))


def change_bytes(files: Files, rng: random.Random) -> None:
    """Overwrite, cut or repeat some bytes of one file."""
    name = rng.choice(list(files))
    content = bytearray(files[name])
    if not content:
        return
    place = rng.randrange(len(content))
    turn = rng.randrange(4)
    if turn == 0:
        del content[place:]
    elif turn == 1:
        content[place : place + 8] = rng.randbytes(8)
    elif turn == 2:
        content[place:place] = content[place : place + 200] * 20
    else:
        content[:8] = rng.randbytes(8)
    files[name] = bytes(content)


def change_lines(files: Files, rng: random.Random) -> None:
    """Repeat, drop or shuffle the lines of a JSONL file."""
    name = rng.choice([each for each in files if each.endswith(".jsonl")])
    lines = files[name].splitlines(keepends=True)
    turn = rng.randrange(3)
    if turn == 0:
        rng.shuffle(lines)
    elif turn == 1:
        lines = lines[: rng.randrange(len(lines) + 1)]
    else:
        lines += lines[-2:] * rng.randrange(1, 50)
    files[name] = b"".join(lines)


def change_names(files: Files, rng: random.Random) -> None:
    """Leave a file out, put one under another name, or add one."""
    name = rng.choice(list(files))
    turn = rng.randrange(3)
    if turn == 0 and len(files) > 1:
        del files[name]
    elif turn == 1:
        files[rng.choice([*NAMES, *files])] = files[name]
    else:
        content = rng.choice((rng.choice(RAW).encode(), b"", rng.randbytes(50), b"{}", b"null", b"[]"))
        files[rng.choice([*NAMES, *files, "lost.json", "about.json", "parents.json", "val.jsonl"])] = content


def flip(packed: bytes, rng: random.Random) -> bytes:
    """Change a few bytes anywhere in the zip; most often in its directory, which lies at the end."""
    content = bytearray(packed)
    for _ in range(rng.randrange(1, 6)):
        last = min(len(content), 2_000)
        place = len(content) - rng.randrange(1, last) if rng.random() < 0.7 else rng.randrange(len(content))
        content[place] = rng.randrange(256)
    return bytes(content)


def cut(packed: bytes, rng: random.Random) -> bytes:
    return packed[: rng.randrange(len(packed))]


def join(packed: bytes, rng: random.Random) -> bytes:
    return rng.randbytes(rng.randrange(300)) + packed + rng.choice((b"", packed[-200:]))


CHANGES: tuple[Callable[[Files, random.Random], None], ...] = (
    *(change_value,) * 5,
    change_bytes,
    change_bytes,
    change_lines,
    change_names,
)
STRUCTURE: tuple[Callable[[bytes, random.Random], bytes], ...] = (flip, flip, cut, join)
