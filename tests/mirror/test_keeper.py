"""The process of a mirror is heard, started again when it ends, and never waited for."""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from studio.mirror.keeper import MirrorKeeper
from studio.mirror.state import KEPT, STOPPED, MirrorState

SAYS = """
import sys, os, time
open({count!r}, "a").write("x")
line = {line!r}
if line:
    print(line, flush=True)
{then}
"""


def wait(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


Keep = Callable[..., MirrorKeeper]


@pytest.fixture
def keep(tmp_path: Path) -> Iterator[Keep]:
    """Return what starts a keeper of a process that says one line and then does something."""
    keepers: list[MirrorKeeper] = []

    def make(line: str, then: str = "time.sleep(60)", **more: object) -> MirrorKeeper:
        program = SAYS.format(count=str(tmp_path / "starts"), line=line, then=then)
        command = (sys.executable, "-c", program)
        keeper = MirrorKeeper(tmp_path, "me/b", token="hf_x", every=0.05, command=command, **more)  # type: ignore[arg-type]
        keepers.append(keeper)
        keeper.start()
        return keeper

    yield make
    for keeper in keepers:
        keeper.close()


def starts(folder: Path) -> int:
    path = folder / "starts"
    return len(path.read_text()) if path.exists() else 0


def test_what_it_says_is_known_and_that_all_is_back(keep: Keep) -> None:
    called: list[bool] = []
    keeper = keep(
        '{"target":"me/b","phase":"kept","kept_at":5.0,"is_whole":true}', brought_back=lambda: called.append(True)
    )
    assert keeper.wait(30, in_trouble=30)
    assert keeper.state == MirrorState("me/b", KEPT, kept_at=5.0, is_whole=True)
    wait(lambda: called == [True])


def test_trouble_is_not_waited_for_long(keep: Keep) -> None:
    keeper = keep('{"target":"me/b","trouble":"Refused.","hint":"Do this."}')
    wait(lambda: keeper.state.trouble)
    began = time.monotonic()
    assert not keeper.wait(30, in_trouble=0.2)
    assert time.monotonic() - began < 10


def test_one_that_ends_is_started_again_and_the_age_of_the_copy_stays_known(keep: Keep, tmp_path: Path) -> None:
    keeper = keep('{"target":"me/b","phase":"kept","kept_at":5.0,"is_whole":true}', then="sys.exit(3)")
    wait(lambda: starts(tmp_path) >= 3)
    assert keeper.state.kept_at == 5.0


def test_nonsense_is_passed_over(keep: Keep, tmp_path: Path) -> None:
    keeper = keep("no json at all", then="os._exit(1)")
    wait(lambda: starts(tmp_path) >= 2)
    wait(lambda: "has ended" in keeper.state.trouble)


def test_one_whose_mirror_was_taken_over_stays_stopped(keep: Keep, tmp_path: Path) -> None:
    keeper = keep('{"target":"me/b","phase":"stopped","trouble":"Another studio."}', then="")
    wait(lambda: keeper.state.phase == STOPPED)
    time.sleep(0.3)
    assert starts(tmp_path) == 1
    assert keeper.state.trouble == "Another studio."


def test_the_token_is_in_the_environment_of_its_process_alone(keep: Keep, tmp_path: Path) -> None:
    told = str(tmp_path / "told")
    keep("", then=f"open({told!r}, 'w').write(os.environ['STUDIO_MIRROR_TOKEN']); time.sleep(60)")
    wait(lambda: (tmp_path / "told").exists() and (tmp_path / "told").read_text() == "hf_x")
    assert "hf_x" not in repr(MirrorState("me/b"))
