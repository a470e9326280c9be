import io
import os
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from studio.config import RunConfig
from studio.data.examples import Example, Message
from studio.errors import RunError
from studio.events import Finished, Started
from studio.runs.archives import read_archive, write_archive
from studio.runs.scheduler import Scheduler
from studio.runs.store import RunFolder, RunGroup, RunStore
from tests.tiny_adapter import write_adapter

Say = Callable[..., None]

EXAMPLES = tuple(Example((Message("user", f"{row}?"), Message("assistant", f"{row}!")), row) for row in range(4))


def create(home: Path, *, group: RunGroup | None = None) -> RunFolder:
    run = RunStore(home, lambda: 1_790_000_000.0).create(
        RunConfig(name="Packed run", rank=4),
        dataset_id="keeper-1",
        dataset_name="Keeper",
        dataset_sha256="ab",
        train=EXAMPLES[:3],
        validation=EXAMPLES[3:],
        group=group,
    )
    for name in ("adapter", "checkpoints/step-3", "checkpoints/.step-4.tmp"):
        write_adapter(run.path / name)
    large = b'{"a":{"dtype":"U8","shape":[5000],"data_offsets":[0,5000]}}'
    content = struct.pack("<Q", len(large)) + large + os.urandom(5000)
    (run.path / "checkpoints" / "step-3" / "progress.safetensors").write_bytes(content)
    run.log_path.write_text("words\n")
    return run


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_run_comes_back_as_it_went(tmp_path: Path, say: Say) -> None:
    run = create(tmp_path)
    RunStore(tmp_path).describe(run.id, name="Other name", note="A note.")
    say(run.events_path, Started(1, "train"), Finished("finished", "Done.", 1.0))
    (run.exports / "merged").mkdir()
    (run.exports / "merged" / "large.safetensors").write_bytes(b"x" * 9000)
    run.lock_path.touch()
    os.symlink("/etc/passwd", run.path / "link.json")
    archive = write_archive(run, tmp_path / "packed")
    assert list((tmp_path / "packed").iterdir()) == [archive]
    there = RunStore(tmp_path / "there")
    found = read_archive(archive, there)
    assert [each.id for each in there.all()] == [found.id]
    left_out = (
        "exports/",
        "run.lock",
        "worker.log",
        "link.json",
        "checkpoints/.step-4.tmp/",
        "train.index",
        "val.index",
    )
    expected = {name: data for name, data in contents(run.path).items() if not name.startswith(left_out)}
    assert contents(found.path) == expected
    assert (found.config, found.origin, found.name) == (run.config, run.origin, "Other name")
    assert found.about.note == "A note."
    assert found.exports.is_dir()
    again = read_archive(archive, there)
    assert again.id != found.id, "it may be brought in twice"
    assert again.name == "Other name (2)", "two runs of one name could not be told apart"
    assert again.about.note == "A note."
    assert [path.name for path in there.folder.iterdir() if path.name.startswith(".")] == []


def test_a_run_that_was_packed_at_work_waits_for_the_person(tmp_path: Path, say: Say) -> None:
    """It looked as if it had been lost here, and trained unasked when the server started."""
    run = create(tmp_path)
    say(run.events_path, Started(1, "train"))
    there = RunStore(tmp_path / "there")
    found = read_archive(write_archive(run, tmp_path), there)

    def refuse(*arguments: object, **options: object) -> None:
        pytest.fail("nobody asked for it")

    scheduler = Scheduler(
        there, tmp_path / "there", launch=refuse, clock=lambda: 1_790_000_000.0, make_room=lambda: None
    )
    assert scheduler.recover() == ()
    state = scheduler.view(found.id)
    assert state.status == "lost"
    assert "packed before it was done" in state.headline


def packed(files: dict[str, bytes]) -> io.BytesIO:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content


@pytest.fixture
def whole(tmp_path: Path) -> dict[str, bytes]:
    """The files of an archive that is as it should be."""
    run = create(tmp_path / "elsewhere")
    with zipfile.ZipFile(write_archive(run, tmp_path / "elsewhere")) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def refused(tmp_path: Path, content: bytes) -> str:
    """Bring a file in that is refused; return the sentence. Nothing of it may be left."""
    path = tmp_path / "brought.zip"
    path.write_bytes(content)
    store = RunStore(tmp_path / "here")
    with pytest.raises(RunError) as caught:
        read_archive(path, store)
    assert list(store.folder.iterdir()) == []
    return str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "../escaped.json",
        "run/../../escaped.json",
        "/tmp/escaped.json",
        "run\\..\\..\\escaped.json",
        "C:/escaped.json",
        "another/config.json",
        "run/adapter/weights.bin",
        "run/adapter/model.pkl",
        "run/code.py",
        "run/noending",
    ],
)
def test_names_that_leave_the_folder_and_kinds_that_a_run_has_not(
    tmp_path: Path, whole: dict[str, bytes], name: str
) -> None:
    top = next(iter(whole)).split("/")[0]
    files = whole | {name.replace("run", top, 1): b"{}"}
    assert "is not the archive of a run" in refused(tmp_path, packed(files).getvalue())
    assert not list(tmp_path.rglob("escaped*"))


def test_links_are_refused(tmp_path: Path, whole: dict[str, bytes]) -> None:
    content = packed(whole)
    with zipfile.ZipFile(content, "a") as archive:
        entry = zipfile.ZipInfo(f"{next(iter(whole)).split('/')[0]}/link.json")
        entry.create_system = 3
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, "/etc/passwd")
    assert "is not the archive of a run" in refused(tmp_path, content.getvalue())


def test_a_run_that_comes_in_belongs_to_no_group(tmp_path: Path) -> None:
    """An archive could name any group, and call its runs what it likes."""
    run = create(tmp_path, group=RunGroup("0123456789abcdef", "shop", ("total_steps", "__dict__"), gives_way=True))
    found = read_archive(write_archive(run, tmp_path / "packed"), RunStore(tmp_path))
    assert (found.origin.group, found.origin.dataset_name) == (None, "Keeper")
    assert RunStore(tmp_path).get(run.id).origin.group is not None


@pytest.mark.parametrize("missing", ["config.json", "origin.json", "train.jsonl"])
def test_a_part_that_is_missing(tmp_path: Path, whole: dict[str, bytes], missing: str) -> None:
    files = {name: data for name, data in whole.items() if not name.endswith(f"/{missing}")}
    assert "is not the archive of a run" in refused(tmp_path, packed(files).getvalue())


_ORIGIN = b'{"dataset_id":"","dataset_name":"","dataset_sha256":"","created":1.0,"model_name":"",'


@pytest.mark.parametrize(
    ("part", "content"),
    [
        ("config.json", b"{"),
        ("origin.json", b"[]"),
        ("origin.json", b'{"dataset_id":"","dataset_name":"","dataset_sha256":"","created":1e300,"model_name":""}'),
        ("origin.json", _ORIGIN + b'"group":{"id":"../../x","name":"","tried":[]}}'),
        ("origin.json", _ORIGIN + b'"group":{"id":"0123456789abcdef","name":"' + b"x" * 100 + b'"}}'),
        ("origin.json", _ORIGIN + b'"group":{"id":"0123456789abcdef","tried":["<b>"]}}'),
        ("origin.json", _ORIGIN + b'"group":["0123456789abcdef"]}'),
    ],
)
def test_a_part_that_is_damaged(tmp_path: Path, whole: dict[str, bytes], part: str, content: bytes) -> None:
    files = {name: content if name.count("/") == 1 and name.endswith(part) else data for name, data in whole.items()}
    refused(tmp_path, packed(files).getvalue())


def test_a_file_that_unpacks_to_far_more_is_a_trap(tmp_path: Path, whole: dict[str, bytes]) -> None:
    top = next(iter(whole)).split("/")[0]
    small = {name: data for name, data in whole.items() if "safetensors" not in name}
    bomb = packed(small | {f"{top}/a.txt": bytes(9**8)})
    assert "far more than a run does" in refused(tmp_path, bomb.getvalue())


@pytest.mark.parametrize("cut", [0, 1, 100, -1, -30, -4000])
def test_what_is_no_zip_or_cut_off(tmp_path: Path, whole: dict[str, bytes], cut: int) -> None:
    assert "no zip file, or a damaged one" in refused(tmp_path, packed(whole).getvalue()[:cut])


def test_an_altered_byte_is_seen(tmp_path: Path, whole: dict[str, bytes]) -> None:
    content = bytearray(packed(whole).getvalue())
    place = content.index(b"progress.safetensors") + 2000
    content[place] ^= 0xFF
    assert "no zip file, or a damaged one" in refused(tmp_path, bytes(content))


def test_a_zip_with_a_password_is_refused(tmp_path: Path, whole: dict[str, bytes]) -> None:
    content = bytearray(packed(whole).getvalue())
    local, central = content.index(b"PK\x03\x04"), content.index(b"PK\x01\x02")
    content[local + 6] |= 1
    content[central + 8] |= 1
    assert "no zip file, or a damaged one" in refused(tmp_path, bytes(content))


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    run = create(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        write_archive(run, tmp_path / "file" / "folder")
    archive = write_archive(run, tmp_path)
    with pytest.raises(RunError, match="cannot be written"):
        read_archive(archive, RunStore(tmp_path / "file"))
