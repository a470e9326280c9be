"""The files of a place: a shared folder and files over HTTP do the same, and neither leads outside."""

import http.client
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.errors import NoAnswer, RunError
from studio.jobs.places.file_server import FileServer
from studio.jobs.places.protocol import Storage
from studio.jobs.places.storage import FolderStorage, HttpStorage, StorageFull

KEY = "key-of-this-test"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FileServer]:
    folder = tmp_path / "served"
    folder.mkdir()
    with FileServer(("127.0.0.1", 0), folder, KEY, kept_free=0) as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.01,))
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture(params=["folder", "http"])
def storage(request: pytest.FixtureRequest, server: FileServer) -> Storage:
    if request.param == "folder":
        return FolderStorage(server.folder)
    return HttpStorage(f"http://127.0.0.1:{server.server_port}", KEY)


def test_what_is_written_is_read_and_deleted(storage: Storage, tmp_path: Path) -> None:
    assert storage.read("runs/a/1/report.json", most_bytes=10) is None
    storage.write("runs/a/1/report.json", b"one")
    storage.write("runs/a/1/report.json", b"two")
    assert storage.read("runs/a/1/report.json", most_bytes=10) == b"two"
    assert storage.has("runs/a/1/report.json")
    assert not storage.has("runs/a/1")
    storage.delete("runs/a")
    assert not storage.has("runs/a/1/report.json")
    storage.delete("runs/a")


def test_a_file_goes_and_comes_whole(storage: Storage, tmp_path: Path) -> None:
    source, back = tmp_path / "weights", tmp_path / "back"
    source.write_bytes(bytes(range(256)) * 20_000)
    storage.send("inputs/weights", source)
    assert storage.fetch("inputs/weights", back, size=source.stat().st_size)
    assert back.read_bytes() == source.read_bytes()
    assert not storage.fetch("inputs/other", back, size=1)


def test_a_file_of_another_size_than_was_said_is_not_taken(storage: Storage, tmp_path: Path) -> None:
    storage.write("inputs/a", b"12345")
    with pytest.raises(RunError, match="larger"):
        storage.fetch("inputs/a", tmp_path / "back", size=4)
    with pytest.raises(RunError, match="in part"):
        storage.fetch("inputs/a", tmp_path / "back", size=6)
    with pytest.raises(RunError, match="larger"):
        storage.read("inputs/a", most_bytes=4)


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/passwd", "a/../../secret", ".hidden", "a//b", "a/.b", "", "a\0b", "ä"]
)
def test_no_name_leads_outside(storage: Storage, name: str, tmp_path: Path) -> None:
    for act in (
        lambda: storage.read(name, most_bytes=10),
        lambda: storage.write(name, b"x"),
        lambda: storage.delete(name),
        lambda: storage.fetch(name, tmp_path / "back", size=1),
    ):
        with pytest.raises(RunError, match="no name of a file"):
            act()


def test_the_disk_of_the_place_is_full(server: FileServer) -> None:
    server.kept_free = 1 << 60
    with pytest.raises(StorageFull, match="full"):
        HttpStorage(f"http://127.0.0.1:{server.server_port}", KEY).write("inputs/a", b"x")


def test_nobody_answers(tmp_path: Path, server: FileServer) -> None:
    with pytest.raises(NoAnswer, match="not there"):
        FolderStorage(tmp_path / "unmounted").has("inputs/a")
    silent = HttpStorage("http://127.0.0.1:9", KEY)
    assert not silent.answers()
    with pytest.raises(NoAnswer, match="cannot be reached"):
        silent.read("inputs/a", most_bytes=1)


def test_another_key_gets_nothing(server: FileServer) -> None:
    (server.folder / "secret").write_text("secret")
    stranger = HttpStorage(f"http://127.0.0.1:{server.server_port}", "another")
    for act in (
        lambda: stranger.read("secret", most_bytes=10),
        lambda: stranger.write("mine", b"x"),
        lambda: stranger.delete("secret"),
        stranger.answers,
    ):
        with pytest.raises(RunError, match="another key"):
            act()
    assert [path.name for path in server.folder.iterdir()] == ["secret"]


@pytest.mark.parametrize(
    "path", ["/files/../secret", "/files/%2e%2e/secret", "/files//etc/passwd", "/", "/files/", "/files/a%00b", "/x"]
)
def test_a_stranger_with_the_key_of_the_files_reads_nothing_else(server: FileServer, path: str) -> None:
    (server.folder.parent / "secret").write_text("secret")
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    connection.request("GET", path, headers={"Authorization": KEY})
    answer = connection.getresponse()
    assert answer.status == 400
    assert b"secret" not in answer.read()
    connection.close()


def test_a_link_in_the_served_folder_is_not_followed(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (server.folder / "link").symlink_to(tmp_path / "secret")
    assert HttpStorage(f"http://127.0.0.1:{server.server_port}", KEY).read("link", most_bytes=10) is None


def test_a_file_that_is_cut_off_on_its_way_is_not_kept(server: FileServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    connection.putrequest("PUT", "/files/inputs/half")
    connection.putheader("Authorization", KEY)
    connection.putheader("Content-Length", "100")
    connection.endheaders(b"only so much")
    connection.close()
    storage = HttpStorage(f"http://127.0.0.1:{server.server_port}", KEY)
    storage.write("inputs/after", b"x")
    assert not storage.has("inputs/half")
