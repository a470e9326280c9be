"""The attack against the real page, as far as it is quick. `python tests/security/attack.py` plays the whole of it."""

from collections.abc import Iterator

import psutil
import pytest

from tests.live_page import Server
from tests.patience import PATIENCE_SECONDS
from tests.security import attack_archives, attack_limits, attack_listeners, attack_requests
from tests.security.attack import attack
from tests.security.attempts import Attempt, Target

pytestmark = pytest.mark.security


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    home = tmp_path_factory.mktemp("attacked") / "home"
    running = Server(home)
    folder = tmp_path_factory.mktemp("attacker")
    process = psutil.Process(running.process.pid)
    patient = {
        "answer_seconds": PATIENCE_SECONDS,
        "page_seconds": PATIENCE_SECONDS,
    }  # its times belong to the whole attack
    yield Target(running.address, folder, home=home, process=process, is_quick=True, **patient)
    running.kill()


@pytest.mark.parametrize(
    "groups",
    [attack_requests.GROUPS, attack_archives.GROUPS, attack_listeners.GROUPS, attack_limits.GROUPS],
    ids=["requests", "archives", "listeners", "limits"],
)
def test_nothing_is_open(target: Target, groups: tuple[Attempt, ...]) -> None:
    """A visitor could read any file of the server, stop every tab with one archive, and fill the machine."""
    outcomes = list(attack(target, groups))
    assert outcomes
    assert [outcome.line() for outcome in outcomes if outcome.is_open or outcome.is_left_out] == []
