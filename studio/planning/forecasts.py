"""What the page can know of a run before it starts: the machine, the model's numbers, and forecasts from them.

What is not known is None, and `trouble` says why.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from studio.config import RunConfig
from studio.errors import StudioError
from studio.models.architecture import Architecture
from studio.models.forecast.forecast import Forecast, MethodRow, Workload, compare_methods, forecast
from studio.models.machine import Machine
from studio.models.presets import Estimate

log = logging.getLogger(__name__)

_STEP_BYTES = 100_000_000
"""Free memory is told in steps of so many bytes: it changes all the time, and the page would be drawn for nothing."""


def _no_machine() -> Machine | None:
    return None


def _no_architecture(model: str) -> Architecture | None:
    return None


@dataclass(frozen=True)
class Forecasts:
    """Where forecasts come from. `machine` is None until it is measured, `architecture` while it is not known.

    Both raise a StudioError where they never will be. `evaluates` says whether runs are evaluated at their end.
    """

    machine: Callable[[], Machine | None] = _no_machine
    architecture: Callable[[str], Architecture | None] = _no_architecture
    estimate: Estimate = forecast
    compare: Callable[..., tuple[MethodRow, ...]] = compare_methods
    evaluates: bool = True


@dataclass(frozen=True)
class Known:
    """What is known of model and machine now. The troubles say why one of them will not be."""

    architecture: Architecture | None = None
    machine: Machine | None = None
    trouble: str = ""
    machine_trouble: str = ""


def known(forecasts: Forecasts, model: str) -> Known:
    """Ask for machine and architecture, without a model being loaded."""
    machine, machine_trouble = _machine(forecasts)
    if not model:
        return Known(machine=machine, machine_trouble=machine_trouble)
    try:
        return Known(forecasts.architecture(model), machine, machine_trouble=machine_trouble)
    except StudioError as error:
        return Known(None, machine, str(error), machine_trouble)


def _machine(forecasts: Forecasts) -> tuple[Machine | None, str]:
    try:
        machine = forecasts.machine()
    except StudioError as error:
        return None, str(error)
    if machine is None:
        return None, ""
    return replace(machine, memory_bytes=machine.memory_bytes // _STEP_BYTES * _STEP_BYTES), ""


def estimated(forecasts: Forecasts, about: Known, settings: RunConfig, workload: Workload | None) -> Forecast | None:
    """Forecast a run with settings that have no fault; None where model or machine is not known."""
    if about.architecture is None or about.machine is None:
        return None
    try:
        found = forecasts.estimate(about.architecture, settings, machine=about.machine, workload=workload)
    except StudioError:  # the modules that are chosen may be those of another model: that is said elsewhere
        log.debug("Nothing can be estimated", exc_info=True)
        return None
    return _as_done_here(forecasts, found)


def _as_done_here(forecasts: Forecasts, found: Forecast) -> Forecast:
    if forecasts.evaluates or found.time is None:
        return found
    return replace(found, time=found.time.without_evaluation())


def compared(
    forecasts: Forecasts, about: Known, settings: RunConfig, workload: Workload | None
) -> tuple[MethodRow, ...]:
    """Forecast the methods side by side; nothing where model or machine is not known."""
    if about.architecture is None or about.machine is None:
        return ()
    try:
        rows = forecasts.compare(about.architecture, settings, machine=about.machine, workload=workload)
    except StudioError:
        log.debug("No savings can be estimated", exc_info=True)
        return ()
    return tuple(replace(row, forecast=_as_done_here(forecasts, row.forecast)) for row in rows)
