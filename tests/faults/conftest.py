"""What the faults are tried on, and the table of what came out."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.ground import EARLY, STEADY, Expected, Ground, expected_of
from tests.warm import Forkserver, WarmLaunch

_TABLE: dict[str, list[int]] = {}
_SECONDS: dict[str, float] = {}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the whole out unless it is asked for: it takes minutes."""
    if "faults" in config.getoption("markexpr", ""):
        return
    whole = [item for item in items if item.get_closest_marker("faults")]
    if whole:
        config.hook.pytest_deselected(items=whole)
        items[:] = [item for item in items if item not in whole]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was tried and what came out."""
    if not _TABLE:
        return
    terminalreporter.section("faults")
    terminalreporter.write_line(f"{'what was done':<64}{'times':>7}{'held':>7}{'seconds':>9}")
    for what, (tried, held) in _TABLE.items():
        terminalreporter.write_line(f"{what:<64}{tried:>7}{held:>7}{_SECONDS[what]:>9.1f}")


class Tally:
    """Counts what was tried; what was tried and not held broke a promise."""

    def __call__(self, what: str, *, seconds: float = 0.0) -> Callable[[], None]:
        """Note that something is tried; call what is returned when all held."""
        count = _TABLE.setdefault(what, [0, 0])
        count[0] += 1
        began = time.monotonic()

        def held() -> None:
            count[1] += 1
            _SECONDS[what] = _SECONDS.get(what, 0.0) + (seconds or time.monotonic() - began)

        _SECONDS.setdefault(what, 0.0)
        return held


@pytest.fixture(scope="session")
def tally() -> Tally:
    return Tally()


@pytest.fixture(scope="session")
def forkserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forkserver]:
    forkserver = Forkserver(tmp_path_factory.mktemp("forkserver"), saves_often=True)
    yield forkserver
    forkserver.close()


@pytest.fixture
def ground(tmp_path: Path, tiny_model: Path, forkserver: Forkserver) -> Iterator[Ground]:
    ground = Ground(tmp_path, tiny_model, WarmLaunch(forkserver.address))
    yield ground
    for run in ground.store.all():
        ground.scheduler.discard(run.id)


def _undisturbed(folder: Path, model: Path, forkserver: Forkserver, settings: dict[str, object]) -> Expected:
    ground = Ground(folder, model, WarmLaunch(forkserver.address))
    run = ground.make_run(**settings)
    began = time.monotonic()
    ground.finish(run)
    return expected_of(run, ground.state(run), seconds=time.monotonic() - began)


@pytest.fixture(scope="session")
def steady(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, forkserver: Forkserver) -> Expected:
    """What a run that gets better all the time gives when nobody disturbs it."""
    return _undisturbed(tmp_path_factory.mktemp("steady"), tiny_model, forkserver, STEADY)


@pytest.fixture(scope="session")
def early(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, forkserver: Forkserver) -> Expected:
    """What a run that ends early at its best gives when nobody disturbs it."""
    return _undisturbed(tmp_path_factory.mktemp("early"), tiny_model, forkserver, EARLY)
