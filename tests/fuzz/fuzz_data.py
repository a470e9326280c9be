"""Fuzz the path from bytes to examples with atheris: `pip install atheris`, then

    python tests/fuzz/fuzz_data.py -max_total_time=600 -rss_limit_mb=1500 -timeout=20 CORPUS_FOLDER

Any bytes must give examples, reasons or a DataError: never a crash, a hang, or memory beyond the bound. pytest does not
collect it. With `--seed FOLDER` as the only argument it writes one small file of each kind to start from.
"""

import json
import sys
import tempfile
import zipfile
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

with atheris.instrument_imports(include=["studio"]):
    from studio.data.changes import Change
    from studio.data.inspection import inspect_files
    from studio.data.mends import MENDS
    from studio.errors import DataError

NAMES = ("data", "data.csv", "data.jsonl", "data.json", "data.md", "data.txt", "data.zip", "data.xlsx", "data.parquet")
CHANGES = tuple(Change(kind) for kind in MENDS)


def fuzz(data: bytes) -> None:
    """Read one file; its first byte chooses the name and whether everything is mended on the way."""
    choice, content = (data[0], data[1:]) if data else (0, b"")
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        path = Path(folder) / NAMES[choice % len(NAMES)]
        path.write_bytes(content)
        try:
            inspect_files([path], into=Path(folder) / "out.jsonl", changes=CHANGES if choice >= 128 else ())
        except DataError:
            return


def write_seeds(folder: Path) -> None:
    """Write one small file of each kind, as the fuzzer takes it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    rows = [{"question": f"Why {n}?", "answer": f"Because of {n}, me{n}@example.org"} for n in range(3)]
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    seeds = {
        1: b"question,answer\nWhy?,Because.\nHow?,So.\n",
        2: "\n".join(json.dumps(row) for row in rows).encode(),
        3: json.dumps({"data": rows}).encode(),
        130: json.dumps({"messages": [*turns, turns[0]]}).encode(),
        131: json.dumps([{"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}]).encode(),
        4: b"# Title\n\nOne paragraph.\n\nAnother, longer one. With two sentences.\n",
        132: b'[{"prompt":"\xc3\xa4","chosen":"b","rejected":"c"},]',
    }
    for choice, content in seeds.items():
        (folder / f"seed-{choice}").write_bytes(bytes([choice]) + content)
    table = folder / "table"
    pq.write_table(pa.Table.from_pylist(rows), table)
    table.write_bytes(bytes([8]) + table.read_bytes())
    archive = folder / "archive"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a.csv", seeds[1])
    archive.write_bytes(bytes([6]) + archive.read_bytes())


if __name__ == "__main__":
    if sys.argv[1:2] == ["--seed"]:
        write_seeds(Path(sys.argv[2]))
    else:
        atheris.Setup(sys.argv, fuzz)
        atheris.Fuzz()
