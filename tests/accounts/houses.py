"""Studios for several accounts on a temporary folder, whose workers and chats are played by the test."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from studio.accounts.people import Account, People
from studio.accounts.sessions import Sessions
from studio.accounts.studios import Studios
from studio.settings import Settings
from studio.ui.accounts.identity import Identity
from studio.ui.accounts.serving import served_accounts
from tests.patience import PATIENCE_SECONDS
from tests.security.visitor import Visitor
from tests.ui.fake_studio import FakeChat, FakeRendering, FakeWorkers


@dataclass
class House:
    """A studio that several people share. `workers` are the ones that were asked for."""

    home: Path
    people: People
    studios: Studios
    workers: FakeWorkers

    def add(self, name: str, role: str = "") -> Account:
        """Make an account."""
        return self.people.add(name, role)[0]

    @property
    def sessions(self) -> Sessions:
        """Those who are signed in."""
        return Sessions(self.home, self.people)

    def cookie(self, account: Account) -> str:
        """Sign somebody in, and return the cookie that their browser has then."""
        name = Identity(self.studios.settings, self.people, self.sessions).cookie
        return f"{name}={self.sessions.begin(account)}"

    def visitor(self, port: int, account: Account | None) -> Visitor:
        """Come as somebody, or as nobody."""
        visitor = Visitor(f"http://127.0.0.1:{port}", timeout=PATIENCE_SECONDS)
        visitor.cookie = "" if account is None else self.cookie(account)
        return visitor


@contextlib.contextmanager
def house(home: Path, **settings: object) -> Iterator[House]:
    """Open a studio for several people."""
    workers, people = FakeWorkers(), People(home)
    whole = Settings(home=home, accounts=True, **settings)  # type: ignore[arg-type]
    studios = Studios(
        whole,
        people,
        launch=workers,
        chat=lambda home, room, usage: FakeChat(),  # type: ignore[arg-type,return-value]
        rendering=FakeRendering(),  # type: ignore[arg-type]
    )
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("GRADIO_TEMP_DIR", str(home / "uploads"))  # as a server does, see cli.public_address
        try:
            yield House(home, people, studios, workers)
        finally:
            workers.leave()
            studios.close()


@contextlib.contextmanager
def served(opened: House) -> Iterator[int]:
    """Serve the pages of all, and give the port."""
    with served_accounts(opened.studios, port=0) as server:
        yield server.port
