"""Who asks, where a trusted proxy says it."""

import http.client
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.accounts.people import Account
from studio.errors import RunError, TooMany
from studio.openai_api.keys import ApiKey
from studio.settings import Settings, ensure_guarded, read_settings
from studio.ui.accounts.identity import KEYS_IN_ALL, KEYS_OF_AN_ADDRESS, Identity
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


def test_few_keys_of_nobody_are_looked_up(tmp_path: Path) -> None:
    """Each was held against the key of every account, as often as anybody liked."""
    with house(tmp_path / "home", api=True) as opened:
        owner = opened.add("owner")
        key, now = ApiKey(opened.people.home_of(owner)).read(), [0.0]
        identity = Identity(opened.studios.settings, opened.people, opened.sessions, clock=lambda: now[0])

        def of(shown: str, address: str = "10.0.0.1") -> Account | None:
            headers = [(b"authorization", f"Bearer {shown}".encode())]
            return identity.of({"type": "http", "path": "/v1/models", "headers": headers, "client": (address, 1)})

        assert of(key) == owner
        wrong = f"{key[:-3]}abc"
        for _ in range(KEYS_OF_AN_ADDRESS):
            assert of(wrong) is None
        with pytest.raises(TooMany, match="Too many wrong keys"):
            of(wrong)
        assert of("no key at all") is None
        assert of(key) == owner, "a program whose key is known goes on"
        assert of(wrong, "10.0.0.2") is None
        renewed = ApiKey(opened.people.home_of(owner)).renew()
        assert of(key, "10.0.0.2") is None
        assert of(renewed, "10.0.0.2") == owner
        now[0] = 61.0
        assert of(wrong) is None


def test_wrong_keys_of_many_addresses_shut_nobody_out(tmp_path: Path) -> None:
    """Sixty a minute, and the programs of all that had not asked before were refused."""
    with house(tmp_path / "home", api=True) as opened:
        anna, ben = opened.add("owner"), opened.add("ben")
        keys = {each.id: ApiKey(opened.people.home_of(each)).read() for each in (anna, ben)}
        identity = Identity(opened.studios.settings, opened.people, opened.sessions, clock=lambda: 0.0)

        def of(shown: str, address: str) -> Account | None:
            headers = [(b"authorization", f"Bearer {shown}".encode())]
            return identity.of({"type": "http", "path": "/v1/models", "headers": headers, "client": (address, 1)})

        wrong = f"{keys[anna.id][:-3]}abc"
        for number in range(KEYS_IN_ALL):
            assert of(wrong, f"10.0.0.{number}") is None
        with pytest.raises(TooMany):
            of(wrong, "10.0.1.1")
        assert [of(keys[each.id], "10.0.1.1") for each in (anna, ben)] == [anna, ben]
        opened.people.begin_removal(ben.id)
        with pytest.raises(TooMany):
            of(keys[ben.id], "10.0.1.1")
