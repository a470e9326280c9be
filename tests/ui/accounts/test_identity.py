"""Who asks, where a trusted proxy says it."""

import http.client
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.errors import RunError
from studio.settings import Settings, ensure_guarded, read_settings
from tests.accounts.houses import House, house, served


@pytest.fixture
def behind(tmp_path: Path) -> Iterator[tuple[House, int]]:
    with house(tmp_path / "home", proxy_header="x-forwarded-user", proxy_addresses=("127.0.0.1",)) as opened:
        opened.add("owner")
        opened.add("anna@example.org")
        with served(opened) as port:
            yield opened, port


def test_a_trusted_proxy_says_who_asks(behind: tuple[House, int]) -> None:
    opened, port = behind
    visitor = opened.visitor(port, None)
    assert visitor.get("/config", {"X-Forwarded-User": "Anna@Example.org"}).status == 200
    assert visitor.get("/config").status == 404
    assert visitor.get("/people", {"X-Forwarded-User": "anna@example.org"}).status == 404
    assert visitor.get("/people", {"X-Forwarded-User": "owner"}).status == 200
    unknown = visitor.get("/", {"X-Forwarded-User": "stranger@example.org"})
    assert (unknown.status, "no account for 'stranger@example.org'" in unknown.text) == (403, True)


def test_a_header_of_anybody_else_says_nothing(tmp_path: Path) -> None:
    with house(tmp_path / "home", proxy_header="x-forwarded-user", proxy_addresses=("10.0.0.9",)) as opened:
        opened.add("owner")
        with served(opened) as port:
            visitor = opened.visitor(port, None)
            assert visitor.get("/config", {"X-Forwarded-User": "owner"}).status == 404
            assert "Sign in" in visitor.get("/", {"X-Forwarded-User": "owner"}).text


def test_two_headers_say_nothing(behind: tuple[House, int]) -> None:
    """A visitor's own header came through beside the one of the proxy."""
    _, port = behind
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.putrequest("GET", "/config")
    for name in ("owner", "anna@example.org"):
        connection.putheader("X-Forwarded-User", name)
    connection.endheaders()
    assert connection.getresponse().status == 404
    connection.close()


@pytest.mark.parametrize(
    ("header", "sender"), [("X-User", ""), ("X-User", "anywhere"), ("X User", "127.0.0.1"), ("X-User", "10.0.0.1,,x")]
)
def test_a_proxy_is_named_by_its_address(tmp_path: Path, header: str, sender: str) -> None:
    environment = {"STUDIO_HOME": str(tmp_path), "STUDIO_ACCOUNTS": "1", "STUDIO_PROXY_HEADER": header}
    with pytest.raises(RunError):
        ensure_guarded(read_settings(environment | {"STUDIO_PROXY_FROM": sender}))
    ensure_guarded(read_settings(environment | {"STUDIO_PROXY_HEADER": "X-User", "STUDIO_PROXY_FROM": "10.0.0.1, ::1"}))


def test_accounts_and_one_password_for_all_exclude_each_other(tmp_path: Path) -> None:
    for contrary in ({"password": "long enough"}, {"open": True}):
        with pytest.raises(RunError, match="has accounts"):
            ensure_guarded(Settings(home=tmp_path, accounts=True, **contrary))  # type: ignore[arg-type]
    ensure_guarded(Settings(home=tmp_path, host="0.0.0.0", accounts=True))
