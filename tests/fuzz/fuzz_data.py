"""A fuzz target for everything that reads a person's file: bytes -> rows -> the guess -> examples -> checks and fixes.

    python tests/fuzz/fuzz_data.py -max_total_time=600 -rss_limit_mb=1500 CORPUS_FOLDER

Only a DataError may come out. The first byte chooses a name, the second how the rest is wrapped, so that the fuzzer
gets behind a checksum; the rest is the file. From 200 on, the first byte asks for the whole inspection with every fix.
Without a folder of its own it starts from one file of every format. It needs `pip install atheris` and is not
collected by pytest.
"""

import bz2
import gzip
import io
import json
import lzma
import sys
import tempfile
import zipfile
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

with atheris.instrument_imports(include=["studio"]):
    from studio.data.checking.fixes import FIXES
    from studio.data.conversion.faults import fault
    from studio.data.conversion.formats import draft
    from studio.data.conversion.guessing import guess_roles
    from studio.data.inspection import inspect_files
    from studio.data.reading_choices import Change
    from studio.data.rows import Row, RowProblem
    from studio.data.sources.archives import Limits
    from studio.data.sources.readers import open_source
from studio.errors import DataError

NAMES = ("data.csv", "data.tsv", "data.json", "data.jsonl", "data.txt", "notes.md", "data.xlsx", "data.zip", "data")
LIMITS = Limits(total_bytes=1 << 22, files=20, always_bytes=1 << 16)
MOST_ROWS = 2_000
WHOLE = 200
CHANGES = tuple(Change(kind) for kind in FIXES)


def packed(data: bytes) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        half = len(data) // 2
        archive.writestr("a.csv", data[:half])
        archive.writestr("b.json", data[half:])
    return held.getvalue()


WRAPS: tuple[Callable[[bytes], bytes], ...] = (
    bytes,
    bytes,
    bytes,
    bytes,
    gzip.compress,
    bz2.compress,
    lambda data: lzma.compress(data, preset=0),
    packed,
    lambda data: data.decode("latin-1").encode("utf-16"),
    lambda data: b"\xef\xbb\xbf" + data,
)


def read(folder: Path, data: bytes) -> None:
    """Take one file through all that happens before a model is needed."""
    if len(data) < 2:
        return
    path = folder / NAMES[data[0] % len(NAMES)]
    path.write_bytes(WRAPS[data[1] % len(WRAPS)](data[2:]))
    try:
        if data[0] >= WHOLE:
            inspect_files([path], into=folder / "examples.jsonl", changes=CHANGES)
            return
        with open_source([path], limits=LIMITS) as source:
            roles = guess_roles(source.columns, source.sample)
            for row in islice(source.rows(), MOST_ROWS):
                if isinstance(row, Row):
                    json.dumps(dict(row.cells), allow_nan=False).encode()
                    for item in draft(row, roles):
                        check = item.text if isinstance(item, RowProblem) else str(fault(item) or "")
                        check.encode("utf-8", "surrogatepass")
                else:
                    row.text.encode()
    except DataError as error:
        str(error).encode()
    finally:
        path.unlink()


def seeds() -> list[bytes]:
    """Return one small file of every format, as the target takes them."""
    import pyarrow
    from pyarrow import ipc, parquet

    chat = {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "héllo"}]}
    pair = {"question": "Why?", "answer": "Because."}
    table = pyarrow.Table.from_pylist([pair, pair])
    stored, streamed = io.BytesIO(), io.BytesIO()
    parquet.write_table(table, stored)
    with ipc.new_stream(streamed, table.schema) as writer:
        writer.write_table(table)
    files = [
        b'question,answer\n"Why, so?","Say ""it"""\n\nHow?,So.\nbad\n',
        b"sep=;\na;b\n1;2\n",
        "frage\tantwort\nWie?\tSo. é\n".encode("cp1252"),
        json.dumps(chat).encode() + b"\n" + json.dumps(chat).encode() + b"\nbroken\n",
        json.dumps([pair, chat], indent=1).encode(),
        json.dumps({"version": 1, "data": [pair]}).encode(),
        json.dumps({"q": ["a", "b"], "a": ["c", "d"]}).encode(),
        json.dumps({"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}).encode(),
        json.dumps({"prompt": "a", "chosen": "b", "rejected": "c"}).encode(),
        b'[{"a": 1},\n {"a": NaN},]',
        b"# Title\n\nSome text. And more.\n\n```\ncode\n```\n",
        stored.getvalue(),
        streamed.getvalue(),
        packed(b'{"a": 1}\n{"a": 2}\n'),
    ]
    return [bytes([place % len(NAMES), wrap]) + file for place, file in enumerate(files) for wrap in (0, 4, 8)] + [
        bytes([WHOLE + place, 0]) + file for place, file in enumerate(files)
    ]


def main() -> None:
    """Run the fuzzer with the arguments of the command line, which are those of libFuzzer."""
    arguments = list(sys.argv)
    with tempfile.TemporaryDirectory(prefix="fuzz-data-") as name:
        folder = Path(name)
        corpus = folder / "corpus"
        corpus.mkdir()
        for place, seed in enumerate(seeds()):
            (corpus / str(place)).write_bytes(seed)
        arguments.append(str(corpus))
        atheris.Setup(arguments, lambda data: read(folder, data))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
