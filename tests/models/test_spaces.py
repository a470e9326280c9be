"""Making a Space on a Hub that speaks as huggingface_hub speaks to it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.version import Version

from studio.errors import ExportError
from studio.models.front_matter import read_front_matter
from studio.models.spaces import SpaceMade, SpaceOrder, make_space, space_files
from studio.runs.launcher import PROJECT_ROOT
from tests.publishing_hub import READ_ONLY, TOKEN, PublishingHub, Repository, publishing_hub

NAME = "me/studio"
PASSWORD = {"STUDIO_PASSWORD": "a harbour in fog"}
GUARDED = SpaceOrder(NAME, secrets=PASSWORD)


@pytest.fixture
def hub() -> Iterator[PublishingHub]:
    with publishing_hub() as server:
        yield server


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in (
        "app.py",
        "README.md",
        "studio/cli/main.py",
        "tests/test_it.py",
        "studio/__pycache__/x.pyc",
        ".env",
        "studio/notes.txt",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"# {name}\n")
    return tmp_path


def make(hub: PublishingHub, checkout: Path, order: SpaceOrder = GUARDED, token: str | None = TOKEN) -> SpaceMade:
    return make_space(space_files(checkout), order, token=token, endpoint=hub.address)


def space(hub: PublishingHub) -> Repository:
    return hub.repositories[f"spaces/{NAME}"]


def test_a_new_space_has_what_it_needs_and_no_more(hub: PublishingHub, checkout: Path) -> None:
    order = SpaceOrder(NAME, private=True, hardware="t4-small", variables={"STUDIO_MIRROR": "me/b"}, secrets=PASSWORD)
    made = make(hub, checkout, order)
    assert made == SpaceMade(f"{hub.address}/spaces/{NAME}", True, ("README.md", "app.py", "studio/cli/main.py"), ())
    there = space(hub)
    assert there.files.keys() == {".gitattributes", "README.md", "app.py", "studio/cli/main.py"}
    assert (there.private, there.hardware) == (True, "t4-small")
    assert (there.variables, there.secrets) == ({"STUDIO_MIRROR": "me/b"}, PASSWORD)


def test_a_second_time_only_what_changed_is_sent(hub: PublishingHub, checkout: Path) -> None:
    make(hub, checkout)
    commits = space(hub).commits
    again = make(hub, checkout, SpaceOrder(NAME))
    assert (again.is_new, again.sent, again.deleted) == (False, (), ())
    assert space(hub).commits == commits
    (checkout / "app.py").write_text("# newer\n")
    (checkout / "studio/new.py").write_text("x = 1\n")
    (checkout / "README.md").unlink()
    last = make(hub, checkout, SpaceOrder(NAME, variables={"STUDIO_OPEN": "1"}, hardware="cpu-upgrade"))
    assert (last.sent, last.deleted, last.beside) == (("app.py", "studio/new.py"), (), ("README.md",))
    assert (space(hub).variables, space(hub).hardware) == ({"STUDIO_OPEN": "1"}, "cpu-upgrade")
    assert space(hub).secrets == PASSWORD


def test_what_the_checkout_lacks_is_deleted_only_where_that_is_said(hub: PublishingHub, checkout: Path) -> None:
    """A person's own files in the Space were deleted without a word."""
    make(hub, checkout)
    space(hub).files["logo.png"] = b"mine"
    kept = make(hub, checkout, SpaceOrder(NAME))
    assert (kept.deleted, kept.beside, space(hub).files["logo.png"]) == ((), ("logo.png",), b"mine")
    gone = make(hub, checkout, SpaceOrder(NAME, deletes=True))
    assert (gone.deleted, gone.beside) == (("logo.png",), ())
    assert space(hub).files.keys() == {".gitattributes", "README.md", "app.py", "studio/cli/main.py"}


def test_a_space_that_would_not_start_is_not_made(hub: PublishingHub, checkout: Path) -> None:
    with pytest.raises(ExportError, match="asks for a password, and none is given"):
        make(hub, checkout, SpaceOrder(NAME))
    assert hub.repositories == {}


def test_another_program_is_left_alone(hub: PublishingHub, checkout: Path) -> None:
    hub.repositories[f"spaces/{NAME}"] = Repository(False, {"app.py": b"x", "model.py": b"y"})
    with pytest.raises(ExportError, match=r"is another program: it has 1 files, such as 'model\.py'"):
        make(hub, checkout)
    assert space(hub).files.keys() == {"app.py", "model.py"}
    assert space(hub).secrets == {}


def test_one_that_everybody_sees_is_not_taken_for_a_private_one(hub: PublishingHub, checkout: Path) -> None:
    make(hub, checkout)
    with pytest.raises(ExportError, match="everybody can see it"):
        make(hub, checkout, SpaceOrder(NAME, private=True, secrets=PASSWORD))


@pytest.mark.parametrize(
    ("token", "name", "said"),
    [
        (None, NAME, "Nobody is logged in"),
        (READ_ONLY, NAME, "may read and not write"),
        ("hf_unknown", NAME, "does not know this access token"),
        (TOKEN, "theirs/studio", "may not write to repositories of 'theirs'"),
        (TOKEN, "no name", "cannot be the name of a repository"),
    ],
)
def test_who_may_not_is_told_in_a_sentence(
    hub: PublishingHub, checkout: Path, token: str | None, name: str, said: str
) -> None:
    with pytest.raises(ExportError, match=said) as caught:
        make(hub, checkout, SpaceOrder(name, secrets=PASSWORD), token)
    for secret in (TOKEN, READ_ONLY, "hf_unknown", *PASSWORD.values()):
        assert secret not in str(caught.value)
    assert hub.repositories == {}


def test_a_hub_that_refuses_is_told_without_speaking_of_an_export(hub: PublishingHub, checkout: Path) -> None:
    hub.refusals["/commit/"] = 503
    with pytest.raises(ExportError, match="trouble of its own") as caught:
        make(hub, checkout)
    assert caught.value.hint == "Start the command again: it goes on from there."
    hub.refusals.clear()
    assert make(hub, checkout, SpaceOrder(NAME)).sent == ("README.md", "app.py", "studio/cli/main.py")


def test_this_checkout_has_all_that_a_space_imports() -> None:
    files = space_files(PROJECT_ROOT)
    for name in ("app.py", "requirements.txt", "README.md", "LICENSE", "studio/ui/language/de.json", "assets/samples"):
        assert any(each == name or each.startswith(f"{name}/") for each in files), name
    assert not [name for name in files if name.startswith(("tests", "benchmarks", ".")) or name.endswith(".pyc")]
    assert "STUDIO" not in repr(GUARDED) or "harbour" not in repr(GUARDED)


def test_what_is_no_checkout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="is not a whole checkout"):
        space_files(tmp_path)


def test_the_header_of_the_readme_is_one_that_a_space_takes() -> None:
    """It is all that tells Hugging Face how to build and start the studio."""
    header = read_front_matter((PROJECT_ROOT / "README.md").read_text(encoding="utf-8"))
    assert (header["sdk"], header["app_file"], header["python_version"]) == ("gradio", "app.py", "3.12")
    assert header["hf_oauth"] is True
    assert len(header["short_description"]) <= 60
    required = (PROJECT_ROOT / "requirements.txt").read_text(encoding="utf-8")
    gradio = next(line for line in required.splitlines() if line.startswith("gradio>="))
    least, below = (Version(part) for part in gradio.removeprefix("gradio>=").split(",<"))
    assert least <= Version(header["sdk_version"]) < below
