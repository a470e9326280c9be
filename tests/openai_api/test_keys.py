from pathlib import Path

from studio.openai_api.keys import ApiKey


def test_the_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    key = ApiKey(tmp_path / "home").read()
    file = tmp_path / "home" / "api-key"
    assert key.startswith("sk-studio-")
    assert len(key) > 40
    assert file.stat().st_mode & 0o777 == 0o600
    assert ApiKey(tmp_path / "home").read() == key
    file.chmod(0o644)
    assert ApiKey(tmp_path / "home").read() == key
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_renewed_key_is_the_only_one_that_opens(tmp_path: Path) -> None:
    keys = ApiKey(tmp_path)
    before = keys.read()
    now = keys.renew()
    assert keys.is_right(now)
    assert not any(map(keys.is_right, (before, "", "\udce9", now[:-1])))
    assert [each.name for each in tmp_path.iterdir()] == ["api-key"]


def test_a_damaged_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "api-key").write_bytes(b"\xff\x00nonsense")
    assert ApiKey(tmp_path).read().startswith("sk-studio-")
