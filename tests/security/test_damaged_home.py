"""Whatever stands in any one file of the data folder: the server starts, every tab opens, all else is listed."""

import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as some

from studio.compare.conversations import open_conversations
from studio.compare.sheets import open_sheets
from studio.studio import Studio
from tests.security.small_home import Ids, look_everywhere, opened, serve_a_while, write_small_home

pytestmark = pytest.mark.security

Damage = Callable[[Path], None]

DEEP = b"[" * 200_000
NUMBERS = (
    b"1e999",
    b"-1e308",
    b"9" * 5000,
    b"-1",
    b"9.9e11",
    b"NaN",
    b"true",
    b"null",
    b'"\\ud800"',
    b"9223372036854775807",
)


def _bytes(content: bytes, path: Path) -> None:
    path.write_bytes(content)


def _cut(share: float, path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])


def _splice(place: float, piece: bytes, path: Path) -> None:
    content = path.read_bytes()
    at = int(place * len(content))
    path.write_bytes(content[:at] + piece + content[at + len(piece) :])


def _number(place: int, number: bytes, path: Path) -> None:
    """Put another number or text in the place of a value, as a file does that was made by hand."""
    content = path.read_bytes()
    starts = [at + 1 for at, letter in enumerate(content) if letter == ord(":")]
    if not starts:
        return path.write_bytes(number) and None
    start = starts[place % len(starts)]
    end = min((at for at in range(start, len(content)) if content[at] in b",}\n"), default=len(content))
    path.write_bytes(content[:start] + number + content[end:])


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "inside").write_text("x", encoding="utf-8")


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def _huge(path: Path) -> None:
    path.write_bytes(b"{")
    os.truncate(path, 2**40)


KINDS: tuple[Damage, ...] = (_folder, _pipe, _loop, _huge, partial(_bytes, DEEP), partial(_bytes, b""))

DAMAGES = some.one_of(
    some.sampled_from(KINDS),
    some.builds(partial, some.just(_bytes), some.binary(max_size=200)),
    some.builds(partial, some.just(_cut), some.floats(0, 1)),
    some.builds(partial, some.just(_splice), some.floats(0, 1), some.binary(min_size=1, max_size=20) | some.just(DEEP)),
    some.builds(partial, some.just(_number), some.integers(0, 1000), some.sampled_from(NUMBERS)),
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ids]:
    place = tmp_path_factory.mktemp("whole")
    (place / "source").mkdir()
    return place / "home", write_small_home(place / "home", place / "source")


@settings(max_examples=25, derandomize=True, deadline=None, database=None, phases=[Phase.generate])
@given(number=some.integers(0, 10_000), damage=DAMAGES)
def test_no_file_takes_the_studio_with_it(whole: tuple[Path, Ids], number: int, damage: Damage) -> None:
    """A nested log stopped the server, a number stopped the list of the runs, and a damaged queue stopped the queue."""
    home, ids = whole
    files = sorted(path.relative_to(home) for path in home.rglob("*") if path.is_file())
    check(home, ids, files[number % len(files)], damage)


@pytest.mark.parametrize("damage", KINDS[:2])
@pytest.mark.parametrize("name", ["events.jsonl", "config.json", "worker.log", "run.lock"])
def test_no_kind_of_file_stands_in_for_that_of_a_run(whole: tuple[Path, Ids], name: str, damage: Damage) -> None:
    """A pipe in the place of a file was waited for without end."""
    home, ids = whole
    check(home, ids, Path("runs") / ids.finished / name, damage)


def check(whole: Path, ids: Ids, file: Path, damage: Damage) -> None:
    """Damage one file of a copy and use it: nothing but a `StudioError` may come of it."""
    home = whole.with_name("damaged")
    shutil.copytree(whole, home)
    try:
        damage(home / file)
        with opened(home) as (studio, launch):
            serve_a_while(studio)
            look_everywhere(studio, ids)
            serve_a_while(studio)
            assert [job for job in launch.jobs if job.job in ("train", "evaluate")] == []
            check_listed(studio, ids, file)
    finally:
        shutil.rmtree(home)


def check_listed(studio: Studio, ids: Ids, file: Path) -> None:
    """Hold that all but what was damaged is listed, and a damaged run too."""
    home = studio.settings.home
    assert {run.id for run in studio.summaries.look(fresh=True).runs} == {ids.finished, ids.lost, ids.draft}
    assert studio.scheduler.waiting() == ()
    hit = file.parts[1] if len(file.parts) > 1 else ""
    assert {each.id for each in studio.data.all()} >= {ids.dataset, ids.spare} - {hit}
    for kept, folder in ((open_conversations(home), "conversations"), (open_sheets(home), "sheets")):
        assert len(kept.all()) == (0 if file.parts[0] == folder else 1) or file.parts[0] == folder
