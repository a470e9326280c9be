import hashlib
import socket
import ssl
import time
from pathlib import Path

import pytest

from studio.errors import ModelError
from studio.models.download import (
    REPORT_EVERY_SECONDS,
    DownloadProgress,
    Listener,
    Stopped,
    Unreachable,
    answers,
    certificates,
    download_file,
)
from tests.models.conftest import Shop

BODY = bytes(range(256)) * 4096  # one MiB
SHA256 = hashlib.sha256(BODY).hexdigest()


class Ear:
    """A listener that remembers what it heard, and asks to stop once `stop_at` bytes are there."""

    def __init__(self, *, stop_at: int | None = None) -> None:
        self.heard: list[tuple[str, int, int]] = []
        self.stop_at = stop_at
        self.pauses: list[float] = []
        self.listener = Listener(
            report=lambda what, done, total: self.heard.append((what, done, total)),
            should_stop=self._asked_to_stop,
            pause=self.pauses.append,
            clock=lambda: 1.0 * len(self.heard),
        )
        self._asked = 0

    def _asked_to_stop(self) -> bool:
        self._asked += 1
        return self.stop_at is not None and self._asked * 65_536 > self.stop_at


def bring(shop: Shop, target: Path, ear: Ear, *, sha256: str = SHA256) -> Path:
    return download_file(f"{shop.address}/weights", target, what="Downloading it", sha256=sha256, listener=ear.listener)


def test_brings_the_file_and_reports_bytes(shop: Shop, tmp_path: Path) -> None:
    shop.files["/weights"] = BODY
    ear = Ear()
    assert bring(shop, tmp_path / "deep" / "weights", ear).read_bytes() == BODY
    assert ear.heard[0] == ("Downloading it", 0, len(BODY))
    assert ear.heard[-1] == ("Downloading it", len(BODY), len(BODY))
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["weights"]


def test_goes_on_where_a_broken_connection_stopped(shop: Shop, tmp_path: Path) -> None:
    shop.files["/weights"] = BODY
    shop.breaks = [300_000, 400_000]
    ear = Ear()
    assert bring(shop, tmp_path / "weights", ear).read_bytes() == BODY
    assert [asked for _, asked in shop.asked] == ["", "bytes=300000-", "bytes=700000-"]
    assert ear.pauses == [1.0, 1.0]
    assert [done for _, done, _ in ear.heard] == sorted(done for _, done, _ in ear.heard)


def test_goes_on_in_a_later_call_after_a_stop(shop: Shop, tmp_path: Path) -> None:
    shop.files["/weights"] = BODY
    with pytest.raises(Stopped):
        bring(shop, tmp_path / "weights", Ear(stop_at=len(BODY) // 2))
    kept = (tmp_path / "weights.part").stat().st_size
    assert 0 < kept < len(BODY)
    assert bring(shop, tmp_path / "weights", Ear()).read_bytes() == BODY
    assert shop.asked[-1] == ("/weights", f"bytes={kept}-")


def test_starts_afresh_where_the_server_knows_no_ranges(shop: Shop, tmp_path: Path) -> None:
    shop.files["/weights"] = BODY
    shop.ranges = False
    shop.breaks = [300_000]
    assert bring(shop, tmp_path / "weights", Ear()).read_bytes() == BODY


def test_a_file_that_is_there_is_never_fetched_again(shop: Shop, tmp_path: Path) -> None:
    shop.files["/weights"] = BODY
    bring(shop, tmp_path / "weights", Ear())
    bring(shop, tmp_path / "weights", Ear())
    assert len(shop.asked) == 1


def test_a_part_that_is_whole_already_is_taken(shop: Shop, tmp_path: Path) -> None:
    shop.files["/weights"] = BODY
    (tmp_path / "weights.part").write_bytes(BODY)
    assert bring(shop, tmp_path / "weights", Ear()).read_bytes() == BODY


def test_a_damaged_part_is_thrown_away_and_fetched_once_more(shop: Shop, tmp_path: Path) -> None:
    shop.files["/weights"] = BODY
    (tmp_path / "weights.part").write_bytes(b"something else")
    assert bring(shop, tmp_path / "weights", Ear()).read_bytes() == BODY
    assert [asked for _, asked in shop.asked] == ["bytes=14-", ""]


def test_the_wrong_file_is_refused_after_two_tries(shop: Shop, tmp_path: Path) -> None:
    shop.files["/weights"] = BODY
    with pytest.raises(ModelError, match="damaged twice"):
        bring(shop, tmp_path / "weights", Ear(), sha256="0" * 64)
    assert len(shop.asked) == 2
    assert list(tmp_path.iterdir()) == []


def test_gives_up_when_connections_bring_nothing_more(shop: Shop, tmp_path: Path) -> None:
    shop.files["/weights"] = BODY
    shop.breaks = [300_000, 0, 0, 0]
    with pytest.raises(ModelError, match=r"stopped after 0\.3 MB.*continues where it stopped"):
        bring(shop, tmp_path / "weights", Ear())
    assert (tmp_path / "weights.part").stat().st_size == 300_000


def test_nothing_at_all_is_unreachable_at_once(shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="Not Found"):
        bring(shop, tmp_path / "weights", Ear())
    with pytest.raises(Unreachable, match="refused"):
        download_file(
            "http://127.0.0.1:9/weights", tmp_path / "weights", what="", sha256=SHA256, listener=Ear().listener
        )


def test_a_disk_that_takes_nothing_is_named(shop: Shop, tmp_path: Path) -> None:
    shop.files["/weights"] = BODY
    (tmp_path / "models").write_text("a file where a folder should be")
    with pytest.raises(ModelError, match="cannot be written") as trouble:
        bring(shop, tmp_path / "models" / "weights", Ear())
    assert "Free some space" in trouble.value.hint


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_a_sentence(shop: Shop, tmp_path: Path) -> None:
    shop.files["/weights"] = BODY
    (tmp_path / "weights.part").symlink_to("/dev/full")
    with pytest.raises(ModelError, match="No space left on device"):
        bring(shop, tmp_path / "weights", Ear())


def test_progress_speaks_four_times_a_second_and_at_the_end() -> None:
    heard: list[int] = []
    now = [0.0]
    listener = Listener(report=lambda _, done, __: heard.append(done), should_stop=lambda: False, clock=lambda: now[0])
    progress = DownloadProgress("it", total=10, listener=listener)
    for _ in range(10):
        now[0] += REPORT_EVERY_SECONDS / 2
        progress.advance(1)
    assert heard == [0, 2, 4, 6, 8, 10]


def test_certificates_follow_the_named_bundle(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("")
    with pytest.raises(ssl.SSLError):
        certificates({"PIP_CERT": str(tmp_path / "empty.pem")})
    assert certificates({"PIP_CERT": str(tmp_path / "absent.pem")}).verify_mode == ssl.CERT_REQUIRED
    assert certificates({}).check_hostname


def test_a_silent_network_is_given_up_in_time(shop: Shop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        before = time.monotonic()
        assert not answers(f"http://127.0.0.1:{silent.getsockname()[1]}", seconds=0.3)
        assert time.monotonic() - before < 2
    assert answers(shop.address, seconds=4)
    assert answers(f"{shop.address}/absent", seconds=4)
    assert not answers("http://name.invalid", seconds=4)
