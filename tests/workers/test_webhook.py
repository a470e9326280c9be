import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from studio.events import Failed, Finished, Noted
from studio.jobs.tasks import Train
from studio.runs.store import GIVE_WAY, RunFolder
from studio.workers import webhook
from studio.workers.train import clean_up
from studio.workers.webhook import VARIABLE, call_webhook
from tests.local_server import serving

MakeRun = Callable[..., RunFolder]


class Listener(HTTPServer):
    """A server that keeps what it is told, and answers as it is bid."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.heard: list[dict[str, str]] = []
        self.answer = b"HTTP/1.1 204 No Content\r\n\r\n"
        self.address = f"http://127.0.0.1:{self.server_port}/told"


class _Answer(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Listener)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.heard.append(body | {"type": self.headers["Content-Type"], "path": self.path})
        self.wfile.write(self.server.answer)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def listener() -> Iterator[Listener]:
    with serving(Listener()) as server:
        yield server


def test_the_end_of_a_run_is_told(make_run: MakeRun, listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, listener.address)
    run = make_run(name="Colours")
    call_webhook(run, Finished("finished", "Done.", 1.0))
    call_webhook(run, Finished("stopped", "Stopped.", 1.0))
    call_webhook(run, Failed("disk_full", "The disk is full.", "Free some space.", "a trace"))
    call_webhook(run, Noted("info", "no end"))
    every = {"run": run.id, "name": "Colours", "type": "application/json", "path": "/told"}
    assert listener.heard == [
        every | {"status": "finished", "text": "Done."},
        every | {"status": "stopped", "text": "Stopped."},
        every | {"status": "failed", "text": "The disk is full. Free some space."},
    ]


def test_one_that_was_to_give_way_is_silent_only_where_it_did(
    make_run: MakeRun, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, listener.address)
    run = make_run()
    run.stop_request.write_text(GIVE_WAY)
    clean_up(Train(run.path), Finished("stopped", "Stopped.", 1.0))
    assert listener.heard == []
    clean_up(Train(run.path), Failed("disk_full", "The disk is full.", "", ""))
    clean_up(Train(run.path), Finished("finished", "Done.", 1.0))
    assert [each["status"] for each in listener.heard] == ["failed", "finished"]


@pytest.mark.parametrize("answer", [b"HTTP/1.1 500 No\r\n\r\n", b"nonsense\r\n\r\n", b""])
def test_what_the_other_side_says_changes_nothing(
    make_run: MakeRun,
    listener: Listener,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    answer: bytes,
) -> None:
    """An answer that is no HTTP ended the worker with a trace."""
    listener.answer = answer
    monkeypatch.setenv(VARIABLE, listener.address)
    call_webhook(make_run(), Finished("finished", "Done.", 1.0))
    assert len(listener.heard) == 1
    assert "could not be told" in caplog.text


@pytest.mark.parametrize("address", ["http://127.0.0.1:1/", "http://[nonsense", "https://\x00", "http://a b/"])
def test_an_address_that_cannot_be_reached_is_said_in_the_log_alone(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, address: str
) -> None:
    monkeypatch.setattr(webhook.os, "environ", {VARIABLE: address})
    call_webhook(make_run(), Finished("finished", "Done.", 1.0))
    assert "could not be told" in caplog.text


@pytest.mark.parametrize("address", ["", "file:///etc/passwd", "ftp://127.0.0.1/", "told"])
def test_only_addresses_of_the_web_are_called(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, address: str
) -> None:
    monkeypatch.setenv(VARIABLE, address)
    call_webhook(make_run(), Finished("finished", "Done.", 1.0))
    assert caplog.text == ""
