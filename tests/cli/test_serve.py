import io
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from studio.accounts.people import CODE_SECONDS, People
from studio.cli.serve import QUEUE_SECONDS, check_mirror, greeting, looked_after, serve
from studio.cli.serve_accounts import _first_code, serve_people
from studio.errors import MirrorError, RunError
from studio.settings import Settings
from tests.ui.fake_studio import FakeWorkers, open_fake_studio


def test_a_studio_of_ones_own_says_where_it_is(tmp_path: Path) -> None:
    assert greeting(Settings(home=tmp_path)) == [
        "LoRA Studio: http://127.0.0.1:7860",
        f"Everything is kept in {tmp_path}",
    ]


def test_an_open_studio_says_what_a_visitor_can_do(tmp_path: Path) -> None:
    said = " ".join(greeting(Settings(home=tmp_path, host="0.0.0.0", open=True)))
    assert "http://127.0.0.1:7860" in said
    for what in ("WARNING", "see all runs", "start trainings", "delete", "STUDIO_PASSWORD"):
        assert what in said


def test_the_password_is_mentioned_and_not_shown(tmp_path: Path) -> None:
    said = " ".join(greeting(Settings(home=tmp_path, host="::", password="a harbour in fog", open=True)))
    assert "http://[::1]:7860" in said
    assert "asks for the password" in said
    assert "harbour" not in said
    assert "WARNING" not in said


def test_nothing_begins_where_strangers_could_come_in(tmp_path: Path) -> None:
    """The starter model was fetched and lost runs were taken up before the page was refused."""
    studio = open_fake_studio(tmp_path, clock=lambda: 0.0)
    studio.settings = replace(studio.settings, host="0.0.0.0")
    with pytest.raises(RunError, match="no password"):
        serve(studio, fetch_starter=True, console=Console(quiet=True))
    workers = studio._launch
    assert isinstance(workers, FakeWorkers)
    assert workers.jobs == []


def test_a_mirror_without_a_token_is_refused_before_anything_begins(tmp_path: Path) -> None:
    """Whoever sets it relies on it: a studio that starts without would lose what is made in it."""
    with pytest.raises(MirrorError, match="there is no access token for it"):
        check_mirror(Settings(home=tmp_path, mirror="me/kept"), None)
    with pytest.raises(MirrorError, match="cannot be the name of a bucket"):
        check_mirror(Settings(home=tmp_path, mirror="https://huggingface.co/buckets/me/kept"), "hf_x")
    check_mirror(Settings(home=tmp_path), None)
    check_mirror(Settings(home=tmp_path, mirror="me/kept"), "hf_x")


def test_accounts_are_not_served_before_those_in_the_mirror_are_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second owner would have been made, with the studio's own folder, beside the one that comes back."""
    settings = Settings(home=tmp_path / "home", mirror="ada/kept")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "nobody"))
    with pytest.raises(MirrorError, match="there is no access token for it"):
        serve_people(settings, fetch_starter=False, console=Console(file=io.StringIO()))
    assert not (tmp_path / "home").exists()
    monkeypatch.setenv("HF_TOKEN", "hf_x")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    before = dict(os.environ)
    try:
        with pytest.raises(MirrorError, match="The accounts that are kept in the bucket ada/kept are not back"):
            serve_people(settings, fetch_starter=False, console=Console(file=io.StringIO()), trouble_seconds=0.0)
    finally:
        os.environ.clear()  # secrets are withheld from whatever is started later
        os.environ.update(before)
    assert not (tmp_path / "home" / "accounts").exists()


def test_an_owner_whose_code_has_ended_gets_another_one(tmp_path: Path) -> None:
    """After a week a start said nothing: the owner was locked out for good."""
    settings, now = Settings(home=tmp_path, accounts=True), time.time()
    assert "one-time code" in _first_code(People(tmp_path, clock=lambda: now - CODE_SECONDS - 1), settings)
    assert "one-time code" in _first_code(People(tmp_path), settings)
    assert _first_code(People(tmp_path), settings) == "", "the code of just now still holds"


class Slow:
    """A studio with so many runs that it takes long to find out which of them were lost."""

    def __init__(self, trouble: Exception | None = None) -> None:
        self.trouble, self.found, self.said = trouble, threading.Event(), list[str]()

    def recover(self) -> tuple[str, ...]:
        self.said.append("recover")
        assert self.found.wait(10)
        if self.trouble is not None:
            raise self.trouble
        return ("otter",)

    def tick(self) -> None:
        self.said.append("tick")


@pytest.mark.parametrize("trouble", [None, OSError("the disk is gone"), RunError("Its folder is gone.")])
def test_the_page_waits_for_no_run_that_was_lost_and_the_queue_does(tmp_path: Path, trouble: Exception | None) -> None:
    studio, said = Slow(trouble), Console(file=io.StringIO())
    with looked_after(studio, Settings(home=tmp_path), starter=None, console=said) as is_up:
        time.sleep(0.1)
        assert studio.said == [], "the page goes first"
        is_up()
        time.sleep(2 * QUEUE_SECONDS)
        assert studio.said == ["recover"], "what was lost goes before what waits"
        studio.found.set()
        wait_until(lambda: "tick" in studio.said)
    assert ("otter was lost" in said.file.getvalue()) == (trouble is None)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
