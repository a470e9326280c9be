"""The accounts on disk: who there is, what opens the door, and where things are after a kill."""

import shutil
from pathlib import Path

import pytest

from studio.accounts import secrets
from studio.accounts.links import Links
from studio.accounts.people import CODE_SECONDS, GUEST, MEMBER, OWNER, Account, People
from studio.accounts.sessions import CHOOSING_SECONDS, MOST_EACH, SESSION_SECONDS, Sessions, SignIn
from studio.errors import ConfigError, RunError, StudioError
from studio.homes import API_KEY

PASSWORD = "four words of fog"


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def people(tmp_path: Path, clock: Clock) -> People:
    return People(tmp_path, clock=clock)


@pytest.fixture
def sessions(tmp_path: Path, people: People, clock: Clock) -> Sessions:
    return Sessions(tmp_path, people, clock=clock)


@pytest.fixture
def door(people: People, sessions: Sessions, clock: Clock) -> SignIn:
    return SignIn(people, sessions, clock=clock)


def test_the_first_account_is_the_owners_and_has_the_studios_own_folder(people: People, tmp_path: Path) -> None:
    owner, anna = people.add("me")[0], people.add("anna")[0]
    assert (owner.role, owner.is_first, people.home_of(owner)) == (OWNER, True, tmp_path)
    assert (anna.role, anna.is_first, people.home_of(anna)) == (MEMBER, False, tmp_path / "accounts" / anna.id)
    with pytest.raises(RunError, match="first owner"):
        people.remove(owner.id)
    with pytest.raises(RunError, match="stays one"):
        people.give_role(owner.id, GUEST)


@pytest.mark.parametrize("name", ["", " ", "../x", ".hidden", "a/b", "a\0b", "x" * 65, "<b>", "_a", "two words"])
def test_a_name_that_is_none_is_refused(people: People, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be the name"):
        people.add(name)


@pytest.mark.parametrize("same", ["Anna", "ANNA", " anna ", "ａｎｎａ"])  # noqa: RUF001  # letters of full width
def test_two_accounts_never_have_one_name(people: People, same: str) -> None:
    people.add("anna")
    with pytest.raises(ConfigError, match="already"):
        people.add(same)


def test_the_files_of_accounts_are_for_their_owner_alone(people: People, tmp_path: Path) -> None:
    people.add("me")
    assert (tmp_path / "accounts").stat().st_mode & 0o777 == 0o700
    text = next((tmp_path / "accounts" / "people").iterdir()).read_text()
    account, code = people.reset(people.get("me").id)
    assert code not in text + str(account)


def test_a_code_is_good_once_and_for_a_week(people: People, door: SignIn, sessions: Sessions, clock: Clock) -> None:
    account, code = people.add("anna")
    token, must_choose = door.token_for("Anna", code.lower().replace("-", " "))
    assert must_choose
    assert sessions.account_of(token) is None  # it opens nothing but the choice of a password
    assert sessions.account_of(token, is_choosing=True) is not None
    people.choose_password(account.id, PASSWORD)
    assert sessions.account_of(token, is_choosing=True) is None
    with pytest.raises(RunError, match="do not belong together"):
        door.token_for("anna", code)
    token, must_choose = door.token_for("anna", PASSWORD)
    assert (must_choose, sessions.account_of(token) is not None) == (False, True)
    _, code = people.reset(account.id)
    clock.now += CODE_SECONDS
    with pytest.raises(RunError, match="do not belong together"):
        door.token_for("anna", code)


def test_whatever_is_wrong_is_said_in_one_sentence(people: People, door: SignIn) -> None:
    """It could be told from the answer who has an account."""
    anna, _ = people.add("anna")
    people.choose_password(anna.id, PASSWORD)
    people.add("ben")
    said = set()
    for name, secret in (
        ("anna", "wrong one"),
        ("ben", "wrong one"),
        ("nobody", "wrong one"),
        ("", ""),
        ("\ud800", "\ud800"),
    ):
        with pytest.raises(StudioError) as refused:
            door.token_for(name, secret)
        said.add(str(refused.value))
    assert len(said) == 1


def test_a_name_that_is_not_there_costs_as_many_hashes(
    people: People, door: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time of an answer told who has an account."""
    anna, _ = people.add("anna")
    people.choose_password(anna.id, PASSWORD)
    people.add("ben")
    secrets._nobodys()
    verified: list[str] = []
    right = type(secrets._hasher()).verify
    monkeypatch.setattr(
        type(secrets._hasher()),
        "verify",
        lambda self, kept, given: (verified.append(kept), right(self, kept, given))[1],
    )
    for name in ("anna", "ben", "nobody"):
        with pytest.raises(RunError):
            door.token_for(name, "wrong one")
    assert len(verified) == 3
    assert {each.split("$")[3] for each in verified} == {"m=65536,t=3,p=4"}


@pytest.mark.parametrize("password", ["", "short", "x" * 201, "anna", "Anna1234"])
def test_a_password_that_is_too_easy_is_refused(people: People, password: str) -> None:
    anna, _ = people.add("anna")
    with pytest.raises(ConfigError):
        people.choose_password(anna.id, password)


def test_a_session_survives_a_restart_and_has_an_end(tmp_path: Path, people: People, clock: Clock) -> None:
    anna, _ = people.add("anna")
    token = Sessions(tmp_path, people, clock=clock).begin(anna)
    again = Sessions(tmp_path, People(tmp_path, clock=clock), clock=clock)
    found = again.account_of(token)
    assert found is not None
    assert found.id == anna.id
    assert token not in "".join(path.name + path.read_text() for path in (tmp_path / "accounts/sessions").iterdir())
    clock.now += SESSION_SECONDS
    assert again.account_of(token) is None
    later = again.begin(anna)
    assert len(list((tmp_path / "accounts/sessions").iterdir())) == 1  # those that ended are gone
    again.end(later)
    assert again.account_of(later) is None


def test_a_new_password_or_code_ends_all_sessions(people: People, sessions: Sessions) -> None:
    anna, _ = people.add("anna")
    token = sessions.begin(anna)
    people.reset(anna.id)
    assert sessions.account_of(token) is None
    token = sessions.begin(people.get("anna"))
    people.choose_password(anna.id, PASSWORD)
    assert sessions.account_of(token) is None


def test_the_oldest_session_goes_when_there_are_many(people: People, sessions: Sessions, clock: Clock) -> None:
    anna, _ = people.add("anna")
    tokens = []
    for _ in range(MOST_EACH + 2):
        clock.now += 1
        tokens.append(sessions.begin(anna))
    assert sessions.count(anna.id) == MOST_EACH
    assert [sessions.account_of(token) is None for token in tokens[:3]] == [True, True, False]


@pytest.mark.parametrize("token", ["", "x", "../../people/x", "x" * 43, "\ud800", "a" * 100_000])
def test_a_token_that_is_none_opens_nothing(sessions: Sessions, token: str) -> None:
    assert sessions.account_of(token) is None
    sessions.end(token)


def test_the_choice_of_a_password_has_an_end(people: People, sessions: Sessions, clock: Clock) -> None:
    token = sessions.begin(people.add("anna")[0], is_choosing=True)
    clock.now += CHOOSING_SECONDS
    assert sessions.account_of(token, is_choosing=True) is None


def made(people: People) -> tuple[Account, Path]:
    """Return an account that has made something."""
    people.add("me")
    anna, _ = people.add("anna")
    home = people.home_of(anna)
    home.mkdir()
    (home / "diary").write_text("mine", encoding="utf-8")
    return anna, home


def test_a_removed_account_comes_back_with_all_that_it_made(people: People, sessions: Sessions) -> None:
    anna, home = made(people)
    token = sessions.begin(anna)
    people.remove(anna.id)
    assert (people.named("anna"), home.exists(), sessions.account_of(token)) == (None, False, None)
    assert [each.name for each in people.removed()] == ["anna"]
    people.restore(anna.id)
    assert (home / "diary").read_text() == "mine"
    people.remove(anna.id)
    people.add("anna")
    with pytest.raises(ConfigError, match="by now"):
        people.restore(anna.id)


def test_what_is_deleted_for_good_is_gone(people: People, tmp_path: Path) -> None:
    anna, _ = made(people)
    with pytest.raises(RunError):
        people.delete(anna.id)
    people.remove(anna.id)
    people.delete(anna.id)
    assert people.removed() == ()
    left = [path for path in tmp_path.rglob("*") if anna.id in path.name]
    assert [path.name for path in left] == [f".going-{anna.id}.json"]  # the next start looks once more
    people.recover()
    assert not left[0].exists()


def test_what_is_written_after_a_deletion_goes_too(people: People, tmp_path: Path) -> None:
    """A conversation that was kept late made the folder anew, for ever, and its links stayed."""
    anna, home = made(people)
    links = Links(tmp_path)
    links.share(anna, "a-run")
    links.share(people.get("me"), "a-run")
    people.remove(anna.id)
    people.delete(anna.id)
    assert (len(links.of(anna)), len(links.of(people.get("me")))) == (0, 1)
    (home / "conversations").mkdir(parents=True)
    ben = people.add("ben")[0]
    people.remove(ben.id)
    people.delete(ben.id)
    assert not home.exists()
    (home / "conversations").mkdir(parents=True)
    People(tmp_path).recover()
    assert not home.exists()


@pytest.mark.parametrize("where", ["record only", "folder only"])
def test_after_a_kill_each_folder_is_where_its_record_is(people: People, tmp_path: Path, where: str) -> None:
    anna, home = made(people)
    folder = tmp_path / "accounts"
    if where == "record only":  # killed between the two moves of a removal
        people.remove(anna.id)
        shutil.move(folder / "bin" / anna.id, home)
        People(tmp_path).recover()
        assert not home.exists()
    else:  # killed between the two moves of a restoring
        people.remove(anna.id)
        shutil.move(folder / "bin" / "people" / f"{anna.id}.json", folder / "people" / f"{anna.id}.json")
        People(tmp_path).recover()
        assert (home / "diary").read_text() == "mine"


def test_a_record_that_cannot_be_read_loses_nothing(people: People, tmp_path: Path) -> None:
    anna, home = made(people)
    (tmp_path / "accounts" / "people" / f"{anna.id}.json").write_text("{", encoding="utf-8")
    People(tmp_path).recover()
    assert (home / "diary").exists()
    assert people.find(anna.id) is None


def test_a_new_password_and_a_new_code_end_the_key_for_programs(people: People) -> None:
    """Whoever had read it, in a session of a minute, would have gone on with it."""
    anna = people.add("anna")[0]
    key = people.home_of(anna) / API_KEY
    key.parent.mkdir(parents=True, exist_ok=True)
    key.write_text("sk-studio-first")
    people.choose_password(anna.id, PASSWORD)
    assert key.exists(), "the first password takes nothing from whoever made a key before there were accounts"
    people.choose_password(anna.id, f"{PASSWORD} again")
    assert not key.exists()
    key.write_text("sk-studio-next")
    people.reset(anna.id)
    assert not key.exists()


def test_no_account_is_made_beside_one_that_cannot_be_read(people: People, tmp_path: Path) -> None:
    """The next one to be added would have become the owner, with the studio's own folder."""
    owner = people.add("me")[0]
    assert people.first().id == owner.id
    (tmp_path / "accounts" / "people" / f"{owner.id}.json").write_text("damaged")
    with pytest.raises(RunError, match="cannot be read"):
        people.add("ben")
    with pytest.raises(RunError, match="The first owner's account is not in"):
        people.first()


def test_what_was_laid_aside_goes_with_its_account(people: People, tmp_path: Path) -> None:
    people.add("me")
    anna = people.add("anna")[0]
    people.home_of(anna).mkdir(parents=True, exist_ok=True)
    people.remove(anna.id)
    aside = tmp_path / "accounts" / "bin" / f"{anna.id}-aside"
    aside.mkdir()
    people.delete(anna.id)
    assert not aside.exists()


def test_the_author_who_came_too_early_is_the_owner_all_the_same(people: People, sessions: Sessions) -> None:
    """Who signed in before STUDIO_OWNER was set stayed a member for ever, and nobody was the owner."""
    first = people.add("my-org")[0]
    early = people.from_hub("62f0", "ada")
    token = sessions.begin(early)
    owner = people.from_hub("62f0", "ada", author="Ada")
    assert (owner.id, owner.name, owner.role) == (first.id, "ada", OWNER)
    before = people.get("ada-before")
    assert (before.id, before.hub, sessions.account_of(token)) == (early.id, "", None)
    assert people.from_hub("62f0", "ada", author="Ada").id == first.id
    assert people.from_hub("62f1", "ada", author="Ada").id not in (first.id, early.id)


@pytest.mark.parametrize("how", ["role", "code", "restored"])
def test_a_visitor_who_is_taken_in_is_none_any_more(people: People, how: str) -> None:
    """After a day the account was deleted for good with all that it had made."""
    people.add("me")
    visitor = people.add_visitor(most=2)
    if how == "role":
        people.give_role(visitor.id, MEMBER)
    elif how == "code":
        people.reset(visitor.id)
    else:
        people.remove(visitor.id)
        people.restore(visitor.id)
    found = people.find(visitor.id)
    assert found is not None
    assert not found.visits
