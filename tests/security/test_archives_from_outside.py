"""A run that is brought in is no more than a run: no report, no path and no file that cannot be read comes with it."""

import json
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from studio.config import RunConfig
from studio.errors import ModelError, RunError
from studio.events import Failed, Finished, Loading, Noted, Started
from studio.models.locate import locate
from studio.runs.archives import read_archive, write_archive
from studio.runs.event_log import EventLog, read_events
from studio.runs.store import RunFolder, RunStore
from tests.tiny_adapter import HALVES, SETTINGS, pack

pytestmark = pytest.mark.security

LINE = '{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}],"row":1}\n'
END = {"seq": 2, "time": 1e9, "kind": "Finished", "status": "finished", "summary": "Done.", "seconds": 5}
STEP = {"seq": 1, "time": 1e9, "kind": "Stepped", "step": 1, "epoch": 0.1, "loss": 1.0, "learning_rate": 0.1}
STEP |= {"grad_norm": 1.0, "tokens_per_second": 1.0, "memory_gib": 1.0}
DEEP = "[" * 50_000 + "]" * 50_000


def lines(*events: dict[str, object]) -> str:
    return "".join(json.dumps(each) + "\n" for each in events)


def origin(**changes: object) -> str:
    told = {"dataset_id": "d", "dataset_name": "d", "dataset_sha256": "0", "created": 1.7e9, "model_name": "starter"}
    return json.dumps(told | changes)


def honest() -> dict[str, str | bytes]:
    return {
        "config.json": json.dumps({"name": "brought", "model": "starter", "method": "lora"}),
        "origin.json": origin(),
        "train.jsonl": LINE,
        "val.jsonl": LINE,
        "events.jsonl": lines(STEP, END),
        "adapter/adapter_config.json": json.dumps(SETTINGS),
        "adapter/adapter_model.safetensors": pack(HALVES),
    }


def write(path: Path, files: dict[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(f"run/{name}", content)
    return path


def bring(tmp_path: Path, files: dict[str, str | bytes]) -> RunFolder:
    return read_archive(write(tmp_path / "brought.zip", files), RunStore(tmp_path / "home"))


def refused(tmp_path: Path, path: Path) -> str:
    store = RunStore(tmp_path / "home")
    with pytest.raises(RunError) as caught:
        read_archive(path, store)
    assert list(store.folder.iterdir()) == [], "nothing of it is left"
    return str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "exports/adapter.json",
        "exports/x-adapter.zip.json",
        "Exports/adapter.json",
        "exports./adapter.json",
        "evaluations/end.json",
        "evaluations/end.rows-1.jsonl",
        "lost.json",
        "worker.log",
        "config.json.",
        "Config.json",
        "checkpoints/step-x/adapter_config.json",
        "checkpoints/step-1/deeper/adapter_config.json",
        "adapter/.hidden.json",
        "adapter/README.md",
        "\u0430dapter/adapter_config.json",
        "train.index.npy",
        "deep/exports/adapter.json",
    ],
)
def test_what_is_not_the_runs_own_truth_stays_out(tmp_path: Path, name: str) -> None:
    """A report of an export came with a run, and any file of the machine that it named could be downloaded."""
    name = name if Path(name).suffix not in ("", ".") else f"{name}json"
    run = bring(tmp_path, honest() | {name: '{"archive": "/etc/hostname", "folder": "/etc"}'})
    found = {path.relative_to(run.path).as_posix() for path in run.path.rglob("*") if path.is_file()}
    assert found == set(honest())
    assert list(run.exports.iterdir()) == []
    assert run.was_launched, "it has no log, and has run all the same"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", DEEP),
        ("config.json", '{"rank": 1e999}'),
        ("config.json", '{"rank": 67108864}'),
        ("config.json", '{"dropout": NaN}'),
        ("origin.json", origin(created=9.9e11)),
        ("origin.json", origin(created=-1)),
        ("origin.json", origin().replace("1700000000.0", "1e999")),
        ("about.json", DEEP),
        ("about.json", json.dumps({"name": "x" * 5000})),
        ("parents.json", DEEP),
        ("parents.json", '{"kind": "none", "parents": []}'),
        ("train.jsonl", LINE + "{}\n"),
        ("train.jsonl", LINE + DEEP + "\n"),
        ("val.jsonl", "\udcff".encode("utf-8", "surrogateescape") + b"\n"),
        ("train.jsonl", LINE.replace('"row":1', '"row":1,"tools":"["')),
        ("events.jsonl", '{"seq":1,"time":1,"kind":' + DEEP + "}\n" + lines(END)),
        ("events.jsonl", "no event\n" + lines(END)),
        ("events.jsonl", lines(STEP, END).replace('"loss": 1.0', '"loss": 1e999')),
        ("events.jsonl", lines(STEP, END).replace('"loss": 1.0', '"loss": Infinity')),
        ("events.jsonl", lines(STEP, END | {"time": 9.9e11})),
        ("events.jsonl", lines(STEP, END | {"seconds": 1e300})),
        ("events.jsonl", lines(STEP, END | {"seq": 10**400})),
        ("events.jsonl", lines(STEP | {"loss": "one"}, END)),
        ("events.jsonl", lines({"seq": 1, "time": 1e9, "kind": "Other", "deep": json.loads("[" * 90 + "]" * 90)}, END)),
        ("adapter/adapter_config.json", DEEP),
        ("adapter/adapter_config.json", '{"r": 1e999}'),
        ("adapter/adapter_model.safetensors", struct.pack("<Q", 2**40) + b"{}"),
        ("adapter/adapter_model.safetensors", b""),
        ("checkpoints/step-1/progress.safetensors", b"\0" * 8),
        ("reference.safetensors", struct.pack("<Q", 9) + b"{}"),
        ("reference.later", "x"),
    ],
)
def test_a_damaged_file_refuses_the_whole_archive_by_its_name(tmp_path: Path, name: str, content: str | bytes) -> None:
    """A file that was taken in unread took the list of the runs, or the start of the server, with it."""
    path = write(tmp_path / "brought.zip", honest() | {name: content})
    assert Path(name).name in refused(tmp_path, path)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_what_is_no_plain_file_is_refused(tmp_path: Path, kind: int) -> None:
    path = write(tmp_path / "brought.zip", honest())
    with zipfile.ZipFile(path, "a") as archive:
        entry = zipfile.ZipInfo("run/about.json")
        entry.create_system, entry.external_attr = 3, (kind | 0o777) << 16
        archive.writestr(entry, "/etc/hostname")
    assert "is not the archive of a run" in refused(tmp_path, path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_one_name_twice_is_refused(tmp_path: Path) -> None:
    """Which of the two is checked and which is used must never be a question."""
    path = write(tmp_path / "brought.zip", honest())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("run/config.json", json.dumps({"rank": 2**26}))
    assert "two files of one name" in refused(tmp_path, path)


def test_a_name_that_differs_from_its_local_header_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "brought.zip", honest())
    content = path.read_bytes().replace(b"run/val.jsonl", b"run/vax.jsonl", 1)
    path.write_bytes(content)
    assert "damaged" in refused(tmp_path, path)


@pytest.mark.parametrize(
    "place", ["/etc", "../etc", "./model", "~/model", "C:\\model", "model/", "a/b/c", "tests", "folder:/etc/../model"]
)
def test_a_path_in_the_settings_is_not_kept(tmp_path: Path, place: str) -> None:
    """A run named a folder of this machine as its base, and its worker read it."""
    settings = json.dumps({"model": place, "start_adapter": place})
    run = bring(tmp_path, honest() | {"config.json": settings, "origin.json": origin(model_name=place)})
    for name in (run.config.model, run.config.start_adapter, run.origin.model_name):
        assert name.startswith("folder:")
        assert not set("/\\~") & set(name)
    with pytest.raises(ModelError, match="of another machine"):
        locate(run.config.model, tmp_path / "home")


def test_a_base_from_a_folder_is_found_again_by_its_name(tmp_path: Path) -> None:
    run = bring(tmp_path, honest() | {"config.json": json.dumps({"model": "/home/somebody/my-model"})})
    folder = tmp_path / "home" / "base-models" / "my-model"
    folder.mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_text("{}")
    files = locate(run.config.model, tmp_path / "home")
    assert files is not None
    assert files.folder == folder


def test_no_path_of_this_machine_leaves_with_a_run(tmp_path: Path) -> None:
    """Whoever got a run learned how the folders and the user of the machine are called."""
    store = RunStore(tmp_path / "home")
    place = str(tmp_path / "bases" / "my-model")
    config = RunConfig(name="local", model=place, start_adapter=f"{place}/adapter-7")
    run = store.create(config, dataset_id="d", dataset_name="D", dataset_sha256="", train=(), validation=())
    (run.path / "adapter").mkdir()
    (run.path / "adapter" / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": place, "r": 4}))
    (run.path / "adapter" / "README.md").write_text(place)
    run.log_path.write_text(place)
    log = EventLog(run.events_path, clock=lambda: 1.7e9)
    said = (Started(1, "train"), Loading(f"Reading {place}"), Noted("info", f"'{place}/x.json' was left out."))
    for event in (*said, Failed("x", f"No {place}.", place, detail=place), Finished("stopped", f"See {place}.", 1.0)):
        log.emit(event)
    log.close()
    archive = write_archive(run, tmp_path / "packed")
    with zipfile.ZipFile(archive) as packed:
        whole = "".join(packed.read(name).decode() for name in packed.namelist())
    assert str(tmp_path) not in whole
    assert '"base_model_name_or_path": "my-model"' in whole
    records, _ = read_events(run.events_path)
    assert whole.count('"seq":') == len(records)
