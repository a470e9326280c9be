"""What is kept in a mirror comes back on an empty disk, and nothing is lost there that a person did not delete."""

import errno
import json
import os
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from studio.codec import Damaged
from studio.errors import MirrorError
from studio.mirror.__main__ import keep
from studio.mirror.bucket import Bucket
from studio.mirror.contents import Kept, Reader
from studio.mirror.manifest import read_manifest
from studio.mirror.state import KEPT, MirrorState
from studio.mirror.upkeep import Mirror, TakenOver
from tests.bucket_hub import TOKEN, BucketHub
from tests.mirror.conftest import NAME, MirrorOf

RUN = "runs/20260101-000000-otter"


def write(home: Path, path: str, text: str) -> None:
    (home / path).parent.mkdir(parents=True, exist_ok=True)
    (home / path).write_text(text, encoding="utf-8")


def furnish(home: Path) -> None:
    """A run at work with a checkpoint, a data set, a conversation, and what is never mirrored."""
    write(home, f"{RUN}/config.json", "{}\n")
    write(home, f"{RUN}/val.jsonl", "")
    write(home, f"{RUN}/events.jsonl", '{"a":1}\n{"b":2}\n{"torn')
    write(home, f"{RUN}/worker.log", "Loading\nStep 1")
    write(home, f"{RUN}/run.lock", "17\n")
    write(home, f"{RUN}/checkpoints/step-10/model.safetensors", "weights" * 1000)
    write(home, f"{RUN}/checkpoints/.step-20.tmp/model.safetensors", "half")
    write(home, f"{RUN}/exports/merged.zip", "can be made again")
    write(home, "datasets/slips-1/dataset.json", "{}\n")
    write(home, "datasets/.bin/old-1/dataset.json", "{}\n")
    write(home, "datasets/slips-1/tokens/count.json", "{}\n")
    write(home, "conversations/20260101-000000-abcdef.json", "{}\n")
    write(home, "bin/conversations/20260101-000000-abcdee.json", "{}\n")
    write(home, "queue.json", "[]\n")
    write(home, "api-key", "sk-secret-of-the-studio\n")
    write(home, "machine.json", "{}\n")
    write(home, "uploads/brought.csv", "a,b\n")


def tree(home: Path) -> dict[str, str]:
    """The files of a data folder but the mirror's own."""
    return {
        path.relative_to(home).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(home.rglob("*"))
        if path.is_file() and ".mirror" not in path.parts
    }


def kept(home: Path) -> dict[str, str]:
    """What of a furnished folder is to come back."""
    found = tree(home)
    for path in (f"{RUN}/run.lock", f"{RUN}/checkpoints/.step-20.tmp/model.safetensors", f"{RUN}/exports/merged.zip"):
        found.pop(path, None)
    for path in ("datasets/slips-1/tokens/count.json", "api-key", "machine.json", "uploads/brought.csv"):
        found.pop(path, None)
    found[f"{RUN}/events.jsonl"] = '{"a":1}\n{"b":2}\n'
    found[f"{RUN}/worker.log"] = "Loading\n"
    return found


def copied(mirror_of: MirrorOf, home: Path) -> Mirror:
    """A mirror that holds a folder as it is."""
    mirror = mirror_of(home)
    mirror.bring_back()
    mirror.copy()
    return mirror


def table(hub: BucketHub) -> set[str]:
    return {path for path in hub.buckets[NAME].files if path.startswith("contents/")}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    furnish(tmp_path / "home")
    return tmp_path / "home"


def test_all_comes_back_on_an_empty_disk(home: Path, tmp_path: Path, mirror_of: MirrorOf) -> None:
    mirror = mirror_of(home)
    mirror.bring_back()
    assert mirror.copy()
    assert not mirror.copy()
    woken = mirror_of(tmp_path / "woken")
    woken.bring_back()
    assert tree(tmp_path / "woken") == kept(home)
    assert (tmp_path / "woken" / RUN / "exports").is_dir()
    assert woken.copy(), "the one that woke is the one that writes from now on"
    assert not woken.copy()


def test_nothing_secret_lies_in_the_bucket(home: Path, tmp_path: Path, mirror_of: MirrorOf, hub: BucketHub) -> None:
    copied(mirror_of, home)
    assert hub.buckets[NAME].private
    files = hub.buckets[NAME].files
    HfApi(endpoint=hub.address, token=TOKEN).download_bucket_files(
        NAME, [(path, tmp_path / "all" / path) for path in files]
    )
    stored = "".join(tree(tmp_path / "all").values())
    for secret in ("sk-secret", "brought.csv", "can be made again"):
        assert secret not in stored
    assert "otter" in stored, "what is there would have been seen"
    assert all("otter" not in path for path in files)


def test_only_what_changed_is_sent(home: Path, mirror_of: MirrorOf, hub: BucketHub) -> None:
    mirror = copied(mirror_of, home)
    before = table(hub)
    asked = len(hub.asked)
    assert not mirror.copy()
    assert len(hub.asked) == asked, "nothing is asked of the Hub while nothing changes"
    with (home / RUN / "events.jsonl").open("a", encoding="utf-8") as file:
        file.write('"}\n')
    mirror.copy()
    assert len(table(hub) - before) == 1
    assert len(before - table(hub)) == 1


def test_what_a_person_deleted_goes_and_what_was_moved_to_the_trash_is_not_sent_again(
    home: Path, tmp_path: Path, mirror_of: MirrorOf, hub: BucketHub
) -> None:
    mirror = copied(mirror_of, home)
    (home / "bin").mkdir(exist_ok=True)
    os.rename(home / RUN, home / "bin" / "20260101-000000-otter")
    before = table(hub)
    mirror.copy()
    assert table(hub) == before
    shutil.rmtree(home / "bin" / "20260101-000000-otter")
    assert copy_till_gone(mirror)
    assert len(table(hub)) < len(before)
    woken = mirror_of(tmp_path / "woken")
    woken.bring_back()
    assert not any("otter" in path for path in tree(tmp_path / "woken"))


def copy_till_gone(mirror: Mirror) -> bool:
    """Copy until what vanished is deleted from a mirror."""
    now = time.time()
    changed = False
    for minutes in (0, 5, 11):
        mirror._clock = lambda now=now + minutes * 60.0: now  # type: ignore[misc]
        changed = mirror.copy()
    return changed


def test_a_disk_that_is_lost_for_a_moment_deletes_nothing(
    home: Path, tmp_path: Path, mirror_of: MirrorOf, hub: BucketHub
) -> None:
    """When runs/ alone vanished, all runs were deleted from the mirror half a minute later."""
    mirror = copied(mirror_of, home)
    before, now = table(hub), time.time()
    os.rename(home / "runs", tmp_path / "lost")
    for seconds in (0.0, 30.0, 500.0):
        mirror._clock = lambda at=now + seconds: at  # type: ignore[misc]
        assert not mirror.copy()
    os.rename(tmp_path / "lost", home / "runs")
    assert not mirror.copy()
    os.rename(home / "runs", tmp_path / "lost")
    for seconds in (10_000.0, 10_500.0):
        mirror._clock = lambda at=now + seconds: at  # type: ignore[misc]
        assert not mirror.copy(), "the time is counted anew, and one look after a long sleep is not enough"
    assert table(hub) == before


def test_an_emptied_disk_deletes_nothing(home: Path, mirror_of: MirrorOf, hub: BucketHub) -> None:
    mirror = copied(mirror_of, home)
    before = dict(hub.buckets[NAME].files)
    shutil.rmtree(home)
    home.mkdir()
    with pytest.raises(MirrorError, match="was emptied while the studio ran"):
        mirror.copy()
    assert hub.buckets[NAME].files == before
    mirror.bring_back()
    mirror.copy()
    assert (home / RUN / "config.json").exists()


def test_a_return_that_is_cut_off_deletes_nothing_and_goes_on(
    home: Path, tmp_path: Path, mirror_of: MirrorOf, hub: BucketHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied(mirror_of, home)
    before = table(hub)
    monkeypatch.setattr("studio.mirror.upkeep.AT_ONCE_FILES", 1)
    woken = mirror_of(tmp_path / "woken")
    hub.fail("/xet-read-token", 403, 50)
    with pytest.raises(MirrorError):
        woken.bring_back()
    assert not woken.is_ready
    with pytest.raises(MirrorError):
        woken.copy()
    hub.failures.clear()
    again = mirror_of(tmp_path / "woken")
    again.bring_back()
    again.copy()
    assert tree(tmp_path / "woken") == kept(home)
    assert table(hub) == before


def test_one_that_brings_back_what_is_there_overwrites_nothing(home: Path, tmp_path: Path, mirror_of: MirrorOf) -> None:
    copied(mirror_of, home)
    other = tmp_path / "other"
    write(other, "queue.json", "[1]\n")
    write(other, "runs/20260102-000000-heron/config.json", "{}\n")
    both = mirror_of(other)
    both.bring_back()
    both.copy()
    assert (other / "queue.json").read_text() == "[1]\n"
    assert (other / RUN / "config.json").exists()
    third = mirror_of(tmp_path / "third")
    third.bring_back()
    assert {path.split("/")[1] for path in tree(tmp_path / "third") if path.startswith("runs/")} == {
        "20260101-000000-otter",
        "20260102-000000-heron",
    }


def test_what_others_keep_in_the_bucket_stays(home: Path, mirror_of: MirrorOf, hub: BucketHub) -> None:
    """A Hub that does not know a folder yet may say that there is none."""
    mirror = mirror_of(home)
    mirror.bring_back()
    hub.fail("/tree", 404, 1)
    mirror.copy()
    files = hub.buckets[NAME].files
    other = next(iter(files.values()))
    for path in ("notes.txt", "contents/notes.txt", f"contents/{'0' * 64}", "contents-of-mine/notes.txt"):
        files[path] = other
    write(home, "queue.json", "[3]\n")
    again = mirror_of(home)
    again.bring_back()
    again.copy()
    assert {"notes.txt", "contents/notes.txt", f"contents/{'0' * 64}", "contents-of-mine/notes.txt"} <= files.keys()


def test_several_homes_lie_in_one_bucket(home: Path, tmp_path: Path, hub: BucketHub) -> None:
    other = tmp_path / "other"
    write(other, "conversations/20260101-000009-abcdef.json", '{"of":"ada"}\n')

    def mirror(folder: Path, prefix: str) -> Mirror:
        store = Bucket(NAME, token=TOKEN, prefix=prefix, endpoint=hub.address)
        return Mirror(folder, store, target=f"{NAME}/{prefix}")

    for folder, prefix in ((home, ""), (other, "people/ada/")):
        each = mirror(folder, prefix)
        each.bring_back()
        assert each.copy()
        for path in (folder / "conversations").iterdir():
            path.unlink()
        assert copy_till_gone(each)
    write(other, "queue.json", "[2]\n")
    for folder, prefix, queue in ((home, "", "[]\n"), (other, "people/ada/", "[2]\n")):
        each = mirror(folder, prefix)
        each.bring_back()
        each.copy()
        woken = tmp_path / f"woken{len(prefix)}"
        mirror(woken, prefix).bring_back()
        assert (woken / "queue.json").read_text() == queue
        assert (woken / RUN).exists() == (prefix == "")


def test_two_studios_do_not_write_to_one_mirror(home: Path, tmp_path: Path, mirror_of: MirrorOf) -> None:
    first = mirror_of(home)
    first.bring_back()
    first.copy()
    second = mirror_of(tmp_path / "second")
    second.bring_back()
    second.copy()
    write(home, "conversations/20260101-000001-abcdef.json", "{}\n")
    with pytest.raises(TakenOver, match="Another studio keeps its data in me/studio"):
        first.copy()
    with pytest.raises(TakenOver):
        mirror_of(home).bring_back()
    assert not second.copy()


def conversation(home: Path, number: int) -> Path:
    path = f"conversations/20260101-00000{number}-abcdef.json"
    write(home, path, f'{{"n":{number}}}\n')
    return home / path


def test_what_an_old_container_writes_while_the_new_one_brings_back_comes_too(
    home: Path, tmp_path: Path, mirror_of: MirrorOf
) -> None:
    """The new container stopped for good, and when the old one was killed nothing was mirrored any more."""
    old, new = mirror_of(home), mirror_of(tmp_path / "new")
    old.bring_back()
    old.copy()
    new.bring_back()
    late = conversation(home, 1)
    old.copy()
    conversation(tmp_path / "new", 2)
    assert new.copy()
    assert (tmp_path / "new" / "conversations" / late.name).exists()
    conversation(home, 3)
    with pytest.raises(TakenOver):
        old.copy()
    woken = mirror_of(tmp_path / "woken")
    woken.bring_back()
    found = {path.name for path in (tmp_path / "woken" / "conversations").iterdir()}
    assert found == {f"20260101-00000{number}-abcdef.json" for number in (0, 1, 2)}


def test_an_old_container_in_a_long_copy_does_not_write_over_the_table_of_the_new_one(
    home: Path, tmp_path: Path, mirror_of: MirrorOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = mirror_of(home), mirror_of(tmp_path / "new")
    old.bring_back()
    old.copy()
    new.bring_back()
    put = old._store.put

    def slowly(files: dict[str, Path]) -> None:
        put(files)
        conversation(tmp_path / "new", 2)
        new.copy()

    monkeypatch.setattr(old._store, "put", slowly)
    conversation(home, 1)
    with pytest.raises(TakenOver):
        old.copy()
    conversation(tmp_path / "new", 3)
    assert new.copy()
    woken = mirror_of(tmp_path / "woken")
    woken.bring_back()
    assert (tmp_path / "woken" / "conversations" / "20260101-000002-abcdef.json").exists()


def test_of_two_that_take_over_at_once_one_goes_on(home: Path, tmp_path: Path, mirror_of: MirrorOf) -> None:
    first = mirror_of(home)
    first.bring_back()
    first.copy()
    both = {folder: mirror_of(folder) for folder in (tmp_path / "a", tmp_path / "b")}
    for each in both.values():
        each.bring_back()
    stopped: set[Path] = set()
    for number in range(1, 4):
        for folder in both.keys() - stopped:
            conversation(folder, number)
            try:
                both[folder].copy()
            except TakenOver:
                stopped.add(folder)
    assert len(stopped) == 1


@pytest.mark.parametrize("part", ["/xet-write-token", "/batch", "/paths-info"])
@pytest.mark.parametrize("status", [0, 500, 403])
def test_an_upload_that_fails_is_whole_the_next_time(
    home: Path, tmp_path: Path, mirror_of: MirrorOf, hub: BucketHub, part: str, status: int
) -> None:
    mirror = mirror_of(home)
    mirror.bring_back()
    hub.fail(part, status, 1)
    try:
        mirror.copy()
    except MirrorError:
        mirror.copy()
    hub.failures.clear()
    assert not mirror.copy()
    woken = mirror_of(tmp_path / "woken")
    woken.bring_back()
    assert tree(tmp_path / "woken") == kept(home)


def test_a_copy_that_is_cut_before_its_table_leaves_the_one_before(
    home: Path, tmp_path: Path, mirror_of: MirrorOf, hub: BucketHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Contents had arrived and the table had not: what came back was to be the whole of an earlier moment."""
    mirror = copied(mirror_of, home)
    before = kept(home)
    write(home, f"{RUN}/adapter/adapter_config.json", "{ }\n")
    write(home, f"{RUN}/config.json", '{"changed":1}\n')
    write(home, "datasets/new-1/dataset.json", '{"new":1}\n')

    def cut(path: Path) -> None:
        raise MirrorError("Cut off.")

    with monkeypatch.context() as patch:
        patch.setattr(mirror._store, "put_table", cut)
        with pytest.raises(MirrorError, match="Cut off"):
            mirror.copy()
    early = mirror_of(tmp_path / "early")
    early.bring_back()
    assert tree(tmp_path / "early") == before


def test_a_file_that_changes_while_it_is_read_waits_for_its_turn(
    home: Path, tmp_path: Path, mirror_of: MirrorOf, hub: BucketHub
) -> None:
    mirror = copied(mirror_of, home)
    write(home, f"{RUN}/config.json", '{"a":1}\n')
    hub.fail("/xet-write-token", 403, 1)
    with pytest.raises(MirrorError):
        mirror.copy()
    write(home, f"{RUN}/config.json", '{"b":1}\n')
    mirror.copy()
    woken = mirror_of(tmp_path / "woken")
    woken.bring_back()
    assert tree(tmp_path / "woken") == kept(home)


def test_a_public_bucket_is_refused(home: Path, mirror_of: MirrorOf, hub: BucketHub) -> None:
    mirror_of(home).bring_back()
    hub.buckets[NAME].private = False
    with pytest.raises(MirrorError, match="is public: everybody could read"):
        mirror_of(home).bring_back()


def test_a_group_with_a_file_outside_is_not_brought_back_and_stays_in_the_mirror(
    home: Path, tmp_path: Path, mirror_of: MirrorOf, hub: BucketHub
) -> None:
    mirror = copied(mirror_of, home)
    path = home / ".mirror" / "table.json"
    said = json.loads(path.read_text())
    strange = next(group for group in said["groups"] if group["name"] == RUN)
    strange["files"][0]["path"] = "../../outside"
    path.write_text(json.dumps(said))
    mirror._store.put_table(path)
    before = table(hub)
    woken = mirror_of(tmp_path / "woken")
    woken.bring_back()
    conversation(tmp_path / "woken", 1)
    woken.copy()
    assert not (tmp_path / "woken" / "runs").exists()
    assert "conversations/20260101-000000-abcdef.json" in tree(tmp_path / "woken")
    assert before < table(hub)
    assert json.loads((tmp_path / "woken" / ".mirror" / "table.json").read_text())["strange"] == [strange]


@pytest.mark.parametrize(
    "change",
    [
        {"path": "api-key"},
        {"path": "runs/20260101-000000-otter/../../api-key"},
        {"path": "runs/other/config.json"},
        {"path": "runs/20260101-000000-otter/.hidden"},
        {"size": -1},
        {"sha256": "../../x"},
        {"changed": 1e30},
    ],
)
def test_what_a_table_names_is_checked(change: dict[str, object]) -> None:
    good = {"path": f"{RUN}/config.json", "size": 3, "sha256": "0" * 64, "changed": 1.0}
    tables = [{"groups": [{"name": RUN, "files": [file]}]} for file in (good, good | change)]
    assert read_manifest(json.dumps(tables[0]).encode()).groups[0].name == RUN
    read = read_manifest(json.dumps(tables[1]).encode())
    assert read.groups == ()
    assert [group.name for group in read.strange] == [RUN]


@pytest.mark.parametrize("content", [b"", b"[]", b'{"generation":-1}', b'{"generation":9007199254740992}'])
def test_what_is_no_table_is_refused(content: bytes) -> None:
    with pytest.raises(Damaged):
        read_manifest(content)


def test_what_the_writer_takes_the_reader_takes_too(home: Path, tmp_path: Path, mirror_of: MirrorOf) -> None:
    """A file too deep, or with a time before 1970, made a table that nobody could read: nothing came back."""
    write(home, f"{RUN}/{'deep/' * 11}file.json", "{}\n")
    write(home, f"{RUN}/{'deep/' * 12}file.json", "{}\n")
    write(home, f"{RUN}/checkpoints/{'deep/' * 11}file.json", "{}\n")
    os.utime(home / RUN / "config.json", (-5, -5))
    os.utime(home / "queue.json", (2**40, 2**40))
    copied(mirror_of, home)
    woken = mirror_of(tmp_path / "woken")
    woken.bring_back()
    expected = kept(home)
    del expected[f"{RUN}/{'deep/' * 12}file.json"], expected[f"{RUN}/checkpoints/{'deep/' * 11}file.json"]
    assert tree(tmp_path / "woken") == expected


def test_a_table_that_could_not_be_read_is_not_written(
    home: Path, tmp_path: Path, mirror_of: MirrorOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = copied(mirror_of, home)
    expected = kept(home)
    monkeypatch.setattr("studio.mirror.manifest._MOST_GROUPS", len(mirror._table.groups) if mirror._table else 0)
    conversation(home, 1)
    with pytest.raises(MirrorError, match="could not be read again: it names too many things"):
        mirror.copy()
    woken = mirror_of(tmp_path / "woken")
    woken.bring_back()
    assert tree(tmp_path / "woken") == expected


def test_a_name_that_is_no_text_is_left_out(home: Path, mirror_of: MirrorOf) -> None:
    """One such file would have kept the whole folder from being copied."""
    (home / RUN / os.fsdecode(b"caf\xe9.json")).write_text("{}")
    mirror = mirror_of(home)
    mirror.bring_back()
    assert mirror.copy()
    assert not mirror.copy()


@pytest.mark.parametrize("what", ["missing", "made anew", "its disk is not mounted"])
def test_a_disk_that_stays_away_deletes_nothing(
    home: Path, tmp_path: Path, mirror_of: MirrorOf, hub: BucketHub, what: str
) -> None:
    """After ten minutes all runs were deleted from the mirror, though the disk that they lay on was only not there."""
    mirror = copied(mirror_of, home)
    before = table(hub)
    if what == "its disk is not mounted":
        kept_home = mirror._read_home()
        assert kept_home is not None
        mirror._write_home(replace(kept_home, apart=("runs",)))
        mirror = mirror_of(home)  # the studio was started again meanwhile
        mirror.bring_back()
    os.rename(home / "runs", tmp_path / "lost")
    if what != "missing":
        write(home, "runs/20260101-000002-newer/config.json", "{}\n")
    assert not copy_till_gone(mirror)
    assert table(hub) >= before
    assert mirror.trouble is not None
    assert mirror.trouble.message.startswith("The folder 'runs' in the data folder is not the one that was copied")
    assert mirror._table is not None
    assert any("newer" in group.name for group in mirror._table.groups) == (what != "missing")
    if what == "its disk is not mounted":
        return
    shutil.rmtree(home / "runs", ignore_errors=True)
    os.rename(tmp_path / "lost", home / "runs")
    mirror.copy()
    assert mirror.trouble is None
    shutil.rmtree(home / RUN)
    assert copy_till_gone(mirror), "what a person deletes goes all the same"
    assert not any("otter" in group.name for group in mirror._table.groups)


def test_a_link_in_the_place_of_a_folder_is_told_and_deletes_nothing(
    home: Path, tmp_path: Path, mirror_of: MirrorOf, hub: BucketHub
) -> None:
    mirror = copied(mirror_of, home)
    before = table(hub)
    os.rename(home / "runs", tmp_path / "on-another-disk")
    (home / "runs").symlink_to(tmp_path / "on-another-disk")
    assert not copy_till_gone(mirror)
    assert table(hub) == before
    assert mirror.trouble is not None
    assert mirror.trouble.message.startswith("'runs' in the data folder is a link to another place")


@pytest.mark.parametrize(
    "place",
    [
        "runs/evil",
        "runs/20260101-000001-heron/checkpoints",
        "votes",
        "sheets/evil.json",
        "bin",
        "datasets/.bin",
        "bin/sheets",
    ],
)
def test_a_link_to_elsewhere_is_not_followed(tmp_path: Path, mirror_of: MirrorOf, place: str) -> None:
    """A link in the place of a run, of its checkpoints or of a whole folder was copied with all that it led to."""
    home, outside = tmp_path / "linked", tmp_path / "outside"
    write(outside, "secret.json", "{}\n")
    write(outside, "sheets/secret.json", "{}\n")
    write(home, "conversations/20260101-000001-abcdef.json", "{}\n")
    (home / place).parent.mkdir(parents=True, exist_ok=True)
    (home / place).symlink_to(outside / "secret.json" if place.endswith(".json") else outside)
    mirror = copied(mirror_of, home)
    assert mirror._table is not None
    assert [kept.path for kept in mirror._table.files()] == ["conversations/20260101-000001-abcdef.json"]


def test_the_data_folder_itself_may_be_a_link(home: Path, tmp_path: Path, mirror_of: MirrorOf) -> None:
    (tmp_path / "link").symlink_to(home)
    mirror = mirror_of(tmp_path / "link")
    mirror.bring_back()
    mirror.copy()
    mirror_of(tmp_path / "woken").bring_back()
    assert tree(tmp_path / "woken") == kept(home)


def test_one_file_that_cannot_be_read_does_not_stop_the_rest(
    home: Path, tmp_path: Path, mirror_of: MirrorOf, hub: BucketHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One file of another user, or on a bad block, kept everything else from being copied."""
    mirror = copied(mirror_of, home)
    expected = kept(home)
    write(home, f"{RUN}/config.json", '{"changed":1}\n')
    late = conversation(home, 1)
    read = Reader._read

    def refuse(reader: Reader, path: str) -> Kept:
        if path == f"{RUN}/config.json":
            raise PermissionError(errno.EACCES, "Permission denied")
        return read(reader, path)

    said: list[MirrorState] = []
    last = threading.Event()
    last.set()
    store = Bucket(NAME, token=TOKEN, endpoint=hub.address)
    with monkeypatch.context() as patch:
        patch.setattr(Reader, "_read", refuse)
        keep(home, store, target=NAME, every=0.0, say=said.append, last=last)
    assert (said[-1].phase, said[-1].trouble) == (KEPT, f"'{RUN}' cannot be read: Permission denied.")
    woken = mirror_of(tmp_path / "woken")
    woken.bring_back()
    assert tree(tmp_path / "woken") == expected | {f"conversations/{late.name}": late.read_text()}
    assert mirror.copy()
    assert mirror.trouble is None


def test_the_age_of_a_log_does_not_count_sleep(home: Path, tmp_path: Path, mirror_of: MirrorOf) -> None:
    """A run that was at work would not be taken up after a week of sleep: its log was that old."""
    copied(mirror_of, home)
    month = 30 * 24 * 3600.0
    woken = mirror_of(tmp_path / "woken")
    now = (home / RUN / "worker.log").stat().st_mtime + month
    woken._clock = lambda: now
    woken.bring_back()
    assert now - (tmp_path / "woken" / RUN / "worker.log").stat().st_mtime < 60
    assert now - (tmp_path / "woken" / RUN / "config.json").stat().st_mtime > month - 60
