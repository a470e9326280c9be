from dataclasses import replace
from pathlib import Path

import pytest

from studio.errors import ExportError
from studio.jobs.export_report import ExportReport, read_report, write_report

REPORT = ExportReport(
    kind="adapter",
    folder_bytes=10,
    archive_bytes=9,
    largest_difference=1.5e-6,
    tolerance=1e-4,
    same_answers=3,
    answers=3,
    checked_with="peft",
)


def test_a_report_comes_back_as_it_was(tmp_path: Path) -> None:
    write_report(tmp_path, REPORT)
    assert read_report(tmp_path, "adapter") == REPORT
    assert read_report(tmp_path, "merged") is None
    write_report(tmp_path, replace(REPORT, answers=4))
    assert read_report(tmp_path, "adapter") == replace(REPORT, answers=4)
    assert [path.name for path in tmp_path.iterdir()] == ["adapter.json"]


def test_a_damaged_report_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / "adapter.json").write_text('{"kind":"adap', encoding="utf-8")
    assert read_report(tmp_path, "adapter") is None
    (tmp_path / "adapter.json").write_text('{"kind":"adapter"}', encoding="utf-8")
    assert read_report(tmp_path, "adapter") is None


def test_a_folder_that_cannot_be_written_is_a_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="cannot be written"):
        write_report(tmp_path / "none", REPORT)
    (tmp_path / "adapter.json").mkdir()
    with pytest.raises(ExportError, match="cannot be written"):
        write_report(tmp_path, REPORT)
    assert [path.name for path in tmp_path.iterdir()] == ["adapter.json"]


def test_a_number_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        write_report(tmp_path, replace(REPORT, largest_difference=float("nan")))
    assert list(tmp_path.iterdir()) == []
