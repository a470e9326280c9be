"""The password: what is closed without it, how it is compared, and how often it may be tried."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from gradio_client import Client
from gradio_client.exceptions import AuthenticationError

from studio.ui.serving.login import LONGEST_FORM, SECONDS, TRIES, TRIES_IN_ALL, Tries, check
from studio.ui.serving.origins import Hosts
from studio.ui.serving.request_checks import RequestChecks, Rules
from studio.ui.serving.server import served
from tests.patience import PATIENCE_SECONDS
from tests.security.visits import Gradio, ask
from tests.ui.fake_studio import open_fake_studio

pytestmark = pytest.mark.security

PASSWORD = "a harbour in fog"
PATIENT = {"timeout": PATIENCE_SECONDS}
FORM = [("Content-Length", "60")]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_password_is_right_or_wrong_whatever_the_name() -> None:
    is_right = check("Grüße, Hafen")
    assert is_right("", "Grüße, Hafen")
    assert is_right("anybody", "Grüße, Hafen")
    assert not any(is_right("x", given) for given in ("", "Grüße, Hafen ", "gruesse", "\udcff", "x" * 100_000))


def test_an_address_has_five_tries_a_minute() -> None:
    """A password could be guessed as fast as the network carries the guesses."""
    clock = Clock()
    tries = Tries(clock)
    assert [tries.begin("one") for _ in range(TRIES)] == [0.0] * TRIES
    clock.now = 10.0
    assert tries.begin("one") == SECONDS - 10
    assert tries.begin("another") == 0.0
    clock.now = SECONDS
    assert tries.begin("one") == 0.0


def test_all_addresses_together_have_thirty_tries_a_minute() -> None:
    clock = Clock()
    tries = Tries(clock)
    assert not any(tries.begin(f"address {n}") for n in range(TRIES_IN_ALL))
    assert tries.begin("one more") == SECONDS
    clock.now = SECONDS
    assert tries.begin("one more") == 0.0


def test_a_right_password_is_no_try() -> None:
    tries = Tries(Clock())
    for _ in range(3 * TRIES):
        assert tries.begin("mine") == 0.0
        tries.forgive("mine")
    tries.forgive("nobody")
    tries.begin("other")
    tries.forgive("mine")
    assert [tries.begin("other") for _ in range(TRIES)] == [0.0] * (TRIES - 1) + [SECONDS]


def guarded(gradio: Gradio) -> RequestChecks:
    return RequestChecks(
        gradio, Rules(Hosts(frozenset(), public=True), signed_in=lambda _: False), tries=Tries(lambda: 0.0)
    )


def test_one_try_too_many_is_a_sentence() -> None:
    gradio = Gradio(status=400)
    checks = guarded(gradio)
    for _ in range(TRIES):
        assert ask(checks, "/login", FORM, method="POST").status == 400
    # The visitor writes this header, so it must not give more tries.
    refused = ask(checks, "/login/", [*FORM, ("X-Forwarded-For", "203.0.113.9")], method="POST")
    assert (refused.status, refused.headers["retry-after"]) == (429, "61")
    assert "Too many wrong passwords" in refused.text
    assert ask(checks, "/login", FORM, method="POST", client="203.0.113.9").status == 400
    assert len(gradio.seen) == TRIES + 1


@pytest.mark.parametrize(
    "headers", [[], [("Content-Length", str(LONGEST_FORM + 1))], [("Content-Length", "-1")], [*FORM, *FORM]]
)
def test_a_login_is_a_short_form(headers: list[tuple[str, str]]) -> None:
    """A form of any size was read before the password was asked."""
    gradio = Gradio()
    assert ask(guarded(gradio), "/login", headers, method="POST").status == 413
    assert gradio.seen == []


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    studio = open_fake_studio(tmp_path_factory.mktemp("home"), clock=time.time)
    studio.settings = replace(studio.settings, password=PASSWORD)
    studio.data.add_sample("order_slips")
    with served(studio, port=0) as server:
        yield f"http://127.0.0.1:{server.port}"


def test_nothing_but_the_login_page_is_shown_without_the_password(address: str) -> None:
    with httpx.Client(base_url=address, timeout=PATIENCE_SECONDS) as visitor:
        page = visitor.get("/")
        assert page.status_code == 200
        assert '"auth_required":true' in page.text
        assert '"components":[]' in page.text
        assert "order_slips" not in page.text
        for path in ("/config", "/gradio_api/info", "/gradio_api/queue/data", "/gradio_api/file=/etc/hostname"):
            assert visitor.get(path).status_code == 401, path
        for path in ("/gradio_api/heartbeat/abc", "/studio/plotly.min.js", "/gradio_api/upload_progress?upload_id=x"):
            assert visitor.get(path).status_code == 401, path
        for path in ("/gradio_api/upload", "/gradio_api/queue/join", "/gradio_api/run/predict", "/gradio_api/cancel"):
            assert visitor.post(path, content=b"{}").status_code == 401, path
        visitor.cookies.set("access-token-unsecure-x", "x")
        assert visitor.get("/config").status_code == 401


def test_the_password_opens_the_page_until_the_visitor_leaves(address: str) -> None:
    with httpx.Client(base_url=address, timeout=PATIENCE_SECONDS) as visitor:
        wrong = visitor.post("/login", data={"username": "me", "password": "not this one"})
        assert wrong.status_code == 400
        assert not wrong.cookies
        right = visitor.post("/login", data={"username": "me", "password": PASSWORD})
        assert right.status_code == 200
        assert visitor.get("/config").status_code == 200
        assert visitor.get("/studio/plotly.min.js").status_code == 200
        visitor.get("/logout")
        assert visitor.get("/config").status_code == 401


def test_a_program_signs_in(address: str, tmp_path: Path) -> None:
    client = Client(address, auth=("program", PASSWORD), verbose=False, httpx_kwargs=PATIENT)
    assert "/run_status" in str(client.view_api(return_format="dict"))
    client.close()
    with pytest.raises((ValueError, AuthenticationError)):
        Client(address, verbose=False, httpx_kwargs=PATIENT)
