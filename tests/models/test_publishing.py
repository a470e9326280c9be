"""Publishing on a Hub that speaks as huggingface_hub speaks to it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.errors import ExportError
from studio.models.download import Listener, Stopped
from studio.models.publishing import Published, Target, check_target, publish
from tests.publishing_hub import ATTRIBUTES, COMMIT, READ_ONLY, TOKEN, PublishingHub, Repository, publishing_hub

CARD = "---\nlicense: mit\n---\n# soup\n"
MINE = Target("me/soup")


@pytest.fixture
def hub() -> Iterator[PublishingHub]:
    with publishing_hub() as server:
        yield server


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    sizes = {"a.safetensors": 1000, "b.safetensors": 20_000, "config.json": 30}
    for name, size in sizes.items():
        (tmp_path / name).write_bytes(name.encode()[:1] * size)
    return {name: tmp_path / name for name in sizes}


class Told:
    """Keeps what is reported, and wants to stop once something was said."""

    def __init__(self, stop_at: str = "") -> None:
        self.said: list[tuple[str, int, int]] = []
        self.stop_at = stop_at

    def report(self, what: str, done: int, total: int) -> None:
        self.said.append((what, done, total))

    def should_stop(self) -> bool:
        return bool(self.stop_at) and any(self.stop_at in what for what, _, _ in self.said)


def put(hub: PublishingHub, files: dict[str, Path], target: Target = MINE, **options: object) -> Published:
    told = options.pop("told", None) or Told()
    assert isinstance(told, Told)
    given = {"token": TOKEN, "endpoint": hub.address} | options
    listener = Listener(report=told.report, should_stop=told.should_stop, clock=iter(range(10**9)).__next__)
    return publish(files, CARD, target, listener=listener, **given)  # type: ignore[arg-type]


def test_all_files_are_in_one_commit_of_a_new_private_repository(hub: PublishingHub, files: dict[str, Path]) -> None:
    """One of them is large enough for an upload in parts."""
    told = Told()
    done = put(hub, files, told=told)
    assert done == Published(f"{hub.address}/me/soup", COMMIT, (*sorted(files), "README.md"))
    there = hub.repositories["me/soup"]
    content = {name: path.read_bytes() for name, path in files.items()}
    assert there.files == content | {"README.md": CARD.encode(), ".gitattributes": ATTRIBUTES}
    assert there.large == {"a.safetensors", "b.safetensors"}
    assert (there.private, there.commits) == (True, 1)
    assert hub.sent() == 21_000
    assert sum(path.startswith("PUT /part/") for path in hub.asked) == 5
    shares = [done / total for _, done, total in told.said if total]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert any("Uploading b.safetensors" in what for what, _, _ in told.said)


def test_a_public_one_and_one_of_an_organisation(hub: PublishingHub, files: dict[str, Path]) -> None:
    put(hub, files, Target("ours/soup", public=True))
    assert hub.repositories["ours/soup"].private is False


def test_an_upload_that_was_stopped_goes_on_where_it_was(hub: PublishingHub, files: dict[str, Path]) -> None:
    """Nothing is in the repository meanwhile, and what was sent is not sent again."""
    begun: list[bool] = []
    with pytest.raises(Stopped):
        put(hub, files, told=Told("Uploading b.safetensors"), begun=lambda: begun.append(True))
    assert hub.repositories["me/soup"].files == {".gitattributes": ATTRIBUTES}
    assert (begun, hub.sent()) == ([True], 1000)
    put(hub, files)
    assert hub.sent() == 21_000
    assert hub.repositories["me/soup"].commits == 1


def test_one_broken_connection_is_tried_again(hub: PublishingHub, files: dict[str, Path]) -> None:
    hub.drops = 1
    put(hub, files)
    assert hub.repositories["me/soup"].commits == 1


def test_what_is_there_already_and_the_same_is_left(hub: PublishingHub, files: dict[str, Path]) -> None:
    put(hub, files)
    put(hub, files)
    assert hub.sent() == 21_000


def test_a_later_export_replaces_what_was_published_and_nothing_else(
    hub: PublishingHub, files: dict[str, Path]
) -> None:
    ours = put(hub, files).names
    files["a.safetensors"].write_bytes(b"new" * 9)
    with pytest.raises(ExportError, match=r"1 of its files are others, such as 'a\.safetensors'"):
        put(hub, files)
    del files["b.safetensors"]
    put(hub, files, ours=ours)
    there = hub.repositories["me/soup"].files
    assert there["a.safetensors"] == b"new" * 9
    assert "b.safetensors" not in there


def test_a_repository_with_other_content_is_left_alone(hub: PublishingHub, files: dict[str, Path]) -> None:
    hub.repositories["me/soup"] = Repository(True, {"config.json": b"{}", "story.txt": b"Once", "README.md": b"# mine"})
    before = dict(hub.repositories["me/soup"].files)
    with pytest.raises(ExportError, match="is in use: 3 of its files are others") as caught:
        put(hub, files)
    assert "Choose another name" in caught.value.hint
    assert hub.repositories["me/soup"].files == before
    assert hub.sent() == 0


def test_private_stays_private_and_public_public(hub: PublishingHub, files: dict[str, Path]) -> None:
    hub.repositories["me/soup"] = Repository(False)
    with pytest.raises(ExportError, match="and it is public"):
        put(hub, files)
    hub.repositories["me/soup"] = Repository(True)
    with pytest.raises(ExportError, match="and it is private"):
        put(hub, files, Target("me/soup", public=True))


@pytest.mark.parametrize(
    ("target", "token", "words"),
    [
        ("you/soup", TOKEN, "that of 'me', who may not write to repositories of 'you'"),
        ("theirs/soup", TOKEN, "may not write to repositories of 'theirs'"),
        ("me/soup", READ_ONLY, "may read and not write"),
        ("me/soup", "hf_wrong", "does not know this access token"),
        ("me/soup", None, "Nobody is logged in"),
    ],
)
def test_a_token_that_will_not_do_is_a_sentence(
    hub: PublishingHub, files: dict[str, Path], target: str, token: str | None, words: str
) -> None:
    with pytest.raises(ExportError, match=words) as caught:
        put(hub, files, Target(target), token=token)
    assert caught.value.hint
    assert hub.repositories == {}


@pytest.mark.parametrize(
    ("path", "status", "words", "hint"),
    [
        ("/api/repos/create", 403, "may not write to 'me/soup'", "right to write"),
        ("/api/repos/create", 500, "trouble of its own", "kept there"),
        ("/api/repos/create", 429, "asked too often", "Wait 7 seconds"),
        ("/api/repos/create", 409, "at the same time", "Publish again"),
        ("/api/whoami", 429, "asked too often", "Wait 7 seconds"),
        ("/commit/", 403, "may not write", "right to write"),
        ("/commit/", 503, "trouble of its own", "kept there"),
        ("/commit/", 412, "at the same time", "Publish again"),
        ("/commit/", 418, "with status 418", "kept there"),
        ("/large/", 403, "may not write", "right to write"),
        ("/tree/", 404, "is gone", "Publish again"),
    ],
)
def test_what_the_hub_refuses_is_a_sentence(
    hub: PublishingHub, files: dict[str, Path], path: str, status: int, words: str, hint: str
) -> None:
    hub.refusals, hub.headers = {path: status}, {"Retry-After": "7"}
    with pytest.raises(ExportError, match=words) as caught:
        put(hub, files)
    assert hint in caught.value.hint
    assert TOKEN not in str(caught.value) + repr(caught.value.__cause__)
    hub.refusals = {}
    put(hub, files)
    assert hub.repositories["me/soup"].files["README.md"] == CARD.encode()


def test_a_hub_that_is_not_there_is_a_sentence(files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    listener = Listener(report=Told().report, should_stop=bool)
    with pytest.raises(ExportError, match="cannot be reached"):
        publish(files, CARD, MINE, token=TOKEN, listener=listener, endpoint="http://127.0.0.1:9")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ExportError, match="switched off by HF_HUB_OFFLINE"):
        publish(files, CARD, MINE, token=TOKEN, listener=listener)


@pytest.mark.parametrize(
    "name", ["", "soup", "me/", "/soup", "me/so up", "me/../x", "me/a/b", "https://x/y", f"me/{'x' * 97}", "me/x.git"]
)
def test_a_name_that_no_repository_has_is_refused(name: str) -> None:
    with pytest.raises(ExportError, match="cannot be the name of a repository"):
        check_target(name)
