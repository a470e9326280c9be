"""The process that asks an export."""

from pathlib import Path

import pytest

from studio.errors import ExportError
from studio.ml.shipped_check import ask_apart


def test_its_threads_do_not_count_while_they_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside busy programs they took the cores from one another: the check took 5 times as long as the export."""
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "threads are $OMP_WAIT_POLICY" >&2\nexit 1\n')
    python.chmod(0o700)
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    with pytest.raises(ExportError, match="threads are PASSIVE"):
        ask_apart({}, seconds=60, python=str(python))
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    with pytest.raises(ExportError, match="threads are ACTIVE"):
        ask_apart({}, seconds=60, python=str(python))
