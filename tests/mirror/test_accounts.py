"""A data folder with accounts in it: each home comes back, who it is of, and nothing that opens it."""

import json
import os
import shutil
import time
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from studio.accounts.links import Links
from studio.accounts.people import FOR_GOOD, People
from studio.accounts.removing import remove_account
from studio.compare.conversations import Conversation, open_conversations
from studio.mirror import upkeep
from studio.mirror.contents import group_names, is_group
from studio.mirror.keeper import ForOthers, MirrorKeeper
from studio.mirror.state import KEPT, MirrorState
from studio.mirror.upkeep import was_brought_back
from tests.bucket_hub import TOKEN, BucketHub
from tests.mirror.conftest import NAME, MirrorOf
from tests.mirror.test_upkeep import copied, copy_till_gone, furnish

PASSWORD = "four words of fog"
SECRETS = ("argon2", "sk-studio-of-anna")


def settle(home: Path) -> tuple[People, str, str]:
    """The owner, anna and ben, who each have something, and one link. Returns the ids of anna and ben."""
    furnish(home)
    people = People(home)
    people.add("me")
    anna = people.choose_password(people.add("anna")[0].id, PASSWORD)
    ben = people.from_hub("62f0a1b2c3d4e5f607182930", "ben")
    for account in (anna, ben):
        place = people.home_of(account)
        furnish(place)
        open_conversations(place).save(Conversation(name=f"Of {account.name}"))
    (people.home_of(anna) / "api-key").write_text("sk-studio-of-anna\n", encoding="utf-8")
    Links(home).share(anna, "20260101-000000-otter")
    (home / "accounts" / "sessions").mkdir()
    (home / "accounts" / "sessions" / f"{'a' * 64}.json").write_text("{}", encoding="utf-8")
    return people, anna.id, ben.id


def test_each_home_comes_back_with_who_it_is_of(tmp_path: Path, mirror_of: MirrorOf) -> None:
    people, anna, ben = settle(tmp_path / "home")
    copied(mirror_of, tmp_path / "home")
    woken = mirror_of(tmp_path / "woken")
    woken.bring_back()
    back = People(tmp_path / "woken")
    assert [(each.id, each.name, each.role, each.hub) for each in back.all()] == [
        (each.id, each.name, each.role, each.hub) for each in people.all()
    ]
    assert back.first().name == "me"
    for id in (anna, ben):
        account = back.find(id)
        assert account is not None
        (talk,) = [each for each in open_conversations(back.home_of(account)).all() if each.name]
        assert talk.name == f"Of {account.name}"
        assert (back.home_of(account) / "runs" / "20260101-000000-otter" / "checkpoints" / "step-10").is_dir()
    assert len(Links(tmp_path / "woken").of(people.get("anna"))) == 1
    assert (tmp_path / "woken" / "accounts").stat().st_mode & 0o077 == 0
    assert was_brought_back(tmp_path / "woken", NAME)
    assert not was_brought_back(tmp_path / "woken", "me/another")
    assert not was_brought_back(tmp_path / "nothing", NAME)


def test_nothing_that_opens_an_account_lies_in_the_bucket(tmp_path: Path, mirror_of: MirrorOf, hub: BucketHub) -> None:
    people, anna, _ = settle(tmp_path / "home")
    kept = people.get("anna")
    folder = tmp_path / "home" / "accounts" / "people"
    shutil.copyfile(folder / f"{anna}.json", folder / f"{anna} before.json")  # of which nobody would strip the password
    copied(mirror_of, tmp_path / "home")
    files = sorted(hub.buckets[NAME].files)
    HfApi(endpoint=hub.address, token=TOKEN).download_bucket_files(
        NAME, [(path, tmp_path / "all" / path) for path in files], raise_on_missing_files=True
    )
    texts = [path.read_text(encoding="utf-8") for path in (tmp_path / "all").rglob("*") if path.is_file()]
    codes = [each.code for each in people.all() if each.code]
    assert codes
    assert not any(secret in text for text in texts for secret in (*SECRETS, kept.password, *codes))
    assert any(f'"id":"{anna}"' in text for text in texts), "the record itself is there"
    table = json.loads((tmp_path / "home" / ".mirror" / "table.json").read_text())
    assert not [group["name"] for group in table["groups"] if "sessions" in group["name"] or "key" in group["name"]]
    woken = mirror_of(tmp_path / "woken")
    woken.bring_back()
    back = People(tmp_path / "woken").get("anna")
    assert (back.password, back.code, back.serial) == ("", "", kept.serial)


def test_an_account_that_is_removed_moves_and_one_that_is_deleted_goes(
    tmp_path: Path, mirror_of: MirrorOf, hub: BucketHub
) -> None:
    people, anna, ben = settle(tmp_path / "home")
    mirror = copied(mirror_of, tmp_path / "home")
    remove_account(people, people.get("anna"))
    mirror.copy()
    assert mirror._table is not None
    names = [group.name for group in mirror._table.groups]
    assert not [name for name in names if name.startswith(f"accounts/{anna}/")], "it is in the Trash, and nowhere else"
    assert f"accounts/bin/people/{anna}.json" in names
    assert f"accounts/bin/{anna}/runs/20260101-000000-otter" in names
    people.delete(anna)
    assert mirror.copy()
    assert not [group.name for group in mirror._table.groups if anna in group.name], "at once: the Space may sleep now"
    assert [group.name for group in mirror._table.groups if ben in group.name]


def test_what_was_deleted_for_good_does_not_wake(tmp_path: Path, mirror_of: MirrorOf) -> None:
    """A Space that slept within ten minutes of it woke with the account, and with the link that was revoked."""
    people, anna, ben = settle(tmp_path / "home")
    links = Links(tmp_path / "home")
    of_ben = people.get("ben")
    links.share(of_ben, "20260101-000000-otter")
    mirror = copied(mirror_of, tmp_path / "home")
    remove_account(people, people.get("anna"), how=FOR_GOOD)
    links.revoke(of_ben, next(iter(links.of(of_ben))))
    mirror.copy()
    woken = mirror_of(tmp_path / "woken")
    woken.bring_back()
    back = People(tmp_path / "woken")
    assert back.find(anna) is None
    assert not back.removed()
    assert not (tmp_path / "woken" / "accounts" / anna).exists()
    assert Links(tmp_path / "woken").of(of_ben) == {}
    assert back.find(ben) is not None


@pytest.mark.parametrize("how", ["a link", "missing", "made anew"])
@pytest.mark.parametrize("place", ["{anna}", "{anna}/runs", "people", "shared"])
def test_a_folder_in_the_accounts_that_is_not_where_it_was_deletes_nothing(
    tmp_path: Path, mirror_of: MirrorOf, place: str, how: str
) -> None:
    """Only the folders at the top were looked after: that of one account was emptied in the mirror without a word."""
    _, anna, _ = settle(tmp_path / "home")
    mirror = copied(mirror_of, tmp_path / "home")
    assert mirror._table is not None
    before = {group.name for group in mirror._table.groups}
    folder = f"accounts/{place.format(anna=anna)}"
    os.rename(tmp_path / "home" / folder, tmp_path / "lost")
    if how == "a link":
        (tmp_path / "home" / folder).symlink_to(tmp_path / "lost")
    elif how == "made anew":
        (tmp_path / "home" / folder).mkdir()
    assert not copy_till_gone(mirror)
    assert mirror.trouble is not None
    assert f"'{folder}'" in mirror.trouble.message
    assert ("is a link" in mirror.trouble.message) == (how == "a link")
    assert mirror._table is not None
    assert {group.name for group in mirror._table.groups} == before


def test_the_folder_of_the_accounts_that_is_away_deletes_nothing(tmp_path: Path, mirror_of: MirrorOf) -> None:
    _, anna, ben = settle(tmp_path / "home")
    mirror = copied(mirror_of, tmp_path / "home")
    shutil.move(tmp_path / "home" / "accounts", tmp_path / "lost")
    assert not copy_till_gone(mirror)
    assert mirror.trouble is not None
    assert "The folder 'accounts'" in mirror.trouble.message
    assert mirror._table is not None
    assert {id for id in (anna, ben) for group in mirror._table.groups if id in group.name} == {anna, ben}


@pytest.mark.parametrize("bound", ["MOST_GROUPS_EACH", "MOST_TABLE_BYTES_EACH"])
def test_one_account_does_not_stop_the_mirror_of_all(
    tmp_path: Path, mirror_of: MirrorOf, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    """The table has an end: one account that filled it with conversations ended the copies of everybody."""
    people, anna, _ = settle(tmp_path / "home")
    mirror = copied(mirror_of, tmp_path / "home")
    assert mirror._table is not None
    before = {group.name for group in mirror._table.groups}
    anna_has = [group for group in mirror._table.groups if group.name.startswith(f"accounts/{anna}/")]
    full = len(anna_has) + 1 if bound == "MOST_GROUPS_EACH" else sum(map(upkeep._table_bytes, anna_has)) + 400
    monkeypatch.setattr(upkeep, bound, full)
    for _ in range(5):
        open_conversations(people.home_of(people.get("anna"))).save(Conversation(name="one more"))
    mirror.copy()
    kept = {group.name for group in mirror._table.groups}
    assert before < kept, "what was kept stays"
    assert len(kept) == len(before) + 1
    assert mirror.trouble is not None
    assert f"'accounts/{anna}' in the data folder holds more" in mirror.trouble.message
    assert "4 things" in mirror.trouble.message
    open_conversations(people.home_of(people.get("ben"))).save(Conversation(name="of ben"))
    mirror.copy()
    assert len(mirror._table.groups) == len(kept) + 1, "others are copied"


def test_a_damaged_record_stays_as_it_was_in_the_mirror(tmp_path: Path, mirror_of: MirrorOf) -> None:
    _, anna, _ = settle(tmp_path / "home")
    mirror = copied(mirror_of, tmp_path / "home")
    record = tmp_path / "home" / "accounts" / "people" / f"{anna}.json"
    for damaged in ("{", "[]", '"password"'):
        record.write_text(damaged, encoding="utf-8")
        mirror.copy()
        assert mirror.trouble is not None
        assert "its record is damaged" in mirror.trouble.message
    woken = mirror_of(tmp_path / "woken")
    woken.bring_back()
    assert People(tmp_path / "woken").get("anna").id == anna


@pytest.mark.parametrize(
    "name",
    [
        "accounts/people/../x.json",
        "accounts/people/.x.json",
        "accounts/people/x.txt",
        "accounts/people/copy of 20260101-000000-aaaaaa.json",
        "accounts/bin/people/x.json",
        "accounts/sessions/x.json",
        "accounts/20260101-000000-aaaaaa/api-key",
        "accounts/20260101-000000-aaaaaa/accounts/people/x.json",
        "accounts/20260101-000000-aaaaaa",
        "accounts/bin",
        "accounts/../runs/x",
        "accounts/20260101-000000-aaaaaa/../../runs/x",
        "accounts/bin/sheets/x.json",
        "accounts/bin/bin/20260101-000000-aaaaaa/runs/x",
        "accounts/turns.json/x",
        "accounts/turns.lock",
        "accounts/",
    ],
)
def test_what_no_mirror_of_accounts_holds_is_never_brought_back(name: str) -> None:
    assert not is_group(name)


def test_links_in_the_place_of_accounts_are_not_followed(tmp_path: Path) -> None:
    settle(tmp_path / "outside")
    home = tmp_path / "home"
    (home / "accounts").mkdir(parents=True)
    outside = tmp_path / "outside" / "accounts"
    account = next(path for path in outside.iterdir() if path.name.startswith("20"))
    (home / "accounts" / account.name).symlink_to(account)
    (home / "accounts" / "people").symlink_to(outside / "people")
    (home / "accounts" / "bin").symlink_to(outside)
    assert list(group_names(home)) == []
    shutil.rmtree(home)
    home.mkdir()
    (home / "accounts").symlink_to(outside)
    assert list(group_names(home)) == []


def test_others_hear_nothing_of_whose_it_is() -> None:
    keeper = MirrorKeeper(Path("/nowhere"), "me/kept", token="x")
    keeper.state = MirrorState("me/kept", KEPT, kept_at=time.time(), trouble="'accounts/1/runs/diary' cannot be read.")
    told = ForOthers(keeper).state
    assert "diary" not in f"{told}"
    assert told.kept_at == keeper.state.kept_at
    keeper.state = MirrorState("me/kept", KEPT, kept_at=1.0)
    assert ForOthers(keeper).state == keeper.state
