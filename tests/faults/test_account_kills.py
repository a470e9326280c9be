"""A server is killed, or meets a full disk, at each change of a file while an account is made, changed, removed,
restored or deleted: no account loses what it made, and none is half there.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from studio.accounts.people import Account, People
from studio.accounts.removing import finish_removals
from studio.accounts.secrets import is_password
from studio.accounts.sessions import Sessions
from studio.homes import all_homes
from studio.runs.launcher import PROJECT_ROOT
from tests.faults import hook
from tests.faults.conftest import Tally
from tests.faults.people import PASSWORD

VERBS = ("add", "from hub", "visit", "reset", "password", "sign in", "remove", "leave", "restore", "delete")
ALWAYS = (("remove", "kill"), ("delete", "kill"))
"""What is tried without being asked for; all of it takes a minute."""

MOST_CHANGES = 60


def _studio(home: Path, verb: str) -> Account:
    """Make a studio in which anna has made something, and is removed where the verb is for removed ones."""
    people = People(home)
    people.add("me")
    anna, _ = people.add("anna")
    place = people.home_of(anna)
    (place / "runs").mkdir(parents=True)
    (place / "runs" / "diary").write_text("mine", encoding="utf-8")
    if verb in ("restore", "delete"):
        people.remove(anna.id)
    return anna


def _do(home: Path, verb: str, id: str, fault: str) -> int:
    arguments = [sys.executable, "-m", "tests.faults.people", str(home), verb, id]
    environment = {**os.environ, hook.VARIABLE: fault}
    done = subprocess.run(arguments, cwd=PROJECT_ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 2, -signal.SIGKILL), done.stderr
    return done.returncode


def _check(home: Path, verb: str, anna: Account, *, done: bool) -> None:
    """Assert what is true after a fault, once a server has started again."""
    people = People(home)
    people.recover()
    finish_removals(people)
    here, removed = people.find(anna.id), {each.id for each in people.removed()}
    diaries = [path for path in home.rglob("diary")]
    assert not [path for path in home.rglob(".going-*")]
    assert [each for each in people.all() if each.name == "me"]
    ways_in = [each.code or each.password or each.hub or each.visits for each in people.all()]
    assert all(ways_in) or verb == "restore"
    assert not any(each.leaving for each in people.all())
    if verb in ("delete", "leave") and here is None and anna.id not in removed:
        assert diaries == []  # it is gone as a whole
        assert not [path for path in home.rglob("*") if anna.id in path.name]
        return
    assert [path.read_text() for path in diaries] == ["mine"], "what an account made is lost, or there twice"
    assert (here is None) == (anna.id in removed), "an account is in two places, or in none"
    if here is not None:
        assert diaries[0] == people.home_of(here) / "runs" / "diary"
    else:
        assert diaries[0].is_relative_to(people.bin)
        assert people.home_of(anna) not in all_homes(home)
    if verb in ("add", "from hub"):
        ben = people.named("ben")
        assert (ben is not None) or not done
    if verb == "password" and done:
        assert here is not None
        assert is_password(PASSWORD, here.password)
    token = Sessions(home, people).begin(people.get("me"))
    assert Sessions(home, people).account_of(token) is not None


@pytest.mark.parametrize(
    ("verb", "what"),
    [
        pytest.param(verb, what, marks=() if (verb, what) in ALWAYS else pytest.mark.faults)
        for verb in VERBS
        for what in ("kill", "full")
    ],
)
def test_an_account_is_whole_whenever_a_server_dies(tmp_path: Path, tally: Tally, verb: str, what: str) -> None:
    for number in range(1, MOST_CHANGES):
        home = tmp_path / f"{number}"
        anna = _studio(home, verb)
        held = tally(f"an account: {what} while it does '{verb}'")
        code = _do(home, verb, anna.id, f"{what}@accounts@{number}")
        _check(home, verb, anna, done=code == 0)
        held()
        if code == 0:
            break
    assert code == 0, "the fault was met at every change"
    assert number > 1 or what == "full", "nothing was ever in the way of this"
