"""The log of the studio and of its workers: what was caught and not raised again, on standard error."""

import copy
import logging
import sys
from collections.abc import Mapping
from types import TracebackType

VERBOSE = "STUDIO_VERBOSE"
"""`--verbose` sets this variable, so that workers log as much as the studio does."""


class logged:
    """Goes on after the block when that raises an error of these kinds, and logs it with its trace."""

    def __init__(self, log: logging.Logger, text: str, *kinds: type[Exception], level: int = logging.DEBUG) -> None:
        self._log, self._text, self._kinds, self._level = log, text, kinds, level

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, self._kinds):
            return False
        self._log.log(self._level, self._text, exc_info=error)
        return True


def log_to_stderr(environment: Mapping[str, str]) -> None:
    """Write warnings to standard error; where `STUDIO_VERBOSE` is set, everything that the studio logs."""
    logger = logging.getLogger("studio")
    verbose = environment.get(VERBOSE, "") not in ("", "0")
    logger.setLevel(logging.DEBUG if verbose else logging.WARNING)
    logger.handlers = [_StandardError(verbose=verbose)]


class _StandardError(logging.Handler):
    """Writes to standard error. Unless everything is wanted, a warning comes in one line: only bugs have a trace."""

    def __init__(self, *, verbose: bool) -> None:
        super().__init__()
        self._verbose = verbose
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s" if verbose else None))

    def emit(self, record: logging.LogRecord) -> None:
        if not self._verbose and record.levelno < logging.ERROR:
            record = copy.copy(record)
            record.exc_info = record.exc_text = None
        try:
            sys.stderr.write(f"{self.format(record)}\n")
        except (OSError, ValueError):  # closed, or a file on a full disk
            self.handleError(record)
